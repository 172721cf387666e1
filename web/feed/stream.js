// The shared worker: one event stream for all tabs of a browser, which has six connections to a daemon.
//
// A tab says {follow: …} and {hidden: …}, and {end: true} when it goes; one that goes without a word is noticed by
// the lock that it holds, where the browser has locks.

import { Hub } from "./hub.js";

const hub = new Hub({ open: (address) => new EventSource(address) });

addEventListener("connect", ({ ports: [port] }) => {
  let following = null;
  const end = () => {
    following?.end();
    following = null;
    port.close();
  };
  port.addEventListener("message", ({ data: { follow, lock, hidden, end: ends } }) => {
    if (follow) following = hub.follow(follow, (message) => port.postMessage(message));
    if (lock) navigator.locks?.request(lock, end).catch(() => {});
    if (hidden !== undefined) following?.hide(hidden);
    if (ends) end();
  });
  port.start();
});
