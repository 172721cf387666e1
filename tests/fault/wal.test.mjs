// A write-ahead log that has lost its end: the disk has lied, or somebody has copied half of it. The daemon is killed,
// alone or with its workers, the log cut or zeroed at places drawn from FAULTS_SEED, and the daemon started again.
//
// What remains of the database is what was committed up to some moment. An attempt's mark goes back with its rows, as they
// were committed together, so its own file gives them back; also those of attempts that the store knows nothing of any
// more. A run whose submission is gone can't come back: its folder stays, and nobody takes it for his own.

import assert from "node:assert/strict";
import { copyFile, mkdir, open, readdir, rm, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { alive, call, consistent, curves, ended, folder, kill, LONG, random, rows, seed, serve, sleep, sql, submit, until, workers } from "./faults.mjs";

const SPEC = { steps: 300, seeds: [1, 2], max_attempts: 100, artifacts: ["final"], train: { checkpoint_every: 20, eval_every: 50 } };
const ARGS = ["--slots", "2"], ROUNDS = 8;

const STORE = ["ablate.db", "ablate.db-wal"];
/** Copies the database and its log as they are: looking at them moves the one into the other. */
async function take(from, to) {
  await mkdir(to, { recursive: true });
  for (const name of STORE) await copyFile(join(from, name), join(to, name));
  return to;
}
function look(dir) {
  const sound = rows(dir, "PRAGMA integrity_check");
  if (rows(dir, "SELECT 1 FROM sqlite_master WHERE name = 'events'").length === 0) return { sound, events: [], n_values: 0, n_experiments: 0 }; // even the tables
  return { sound, events: rows(dir, "SELECT * FROM events ORDER BY seq"),
    ...rows(dir, "SELECT (SELECT count(*) FROM metrics) AS n_values, (SELECT count(*) FROM experiments) AS n_experiments")[0] };
}

/** Cuts the log at a place, or zeroes 4 KiB there; what was done. */
async function damage(file, next) {
  const { size } = await stat(file), at = Math.floor(next() * size), zero = next() < 0.4;
  if (!zero) await truncate(file, at);
  else {
    const handle = await open(file, "r+");
    await handle.write(Buffer.alloc(Math.min(4096, size - at)), 0, Math.min(4096, size - at), at);
    await handle.close();
  }
  return `${zero ? "zeroed" : "cut"} at ${at} of ${size}`;
}

async function dies(daemon, dir, everybody) {
  const { keepers, trainers } = workers(dir), all = [...keepers, ...trainers];
  daemon.kill("SIGKILL");
  if (everybody) kill(all);
  await daemon.ended;
  await until("all are gone", () => !everybody || !all.some(alive));
}

test("what remains is what was once there; files give back the rest; lost submissions confuse nobody", async (t) => {
  const at = await folder(t), dir = join(at, "data"), next = random(seed);
  const calm = await serve(t, { dir: join(at, "calm"), args: ARGS }), { id: undisturbed } = await submit(calm, SPEC);
  assert.equal((await ended(calm, undisturbed)).counts.succeeded, 2);
  const reference = await curves(calm, undisturbed);
  await calm.stop();

  let daemon = await serve(t, { dir, args: ARGS });
  const seen = { values: 0, experiments: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const { items } = await call(daemon, "GET", "experiments");
    if (items.every(({ state }) => state === "finished")) await submit(daemon, SPEC);
    await sleep(Math.floor(next() * 1500));
    await dies(daemon, dir, next() < 0.6);
    const full = look(await take(dir, join(at, `full-${round}`))), what = await damage(join(dir, "ablate.db-wal"), next);
    const left = look(await take(dir, join(at, `left-${round}`)));
    assert.deepEqual(left.sound, [{ integrity_check: "ok" }], what);
    assert.deepEqual(left.events, full.events.slice(0, left.events.length), `${what}: a beginning of what was there`);
    seen.values += full.n_values - left.n_values;
    seen.experiments += full.n_experiments - left.n_experiments;
    const folders = (await readdir(join(dir, "runs"))).map(Number);
    daemon = await serve(t, { dir, args: ARGS });
    const { id } = await submit(daemon, SPEC);
    for (const run of rows(dir, `SELECT id FROM runs WHERE experiment = ${id}`))
      assert.ok(!folders.includes(run.id), `run ${run.id} has a folder of its own`);
  }
  for (const { id } of (await call(daemon, "GET", "experiments")).items) {
    assert.equal((await ended(daemon, id)).counts.succeeded, 2, JSON.stringify((await call(daemon, "GET", `runs?experiment=${id}`)).items.map((run) => [run.id, run.attempt, run.reason])));
    consistent(dir, id);
    assert.deepEqual(await curves(daemon, id), reference, `experiment ${id}`);
  }
  t.diagnostic(`found: seed ${seed}, ${ROUNDS} rounds; the log lost ${seen.values} values and ${seen.experiments} experiments; all that it knew ended as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});

for (const lives of [false, true])
  test(`an attempt that the store has forgotten, its trainer ${lives ? "alive" : "dead"}: nothing of it is lost, nobody is started over it, and it doesn't count`, async (t) => {
    const at = await folder(t), dir = join(at, "data"), before = join(at, "before"), spec = { ...LONG, artifacts: ["final"], seeds: [1], max_attempts: 1 };
    let daemon = await serve(t, { dir, args: ARGS });
    await call(daemon, "POST", "queue", { paused: true }, 200);
    const { id } = await submit(daemon, spec);
    await dies(daemon, dir, true);
    await take(dir, before);
    daemon = await serve(t, { dir, args: ARGS });
    await call(daemon, "POST", "queue", { paused: false }, 200);
    await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 300);
    const { trainers: [trainer] } = workers(dir);
    if (lives) process.kill(trainer, "SIGSTOP"); // it is in the middle, however long the next daemon takes
    await dies(daemon, dir, !lives);
    await take(before, dir);
    await rm(join(dir, "ablate.db-shm"), { force: true });
    sql(dir, "UPDATE settings SET value = '0' WHERE key = 'queue_paused'");
    assert.deepEqual(rows(dir, "SELECT * FROM attempts"), []);
    daemon = await serve(t, { dir, args: ARGS });
    if (lives) {
      await until("its trainer is waited for", () => /msg="it had begun before.* run=1 attempt=1$/m.test(daemon.output()));
      process.kill(trainer, "SIGCONT");
    }
    assert.equal((await ended(daemon, id)).counts.succeeded, 1, (await call(daemon, "GET", "runs/1")).reason);
    const attempts = rows(dir, "SELECT attempt, outcome FROM attempts");
    assert.deepEqual(attempts, [...lives ? [] : [{ attempt: 1, outcome: "lost" }], { attempt: lives ? 1 : 2, outcome: "finished" }]);
    if (!lives) assert.ok(rows(dir, "SELECT min(step) AS step FROM checkpoints WHERE attempt = 2")[0].step > 300, "it went on where it was");
    consistent(dir, id);
    const again = await submit(daemon, spec);
    await ended(daemon, again.id);
    assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
    t.diagnostic(`found: ${JSON.stringify(attempts)} by trainer ${trainer}, with max_attempts 1; curves as undisturbed`);
    assert.equal(await daemon.stop(), 0);
  });
