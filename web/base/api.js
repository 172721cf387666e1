// The HTTP API. Failures become Problem (RFC 9457); a 401 anywhere shows the log-in page.

import { told } from "./clock.js";

export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.title ?? `The daemon answered ${status}`);
    const { code, title, pointer, context } = document;
    Object.assign(this, { status, code, title, pointer, context });
  }
}

// Beside the page, so that all works below a path, too; this file lies elsewhere (deploy/pack.sh). Tests have no page.
export const api = new URL("api/v1/", globalThis.document?.baseURI ?? import.meta.url).pathname;

/** A value that is a list stands several times. */
export function address(path, query = {}) {
  const pairs = Object.entries(query).flatMap(([key, value]) => [value].flat().map((one) => [key, one]))
    .filter(([, value]) => value !== undefined && value !== null && value !== "");
  return api + path + (pairs.length > 0 ? "?" + String(new URLSearchParams(pairs)).replaceAll("%2F", "/") : "");
}

async function request(method, path, { query, body, headers = {}, signal, as = "json" } = {}) {
  const json = body !== undefined && !(body instanceof Blob) && typeof body !== "string";
  let reply;
  try {
    reply = await fetch(address(path, query), {
      method, signal, credentials: "same-origin", cache: "no-cache", // what has an entity tag is asked for by it
      headers: { ...(method !== "GET" && { "X-Ablate-Request": "page" }),
        ...(json || typeof body === "string" ? { "Content-Type": "application/json" } : {}), ...headers },
      body: json ? JSON.stringify(body) : body,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "No answer", detail: "The daemon can\u2019t be reached." });
  }
  told(reply.headers.get("Date"));
  if (reply.ok) return reply.status === 204 ? null : reply[as]();
  const problem = new Problem(reply.status, await reply.json().catch(() => ({})));
  if (reply.status === 401 && path !== "session") dispatchEvent(new Event("ablate:unauthorized"));
  throw problem;
}

export const get = (path, query, signal) => request("GET", path, { query, signal });
export const getText = (path, query, signal) => request("GET", path, { query, signal, as: "text" });
export const getBytes = (path, signal) => request("GET", path, { signal, as: "arrayBuffer" });
export const post = (path, body, options) => request("POST", path, { body, ...options });
export const patch = (path, body) => request("PATCH", path, { body });
export const put = (path, body, options) => request("PUT", path, { body, ...options });
export const remove = (path) => request("DELETE", path);

/** All pages of a list. as_of is the first page's: older is safe, since events repeat harmlessly. */
export async function list(path, query, signal, most = 20000) {
  let page = await get(path, query, signal);
  const { as_of } = page, items = page.items;
  while (page.next_page_token && items.length < most) {
    page = await get(path, { ...query, page_token: page.next_page_token }, signal);
    items.push(...page.items);
  }
  return { items, as_of, more: Boolean(page.next_page_token) };
}

/** Runs at most `width` of the given jobs at once: a browser has six connections, one is the stream. */
export function gate(width = 4) {
  let busy = 0;
  const waiting = [];
  const next = () => {
    if (busy >= width || waiting.length === 0) return;
    busy++;
    const { job, resolve, reject } = waiting.shift();
    job().then(resolve, reject).finally(() => {
      busy--;
      next();
    });
  };
  return (job) => new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject });
    next();
  });
}
