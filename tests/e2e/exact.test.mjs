// The same specification gives the same bits: with 1, 2, 3 and 4 threads, again, beside another run, and when the
// trainer is killed at any moment and resumes. `ablate-worker train` is run as a person would, and all that it
// says is compared, clocks aside: every metric of every step, evaluations, the content of checkpoints, artifacts.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ABLATED, start } from "./daemon.mjs";
import { make, remove } from "./folder.mjs";

const WORKER = join(dirname(ABLATED), "ablate-worker");
const CLOCKS = /^(time|throughput)\//;
const CORPUS = Array.from({ length: 300 }, (_, i) => `Line ${i} of a small corpus: ${i * i % 97} and ${i % 7}.\n`).join("%\n");
/** What the arms below leave out, at once. */
const OPTIONS = {
  model: { layers: 3, activation: "swiglu", tied: false, attention_layers: [
    { layers: [0, 0], attention: { kind: "dense" } },
    { layers: [2, 2], attention: { kind: "random_topk", top_k: 5 } }] },
  train: { micro_batch_size: 2, optimizer: "adamw", weight_decay: 0.1, schedule: "cosine" },
};
const ATTENTION = {
  dense: { kind: "dense" },
  dsa: { kind: "dsa", top_k: 9, indexer_heads: 2, indexer_dim: 8, dense_warmup_steps: 7, indexer_norm: true, indexer_rope: true },
  published: { kind: "dsa", top_k: 12, indexer_heads: 2, indexer_dim: 8, indexer_training: "frozen", selection: "published" },
};

let folder, dataset, count = 0;

before(async () => {
  folder = await make("exact");
  const daemon = await start({ dir: join(folder, "data") });
  const reply = await daemon.fetch("/api/v1/datasets/corpus", { method: "PUT", body: CORPUS, headers: { "Content-Type": "text/plain" } });
  dataset = join(daemon.dir, "datasets", (await reply.json()).digest);
  await daemon.stop();
});
after(() => remove(folder));

const spec = (attention, { seed = 3, steps = 120, model, train } = {}) => ({
  data: { dataset: "corpus", seq_len: 24 },
  model: { layers: 2, heads: 2, d_model: 48, d_ff: 48, attention, ...model },
  train: { steps, batch_size: 6, eval_every: 20, checkpoint_every: 15, warmup_steps: 3, grad_clip: 1, ...train },
  seed, artifacts: ["final"],
});

/** One attempt: {lines, status, stderr}. `kill`: a signal after so many lines. */
async function attempt(file, out, { threads = 1, kill = Infinity, signal = "SIGKILL", from = dataset, env = {}, more = [] } = {}) {
  const child = spawn(WORKER, ["train", file, "--dataset", from, "--out", out, "--threads", String(threads), ...more],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  const lines = [], ended = new Promise((resolve) => child.on("close", resolve));
  let stderr = "";
  child.stderr.on("data", (bytes) => (stderr += bytes));
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === kill) child.kill(signal);
  }
  return { lines, status: await ended, stderr };
}

/** Adds what the lines say to `said`; a step that is said again must say the same. */
function collect(lines, said) {
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
async function train(run, { threads, kills = [] } = {}) {
  const name = join(folder, String(++count)), said = {};
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
function assertResumed(said, reference, what) {
  const missing = Object.entries(reference).filter(([key]) => !(key in said) && /^checkpoint at/.test(key));
  assert.ok(missing.length <= 1, what);
  assert.deepEqual({ ...said, ...Object.fromEntries(missing) }, reference, what);
}

const RUNS = {
  ...Object.fromEntries(Object.entries(ATTENTION).map(([arm, attention]) => [arm, spec(attention)])),
  options: spec(ATTENTION.dsa, OPTIONS),
};

for (const [arm, run] of Object.entries(RUNS))
  test(`${arm}: the same bits`, async () => {
    const reference = await train(run);
    assert.ok(Object.keys(reference).length > 120 * 4);
    for (const threads of [1, 2, 3, 4])
      assert.deepEqual(await train(run, { threads }), reference, `${threads} threads`);
    const [beside] = await Promise.all([train(run, { threads: 2 }), train(spec(ATTENTION.dense, { seed: 9 }), { threads: 2 })]);
    assert.deepEqual(beside, reference, "beside another run");
    for (const kills of [[1], [7, 4], [11, 2, 5], [3, 13]])
      assertResumed(await train(run, { threads: 1 + kills.length % 2, kills }), reference, `killed after ${kills} lines`);
  });

test("another seed gives other bits, and the comparison sees them", async () => {
  const [one, other] = [await train(spec(ATTENTION.dense)), await train(spec(ATTENTION.dense, { seed: 4 }))];
  assert.notDeepEqual(one, other);
  assert.throws(() => collect(['{"type":"metrics","names":["train/loss"],"rows":[[1,2.5]]}'], { ...one }), /trained again/);
});

test("an attempt that resumes behind the last step has the losses by position, too", async () => {
  const name = join(folder, String(++count));
  await writeFile(`${name}.json`, JSON.stringify(spec(ATTENTION.dense, { steps: 20 })));
  const found = async () => {
    const { lines, status } = await attempt(`${name}.json`, name, { more: ["--audits"] });
    assert.equal(status, 0, lines.at(-1));
    const events = lines.map((line) => JSON.parse(line));
    return { from: events.find(({ type }) => type === "started").step,
      by_position: events.findLast(({ type, name: what }) => type === "audit" && what === "causality").evidence.by_position };
  };
  const [whole, again] = [await found(), await found()];
  assert.deepEqual([whole.from, again.from, whole.by_position.loss.length], [0, 20, 24]);
  assert.deepEqual(again.by_position, whole.by_position);
});

/** A run's file and folder, with more steps than a test waits for. */
async function endless(more = {}) {
  const name = join(folder, String(++count));
  await writeFile(`${name}.json`, JSON.stringify({ ...spec(ATTENTION.dense, { steps: 1e6 }), ...more }));
  return name;
}

test("told to end, it says so: exit status 75, and the same command goes on", async () => {
  const name = await endless();
  let from = 0;
  for (const signal of ["SIGTERM", "SIGINT"]) {
    const { lines, status, stderr } = await attempt(`${name}.json`, name, { kill: 4, signal });
    const events = lines.map(JSON.parse), last = events.at(-1);
    assert.deepEqual([last.type, last.reason, status], ["failed", "stopped", 75], stderr);
    assert.match(stderr, /stopped by a signal before its last step; the same command goes on from the last checkpoint/);
    const started = events.find(({ type }) => type === "started").step;
    assert.equal(started, from);
    from = events.findLast(({ type }) => type === "checkpoint").step;
    assert.ok(from > started);
  }
});

test("a run goes on with the corpus that it began with, whatever that is called", async () => {
  const dir = join(folder, "two");
  const daemon = await start({ dir });
  const put = async (name, body) => (await (await daemon.fetch(`/api/v1/datasets/${name}`, { method: "PUT", body, headers: { "Content-Type": "text/plain" } })).json()).digest;
  const other = join(dir, "datasets", await put("other", CORPUS.replaceAll("e", "i")));
  await daemon.stop({ keep: true });
  const name = await endless();
  assert.equal((await attempt(`${name}.json`, name, { kill: 4, signal: "SIGTERM" })).status, 75);
  const { lines, status, stderr } = await attempt(`${name}.json`, name, { from: other });
  assert.equal(status, 65, stderr);
  assert.match(stderr, /was trained on a corpus with the digest [0-9a-f]{64}, and this one's is [0-9a-f]{64}: give the run its corpus again/);
  assert.deepEqual(lines.map(JSON.parse).map(({ type, reason }) => [type, reason]), [["failed", "inconsistent"]]);
  const { lines: again } = await attempt(`${name}.json`, name, { kill: 4, signal: "SIGTERM" });
  assert.ok(JSON.parse(again.find((line) => /"started"/.test(line))).step > 0, "nothing was lost");
  await rm(dir, { recursive: true, force: true });
});

test("going on with another BLAS core is said", async () => {
  const name = await endless(), said = [];
  for (const core of ["Haswell", "Haswell", "Sandybridge"]) {
    const { lines } = await attempt(`${name}.json`, name, { kill: 4, signal: "SIGTERM", env: { OPENBLAS_CORETYPE: core } });
    said.push(lines.map(JSON.parse).filter(({ type, level }) => type === "log" && level === "warn").map(({ message }) => message));
  }
  assert.deepEqual(said.slice(0, 2), [[], []]);
  assert.match(said[2].join(), /^the checkpoint of step \d+ was made with OpenBLAS' core Haswell, and this is Sandybridge: what follows may have other bits/);
});

test("an experiment's specification is told from a run's", async () => {
  const name = join(folder, String(++count)), { seed, ...run } = spec(ATTENTION.dense);
  for (const more of [{ seeds: [seed] }, { arms: { dense: {} } }, { name: "x" }, { preset: "demo" }]) {
    await writeFile(`${name}.json`, JSON.stringify({ ...run, ...more }));
    const { status, stderr } = await promisify(execFile)(WORKER, ["train", `${name}.json`, "--out", name]).then(() => ({ status: 0 }), ({ code, stderr: text }) => ({ status: code, stderr: text }));
    assert.equal(status, 65, stderr);
    assert.match(stderr, /is an experiment's specification; a run's is one arm at one grid point with one seed/);
  }
});
