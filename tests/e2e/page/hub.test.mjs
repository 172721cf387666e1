// One stream for many who follow it (web/feed/hub.js), without a browser: a daemon of two lines, and timers that are told when to go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hub } from "../../../web/feed/hub.js";

const EVENTS = [
  [1, "run", { run: { id: 10, experiment_id: 1 } }], [2, "metrics", { run: 20, experiment: 2, series: {} }], [3, "audit", { run: null, experiment: 1 }],
  [4, "queue", { queue: {} }], [5, "experiment", { experiment: { id: 2 } }], [6, "experiment", { deleted: 1 }], [7, "log", { run: 10, experiment: 1 }],
];

/** Streams that a test feeds, and its clock. */
function world() {
  const opened = [], timers = [];
  let now = 0;
  class Source {
    constructor(address) {
      const url = new URL(address, "http://here");
      const ids = (name) => url.searchParams.get(name)?.split(",").map(Number) ?? [];
      Object.assign(this, { url, heard: {}, readyState: 0, after: Number(url.searchParams.get("after")), experiments: ids("experiment"), runs: ids("run") });
      opened.push(this);
    }

    addEventListener(kind, listener) { this.heard[kind] = listener; }
    close() { this.readyState = 2; }

    /** What the daemon sends of an event. */
    give(id, kind, data) {
      if (this.readyState === 2 || id <= this.after) return;
      const about = data.run?.experiment_id ?? data.deleted ?? data.experiment?.id ?? data.experiment, run = data.run?.id ?? data.run;
      const all = this.experiments.length + this.runs.length === 0;
      if (all || this.experiments.includes(about) || this.runs.includes(run) || kind === "resync")
        this.heard[kind]({ data: JSON.stringify(data), lastEventId: String(id) });
      this.after = id;
    }
  }
  const hub = new Hub({ open: (address) => new Source(address), later: (work, ms) => timers.push({ at: now + ms, work }) && timers.at(-1), never: (timer) => timers.splice(0, timers.length, ...timers.filter((one) => one !== timer)) });
  const pass = (ms) => {
    const end = now + ms;
    for (let due; (due = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at)[0]) !== undefined;) {
      timers.splice(timers.indexOf(due), 1);
      now = due.at;
      due.work();
    }
    now = end;
  };
  const follow = (filter) => {
    const got = [], told = [];
    const following = hub.follow({ address: "/events", ...filter }, (message) => {
      if (message.status) told.push(message.status);
      for (const { kind, data } of message.events ?? []) got.push([kind, data]);
    });
    return { got, told, ...following };
  };
  const open = () => opened.filter((one) => one.readyState !== 2);
  return { opened, open, pass, follow, give: (...ids) => ids.forEach((id) => open().forEach((one) => one.give(...EVENTS[id - 1]))) };
}

test("each gets what its filter lets through, by one stream", () => {
  const { follow, give, open, pass } = world();
  const all = follow({ after: 0 }), one = follow({ experiment: 1, after: 0 }), run = follow({ run: 20, after: 0 });
  give(1, 2, 3, 4, 5, 6, 7);
  pass(50);
  assert.equal(open().length, 1);
  assert.deepEqual(all.got.map(([kind]) => kind), ["run", "metrics", "audit", "queue", "experiment", "experiment", "log"]);
  assert.deepEqual(one.got.map(([kind]) => kind), ["run", "audit", "experiment", "log"]);
  assert.deepEqual(run.got, [["metrics", EVENTS[1][2]]]);
});

test("the stream asks for what somebody wants, and is left alone when that is no more than before", () => {
  const { follow, give, opened, open } = world();
  const one = follow({ experiment: 1, after: 0 });
  assert.equal(open()[0].url.search, "?experiment=1&after=0");
  follow({ run: 20, after: 0 });
  assert.equal(open()[0].url.search, "?experiment=1&run=20&after=0");
  give(1, 2);
  follow({ experiment: 1, after: 2 });
  assert.equal(opened.length, 2); // what comes is all that it lacks
  follow({ after: 2 });
  assert.equal(open()[0].url.search, "?after=2");
  one.end();
  assert.equal(open().length, 1);
});

test("nobody misses an event for another's sake, and nobody gets one twice", () => {
  const { follow, give, open, pass } = world();
  const first = follow({ experiment: 1, after: 0 });
  give(1, 3);
  const late = follow({ experiment: 1, after: 0 }); // its fetch was before these
  assert.equal(open()[0].after, 0);
  give(1, 3, 7);
  pass(50);
  for (const { got } of [first, late]) assert.deepEqual(got.map(([kind]) => kind), ["run", "audit", "log"]);
  const other = follow({ experiment: 2, after: 3 });
  give(5, 7);
  pass(50);
  assert.deepEqual([first.got.length, late.got.length, other.got.map(([kind]) => kind)], [3, 3, ["experiment"]]);
});

test("a hidden one rests after a while, is given what came now and then, and everything when it is seen again", () => {
  const { follow, give, open, pass } = world();
  const one = follow({ experiment: 1, after: 0 });
  one.hide(true);
  give(1);
  pass(59000);
  assert.equal(open().length, 1);
  pass(1000);
  assert.equal(open().length, 0);
  pass(60000); // it wakes for a moment
  assert.equal(open()[0].after, 1);
  give(3);
  pass(5000);
  assert.deepEqual([open().length, one.got.length], [0, 2]);
  one.hide(false);
  assert.equal(open()[0].after, 3);
  give(7);
  pass(50);
  assert.deepEqual(one.got.map(([kind]) => kind), ["run", "audit", "log"]);
  one.hide(true);
  one.hide(false); // a glance
  pass(1e6);
  assert.equal(open().length, 1);
  one.hide(true);
  one.end();
  pass(1e6);
  assert.equal(open().length, 0);
});

test("who is seen has its stream while others rest", () => {
  const { follow, open, pass } = world();
  const hidden = follow({ experiment: 1, after: 0 });
  follow({ experiment: 2, after: 0 });
  hidden.hide(true);
  pass(60000);
  assert.equal(open()[0].url.search, "?experiment=2&after=0");
});

test("a stream that is refused is opened again from where it was, later and later", () => {
  const { follow, give, open, opened, pass } = world();
  const one = follow({ experiment: 1, after: 0 });
  open()[0].onopen();
  give(1);
  const refuse = () => {
    const [source] = open();
    source.readyState = 2;
    source.onerror();
  };
  refuse();
  assert.equal(open().length, 0);
  pass(1000);
  assert.equal(open()[0].after, 1);
  refuse();
  pass(1999);
  assert.equal(open().length, 0);
  pass(1);
  open()[0].onopen();
  assert.deepEqual(one.told, ["connecting", "live", "connecting", "lost", "live"]);
  open()[0].onerror(); // the browser is at it by itself
  assert.equal(opened.length, 3);
  assert.equal(one.told.at(-1), "connecting");
});

test("a resync is told to all, and what comes after it counts", () => {
  const { follow, open, pass } = world();
  const one = follow({ experiment: 1, after: 9 }), other = follow({ run: 20, after: 9 });
  open()[0].give(20, "resync", {});
  open()[0].give(21, "run", { run: { id: 10, experiment_id: 1 } });
  pass(50);
  assert.deepEqual([one.got.map(([kind]) => kind), other.got.map(([kind]) => kind)], [["resync", "run"], ["resync"]]);
});
