// What the scenarios share: small experiments, what a daemon holds, disks that fill up, programs that are disturbed.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ABLATED, start } from "../e2e/daemon.mjs";

export { ABLATED, sleep };
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

/** A folder for a test; removed after it. */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), "ablate-fault-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A disk of so many MiB, unmounted after the test. Needs root. */
export async function disk(t, mib) {
  const at = await mkdtemp(join(tmpdir(), "ablate-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m`, "ablate-fault", at]);
  t.after(() => {
    execFileSync("umount", ["-l", at]);
    return rm(at, { recursive: true });
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

export async function until(test, what, ms = 180000) {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(50)) {
    const found = await test();
    if (found) return found;
  }
  throw new Error(`in vain: ${what}`);
}

export const ended = (daemon, id) => until(async () => {
  const experiment = await call(daemon, "GET", `experiments/${id}?wait=30`);
  return experiment.counts.queued + experiment.counts.running === 0 && experiment;
}, `experiment ${id} ends`, 240000);

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

/** Every file below a folder, relative. */
export async function files(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((one) => one.isFile()).map((one) => join(one.parentPath ?? one.path, one.name).slice(dir.length + 1)).sort();
}
