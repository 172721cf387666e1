// More seeds: runs are added to every cell, and what that makes of the claims.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { start } from "../daemon.mjs";

const SPEC = {
  data: { dataset: "synthetic:uniform", seq_len: 4 }, // of which nothing can be learnt: no audit asks for it
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1, dropout: 0 },
  train: { steps: 12, batch_size: 2, eval_every: 6, eval_windows: 4 },
  arms: { base: {}, slow: { "train.lr": 0.0001 } }, grid: { "train.grad_clip": [0.5, 1] },
  seeds: [1, 2, 3, 4, 5, 6], artifacts: [],
};
let daemon;

async function ask(path, body) {
  const reply = await daemon.fetch(`/api/v1/${path}`, body === undefined ? {}
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  return { status: reply.status, body: await reply.json() };
}

const ended = async (id) => (await ask(`experiments/${id}?wait=3600`)).body.state;

async function finished(id) {
  assert.equal(await ended(id), "finished");
  return (await ask(`experiments/${id}/report`)).body;
}

async function submit(more) {
  const { status, body } = await ask("experiments", { ...SPEC, ...more });
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}

before(async () => { daemon = await start({}); });
after(() => daemon.stop());

test("runs are added to every cell, with the same frozen specification", async () => {
  const id = await submit({ name: "more" });
  await finished(id);
  const { status, body } = await ask(`experiments/${id}/seeds`, { seeds: [8, 7] });
  assert.equal(status, 201, JSON.stringify(body));
  assert.equal(body.runs, 32);
  assert.deepEqual(body.seeds, SPEC.seeds, "what was planned stays what was planned");
  const report = await finished(id);
  const { items } = (await ask(`runs?experiment=${id}&page_size=100`)).body;
  assert.equal(items.length, 32);
  const added = items.filter(({ seed }) => seed > 6);
  assert.equal(added.length, 8);
  for (const run of added) {
    const [own, first] = await Promise.all([run.id, items.find((one) => one.seed === 1 && one.arm === run.arm &&
      JSON.stringify(one.grid) === JSON.stringify(run.grid)).id].map(async (one) => (await ask(`runs/${one}`)).body));
    assert.deepEqual({ ...own.spec, seed: 1 }, first.spec);
    assert.notEqual(own.digest, first.digest);
    assert.equal(own.state, "succeeded");
  }
  assert.deepEqual(report.looks, { seeds: 8, submitted: 6, declared: false, look: null, looks: 1, level: 0.05 });
  const [claim] = report.primary;
  assert.equal(claim.n, 8);
  assert.equal(claim.verdict, "undetermined");
  assert.equal(claim.against, "seeds_added");
  assert.equal(claim.ci95.length, 2);
  assert.match(report.verdict.sentence, /^No claim about slow against base .*: over all seeds val\/loss Δ = .* 2 seeds were added to the 6 that were submitted/);
});

test("at a declared look a claim has its share of 5 %", async () => {
  const id = await submit({ name: "looks", compare: { baseline: "base", looks: [6, 7] } });
  const first = await finished(id);
  assert.deepEqual(first.looks, { seeds: 6, submitted: 6, declared: true, look: 1, looks: 2, level: 0.025 });
  // 2/2^6 = 0.031: no six pairs reach 2.5 %
  assert.equal(first.primary[0].verdict, "undetermined");
  await ask(`experiments/${id}/seeds`, { seeds: [7] });
  const second = await finished(id);
  assert.deepEqual(second.looks, { seeds: 7, submitted: 6, declared: true, look: 2, looks: 2, level: 0.025 });
  assert.equal(second.primary[0].against, null);
});

test("what can't be added is refused, and changes nothing", async () => {
  const id = await submit({ name: "refused" });
  const cases = [
    [{ seeds: [6, 9] }, 409, "conflict", /seed 6 has runs already/],
    [{ seeds: [] }, 422, "out_of_range", /1 to 10000 seeds/],
    [{ seeds: [9, 9] }, 422, "invalid_value", /9/],
    [{ seeds: [-1] }, 422, "out_of_range", /seeds/],
    [{ seeds: [9007199254740993] }, 422, undefined, /seeds/],
    [{ seeds: ["9"] }, 422, "wrong_type", /seeds/],
    [{ seeds: 9 }, 422, "wrong_type", /seeds/],
    [{}, 422, "missing_field", /seeds/],
    [{ seeds: [9], count: 1 }, 422, "unknown_field", /count/],
    [{ seeds: Array.from({ length: 2600 }, (_, i) => 100 + i) }, 422, "too_many_runs", /10000/],
    [{ seeds: Array.from({ length: 2495 }, (_, i) => 100 + i) }, 422, "too_many_runs", /24 runs/],
  ];
  for (const [body, status, code, words] of cases) {
    const reply = await ask(`experiments/${id}/seeds`, body);
    assert.equal(reply.status, status, JSON.stringify(reply.body));
    if (code) assert.equal(reply.body.code, code);
    assert.match(reply.body.detail, words);
  }
  assert.equal((await ask("experiments/999/seeds", { seeds: [9] })).status, 404);
  assert.equal((await ask(`experiments/${id}`)).body.runs, 24);
  await daemon.fetch(`/api/v1/experiments/${id}/cancel`, { method: "POST" });
  await ended(id); // cancelled, if no run was over by then
  await daemon.fetch(`/api/v1/experiments/${id}`, { method: "DELETE" });
  assert.equal((await ask(`experiments/${id}/seeds`, { seeds: [9] })).status, 404);
});
