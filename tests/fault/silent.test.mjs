// Workers that are stopped, daemons that are stopped, daemons that end: leases and --stop-workers.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chmod, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { ABLATED, alive, call, curves, ended, folder, LONG, rows, serve, sleep, sql, submit, until } from "./faults.mjs";

const WORKER = join(dirname(ABLATED), "ablate-worker");
const LEASE_S = 10, LONGER_S = 20 /* of which a busy machine may lose half */, SPEC = { ...LONG, seeds: [1] };

/** The run's keeper and trainer, once it trains. */
async function worker(daemon) {
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 120);
  const [{ pid: keeper }] = rows(daemon.dir, "SELECT pid FROM attempts WHERE ended_at IS NULL");
  return { keeper, trainer: Number(readFileSync(`/proc/${keeper}/task/${keeper}/children`, "latin1")) };
}
const attempts = (dir) => rows(dir, "SELECT attempt, outcome FROM attempts WHERE run = 1");
async function as(t, daemon, spec) {
  const again = await submit(daemon, spec);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, 1), await curves(daemon, again.id), "as if nothing had happened");
}

test("a worker that says nothing for a lease is killed, and its run goes on in the next attempt, bit for bit", async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1", "--lease", String(LEASE_S)] });
  await submit(daemon, SPEC);
  const { keeper, trainer } = await worker(daemon);
  process.kill(keeper, "SIGSTOP");
  process.kill(trainer, "SIGSTOP");
  await until("another attempt begins", () => attempts(daemon.dir).length === 2);
  assert.ok(!alive(trainer), "there is nobody to wake");
  assert.match((await call(daemon, "GET", "runs/1")).attempts[0].outcome, /lost/);
  assert.match(daemon.output(), /nothing was heard of the worker for \d+ s/);
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  await as(t, daemon, SPEC);
  t.diagnostic(`found: ${JSON.stringify(attempts(daemon.dir))}, curves as undisturbed`);
  await daemon.stop();
});

test("a worker whose pid was never stored is killed after a lease, too: it stands in its lock", async (t) => {
  const at = await folder(t), dir = `${at}/data`, args = ["--slots", "1", "--lease", String(LEASE_S)];
  let daemon = await serve(t, { dir, args });
  await submit(daemon, SPEC);
  const { keeper, trainer } = await worker(daemon);
  daemon.kill("SIGKILL");
  await daemon.ended;
  sql(dir, "UPDATE attempts SET pid = NULL"); // as if it had died between fork and commit
  process.kill(keeper, "SIGSTOP");
  process.kill(trainer, "SIGSTOP");
  t.after(() => { try { process.kill(-keeper, "SIGKILL"); } catch { /* it has been */ } });
  daemon = await serve(t, { dir, args });
  await until("another attempt begins", () => attempts(dir).length === 2);
  assert.ok(!alive(trainer), "there is nobody to wake");
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  await as(t, daemon, SPEC);
  t.diagnostic(`found: ${JSON.stringify(attempts(dir))}, curves as undisturbed`);
  await daemon.stop();
});

test("a keeper that comes after its attempt was settled ends without training", async (t) => {
  const at = await folder(t), dir = `${at}/data`, late = `${at}/worker`, go = `${at}/go`;
  // Only the first attempt's waits, before it is the keeper.
  await writeFile(late, `#!/bin/sh\ncase $3 in */1/attempts/1) until [ -e ${go} ]; do sleep 0.1; done ;; esac\nexec ${WORKER} "$@"\n`);
  await chmod(late, 0o755);
  const args = ["--slots", "1", "--worker", late];
  let daemon = await serve(t, { dir, args });
  await submit(daemon, SPEC);
  const [{ pid }] = await until("it is started", () => rows(dir, "SELECT pid FROM attempts WHERE pid IS NOT NULL")[0] && rows(dir, "SELECT pid FROM attempts"));
  t.after(() => writeFile(go, "").catch(() => {}));
  daemon.kill("SIGKILL");
  await daemon.ended;
  daemon = await serve(t, { dir, args });
  await until("another attempt begins", () => attempts(dir).length === 2);
  await writeFile(go, "");
  await until("the late one ends", () => !alive(pid));
  assert.match(readFileSync(`${dir}/runs/1/attempts/1/log.txt`, "utf8"), /the attempt in .* is over/);
  assert.ok(!existsSync(`${dir}/runs/1/attempts/1/events.ndjson`), "it has trained nothing");
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  t.diagnostic(`found: ${JSON.stringify(attempts(dir))}, no events of the late one`);
  await daemon.stop();
});

test("a worker that is stopped for less trains on; and so it does when the daemon was stopped for longer than a lease", async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1", "--lease", String(LONGER_S)] });
  await submit(daemon, { ...SPEC, steps: 2500 });
  const { trainer } = await worker(daemon);
  process.kill(trainer, "SIGSTOP");
  await sleep(3000);
  process.kill(trainer, "SIGCONT");
  daemon.kill("SIGSTOP");
  process.kill(trainer, "SIGSTOP"); // whose silence it was, it can't know
  await sleep(LONGER_S * 1000 + 2000);
  daemon.kill("SIGCONT");
  await sleep(LONGER_S * 1000 / 2);
  process.kill(trainer, "SIGCONT");
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  assert.deepEqual(attempts(daemon.dir), [{ attempt: 1, outcome: "finished" }]);
  t.diagnostic("found: one attempt, finished");
  await daemon.stop();
});

test("a worker that has said nothing while there was no daemon has a full lease from the next one's start", async (t) => {
  const at = await folder(t), dir = `${at}/data`, args = ["--slots", "1", "--lease", String(LONGER_S)];
  let daemon = await serve(t, { dir, args });
  await submit(daemon, SPEC);
  const { trainer } = await worker(daemon);
  process.kill(trainer, "SIGSTOP");
  daemon.kill("SIGKILL");
  await daemon.ended;
  await sleep(LONGER_S * 1000 + 2000);
  daemon = await serve(t, { dir, args });
  await sleep(LONGER_S * 1000 / 2);
  process.kill(trainer, "SIGCONT");
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  assert.deepEqual(attempts(dir), [{ attempt: 1, outcome: "finished" }]);
  t.diagnostic("found: one attempt, finished");
  await daemon.stop();
});

test("SIGTERM leaves workers training; with --stop-workers they leave a checkpoint, which counts as no attempt", async (t) => {
  const at = await folder(t), dir = `${at}/data`, args = ["--slots", "1"], spec = { ...SPEC, max_attempts: 1 };
  let daemon = await serve(t, { dir, args });
  await submit(daemon, spec);
  const { trainer } = await worker(daemon);
  assert.equal(await daemon.stop(), 0);
  assert.ok(alive(trainer));
  daemon = await serve(t, { dir, args: [...args, "--stop-workers"] });
  await until("the next daemon hears of it", () => rows(dir, "SELECT 1 FROM runs WHERE step > 150").length > 0);
  assert.equal(attempts(dir).length, 1);
  assert.equal(await daemon.stop(), 0);
  assert.ok(!alive(trainer), "it has stopped");
  assert.deepEqual(rows(dir, "SELECT state FROM runs"), [{ state: "queued" }]);
  daemon = await serve(t, { dir, args });
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  await as(t, daemon, spec);
  t.diagnostic(`found: ${JSON.stringify(attempts(dir))}, curves as undisturbed`);
  await daemon.stop();
});
