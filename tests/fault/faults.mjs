// What the scenarios share: small experiments, what a daemon holds, disks that fill up, programs that are disturbed.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ABLATED, start } from "../e2e/daemon.mjs";
import { make, remove } from "../e2e/folder.mjs";
import { until } from "../e2e/until.mjs";

export { ABLATED, sleep, until };
export const WORKER = join(dirname(ABLATED), "ablate-worker");
export const root = process.getuid() === 0;
/** What FAULTS_SEED says, and numbers from 0 to 1 that come of it (mulberry32). */
export const seed = Number(process.env.FAULTS_SEED ?? 1);
export function random(from) {
  let state = from >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let x = Math.imul(state ^ state >>> 15, state | 1);
    x ^= x + Math.imul(x ^ x >>> 7, x | 61);
    return ((x ^ x >>> 14) >>> 0) / 2 ** 32;
  };
}
export const has = (program) => spawnSync(program, ["--version"]).error === undefined;
const CORPUS = Array.from({ length: 400 }, (_, i) => `Document ${i} says that ${i} comes after ${i - 1}, and ${i * i % 97}.`).join("\n%\n");

/** Whether a process runs, or is stopped; one that has died and waits to be seen doesn't. */
export function alive(pid) {
  try { return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8")); } catch { return false; }
}

const serving = new Set();
/** A folder for a test; removed after it, the daemons in it killed before: what follows a hook that fails isn't called. */
export async function folder(t) {
  const path = await make("fault");
  t.after(async () => {
    const mine = [...serving].filter(({ dir }) => dir.startsWith(path));
    mine.forEach((daemon) => daemon.kill("SIGKILL"));
    await Promise.all(mine.map(({ ended }) => ended));
    await remove(path);
  });
  return path;
}

/** A disk of so many MiB, unmounted after the test. Needs root. */
export async function disk(t, mib) {
  const at = await make("disk");
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m`, "ablate-fault", at]);
  t.after(() => {
    execFileSync("umount", ["-l", at]);
    return remove(at);
  });
  return at;
}

/** Fills the disk around a folder to the last byte but `leave`. */
export function fill(at, leave = 0) {
  const free = Number(execFileSync("df", ["--output=avail", "-B1", at], { encoding: "utf8" }).split("\n")[1]);
  if (leave > 0) execFileSync("fallocate", ["-l", String(free - leave), join(at, "filler")]);
  else spawnSync("dd", ["if=/dev/zero", `of=${join(at, "filler")}`, "bs=4096"], { stdio: "ignore" });
}

/** Starts a daemon that is killed after the test, whatever becomes of it. */
export async function serve(t, options) {
  const daemon = await start(options);
  serving.add(daemon);
  daemon.ended.then(() => serving.delete(daemon));
  t.after(() => daemon.kill("SIGKILL"));
  return daemon;
}

export async function call(daemon, method, path, body, status) {
  const json = body !== undefined && typeof body !== "string";
  const reply = await daemon.fetch(`/api/v1/${path}`, {
    method, body: json ? JSON.stringify(body) : body,
    headers: body === undefined ? {} : { "Content-Type": json ? "application/json" : "text/plain" },
  });
  const text = await reply.text();
  if (status !== undefined) assert.equal(reply.status, status, `${method} ${path}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

/** A dataset and an experiment of two small runs; the experiment. */
export async function submit(daemon, { steps = 40, seeds = [1, 2], train = {}, ...more } = {}) {
  await call(daemon, "PUT", "datasets/small", CORPUS);
  return call(daemon, "POST", "experiments", {
    name: "small", data: { dataset: "small", seq_len: 16 },
    model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
    train: { steps, batch_size: 2, eval_every: 20, eval_windows: 4, checkpoint_every: 20, ...train }, seeds, ...more,
  }, 201);
}

/** Of submit(): steps that take their time, so that a run is caught in its middle however late the test comes to it. */
export const LONG = { steps: 1500, train: { batch_size: 8, checkpoint_every: 100, eval_every: 500 }, data: { dataset: "small", seq_len: 48 },
  model: { layers: 2, heads: 2, d_model: 48, d_ff: 48, experts: 2, experts_per_token: 1 } };

export const ended = (daemon, id) => until(`experiment ${id} ends`, async () => {
  const experiment = await call(daemon, "GET", `experiments/${id}?wait=30`);
  return experiment.counts.queued + experiment.counts.running === 0 && experiment;
});

/** A worker program that trains every run but the first, which floods its log (programs/flooder.mjs). */
export async function flooding(at) {
  const path = join(at, "worker"), flooder = fileURLToPath(new URL("programs/flooder.mjs", import.meta.url));
  await writeFile(path, `#!/bin/sh\ncase $3 in\n*/runs/1/*) exec flock "$3/lock" "${process.execPath}" "${flooder}" "$3" ;;\nesac\nexec "${WORKER}" "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

/** Figures of /metrics by name, those without labels. */
export async function figures(daemon) {
  const text = await (await daemon.fetch("/metrics")).text();
  return Object.fromEntries([...text.matchAll(/^(\w+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

/** What the runs of an experiment say, clocks aside: {arm and seed: {metric: points}}. */
export async function curves(daemon, id) {
  const { items } = await call(daemon, "GET", `runs?experiment=${id}`), all = {};
  for (const run of items) {
    const { series } = await call(daemon, "GET", `runs/${run.id}/metrics?points=100000`);
    all[`${run.arm} ${run.seed}`] = Object.fromEntries(Object.entries(series).filter(([name]) => !/^(time|throughput)\//.test(name))
      .map(([name, { points }]) => [name, points]));
  }
  return all;
}

export const sql = (dir, text) => execFileSync("sqlite3", ["-bail", "-json", `${dir}/ablate.db`],
  { input: `.timeout 5000\n${text};\n`, encoding: "utf8" });
export const rows = (dir, text) => JSON.parse(sql(dir, text) || "[]");

/** Pids of the keepers that live, by the store and /proc, and of their trainers. */
export function workers(dir) {
  const keepers = rows(dir, "SELECT run, attempt, pid FROM attempts WHERE ended_at IS NULL AND pid IS NOT NULL").map(({ pid }) => pid)
    .filter((pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(dir); } catch { return false; } });
  const children = (pid) => { try { return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number); } catch { return []; } };
  return { keepers, trainers: keepers.flatMap(children) };
}
/** How many of them there were to kill. */
export const kill = (pids) => pids.filter((pid) => { try { return process.kill(pid, "SIGKILL"); } catch { return false; } }).length;

/** Each run has ended once, in order, and what is derived agrees with what it is derived from. */
export function consistent(dir, id) {
  const none = (what, text) => assert.deepEqual(rows(dir, text), [], what);
  const of = `SELECT id FROM runs WHERE experiment = ${id}`;
  none("every run succeeded", `SELECT * FROM runs WHERE experiment = ${id} AND state <> 'succeeded'`);
  none("one end a run", `SELECT run, count(*) FROM history WHERE run IN (${of}) AND what IN ('succeeded', 'failed', 'cancelled') GROUP BY run HAVING count(*) <> 1`);
  none("one event of an end a run", `SELECT run, count(*) FROM events WHERE kind = 'run' AND run IN (${of}) AND json_extract(data, '$.state') = 'succeeded'
    GROUP BY run HAVING count(*) <> 1`);
  none("no event is missing, but where a start after a death passed over ids", `SELECT seq FROM events WHERE seq % 10000 <> 1
    AND seq > (SELECT min(seq) FROM events) AND seq - 1 NOT IN (SELECT seq FROM events)`);
  none("no attempt is open", `SELECT * FROM attempts WHERE run IN (${of}) AND (ended_at IS NULL OR outcome = '')`);
  none("attempts are numbered without gaps", `SELECT run FROM attempts WHERE run IN (${of}) GROUP BY run HAVING count(*) <> max(attempt)`);
  none("one attempt finished a run", `SELECT run FROM attempts WHERE run IN (${of}) GROUP BY run HAVING sum(outcome = 'finished') <> 1`);
  none("rollups count the values", `SELECT run, name FROM metrics WHERE run IN (${of}) GROUP BY run, name HAVING count(*) <>
    (SELECT sum(count + nonfinite) FROM rollups r WHERE r.run = metrics.run AND r.name = metrics.name AND level = 1)`);
  none("what was computed again agreed", `SELECT * FROM audits WHERE run IN (${of}) AND name = 'replay' AND status = 'fail'`);
  assert.deepEqual(rows(dir, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
}

/** Every file below a folder, relative. */
export async function files(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath ?? one.path, one.name).slice(dir.length + 1)).sort();
}
