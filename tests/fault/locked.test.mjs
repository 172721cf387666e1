// Another process holds the database's lock for longer than anybody has patience: nothing that was answered is lost,
// what can't be written is refused with the reason, workers train on, and all goes on by itself when the lock is gone.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ablated } from "../e2e/daemon.mjs";
import { call, curves, ended, folder, LONG, rows, serve, sleep, sql, submit, until } from "./faults.mjs";

const SPEC = { ...LONG, seeds: [1] };
const LEASE_S = 10, ARGS = ["--slots", "1", "--lease", String(LEASE_S)];

/** Takes the lock with these statements; let it go by free(). */
async function lock(t, dir, begin) {
  const shell = spawn("sqlite3", [join(dir, "ablate.db")], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => shell.kill("SIGKILL"));
  let said = "";
  shell.stdout.on("data", (data) => (said += data));
  shell.stdin.write(`.timeout 10000\n${begin};\nSELECT 'held';\n`);
  await until("the lock is taken", () => said.includes("held"));
  return { async free() {
    const gone = new Promise((resolve) => shell.on("close", resolve));
    shell.stdin.end("ROLLBACK;\n");
    await gone;
  } };
}
const post = (daemon, name) => daemon.fetch("/api/v1/experiments", { method: "POST", headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ name, data: { dataset: "small", seq_len: 16 } }) });

test("a lock that is held for longer than a lease: nobody waits for everybody else, and the run trains on", async (t) => {
  const daemon = await serve(t, { args: ARGS }), { id } = await submit(daemon, SPEC);
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 100);
  const names = Array.from({ length: 60 }, (_, i) => `while locked ${i}`), log = join(daemon.dir, "runs/1/attempts/1/events.ndjson");
  const held = await lock(t, daemon.dir, "BEGIN EXCLUSIVE"), { size } = await stat(log), { step } = await call(daemon, "GET", "runs/1");
  const answers = await Promise.all(names.map(async (name) => {
    const reply = await post(daemon, name);
    return { name, status: reply.status, ...await reply.json() };
  }));
  for (const { status, code, detail } of answers) {
    assert.equal(status, 503, detail);
    assert.equal(code, "unavailable");
    assert.match(detail, /locked/);
  }
  await sleep(LEASE_S * 1000 + 2000);
  assert.ok((await stat(log)).size > size, "the worker has trained on");
  assert.equal((await call(daemon, "GET", "runs/1")).step, step, "nothing could be stored; what was is read");
  assert.match((await (await daemon.fetch("/healthz")).json()).reasons.join(), /^database_locked: /);
  await held.free();
  assert.equal((await post(daemon, "after")).status, 201);
  await until("it ends", async () => (await call(daemon, "GET", "runs/1")).state === "succeeded");
  assert.deepEqual(rows(daemon.dir, "SELECT attempt, outcome FROM attempts WHERE run = 1"), [{ attempt: 1, outcome: "finished" }]);
  assert.deepEqual(rows(daemon.dir, "SELECT name FROM experiments WHERE id > 1"), [{ name: "after" }], "what was refused isn't there");
  assert.deepEqual((await (await daemon.fetch("/healthz")).json()).reasons, []);
  await call(daemon, "POST", "experiments/2/cancel", undefined, 202);
  const again = await submit(daemon, SPEC);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
  t.diagnostic(`found: ${answers.length} submissions refused with 503 "${answers[0].detail}", one attempt, curves as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});

for (const end of ["SIGTERM", "SIGKILL"])
  test(`after a ${end} and under a lock a daemon starts, answers, refuses what changes something, and claims when it is gone`, async (t) => {
    const dir = join(await folder(t), "data"), first = await serve(t, { dir, args: ARGS });
    await call(first, "POST", "queue", { paused: true }, 200);
    const { id } = await submit(first, { seeds: [1] });
    first.kill(end);
    await first.ended;
    sql(dir, "UPDATE settings SET value = '0' WHERE key = 'queue_paused'");
    const held = await lock(t, dir, "BEGIN IMMEDIATE"), daemon = await serve(t, { dir, args: ARGS });
    assert.equal((await call(daemon, "GET", `experiments/${id}`)).counts.queued, 1);
    assert.equal((await post(daemon, "while locked")).status, 503);
    await held.free();
    assert.equal((await ended(daemon, id)).counts.succeeded, 1);
    assert.deepEqual(rows(dir, "SELECT name FROM experiments"), [{ name: "small" }]);
    assert.equal(await daemon.stop(), 0);
  });

test("a database that another process has to itself isn't begun with: the start ends and says why", async (t) => {
  const dir = join(await folder(t), "data"), first = await serve(t, { dir });
  await first.stop();
  const held = await lock(t, dir, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO settings VALUES ('x', 'y')");
  const { status, stderr } = await ablated("--data", dir, "--listen", "127.0.0.1:0");
  assert.equal(status, 75, stderr);
  assert.match(stderr, /locked/);
  await held.free();
  assert.equal(await (await serve(t, { dir })).stop(), 0);
  t.diagnostic(`found: exit status ${status}, "${stderr.trim()}"`);
});
