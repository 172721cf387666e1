// Readers of the events, each on a connection of its own: those that read, those that are cut off, those that never read.

import assert from "node:assert/strict";
import http from "node:http";
import { PATIENCE_MS } from "../e2e/until.mjs";

const requests = new Set();

/** Ends those that a failed test has left. */
export const endAll = () => requests.forEach((request) => request.destroy());

/** Resolves once the stream is open. `deaf`: reads nothing of it; `token`: not the daemon's own. */
export async function follow(daemon, query, { deaf = false, token = daemon.token } = {}) {
  const events = [], watchers = new Set(), look = () => watchers.forEach((watch) => watch());
  let rest = "", closed = false;
  const request = http.get(`${daemon.base}/api/v1/events?${query}`, { agent: false, headers: { Authorization: `Bearer ${token}` } });
  requests.add(request);
  const reply = await new Promise((resolve, reject) => request.on("response", resolve).on("error", reject));
  assert.equal(reply.statusCode, 200);
  reply.setEncoding("utf8").on("error", () => {}).on("close", () => {
    closed = true;
    look();
  });
  if (!deaf) reply.on("data", (text) => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const { id, event, data } = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (event !== undefined) events.push({ id: Number(id), kind: event, data: JSON.parse(data) });
    }
    look();
  });
  /** Until `is()` holds; what has come so far is looked at first. */
  const until = (is) => new Promise((resolve, reject) => {
    const settle = (how, value) => {
      clearTimeout(timer);
      watchers.delete(watch);
      how(value);
    };
    const timer = setTimeout(() => settle(reject, new Error(`in vain, after ${events.length} events of ${query}`)), PATIENCE_MS).unref();
    const watch = () => is() && settle(resolve);
    watchers.add(watch);
    watch();
  });
  return {
    events,
    end: () => request.destroy(),
    until: (is) => until(() => is(events)),
    over: () => until(() => closed),
    /** "run metric step" of each value that was sent. */
    values: () => events.filter(({ kind }) => kind === "metrics").flatMap(({ data }) =>
      Object.entries(data.series).flatMap(([name, points]) => points.map(([step]) => `${data.run} ${name} ${step}`))),
  };
}
