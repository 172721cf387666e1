// Associative recall, solved: an experiment whose answer is known beforehand. Two layers of dense attention find the
// value that a key was paired with; one layer can't, since a value's place doesn't tell its key; nor can two layers
// whose windows together don't reach from a question back to the pairs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { start } from "../e2e/daemon.mjs";

const PAIRS = 4, SEQ_LEN = 32, WINDOW = 8;
/** From the first question to the last pair's value. */
const NEAREST = SEQ_LEN + 2 - 4 * PAIRS;
const SPEC = {
  name: "recall",
  data: { dataset: "synthetic:mqar", vocab: 128, pairs: PAIRS, seq_len: SEQ_LEN },
  model: { layers: 2, heads: 1, d_model: 64, d_ff: 128, experts: 1, experts_per_token: 1, router_noise: 0, dropout: 0,
    init: "torch", tied: false },
  train: { steps: 500, batch_size: 64, optimizer: "adamw", lr: 0.003, betas: [0.9, 0.98], weight_decay: 0.1, grad_clip: 1,
    schedule: "cosine", warmup_steps: 30, eval_every: 500, eval_windows: 512, checkpoint_every: 500 },
  arms: { dense: {}, "one layer": { "model.layers": 1 }, window: { "model.attention": { kind: "window", window: WINDOW } } },
  seeds: [1],
  compare: { metric: "val/accuracy", goal: "max", baseline: "dense" },
};
/** Who sees the pairs but not which is asked for guesses among their values; who sees none of them guesses among all. */
const GUESS = 1 / PAIRS;

let daemon;
before(async () => { daemon = await start(); });
after(async () => { assert.equal(await daemon?.stop(), 0, "a clean end"); });

async function json(path, body) {
  const reply = await daemon.fetch(`/api/v1${path}`,
    body && { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  const text = await reply.text();
  assert.ok(reply.ok, text);
  return JSON.parse(text);
}

test("two layers of attention recall; one layer doesn't, a window shorter than the gap doesn't", async () => {
  assert.ok(SPEC.model.layers * (WINDOW - 1) < NEAREST);
  const { id } = await json("/experiments", SPEC);
  const { counts } = await json(`/experiments/${id}?wait=3600`);
  assert.equal(counts.succeeded, 3);
  const { items } = await json(`/runs?experiment=${id}`);
  const accuracy = Object.fromEntries(items.map(({ arm, final }) => [arm, final["val/accuracy"]]));
  assert.ok(accuracy.dense >= 0.99, JSON.stringify(accuracy));
  assert.ok(accuracy["one layer"] < 1.5 * GUESS, JSON.stringify(accuracy));
  assert.ok(accuracy.window < GUESS / 2, JSON.stringify(accuracy));
});
