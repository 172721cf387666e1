// Folders that aren't what they were: an older ablate.db put back, another database's, a data folder that was moved under
// its daemon while another one stands at its path, one that is away for a while. No run ever takes over what isn't its own,
// nothing is begun in a stranger's folder, and what passes by itself fails nobody.

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const TASK = { data: { dataset: "synthetic:copy", seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 }, artifacts: [] };
const STEPS = 40;

/** A folder, removed when the test is over and its daemons have ended. */
const started = [];
async function folder(t) {
  const at = await mkdtemp(join(tmpdir(), "ablate-"));
  t.after(async () => {
    for (const daemon of started.splice(0)) await daemon.stop({ keep: true });
    await rm(at, { recursive: true, force: true });
  });
  return at;
}
/** A daemon in the folder, with what a test asks of it. */
async function serve(dir, ...args) {
  return serveUnder(undefined, dir, ...args);
}
async function serveUnder(under, dir, ...args) {
  const daemon = await start({ dir, under, args: ["--stop-workers", ...args] }), api = client(() => daemon);
  started.push(daemon);
  return { ...daemon, ...api, over: daemon.ended,
    submit: async (seed, train = {}) => {
      const { id } = await api.call("POST", "/experiments", { ...TASK, train: { steps: STEPS, batch_size: 2, checkpoint_every: 10, eval_windows: 2, ...train }, seeds: [seed] }, 201);
      return (await api.get(`/runs?experiment=${id}`)).items[0].id;
    },
    ended: (id) => api.until(`the end of run ${id}`, async () => {
      const run = await api.get(`/runs/${id}`);
      return ["succeeded", "failed", "cancelled"].includes(run.state) && run;
    }),
    curve: async (id) => (await api.get(`/runs/${id}/metrics?names=train/loss`)).series["train/loss"].points,
  };
}
const health = async (daemon) => {
  const reply = await fetch(`${daemon.base}/healthz`);
  return { status: reply.status, reasons: (await reply.json()).reasons.map((reason) => reason.split(":")[0]) };
};
const exists = (path) => stat(path).then(() => true, () => false);

/** The database as a stopped daemon left it, and it put into another folder by hand. */
const take = (dir) => readFile(join(dir, "ablate.db"));
async function put(dir, database) {
  for (const name of ["ablate.db-wal", "ablate.db-shm"]) await rm(join(dir, name), { force: true });
  await writeFile(join(dir, "ablate.db"), database);
}

test("an older database that is put back gives no id again", async (t) => {
  const dir = await folder(t);
  let daemon = await serve(dir);
  await daemon.ended(await daemon.submit(1));
  await daemon.stop({ keep: true });
  const older = await take(dir);
  daemon = await serve(dir);
  const lost = await daemon.submit(2);
  assert.equal((await daemon.ended(lost)).state, "succeeded");
  await daemon.stop({ keep: true });
  const events = await readFile(join(dir, `runs/${lost}/attempts/1/events.ndjson`));

  await put(dir, older);
  for (const stray of ["9223372036854775807", "9223372036854775808", "00017", "18 "]) await mkdir(join(dir, "runs", stray));
  await writeFile(join(dir, "runs/19"), "");
  daemon = await serve(dir);
  const next = await daemon.submit(3), again = await daemon.submit(3);
  assert.deepEqual([next, again], [lost + 1, lost + 2]);
  for (const id of [next, again]) assert.equal((await daemon.ended(id)).state, "succeeded");
  assert.deepEqual(await daemon.curve(next), await daemon.curve(again));
  assert.deepEqual(await readFile(join(dir, `runs/${lost}/attempts/1/events.ndjson`)), events);
  assert.match(daemon.output(), new RegExp(`folders of runs up to ${lost} that the database doesn't know`));
});

/** The first event after an id. */
async function first(daemon, last) {
  const abort = new AbortController(), headers = { "Last-Event-ID": String(last) };
  let text = "";
  for await (const chunk of (await daemon.fetch("/api/v1/events", { headers, signal: abort.signal })).body) {
    text += Buffer.from(chunk).toString();
    if (/^event: .*\n(.*\n)*\n/m.test(text)) break;
  }
  abort.abort();
  return { id: Number(/^id: (\d+)$/m.exec(text)[1]), kind: /^event: (.*)$/m.exec(text)[1] };
}
/** Events without runs; the id of the last one. */
async function pauses(daemon, n) {
  for (let i = 0; i < n; i++) await daemon.call("POST", "/queue", { paused: i % 2 === 0 });
  return (await daemon.get("/runs")).as_of;
}

test("no id of an event is given again, whichever database is put back", async (t) => {
  const dir = await folder(t), other = await folder(t);
  let daemon = await serve(dir);
  const early = await pauses(daemon, 4);
  await daemon.stop({ keep: true });
  const older = await take(dir);
  daemon = await serve(dir);
  const seen = await pauses(daemon, 4);
  assert.equal(seen, early + 4, "a clean end leaves no gap");
  await daemon.stop({ keep: true });

  await put(dir, older);
  daemon = await serve(dir);
  const after = await pauses(daemon, 8);
  assert.equal((await first(daemon, seen)).kind, "resync", "it was there in the life that is lost");
  assert.equal((await first(daemon, seen - 1)).kind, "resync");
  const next = await first(daemon, early);
  assert.ok(next.kind === "queue" && next.id > seen, `who wasn't goes on: ${JSON.stringify(next)}`);

  daemon.kill("SIGKILL");
  await daemon.over;
  await put(dir, older); // its log is lost, too
  daemon = await serve(dir);
  const last = await pauses(daemon, 8);
  assert.ok(last > after);
  assert.equal((await first(daemon, after)).kind, "resync");

  daemon.kill("SIGKILL");
  await daemon.over;
  daemon = await serve(dir); // nothing was lost
  await pauses(daemon, 1);
  assert.equal((await first(daemon, last)).kind, "queue");
  await daemon.stop({ keep: true });

  daemon = await serve(other);
  await pauses(daemon, 8);
  await daemon.stop({ keep: true });
  await put(dir, await take(other));
  daemon = await serve(dir);
  await pauses(daemon, 1);
  for (const id of [early, seen, last]) assert.equal((await first(daemon, id)).kind, "resync", `another database, after ${id}`);
  assert.match(daemon.output(), /the database isn't the one that this folder's last daemon left/);
});

test("a run never takes the folder of another database's run", async (t) => {
  const dir = await folder(t), other = await folder(t);
  let daemon = await serve(other);
  await daemon.call("POST", "/queue", { paused: true });
  await daemon.submit(5);
  await daemon.stop({ keep: true });
  daemon = await serve(dir);
  assert.equal((await daemon.ended(await daemon.submit(6))).state, "succeeded");
  await daemon.stop({ keep: true });

  await put(dir, await take(other));
  daemon = await serve(dir);
  await daemon.call("POST", "/queue", { paused: false });
  const run = await daemon.ended(1), reference = await daemon.submit(5);
  assert.deepEqual([run.state, run.attempt, run.seed], ["succeeded", 1, 5]);
  await daemon.ended(reference);
  assert.deepEqual(await daemon.curve(1), await daemon.curve(reference));
  const aside = (await readdir(join(dir, "runs"))).filter((name) => /^1\.stranger-[0-9a-f]{16}$/.test(name));
  assert.equal(aside.length, 1, "and what stood there is kept");
  assert.ok(await exists(join(dir, "runs", aside[0], "attempts/1/events.ndjson")));
  assert.match(daemon.output(), /its folder was one of another run or database; that is now .*1\.stranger-/);
});

test("a restored copy is another database, whose folders are its own", async (t) => {
  const dir = await folder(t), at = await folder(t), { ablated } = await import("../daemon.mjs");
  let daemon = await serve(dir);
  const id = await daemon.submit(7, { steps: 1e7, eval_every: 1e7, checkpoint_every: 1000 });
  await daemon.until("a checkpoint", async () => (await daemon.rows("SELECT 1 FROM checkpoints")).length > 0);
  await daemon.call("POST", `/runs/${id}/cancel`, undefined, 202);
  await daemon.ended(id); // a run that trains replaces its checkpoints while they are copied
  assert.equal((await ablated("backup", "--data", dir, join(at, "backup"))).status, 0);
  assert.equal((await ablated("restore", "--data", join(at, "copy"), join(at, "backup"))).status, 0);
  assert.ok(!(await exists(join(at, `copy/runs/${id}/owner.json`))));
  const [[own]] = await daemon.rows("SELECT id FROM identity");
  daemon = await serve(join(at, "copy"));
  const [[copied]] = await daemon.rows("SELECT id FROM identity");
  assert.notEqual(copied, own);
  await daemon.call("POST", `/runs/${id}/retry`, undefined, 200);
  await daemon.until("it goes on from its checkpoint", async () => /from step [1-9]/.test(await daemon.get(`/runs/${id}/log`)));
  assert.equal(JSON.parse(await readFile(join(at, `copy/runs/${id}/owner.json`), "utf8")).database, copied);
  assert.ok(!(await readdir(join(at, "copy/runs"))).some((name) => name.includes("stranger")));
  await daemon.call("POST", `/runs/${id}/cancel`, undefined, 202);
  await daemon.ended(id);
});

test("a folder that was moved under its daemon, and another daemon at the old path", async (t) => {
  const at = await folder(t), dir = join(at, "data"), moved = join(at, "moved");
  const first = await serve(dir, "--slots", "1"), endless = await first.submit(1, { steps: 1e7, eval_every: 1e7 });
  await first.until("it trains", async () => (await first.get(`/runs/${endless}`)).step > 0);
  const waiting = await first.submit(2);
  const [[pid]] = await first.rows(`SELECT pid FROM attempts WHERE run = ${endless}`);
  await rename(dir, moved);
  assert.deepEqual(await health(first), { status: 503, reasons: ["folder_moved"] });
  const second = await serve(dir);
  for (const token of [first.token, second.token]) {
    const reply = await fetch(`${first.base}/api/v1/queue`, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(reply.status, 503);
    assert.match((await reply.json()).detail, /folder_moved/);
  }
  process.kill(-pid, "SIGKILL"); // there is a place for the run that waits
  const ids = [await second.submit(3), await second.submit(3)];
  for (const id of ids) assert.equal((await second.ended(id)).state, "succeeded");
  assert.deepEqual(await second.curve(ids[0]), await second.curve(ids[1]));
  await first.until("it says why it waits", () => /it can't be settled: folder_moved/.test(first.output()));
  assert.equal((await readdir(join(dir, "runs"))).length, 2);
  assert.ok(!(await exists(join(moved, `runs/${waiting}`))), "nothing is begun");
  assert.deepEqual(await health(second), { status: 200, reasons: [] });

  process.kill(first.pid, "SIGKILL");
  await first.over;
  const back = await serve(moved, "--slots", "1"); // under any name, when its daemon is started with it
  await back.call("POST", `/runs/${endless}/cancel`, undefined, 202);
  await back.ended(endless);
  assert.equal((await back.ended(waiting)).state, "succeeded");
});

test("a daemon whose folder was moved leaves the other one's door and address alone", async (t) => {
  const at = await folder(t), dir = join(at, "data");
  const first = await serve(dir);
  await rename(dir, join(at, "moved"));
  const second = await serve(dir);
  assert.equal(await first.stop({ keep: true }), 0);
  for (const name of ["worker.sock", "address", "unclean"]) assert.ok(await exists(join(dir, name)), name);
  assert.equal((await second.ended(await second.submit(1))).state, "succeeded");
});

test("a lock that is a folder is nobody's, and its attempt is over", async (t) => {
  const dir = await folder(t);
  let daemon = await serve(dir);
  const id = await daemon.submit(1, { steps: 1e7, eval_every: 1e7 });
  await daemon.until("it trains", async () => (await daemon.get(`/runs/${id}`)).step > 0);
  const [[pid]] = await daemon.rows(`SELECT pid FROM attempts WHERE run = ${id}`);
  process.kill(daemon.pid, "SIGKILL");
  await daemon.over;
  process.kill(-pid, "SIGKILL");
  await rm(join(dir, `runs/${id}/attempts/1/lock`));
  await mkdir(join(dir, `runs/${id}/attempts/1/lock`));
  daemon = await serve(dir);
  await daemon.until("another attempt", async () => (await daemon.get(`/runs/${id}`)).attempt === 2);
  assert.notEqual((await daemon.get(`/runs/${id}`)).attempts[0].ended_at, null);
  await daemon.call("POST", `/runs/${id}/cancel`, undefined, 202);
  await daemon.ended(id);
});

test("a folder that is away for a while fails no run", async (t) => {
  const at = await folder(t), dir = join(at, "data"), away = join(at, "away");
  const daemon = await serve(dir, "--slots", "1");
  const id = await daemon.submit(1, { steps: 4000, checkpoint_every: 20, eval_every: 4000 }), next = await daemon.submit(2);
  await daemon.until("it trains", async () => (await daemon.get(`/runs/${id}`)).step > 0);
  await rename(dir, away);
  await daemon.until("the trainer waits", async () =>
    /waiting for the run's folder/.test(await readFile(join(away, `runs/${id}/attempts/1/events.ndjson`), "utf8")));
  assert.deepEqual(await health(daemon), { status: 503, reasons: ["folder_moved"] });
  await rename(away, dir);
  for (const run of [id, next]) {
    const { state, attempt, reason } = await daemon.ended(run);
    assert.deepEqual([state, attempt, reason], ["succeeded", 1, ""]);
  }
  assert.deepEqual(await health(daemon), { status: 200, reasons: [] });
});

// Root passes by modes.
const root = process.getuid() === 0;
test("a folder of a run that can't be read for a while fails no run", async (t) => {
  const at = await folder(t), dir = join(at, "data");
  await chmod(at, 0o777);
  const daemon = await serveUnder(root ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : undefined, dir);
  const id = await daemon.submit(1, { steps: 4000, checkpoint_every: 20, eval_every: 4000 }), run = join(dir, `runs/${id}`);
  const said = async (what, times) => (await readFile(join(run, "attempts/1/log.txt"), "utf8")).split(what).length - 1 === times;
  await daemon.until("there is a checkpoint", () => exists(join(run, "checkpoints/step-20.safetensors")));
  for (const [i, closed] of [join(run, "checkpoints"), ...(root ? [run] : [])].entries()) { // else nobody could read its log
    await chmod(closed, 0);
    await daemon.until("the trainer is held", () => said("the trainer is held: a folder of the run can't be read", i + 1));
    await chmod(closed, 0o700);
    await daemon.until("it goes on", () => said("the trainer goes on", i + 1));
  }
  const { state, attempt, reason } = await daemon.ended(id);
  assert.deepEqual([state, attempt, reason], ["succeeded", 1, ""]);
});
