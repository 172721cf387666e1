// The live feed, as a page follows it: by the browser's one stream (stream.js), or, where there are no shared workers,
// by one of its own.
//
// Fetch, then subscribe: every reply of the API carries as_of, the last event its snapshot had seen,
// and events?after=as_of sends what came later. Nothing is missed; an event may repeat what a later
// fetch has already told, so whoever listens applies events idempotently.

import { address, get } from "../base/api.js";
import { Hub } from "./hub.js";

let own = null; // where there is no worker

function alone(filter, take) {
  own ??= new Hub({ open: (from) => new EventSource(from) });
  const following = own.follow(filter, take);
  return { hide: following.hide, end: following.end };
}

/** Tells a name that is locked from now on, while this follower is there; nothing where there are no locks. */
function hold(signal, tell) {
  const name = navigator.locks && `ablate-follows-${crypto.randomUUID()}`;
  navigator.locks?.request(name, () => {
    tell(name); // not before: the worker could have it first
    return new Promise((resolve) => signal.addEventListener("abort", resolve));
  });
}

function shared(filter, take, signal) {
  const worker = new SharedWorker(new URL("stream.js", import.meta.url), { type: "module", name: "ablate" });
  let instead = null;
  worker.addEventListener("error", () => { // it can't be had: a browser without modules in workers
    if (!signal.aborted) instead ??= alone(filter, take);
  });
  const { port } = worker;
  port.addEventListener("message", ({ data }) => take(data));
  port.start();
  port.postMessage({ follow: filter });
  hold(signal, (lock) => port.postMessage({ lock }));
  return {
    hide: (hidden) => (instead ? instead.hide(hidden) : port.postMessage({ hidden })),
    end: () => (instead ? instead.end() : port.postMessage({ end: true })),
  };
}

/**
 * handlers: {run(data), metrics(data), …}; `status` is told "live", "connecting" or "lost".
 * Ends with the signal.
 */
export function follow({ experiment, run, after }, handlers, { signal, status }) {
  const filter = { address: new URL(address("events"), location.href).href, experiment, run, after };
  const take = ({ status: state, refused, events = [] }) => {
    if (signal.aborted) return;
    if (state) status(state);
    if (refused) get("queue").catch(() => {}); // shows the log-in page if it is the session that has ended
    for (const { kind, data } of events) if (!signal.aborted) handlers[kind]?.(data);
  };
  status("connecting");
  const following = typeof SharedWorker === "function" ? shared(filter, take, signal) : alone(filter, take);
  const hide = () => following.hide(document.hidden);
  document.addEventListener("visibilitychange", hide, { signal });
  if (document.hidden) hide();
  addEventListener("pagehide", () => following.end(), { signal });
  addEventListener("pageshow", ({ persisted }) => { // out of the cache of pages, where it has missed what came
    if (persisted) location.reload();
  }, { signal });
  signal.addEventListener("abort", () => {
    following.end();
    status("");
  });
}
