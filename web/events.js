// The live feed: one EventSource a page, multiplexed over everything the page shows.
//
// Fetch, then subscribe: every reply of the API carries as_of, the last event its snapshot had seen,
// and events?after=as_of sends what came later. Nothing is missed; an event may repeat what a later
// fetch has already told, so whoever listens applies events idempotently. The browser reconnects by
// itself with Last-Event-ID; only a refusal (the daemon restarting behind a proxy, say) is final for an
// EventSource, and then we come back with the last id that we saw.

import { address, get } from "./api.js";

const KINDS = ["run", "metrics", "audit", "experiment", "queue", "log", "resync"];
const RETRY_MS = [1000, 2000, 5000, 10000];

/**
 * handlers: {run(data), metrics(data), …}; `status` is told "live", "connecting" or "lost".
 * Ends with the signal.
 */
export function follow({ experiment, run, after }, handlers, { signal, status }) {
  let source, last = after, failures = 0, timer;

  function open() {
    source = new EventSource(address("events", { experiment, run, after: last }));
    source.onopen = () => {
      failures = 0;
      status("live");
    };
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      status(failures > 0 ? "lost" : "connecting");
      if (refused) {
        get("queue").catch(() => {}); // shows the log-in page if it is the session that has ended
        timer = setTimeout(open, RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
      }
      failures++;
    };
    for (const kind of KINDS)
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) last = event.lastEventId;
        handlers[kind]?.(JSON.parse(event.data));
      });
  }

  status("connecting");
  open();
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    source.close();
    status("");
  });
}
