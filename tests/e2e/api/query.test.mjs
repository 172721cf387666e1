// SQL that wants everything: each query's process is all that it gets, and nobody waits for it.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { start } from "../daemon.mjs";
import { until } from "../until.mjs";

const ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
/** What becomes of a query on a machine that is too busy for it. */
const BUSY = ["query_time", "too_many_requests"];
let daemon;

before(async () => (daemon = await start()));
after(() => daemon?.stop());

async function query(sql, limit = 1000) {
  const reply = await daemon.fetch("/api/v1/query", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sql, limit }) });
  return { status: reply.status, ...(await reply.json()) };
}

/** The pids of a daemon's queries. */
async function processes(parent) {
  const all = await Promise.all((await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(async (pid) =>
    (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).startsWith(`ablated\0query-process\0${parent}\0`) ? [pid] : []));
  return all.flat();
}

const running = (n, of = daemon) => until(`${n} processes`, async () => (await processes(of.pid)).length === n);

async function peak() {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(await readFile(`/proc/${daemon.pid}/status`, "utf8"))[1]) / 1024;
}

test("memory is refused to a query and none is left with the daemon", async () => {
  const values = (n) => Array(n).fill("hex(zeroblob(1000000))").join(), before = await peak();
  const greedy = `SELECT length(max(${values(100)})), length(min(${values(100)}))`;
  const replies = await Promise.all(Array.from({ length: 5 }, () => query(greedy)));
  for (const { code } of replies) assert.ok(["query_memory", ...BUSY].includes(code), code);
  assert.ok((await peak()) < before + 64, `${before} MiB, then ${await peak()}`);
});

test("fifty at once are answered in turn", async () => {
  const replies = await Promise.all(Array.from({ length: 50 }, (_, i) => query(`SELECT ${i} AS i`)));
  for (const [i, { status, code, rows }] of replies.entries())
    if (!BUSY.includes(code)) assert.deepEqual([status, rows], [200, [[i]]]);
  await until("one is answered", async () => (await query("SELECT 1")).status === 200);
});

test("a client that leaves takes its query along", async () => {
  const body = JSON.stringify({ sql: ENDLESS }), socket = connect(daemon.port, "127.0.0.1");
  socket.write(`POST /api/v1/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body.length}\r\n\r\n${body}`);
  socket.on("error", () => {});
  await running(1);
  const [pid] = await processes(daemon.pid);
  socket.destroy();
  await until("it is gone", async () => !(await processes(daemon.pid)).includes(pid));
  assert.match(daemon.output(), /api\/v1\/query: its client has left/); // so it wasn't its deadline
});

test("SIGTERM waits for no query, and none outlives a daemon that is killed", async () => {
  const other = await start(), ask = (one) => one.fetch("/api/v1/query", { method: "POST", headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sql: ENDLESS }) }).then((reply) => reply.json(), () => ({ code: "cut off" }));
  let ending = false;
  const replies = Array.from({ length: 5 }, () => ask(other).then(({ code }) => [code, ending]));
  await running(2, other);
  ending = true;
  assert.equal(await other.stop(), 0);
  for (const [code, late] of await Promise.all(replies)) assert.ok((late ? ["unavailable", "cut off"] : BUSY).includes(code), code);
  await until("none is left", async () => (await processes(other.pid)).length === 0);

  const third = await start(), lost = [ask(third), ask(third)];
  await running(2, third);
  third.kill("SIGKILL");
  await until("none is left", async () => (await processes(third.pid)).length === 0);
  await Promise.all(lost);
  await third.stop();
});
