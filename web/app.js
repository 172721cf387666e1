// The page's frame: routes in the fragment, the session, the theme, the state of the live feed.
//
// A view is a function (view) => Promise: it fills view.root and ends with view.signal. The address
// after the # is its only state that a link carries:
// #/ · #/?filter=… · #/deleted · #/experiments/7 · #/runs/17 · #/queue · #/new.

import { get, post, Problem, remove } from "./api.js";
import { h, setAttribute, setText } from "./dom.js";
import { follow } from "./events.js";
import { learn } from "./metrics.js";
import deleted from "./views/deleted.js";
import experiments from "./views/experiments.js";
import experiment from "./views/experiment.js";
import login from "./views/login.js";
import fresh from "./views/new.js";
import queue from "./views/queue.js";
import run from "./views/run.js";

const ROUTES = [
  { pattern: /^\/?(?:\?.*)?$/, view: experiments, title: "Experiments", nav: "#/" },
  { pattern: /^\/deleted$/, view: deleted, title: "Deleted experiments", under: "#/" },
  { pattern: /^\/experiments\/(\d+)$/, view: experiment, title: "Experiment", under: "#/" },
  { pattern: /^\/runs\/(\d+)$/, view: run, title: "Run", under: "#/" },
  { pattern: /^\/queue$/, view: queue, title: "Queue", nav: "#/queue" },
  { pattern: /^\/new$/, view: fresh, title: "New experiment", nav: "#/new" },
];
const STATUS = {
  "": ["", ""],
  connecting: ["connecting", "connecting\u2026"],
  live: ["on", "live"],
  lost: ["off", "connection lost, retrying"],
};

const ACCESS = ["read", "submit", "admin"]; // each may do what those before it may
const RETRY_MS = 3000;

const main = document.getElementById("main");
const live = document.getElementById("live");
let current = null; // the AbortController of the view that is shown
let access; // of the session

function showStatus(state) {
  const [kind, text] = STATUS[state];
  setAttribute(live, "data-kind", kind);
  setText(live, text);
}

function showNav(under) {
  const links = ROUTES.filter((route) => route.nav).map((route) =>
    h("a", { href: route.nav, "aria-current": route.nav === under ? "page" : null }, route.title));
  document.getElementById("nav").replaceChildren(...links);
}

function failure(error) {
  return h("section.narrow", null, h("h1", null, error.title ?? "Something failed"), h("p", null, error.message),
    h("p", null, h("a", { href: "#/" }, "All experiments")));
}

/** Shows the view again once the daemon answers. */
async function whenBack(signal) {
  for (let back = false; !back;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    back = await get("session").then(() => true, (error) => error.status !== 0);
  }
  if (!signal.aborted) start();
}

async function show(make, { title, params = [], focus = true }) {
  current?.abort();
  const controller = (current = new AbortController());
  const { signal } = controller;
  const root = h("div.view");
  main.replaceChildren(root);
  showStatus("");
  document.title = `${title} \u00b7 Ablate`;
  if (focus) main.focus({ preventScroll: true });
  scrollTo(0, 0);
  try {
    await make({
      root, params, signal,
      may: (kind) => ACCESS.indexOf(access) >= ACCESS.indexOf(kind),
      follow: (filter, handlers) => follow(filter, handlers, { signal, status: showStatus }),
      title: (text) => {
        document.title = `${text} \u00b7 Ablate`;
      },
    });
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    if (!(error instanceof Problem)) console.error(error);
    if (error.status !== 401) root.replaceChildren(failure(error));
    if (error.status === 0) whenBack(signal);
  }
}

function route({ focus = true } = {}) {
  const path = decodeURI(location.hash.replace(/^#/, "")) || "/";
  for (const { pattern, view, title, nav, under } of ROUTES) {
    const match = pattern.exec(path);
    if (match) {
      showNav(nav ?? under);
      return show(view, { title, params: match.slice(1), focus });
    }
  }
  showNav(null);
  return show(async () => {
    throw new Problem(404, { title: "There is no such page", detail: `Nothing is at #${path}.` });
  }, { title: "Not found", focus });
}

function showLogin(message) {
  document.getElementById("nav").replaceChildren();
  return show((view) => login(view, message), { title: "Log in" });
}

/** Takes the code of a log-in link out of the address before anything else, and trades it for a cookie. */
async function logIn() {
  const code = /^#login=(.+)$/.exec(location.hash)?.[1];
  if (code === undefined) return null;
  history.replaceState(null, "", location.pathname + location.search + "#/");
  try {
    await post("session", { code: decodeURIComponent(code) });
    return null;
  } catch (error) {
    return error;
  }
}

async function start({ focus = false } = {}) {
  const refused = await logIn();
  try {
    const session = await get("session");
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
theme();
start();
