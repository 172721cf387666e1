// Runs of `ablate-worker train`, as a person would run it, and all that they say: every metric of every step, evaluations,
// the content of checkpoints, artifacts; clocks aside. The same specification says the same whatever the number of threads,
// beside another run, and when the trainer is killed at any moment and resumes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { ABLATED, start } from "./daemon.mjs";
import { make, remove } from "./folder.mjs";

export const WORKER = join(dirname(ABLATED), "ablate-worker");
const CLOCKS = /^(time|throughput)\//;
export const CORPUS = Array.from({ length: 300 }, (_, i) => `Line ${i} of a small corpus: ${i * i % 97} and ${i % 7}.\n`).join("%\n");
/** What the arms below leave out, at once. */
const OPTIONS = {
  model: { layers: 3, activation: "swiglu", tied: false, attention_layers: [
    { layers: [0, 0], attention: { kind: "dense" } },
    { layers: [2, 2], attention: { kind: "random_topk", top_k: 5 } }] },
  train: { micro_batch_size: 2, optimizer: "adamw", weight_decay: 0.1, schedule: "cosine" },
};
export const ATTENTION = {
  dense: { kind: "dense" },
  dsa: { kind: "dsa", top_k: 9, indexer_heads: 2, indexer_dim: 8, dense_warmup_steps: 7, indexer_norm: true, indexer_rope: true },
  published: { kind: "dsa", top_k: 12, indexer_heads: 2, indexer_dim: 8, indexer_training: "frozen", selection: "published" },
};

let folder, dataset, count = 0;
/** A place of its own for a run. */
export const place = () => join(folder, String(++count));

before(async () => {
  folder = await make("exact");
  const daemon = await start({ dir: join(folder, "data") });
  const reply = await daemon.fetch("/api/v1/datasets/corpus", { method: "PUT", body: CORPUS, headers: { "Content-Type": "text/plain" } });
  dataset = join(daemon.dir, "datasets", (await reply.json()).digest);
  await daemon.stop();
});
after(() => remove(folder));

/** A run's specification. */
export const spec = (attention, { seed = 3, steps = 120, model, train } = {}) => ({
  data: { dataset: "corpus", seq_len: 24 },
  model: { layers: 2, heads: 2, d_model: 48, d_ff: 48, attention, ...model },
  train: { steps, batch_size: 6, eval_every: 20, checkpoint_every: 15, warmup_steps: 3, grad_clip: 1, ...train },
  seed, artifacts: ["final", "attention"],
});

/** One attempt: {lines, status, stderr}. `kill`: a signal after so many lines, or at one that matches. */
export async function attempt(file, out, { threads = 1, kill = Infinity, signal = "SIGKILL", from = dataset, env = {}, more = [] } = {}) {
  const child = spawn(WORKER, ["train", file, "--dataset", from, "--out", out, "--threads", String(threads), ...more],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const lines = [], ended = new Promise((resolve) => child.on("close", resolve));
  let stderr = "";
  child.stderr.on("data", (bytes) => (stderr += bytes));
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (kill instanceof RegExp ? kill.test(line) : lines.length === kill) child.kill(signal);
  }
  return { lines, status: await ended, stderr };
}

/** Adds what the lines say to `said`; a step that is said again must say the same. */
export function collect(lines, said) {
  const say = (key, value) => {
    const text = JSON.stringify(value);
    assert.equal(said[key] ?? text, text, `${key}, trained again`);
    said[key] = text;
  };
  for (const line of lines) {
    let event;
    try { event = JSON.parse(line); } catch { continue; } // the line in which it was killed
    if (event.type === "metrics")
      for (const [step, ...values] of event.rows)
        event.names.forEach((name, i) => CLOCKS.test(name) || say(`${name} at ${step}`, values[i]));
    if (event.type === "eval") for (const [name, value] of Object.entries(event.values)) say(`${name} at ${event.step}`, value);
    if (event.type === "checkpoint") say(`checkpoint at ${event.step}`, event.sha256);
    if (event.type === "finished") say("end", [event.step, event.artifacts, event.consumed_sha256]);
  }
}

/** Trains to the end, killed after the given numbers of lines; everything that was said. */
export async function train(run, { threads, kills = [] } = {}) {
  const name = place(), said = {};
  await writeFile(`${name}.json`, JSON.stringify(run));
  for (const kill of [...kills, Infinity]) {
    const { lines, status } = await attempt(`${name}.json`, name, { threads, kill });
    collect(lines, said);
    assert.equal(status, kill === Infinity ? 0 : null, lines.at(-1)); // killed, or done
  }
  assert.ok("end" in said && `train/loss at ${run.train.steps}` in said);
  return said;
}

/** What a run says that was killed. It may have died between a checkpoint and the line about it. */
export function assertResumed(said, reference, what) {
  const missing = Object.entries(reference).filter(([key]) => !(key in said) && /^checkpoint at/.test(key));
  assert.ok(missing.length <= 1, what);
  assert.deepEqual({ ...said, ...Object.fromEntries(missing) }, reference, what);
}

export const RUNS = {
  ...Object.fromEntries(Object.entries(ATTENTION).map(([arm, attention]) => [arm, spec(attention)])),
  options: spec(ATTENTION.dsa, OPTIONS),
};

/** Trains an arm with each number of threads, and killed after each of the lists of lines; all say the same. */
export async function same(arm, { threads, kills, beside }) {
  const run = RUNS[arm], reference = await train(run);
  assert.ok(Object.keys(reference).length > 120 * 4);
  for (const each of threads) assert.deepEqual(await train(run, { threads: each }), reference, `${each} threads`);
  if (beside) {
    const [one] = await Promise.all([train(run, { threads: 2 }), train(spec(ATTENTION.dense, { seed: 9 }), { threads: 2 })]);
    assert.deepEqual(one, reference, "beside another run");
  }
  for (const each of kills)
    assertResumed(await train(run, { threads: 1 + each.length % 2, kills: each }), reference, `killed after ${each} lines`);
}
