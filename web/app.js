// The page's frame: routes in the fragment, the session, the theme, the state of the live feed.
//
// A view is a function (view) => Promise: it fills view.root and ends with view.signal. The address after the # is all
// of its state that a link carries (address.js): #/ · #/?filter=… · #/experiments/7/curves · #/runs/17 · #/new?clone=7.
// A view with tabs sets view.moved: it is told of another tab, instead of being made again.

import { keepInAddress, readAddress } from "./base/address.js";
import { api, get, post, Problem, remove } from "./base/api.js";
import { told } from "./base/clock.js";
import { h, setAttribute, setText } from "./base/dom.js";
import { follow } from "./feed/events.js";
import { holdFocus } from "./base/focus.js";
import { learn } from "./base/metrics.js";
import { enterEntry, noteScroll, restoreScroll } from "./base/scroll.js";
import login from "./views/login.js";

// A view is a file of views/, fetched when it is first looked at.
const ROUTES = [
  { pattern: /^\/?$/, view: "experiments", title: "Experiments", nav: "#/" },
  { pattern: /^\/deleted$/, view: "deleted", title: "Deleted experiments", under: "#/" },
  { pattern: /^\/experiments\/(\d+)(?:\/(\w+))?$/, view: "experiment", title: "Experiment", under: "#/" },
  { pattern: /^\/runs\/(\d+)(?:\/(\w+))?$/, view: "run", title: "Run", under: "#/runs" },
  { pattern: /^\/runs$/, view: "runs", title: "Runs", nav: "#/runs" },
  { pattern: /^\/compare$/, view: "compare", title: "Compare", nav: "#/compare" },
  { pattern: /^\/queue$/, view: "queue", title: "Queue", nav: "#/queue" },
  { pattern: /^\/datasets$/, view: "datasets", title: "Datasets", nav: "#/datasets" },
  { pattern: /^\/sql$/, view: "sql", title: "SQL", nav: "#/sql" },
  { pattern: /^\/new$/, view: "new", title: "New experiment", nav: "#/new", short: "New" },
];
const STATUS = {
  "": ["", ""],
  connecting: ["connecting", "connecting\u2026"],
  live: ["on", "live"],
  lost: ["off", "connection lost, retrying"],
};

const ACCESS = ["read", "submit", "admin"]; // each may do what those before it may
const RETRY_MS = 3000;
const WANTED = "ablate.wanted"; // where a log-in is to lead
const WANTED_MS = 3600000;

const main = document.getElementById("main");
const live = document.getElementById("live");
let current = null; // what is shown: {route, view, controller}
let access; // of the session

function showStatus(state) {
  const [kind, text] = STATUS[state];
  setAttribute(live, "data-kind", kind);
  setText(live, text);
}

function showNav(under) {
  const links = ROUTES.filter((route) => route.nav).map((route) =>
    h("a", { href: route.nav, "aria-current": route.nav === under ? "page" : null },
      route.short ?? route.title));
  document.getElementById("nav").replaceChildren(...links);
}

function failure(error) {
  const about = location.hash.startsWith("#/experiments/") && error.status === 404;
  return h("section.narrow", null, h("h1", null, error.title ?? "Something failed"), h("p", null, error.message),
    about ? h("p", null, "If it was deleted, it can be had back until it is purged: ",
      h("a", { href: "#/deleted" }, "deleted experiments"), ".") : null,
    h("p", null, h("a", { href: "#/" }, "All experiments")));
}

/** A view's function, out of its file: one that can't be had any more is of a daemon that has gone or been upgraded. */
const loaded = (name) => async (view) => {
  const { default: make } = await import(`./views/${name}.js`).catch(() => {
    throw new Problem(0, { title: "No answer", detail: "The daemon can\u2019t be reached.", code: "no_file" });
  });
  if (!view.signal.aborted) await make(view);
};

/** Shows the view again once the daemon answers; with `anew` the whole page. */
async function whenBack(signal, anew) {
  for (let back = false; !back;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    back = await get("session").then(() => true, (error) => error.status !== 0);
  }
  if (signal.aborted) return;
  if (anew) location.reload();
  else start();
}

async function show(make, { title, route = null, params = [], query = new URLSearchParams(), focus = true }) {
  noteScroll();
  const place = enterEntry();
  if (route !== null && current?.route === route && current.view.moved && current.view.params[0] === params[0]) {
    Object.assign(current.view, { params, query });
    current.view.moved();
    restoreScroll(place, current.view.root, current.controller.signal);
    return;
  }
  current?.controller.abort();
  const controller = new AbortController(), { signal } = controller;
  const root = h("div.view.coming"); // not seen before it has what it begins with: nothing moves under a reader's eyes
  const view = {
    root, params, query, signal,
    may: (kind) => ACCESS.indexOf(access) >= ACCESS.indexOf(kind),
    follow: (filter, handlers) => follow(filter, handlers, { signal, status: showStatus }),
    keep: (changes) => !signal.aborted && keepInAddress(changes),
    title: (text) => {
      document.title = `${text} \u00b7 Ablate`;
    },
  };
  current = { route, view, controller };
  main.replaceChildren(root);
  showStatus("");
  view.title(title);
  if (focus) main.focus({ preventScroll: true });
  if (place === null) scrollTo(0, 0);
  try {
    await make(view);
    root.classList.remove("coming");
    if (!signal.aborted) restoreScroll(place, root, signal);
  } catch (error) {
    root.classList.remove("coming");
    if (signal.aborted || error.name === "AbortError") return;
    if (!(error instanceof Problem)) console.error(error);
    if (error.status !== 401) root.replaceChildren(failure(error));
    if (error.status === 0) whenBack(signal, error.code === "no_file");
  }
}

function route({ focus = true } = {}) {
  const { path, query } = readAddress();
  for (const found of ROUTES) {
    const match = found.pattern.exec(path);
    if (match) {
      showNav(found.nav ?? found.under);
      return show(loaded(found.view), { title: found.title, route: found, params: match.slice(1), query, focus });
    }
  }
  showNav(null);
  return show(async () => {
    throw new Problem(404, { title: "There is no such page", detail: `Nothing is at #${path}.` });
  }, { title: "Not found", focus });
}

/** What was asked for without a session is where a log-in of the next hour leads, from whichever window. */
function showLogin(message) {
  document.getElementById("nav").replaceChildren();
  if (!/^(#\/?|#login=.*)?$/.test(location.hash))
    localStorage.setItem(WANTED, JSON.stringify({ hash: location.hash, until: Date.now() + WANTED_MS }));
  return show((view) => login(view, message), { title: "Log in" });
}

function wanted() {
  const kept = localStorage.getItem(WANTED);
  localStorage.removeItem(WANTED);
  const { hash, until } = JSON.parse(kept ?? "{}");
  return until > Date.now() ? hash : "#/";
}

/** Takes the code of a log-in link out of the address before anything else, and trades it for a cookie. */
async function logIn() {
  const code = /^#login=(.+)$/.exec(location.hash)?.[1];
  if (code === undefined) return null;
  const go = (hash) => history.replaceState(null, "", location.pathname + location.search + hash);
  go("#/");
  try {
    await post("session", { code: decodeURIComponent(code) });
    go(wanted());
    return null;
  } catch (error) {
    return error;
  }
}

async function start({ focus = false } = {}) {
  const refused = await logIn();
  try {
    const session = await get("session");
    fetch(`${api}session`, { method: "HEAD" }).then(({ headers }) => told(headers.get("Date")), () => {});
    if (session.authenticated === false) return showLogin(refused);
    access = session.access;
    showLogout(session);
    learn((await get("metrics")).items);
  } catch (error) {
    if (error.status === 401) return showLogin(refused);
    // Anything else is the view's to tell.
  }
  return route({ focus });
}

function showLogout(session) {
  const right = document.querySelector(".top-right");
  right.querySelector("#logout")?.remove();
  if (session.method !== "cookie") return;
  const button = h("button.quiet", { id: "logout", type: "button" }, "Log out");
  button.addEventListener("click", async () => {
    await remove("session").catch(() => {});
    button.remove();
    showLogin();
  });
  right.append(button);
}

function theme() {
  const button = document.getElementById("theme");
  const names = { auto: "\u25d0 Auto", light: "\u2600\ufe0e Light", dark: "\u263e Dark" }, order = Object.keys(names);
  const label = () => {
    setText(button, names[document.documentElement.dataset.theme]);
    setAttribute(button, "aria-label", `Theme: ${document.documentElement.dataset.theme}`);
  };
  button.addEventListener("click", () => {
    applyTheme(order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length]); // theme.js
    label();
  });
  label();
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the fragment is the route
  main.focus();
});
addEventListener("hashchange", () => (location.hash.startsWith("#login=") ? start({ focus: true }) : route()));
addEventListener("ablate:unauthorized", () => showLogin());
holdFocus(main);
addEventListener("pagehide", noteScroll);
theme();
start();
