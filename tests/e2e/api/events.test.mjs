// The event stream against the database: what was sent is what is stored, once, whoever connects when.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { EventSource } from "eventsource";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const KINDS = ["run", "metrics", "audit", "experiment", "queue", "log", "resync"];
let daemon;
const { call, get, corpus, until } = client(() => daemon);

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  await corpus(200);
});
after(async () => { assert.equal(await daemon?.stop(), 0, "a clean end"); });

const submit = (name, steps = 150) => call("POST", "/experiments", {
  name, data: { dataset: "corpus", seq_len: 16 },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 },
  train: { steps, batch_size: 2, eval_every: 20, eval_windows: 4 },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa" } } }, seeds: [1, 2],
}, 201);

/** A client by npm's eventsource; `events` grows as they come. */
function follow(query) {
  const events = [], watchers = new Set();
  const source = new EventSource(`${daemon.base}/api/v1/events?${query}`, {
    fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${daemon.token}` } }),
  });
  for (const kind of KINDS)
    source.addEventListener(kind, (event) => {
      events.push({ id: Number(event.lastEventId), kind, data: JSON.parse(event.data) });
      watchers.forEach((watch) => watch());
    });
  return {
    events, close: () => source.close(),
    /** Until an event satisfies `is`; among those of the past, too. */
    until: (is) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the event didn't come")), 600000);
      const watch = () => {
        if (!events.some(is)) return;
        clearTimeout(timer);
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
      watch();
    }),
  };
}

/** One connection, read by hand: up to `limit` events after `last`; cut off in the middle of the stream. */
async function read(query, last, limit, patience) {
  const abort = new AbortController(), events = [];
  const timer = setTimeout(() => abort.abort(), patience);
  try {
    const reply = await daemon.fetch(`/api/v1/events?${query}`, { headers: { "Last-Event-ID": String(last) }, signal: abort.signal });
    let text = "";
    for await (const chunk of reply.body) {
      text += Buffer.from(chunk).toString();
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
        if (fields.event !== undefined && events.length < limit)
          events.push({ id: Number(fields.id), kind: fields.event, data: JSON.parse(fields.data) });
      }
      if (events.length >= limit) break;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
  return events;
}

/** Rows "run metric step value", each as often as it was sent. */
const sent = (events) => events.filter((e) => e.kind === "metrics").flatMap(({ data }) =>
  Object.entries(data.series).flatMap(([name, points]) => points.map(([step, value]) => `${data.run} ${name} ${step} ${value}`))).sort();

async function stored(experiment) {
  const { rows } = await call("POST", "/query", { limit: 10000,
    sql: `SELECT run, metric, step, coalesce(value_word, value) FROM v_curves WHERE run IN (SELECT id FROM runs WHERE experiment = ${experiment})` });
  return rows.map((row) => row.join(" ")).sort();
}

/** The id of the last event of an experiment. A replayed event shows its run as it is by now: that one has ended
 *  doesn't say that everything has come. */
async function lastEvent(experiment) {
  assert.equal((await get(`/experiments/${experiment}?wait=3600`)).state, "finished");
  const { rows: [[seq]] } = await call("POST", "/query", { sql: `SELECT max(seq) FROM events WHERE experiment = ${experiment}` });
  return seq;
}

function assertAscending(events) {
  for (let i = 1; i < events.length; i++) assert.ok(events[i].id > events[i - 1].id, "ids ascend");
}

test("fetch, then subscribe: every stored value comes once, and the states in between", async () => {
  const e = await submit("live");
  const { as_of } = await get(`/experiments/${e.id}`);
  const before = sent(await read(`experiment=${e.id}&after=0`, 0, Infinity, 50));
  const client = follow(`experiment=${e.id}&after=${as_of}`);
  const last = await lastEvent(e.id);
  await client.until(({ id }) => id >= last);
  client.close();
  assertAscending(client.events);
  const got = sent(client.events), rows = await stored(e.id);
  assert.equal(new Set(got).size, got.length, "nothing twice");
  assert.ok(rows.length > 4 * 150 && got.every((row) => rows.includes(row)), "nothing that isn't stored");
  assert.deepEqual([...new Set([...before, ...got])].sort(), rows, "nothing missing");
  assert.ok(client.events.some(({ kind, data }) => kind === "run" && data.run.state === "succeeded" && data.run.final["val/loss"] > 0));
  const audits = client.events.filter(({ kind }) => kind === "audit").map(({ data }) => data.audit);
  assert.equal(audits.filter(({ name }) => name === "finite").length, 4);
  const { rows: [[stored_n]] } = await call("POST", "/query", { sql: `SELECT count(*) FROM audits WHERE experiment = ${e.id}` });
  assert.equal(audits.length, stored_n, "and those of the daemon's own");
});

test("a client that is cut off again and again loses nothing and gets nothing twice", async () => {
  const e = await submit("cut");
  const events = [];
  let last = e.as_of, end = Infinity;
  const ended = lastEvent(e.id).then((seq) => (end = seq), (error) => { end = 0; throw error; });
  for (let round = 1; last < end; round++) {
    events.push(...await read(`experiment=${e.id}`, last, 1 + (round * 7) % 5, 500));
    last = events.at(-1)?.id ?? last;
  }
  await ended;
  assertAscending(events);
  assert.deepEqual(sent(events), await stored(e.id));
});

test("filters: only what was asked for; several readers at once get the same", async () => {
  const [a, b] = [await submit("a", 40), await submit("b", 40)];
  const clients = Array.from({ length: 20 }, () => follow(`experiment=${b.id}&after=${a.as_of}`));
  const [one] = (await get(`/runs?experiment=${a.id}`)).items;
  const single = follow(`run=${one.id}&after=${a.as_of}`);
  const [lastA, last] = [await lastEvent(a.id), await lastEvent(b.id)];
  await Promise.all(clients.map((client) => client.until(({ id }) => id >= last)));
  await single.until(({ kind, data, id }) => id <= lastA && kind === "run" && data.run.step === 40);
  [...clients, single].forEach((client) => client.close());
  const rows = await stored(b.id);
  for (const client of clients) assert.deepEqual(sent(client.events), rows);
  assert.ok(sent(single.events).length > 0 && sent(single.events).every((row) => row.startsWith(`${one.id} `)));
});

test("a reader that has gone is missed before the next heartbeat; one that only says no more goes on reading", async () => {
  const readers = async () => Number(/^ablate_event_readers (\d+)/m.exec(await (await daemon.fetch("/metrics")).text())[1]);
  const { hostname, port } = new URL(daemon.base);
  const open = () => new Promise((resolve) => {
    const socket = connect({ host: hostname, port, allowHalfOpen: true }, () => socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: ${hostname}:${port}\r\nAuthorization: Bearer ${daemon.token}\r\n\r\n`));
    socket.said = "";
    socket.on("data", (part) => {
      socket.said += part;
      if (socket.said.includes("\r\n\r\n")) resolve(socket);
    });
  });
  const beats = ({ said }) => said.split(": still here").length - 1;
  await until("those of the tests before are missed", async () => await readers() === 0);
  const stays = await open();
  // A heartbeat may come just then, but not each time.
  const noticed = async () => {
    const goes = await open(), had = beats(stays);
    await until("both read", async () => await readers() === 2);
    goes.destroy();
    await until("it is missed", async () => await readers() === 1);
    return beats(stays) === had;
  };
  assert.ok(await noticed() || await noticed() || await noticed(), "without a heartbeat");

  const had = beats(stays);
  stays.end(); // its own side alone
  await until("it was asked", () => beats(stays) > had);
  await call("POST", "/queue", { paused: true });
  await until("it reads on", () => stays.said.includes('"paused":true'));
  await call("POST", "/queue", { paused: false });
  stays.destroy();
});

test("a replay from the beginning is the whole database", async () => {
  const { rows: [[experiments]] } = await call("POST", "/query", { sql: "SELECT count(*) FROM experiments" });
  const { as_of } = await get("/runs");
  const client = follow("after=0");
  await client.until(({ id }) => id >= as_of);
  client.close();
  const all = [];
  for (let id = 1; id <= experiments; id++) all.push(...await stored(id));
  assert.deepEqual(sent(client.events), all.sort());
});
