// A bounded load on the real daemon that comes to everything it does, for analysers to look on: tests/run starts it under
// UNDER (tests/analyse/under). What is answered is asserted; what the analyser found shows in the status with which the
// daemon, and each command, ends.
//
// The first daemon trains small runs with the true worker; WORKER names it, since a sanitizer's build has none. The second
// finds the folder as the first has left it, its workers training; the third has the bench's flood for a worker.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { client } from "../e2e/client.mjs";
import { ABLATED, ablated, start } from "../e2e/daemon.mjs";
import { make, remove } from "../e2e/folder.mjs";
import { ask, connect } from "../e2e/raw.mjs";
import { routes } from "../e2e/routes.mjs";
import { alive } from "../fault/faults.mjs";
import { endAll, follow } from "./follow.mjs";
import { anytime, corpus, ended, raw, refused, spec } from "./requests.mjs";

const V1 = "/api/v1", CLIENTS = 6;
const WORKER = resolve(process.env.WORKER ?? join(ABLATED, "../ablate-worker")), FLOOD = resolve(WORKER, "../tests/bench/flood");
const args = ["--slots", "2", "--worker", WORKER];
let daemon, at, dir;
const { call, get, rows, until } = client(() => daemon), asked = new Set();

/** Notes what is asked. */
const noted = (ask) => (path, init) => {
  asked.add(`${init?.method ?? "GET"} ${path.split("?")[0]}`);
  return ask(path, init);
};
const stranger = noted((path, init) => fetch(daemon.base + path, init)); // comes without the token
async function serve(options) {
  daemon = await start(options);
  daemon.fetch = noted(daemon.fetch);
}
before(async () => {
  at = await make("load");
  dir = join(at, "data");
  await serve({ dir, args });
});
after(async () => {
  endAll();
  daemon?.kill("SIGKILL");
  await daemon?.ended;
  await remove(at);
});

const post = (path, body, status) => call("POST", path, body, status);
const end = async (one = daemon) => assert.equal(await one.stop(), 0, one.output());
async function command(...words) {
  const { status, stdout, stderr } = await ablated(...words);
  assert.equal(status, 0, `${words}: ${stdout}${stderr}`);
  return stdout;
}
const put = (name, text, status, type = "text/plain") => one([status, "PUT", `${V1}/datasets/${name}`, text, { "Content-Type": type }]);

/** A row of the table, asked. */
async function one([status, method, path, body, headers = {}]) {
  const reply = await daemon.fetch(path, { method, body, headers, redirect: "error" });
  const bytes = Buffer.from(await reply.arrayBuffer());
  assert.ok([status].flat().includes(reply.status), `${method} ${path} ${body?.slice?.(0, 100)}: ${reply.status} ${bytes.subarray(0, 500)}`);
  return bytes;
}
/** Every row by every client, side by side; each begins elsewhere. */
const crowd = (table, clients = CLIENTS) => Promise.all(Array.from({ length: clients }, async (_, which) => {
  const from = Math.floor(which * table.length / clients);
  for (const row of [...table.slice(from), ...table.slice(0, from)]) await one(row);
}));
const each = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const runsOf = async (id) => (await get(`/runs?experiment=${id}&page_size=1000`)).items;
const finished = async (id) => {
  const experiment = await until(`experiment ${id} ends`, async () => {
    const found = await get(`/experiments/${id}?wait=30`);
    return ["finished", "cancelled"].includes(found.state) && found;
  });
  return experiment.counts;
};

test("corpora: taken side by side, replaced, cut off, deleted", async () => {
  await put("corpus", corpus(0), 201);
  await each(6, (i) => put(`c${i}`, corpus(i, i % 2 ? "\n\n" : "\n%\n"), 201));
  await each(6, (i) => put(`c${i}`, corpus(i + 1).split("\n%\n").map((text) => JSON.stringify({ text })).join("\n"), 200, "application/x-ndjson"));
  await each(6, () => put("c0", corpus(9), 200));
  const large = Array.from({ length: 40 }, (_, i) => corpus(i)).join("\n%\n");
  await put("large", large, 201);
  await each(4, async (i) => {
    const upload = connect(daemon.port);
    upload.send(`PUT ${V1}/datasets/cut HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${large.length}\r\n\r\n${large.slice(0, i * 100000)}`);
    await sleep(50);
    upload.end();
  });
  await Promise.all([...Array(6).keys()].flatMap((i) => [get(`/datasets/c${i}`), get(`/datasets/c${i}/preview?documents=100&bytes=4096`)]));
  await each(6, (i) => call("PATCH", `/datasets/c${i}`, { name: `d${i}` }));
  await each(6, (i) => call("PATCH", `/datasets/d${i}`, { name: `c${i}` }));
  await each(6, (i) => call("DELETE", `/datasets/c${i}`, undefined, 204));
  assert.deepEqual((await get("/datasets")).items.map(({ name }) => name), ["corpus", "large"]);
});

let id, runs;
test("runs train while everything is asked for and many follow", async () => {
  await post("/queue", { paused: true });
  ({ id } = await post("/experiments", spec({ seeds: [1, 2, 3, 4], artifacts: ["init", "final", "batches", "gradients"] }), 201));
  runs = await runsOf(id);
  assert.equal(runs.length, 8);
  const whole = await each(4, () => follow(daemon, `experiment=${id}&after=0`)), single = await follow(daemon, `run=${runs[0].id}&after=0`);
  const deaf = await each(3, () => follow(daemon, "after=0", { deaf: true }));
  let over = false;
  const cut = each(3, async (i) => {
    for (let round = 0; !over; round++) {
      const reader = await follow(daemon, `after=${round % 2 ? 0 : 5 * i}`);
      await reader.until((events) => over || events.length > 3 * i + round % 4);
      reader.end();
    }
  });
  await post("/queue", { paused: false });
  const end = finished(id);
  await crowd(anytime(id, runs[0].id));
  assert.equal((await end).succeeded, 8);
  for (const [, ...row] of ended(id, runs[0].id)) await one([200, ...row]);
  await crowd([...anytime(id, runs[0].id), ...ended(id, runs[0].id)]);

  const last = (await rows(`SELECT max(seq) FROM events WHERE experiment = ${id}`))[0][0];
  const stored = (await rows(`SELECT count(*) FROM v_curves WHERE run IN (SELECT id FROM runs WHERE experiment = ${id})`))[0][0];
  for (const reader of whole) {
    await reader.until((events) => events.some((event) => event.id >= last));
    assert.equal(reader.values().length, stored);
    assert.equal(new Set(reader.values()).size, stored, "nothing twice");
  }
  await single.until((events) => events.some(({ data }) => data.run?.state === "succeeded"));
  over = true;
  await cut;
  [...whole, single, ...deaf].forEach((reader) => reader.end());
});

test("submissions: many at once, the same again, sweeps; cancelled, deleted, restored, purged", async () => {
  await post("/queue", { paused: true });
  const made = await each(30, (i) => post("/experiments", spec({ name: `many ${i}`, priority: i, tags: { group: String(i % 3) } }), 201));
  const same = await each(8, async () => (await daemon.fetch(`${V1}/experiments`, { method: "POST", body: JSON.stringify(spec({ name: "same" })),
    headers: { "Content-Type": "application/json", "Idempotency-Key": "the same" } })).status);
  assert.deepEqual(same.sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
  const sweep = spec({ name: "sweep", grid: { "data.seq_len": [8, 16], "train.lr": [0.1, 0.03, 0.01, 0.003, 0.001] }, seeds: Array.from({ length: 10 }, (_, i) => i) });
  const wide = await each(2, () => post("/experiments", sweep, 201));
  assert.equal(wide[0].runs, 200);
  await call("DELETE", "/datasets/corpus", undefined, 409);
  const seen = [];
  for (let token = ""; token !== null;) {
    const page = await get(`/runs?page_size=60&experiment=${wide[0].id}&page_token=${encodeURIComponent(token)}`);
    seen.push(...page.items.map((run) => run.id));
    token = page.next_page_token;
  }
  assert.equal(new Set(seen).size, 200);
  await post(`/experiments/${wide[1].id}/seeds`, { seeds: [100, 101] }, 201);
  await Promise.all([...wide, ...made].map((e, i) => post(`/experiments/${e.id}/priority`, { priority: i })));
  const some = (n) => `experiment in (${wide.map((e) => e.id).join(", ")}) and seed < ${n}`;
  await each(6, (i) => post("/runs", i % 2 ? { action: "priority", filter: some(50), priority: i } : { action: "cancel", ids: seen.slice(i, 60) }));
  await post("/runs", { action: "retry", filter: `${some(1000)} and state = cancelled` });
  await Promise.all([...wide, ...made].map((e) => post(`/experiments/${e.id}/cancel`, undefined, 202)));
  await each(30, (i) => call("PATCH", `/experiments/${made[i].id}`, { name: `renamed ${i}`, notes: "n".repeat(i * 100) }));
  await Promise.all([...wide, ...made].map((e) => call("DELETE", `/experiments/${e.id}`, undefined, 204)));
  assert.equal((await get("/experiments?deleted=1&page_size=100")).items.length, 32);
  await each(10, (i) => post(`/experiments/${made[i].id}/restore`));
  await Promise.all([...wide, ...made.slice(10)].map((e) => post(`/experiments/${e.id}/purge`, undefined, 202)));
  await until("what was purged is gone", async () => (await rows("SELECT count(*) FROM runs"))[0][0] === 8 + 4 + 10 * 4);
  const { id: kept } = (await get("/experiments?page_size=100")).items.find(({ name }) => name === "same");
  await post(`/experiments/${kept}/cancel`, undefined, 202);
  await post("/queue", { paused: false });
});

test("what is refused changes nothing", async () => {
  const before = await one([200, "GET", `${V1}/runs?page_size=1000`]);
  await crowd(refused(id, runs[0].id));
  await each(CLIENTS, async () => {
    for (const [bytes, statuses] of raw) {
      const { status } = await ask(daemon.port, bytes);
      assert.ok(statuses.includes(typeof status === "number" ? status : ""), `${JSON.stringify(bytes.slice(0, 60))}: ${status}`);
    }
  });
  const same = await one([200, "GET", `${V1}/runs?page_size=1000`]);
  assert.deepEqual(JSON.parse(same).items, JSON.parse(before).items);
});

// Slow enough not to be a flood.
const long = spec({ name: "long", data: { dataset: "corpus", seq_len: 32 }, model: { layers: 2, heads: 2, d_model: 64, d_ff: 64 },
  train: { steps: 100000, batch_size: 4, eval_every: 500, eval_windows: 4, checkpoint_every: 20 }, arms: { dense: {} }, seeds: [1, 2, 3] });
/** Two runs that take long; without the first seed's, which audits. The queue stays paused. */
async function submitLong() {
  await post("/queue", { paused: true });
  const { id: e } = await post("/experiments", long, 201), [first, ...others] = await runsOf(e);
  await post(`/runs/${first.id}/cancel`, undefined, 202);
  return [e, ...others];
}
const trainer = (keeper) => Number(readFileSync(`/proc/${keeper}/task/${keeper}/children`, "latin1"));
/** The keeper of a run that trains. */
async function training(run, beyond = 25) {
  await until(`run ${run} trains`, async () => (await get(`/runs/${run}`)).step > beyond);
  return (await rows(`SELECT pid FROM attempts WHERE run = ${run} AND ended_at IS NULL`))[0][0];
}

test("runs: killed, cancelled, retried, put first, verified", async () => {
  const [killed, a, b] = await submitLong();
  await post("/queue", { paused: false });
  process.kill(trainer(await training(a.id)), "SIGKILL");
  process.kill(await training(b.id), "SIGKILL");
  for (const run of [a, b]) await until("another attempt", async () => (await get(`/runs/${run.id}`)).attempt === 2 && training(run.id, 0));
  await post(`/runs/${a.id}/cancel`, undefined, 202);
  await post(`/experiments/${killed}/cancel`, undefined, 202);
  assert.equal((await finished(killed)).cancelled, 3);
  await post("/queue", { paused: true });
  await post(`/runs/${b.id}/retry`);
  await post(`/runs/${b.id}/priority`, { priority: 9 });
  await Promise.all(runs.slice(0, 2).map((run) => post(`/runs/${run.id}/verify`, undefined, 202)));
  await post("/queue", { paused: false });
  await training(b.id, 0);
  await post(`/runs/${b.id}/cancel`, undefined, 202);
  for (const run of runs.slice(0, 2)) {
    const verify = await until("it is verified", async () => {
      const found = (await get(`/runs/${run.id}`)).verify;
      return !["queued", "running"].includes(found.state) && found;
    });
    assert.equal(verify.state, "identical", verify.reason);
  }
});

test("links, sessions, tokens that are replaced", async () => {
  const log = async (kind) => {
    const [, code] = /#login=(\S+)/.exec(await command("link", "--data", dir, "--access", kind));
    const reply = await stranger(`${V1}/session`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code }) });
    assert.equal(reply.status, 201);
    return reply.headers.get("set-cookie").split(";")[0];
  };
  const cookies = await Promise.all(["read", "submit", "admin"].map(log));
  const status = async (Cookie, method = "GET", path = "runs") => (await stranger(`${V1}/${path}`, { method, headers: { Cookie, Origin: daemon.base } })).status;
  for (const cookie of cookies) assert.equal(await status(cookie), 200);
  const old = (await readFile(join(dir, "token.read"), "utf8")).trim(), reader = await follow(daemon, "after=0", { token: old });
  await Promise.all([command("token", "--data", dir, "--rotate", "read"), crowd(anytime(id, runs[0].id), 2)]);
  await reader.over();
  assert.deepEqual(await Promise.all(cookies.map((cookie) => status(cookie))), [401, 200, 200]);
  assert.equal((await stranger(`${V1}/runs`, { headers: { Authorization: `Bearer ${old}` } })).status, 401);
  assert.equal(await status(cookies[1], "DELETE", "session"), 204);
  assert.equal(await status(cookies[1]), 401);
});

test("a backup beside the load, restored, served", async () => {
  const copy = join(at, "copy"), restored = join(at, "restored");
  await Promise.all([command("backup", "--data", dir, copy), crowd(anytime(id, runs[0].id), 2), each(5, (i) => post("/experiments?dry_run=1", { ...long, seeds: [i] }))]);
  execFileSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], { cwd: copy });
  await command("restore", "--data", restored, copy);
  const other = await start({ dir: restored, args });
  assert.equal((await (await other.fetch(`${V1}/runs?experiment=${id}`)).json()).items.length, 8);
  await end(other);
  await command("purge", "--data", restored);
});

test("every endpoint was asked for", () => {
  const missing = routes.filter(({ method, path }) => {
    const pattern = new RegExp(`^${method} ${path.replace("{id}", "\\d+").replace("{name}", "[^/]+").replaceAll(".", "\\.")}$`);
    return ![...asked].some((line) => pattern.test(line));
  });
  assert.deepEqual(missing, []);
});

test("SIGTERM while runs train, clients wait, uploads and queries are under way: clean", async () => {
  const [going, a] = await submitLong();
  await post("/queue", { paused: false });
  await training(a.id);
  const { as_of } = await get("/runs?page_size=1");
  const readers = await each(6, (i) => follow(daemon, `after=${i === 0 ? 0 : as_of}`));
  const upload = connect(daemon.port);
  upload.send(`PUT ${V1}/datasets/half HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: text/plain\r\nContent-Length: 999999\r\n\r\n${corpus(1)}`);
  const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  const open = Promise.allSettled([
    ...["SELECT 1", endless].map((sql) => daemon.fetch(`${V1}/query`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ sql }) })),
    ...[`experiments/${going}?wait=60`, `experiments/${going}/report`, `experiments/${going}/capsule`, `experiments/${going}/export`, `runs/${a.id}/log`].flatMap((path) =>
      Array.from({ length: 2 }, async () => (await daemon.fetch(`${V1}/${path}`)).arrayBuffer())),
  ]);
  await sleep(200);
  await end();
  await Promise.all([open, ...readers.map((reader) => reader.over())]);
  upload.end();

  await serve({ dir, args: [...args, "--stop-workers", "--lease", "10"] });
  const { step, attempt } = await get(`/runs/${a.id}`), keeper = await training(a.id, step + 1);
  assert.equal((await get(`/runs/${a.id}`)).attempt, attempt, "the worker that the first daemon left");
  await end();
  await until("the worker has stopped", () => !alive(keeper));
});

test("a flood of metrics, readers who read it and readers who don't", async () => {
  const folder = join(at, "flood");
  await serve({ dir: folder, args: ["--slots", "2", "--worker", FLOOD], env: { FLOOD_DIR: at, FLOOD: "8 50 100 3" } });
  await put("corpus", corpus(0), 201);
  const deaf = await each(3, () => follow(daemon, "after=0", { deaf: true })), readers = await each(3, () => follow(daemon, "after=0"));
  const { id: flood } = await post("/experiments", { data: { dataset: "synthetic:copy", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 },
    train: { steps: 10_000_000, batch_size: 2 }, artifacts: [], seeds: [1, 2] }, 201);
  const [a] = await runsOf(flood), over = finished(flood);
  for (let going = true; going; ) {
    await crowd(anytime(flood, a.id), 2);
    going = await Promise.race([over.then(() => false), sleep(1, true)]);
  }
  assert.equal((await over).succeeded, 2);
  const last = (await rows("SELECT max(seq) FROM events"))[0][0], [[stored]] = await rows("SELECT count(*) FROM metrics");
  assert.ok(stored > 5000, `${stored}`);
  for (const reader of readers) {
    await reader.until((events) => events.some((event) => event.id >= last));
    assert.equal(reader.values().length, stored);
  }
  [...deaf, ...readers].forEach((reader) => reader.end());
  await end();
});
