// Comparisons that can't hold, told before a step is trained: the dry run and the reply to a submission say what the audits
// will say; repetitions of what was run before are named, deleted and purged ones too.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

let daemon;
const { call, get, until } = client(() => daemon);

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  const words = (i) => Array.from({ length: 40 }, (_, k) => (BigInt(i * 40 + k + 1) * 0x9e3779b97f4a7c15n % 0xffffffffn).toString(36)).join(" ");
  await call("PUT", "/datasets/corpus", Array.from({ length: 200 }, (_, i) => words(i)).join("\n\n"), 201);
});
after(async () => { assert.equal(await daemon?.stop(), 0, "a clean end"); });

const spec = (more = {}) => ({
  name: "fair", data: { dataset: "corpus", seq_len: 16, split: "documents" },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 10, batch_size: 2, eval_every: 5, eval_windows: 4 },
  arms: { dense: {}, window: { "model.attention": { kind: "window", window: 4 } } }, seeds: [1, 2, 3, 4, 5, 6], ...more,
});
const dry = async (more) => {
  const { planned_audits: planned } = await call("POST", "/experiments?dry_run=1", spec(more));
  return (name, arm = null) => planned.filter((one) => one.name === name && one.arm === arm);
};
const ended = (id) => get(`/experiments/${id}?wait=3600`);

test("a sound plan", async () => {
  const of = await dry();
  for (const [name, status, detail] of [
    ["split_overlap", "pass", /^no validation target was trained on; 0\.000 %/],
    ["distinct_seeds", "pass", /^6 seeds/],
    ["budget", "pass", /at equal steps/],
    ["tuning", "warn", /nothing was tuned$/],
    ["selection", "pass", /^no other experiment/],
    ["power", "pass", /^6 seeds can establish/],
  ]) {
    const [found, ...more] = of(name);
    assert.deepEqual([found.status, more], [status, []], `${name}: ${found.detail}`);
    assert.match(found.detail, detail);
    assert.ok(found.what.length > 20 && found.remedy.length > 20);
  }
  assert.deepEqual(of("one_change", "window").map(({ status, detail }) => [status, detail]),
    [["pass", "it differs from dense in attention (model.attention window, not dense)"]]);
  assert.equal((await get("/experiments")).items.length, 0, "nothing is stored");
});

test("an invalid plan is told before anybody waits for it", async () => {
  const of = await dry({
    data: { dataset: "corpus", seq_len: 16, split: "windows" }, seeds: [1, 2],
    arms: { dense: {}, window: { "model.attention": { kind: "window", window: 4 }, "train.lr": 0.001 } },
    grid: { "data.seq_len": [8, 16], "model.dropout": [0, 0.1] }, compare: { tune: ["model.dropout"] },
  });
  const overlaps = of("split_overlap");
  assert.deepEqual(overlaps.map(({ status, invalidates, grid }) => [status, invalidates, grid["data.seq_len"]]),
    [["fail", true, 8], ["fail", true, 8], ["fail", true, 16], ["fail", true, 16]]);
  assert.match(overlaps[0].detail, /training targets at the same place of the corpus/);
  assert.match(overlaps[0].remedy, /data\.split/);
  const [change] = of("one_change", "window");
  assert.equal(change.status, "warn");
  assert.match(change.detail, /^it differs from dense in attention \(.*\) and optimiser \(train\.lr 0\.001, not 0\.003\): what comes out can't/);
  assert.deepEqual(change.evidence.concerns, ["attention", "optimiser"]);
  assert.match(of("power")[0].detail, /^with 2 seeds no claim can be made/);
  assert.match(of("tuning")[0].detail, /^model\.dropout has fewer than three values/);
});

test("a look that can't find anything is told beforehand", async () => {
  for (const [looks, status, detail] of [
    [[6, 12], "fail", /^with 6 seeds no difference can be found, .* is 0\.031, and each look is tested at 2\.5 %, which takes 7 seeds$/],
    [[6], "pass", /^6 seeds can establish/],
  ]) {
    const [power] = (await dry({ compare: { looks } }))("power");
    assert.equal(power.status, status);
    assert.match(power.detail, detail);
  }
});

test("the goal is the metric's own, and no other is taken", async () => {
  const made = await call("POST", "/experiments", spec({ seeds: [1], compare: { metric: "val/accuracy" } }), 201);
  assert.equal(made.compare.goal, "max");
  for (const [compare, detail] of [
    [{ metric: "val/accuracy", goal: "min" }, /^more val\/accuracy is better: goal must be "max", or left out$/],
    [{ goal: "max" }, /^less val\/loss is better: /],
    [{ metric: "train/lr" }, /^neither less nor more train\/lr is better by itself/],
  ]) {
    const refused = await call("POST", "/experiments?dry_run=1", spec({ compare }), 422);
    assert.deepEqual([refused.code, refused.pointer], ["inconsistent", "/compare/goal"]);
    assert.match(refused.detail, detail);
  }
});

test("a claim says what its figures don't know of", async () => {
  const submit = async (more) => {
    const { id } = await call("POST", "/experiments", spec({
      data: { dataset: "synthetic:copy", vocab: 4, seq_len: 4 }, artifacts: [], train: { steps: 60, batch_size: 8, eval_every: 60, eval_windows: 8, lr: 0.01 },
      arms: { quick: {}, slow: { "train.lr": 1e-4, "model.dropout": 0.5 } }, ...more,
    }), 201);
    await ended(id);
    const { verdict } = await get(`/experiments/${id}/report`);
    assert.equal(verdict.status, "worse", verdict.sentence);
    return [verdict.sentence, id];
  };
  const [first, id] = await submit();
  assert.match(first, /^slow is worse than quick at L = 4: .* in 6 of 6 seeds(; but the differences are skewed.*)?; but it differs from quick in regularisation and optimiser, and which of them did it isn't known\.$/);
  const [again] = await submit({ seeds: [11, 12, 13, 14, 15, 16], compare: { allow: ["model.dropout"] } });
  assert.doesNotMatch(again, /it differs from/);
  assert.match(again, new RegExp(`\\. 2 of these specifications ran in 1 other experiment, too: experiment ${id} \\(12 runs, val/loss Δ of slow against quick \\+[\\d.]+\\); a p of this one doesn't know of them\\.$`));
});

test("what is meant to differ is named", async () => {
  const arms = { dense: {}, window: { "model.attention": { kind: "window", window: 4 }, "train.lr": 0.001 } };
  for (const allow of [["train.lr"], ["optimiser"], ["model.attention"]]) {
    const [change] = (await dry({ arms, compare: { allow } }))("one_change", "window");
    assert.equal(change.status, "pass", change.detail);
    assert.match(change.detail, /besides, allowed or of no concern: /);
  }
  for (const [allow, code] of [["optimizer", "unknown_field"], ["train.rate", "unknown_field"], [7, "wrong_type"]]) {
    const refused = await call("POST", "/experiments?dry_run=1", spec({ arms, compare: { allow: ["data", allow] } }), 422);
    assert.deepEqual([refused.code, refused.pointer], [code, "/compare/allow/1"]);
  }
  const { id } = await call("POST", "/experiments", spec({ arms, seeds: [1], compare: { allow: ["train.lr"] } }), 201);
  assert.deepEqual((await get(`/experiments/${id}`)).spec.compare.allow, ["train.lr"]);
  const plain = await call("POST", "/experiments", spec({ seeds: [1], compare: { allow: [] } }), 201);
  assert.equal(plain.spec.compare.allow, undefined, "absent while it is empty");
  for (const one of [id, plain.id]) {
    const { arms: { window: { audits } } } = (await ended(one), await get(`/experiments/${one}/report`));
    const [change] = audits.filter(({ name }) => name === "one_change");
    assert.deepEqual([change.status, change.invalidates, change.scope], ["pass", false, "arm"]);
  }
});

test("seeds submitted again are named with what came of the others", async () => {
  const data = { dataset: "synthetic:copy", vocab: 16, seq_len: 16 };
  const submit = (seeds, more = {}) => call("POST", "/experiments", spec({ data, seeds, ...more }), 201);
  const selection = (made) => made.planned_audits.find(({ name }) => name === "selection");
  const first = await submit([1, 2, 3]);
  assert.equal(selection(first).status, "pass");
  await ended(first.id);
  const others = await submit([4, 5], { train: { steps: 11, batch_size: 2, eval_every: 5, eval_windows: 4 } });
  assert.equal(selection(others).status, "pass", "another specification");
  // another seed, name, artifacts and checkpoints: the same cell
  const train = { steps: 10, batch_size: 2, eval_every: 5, eval_windows: 4, checkpoint_every: 5 };
  const again = await submit([4], { name: "again", artifacts: [], train });
  assert.equal(selection(again).status, "warn");
  assert.match(selection(again).detail, new RegExp(`^2 of these specifications ran in 1 other experiment, too: experiment ${first.id} \\(6 runs, val/loss Δ of window against dense [+-][\\d.e-]+\\)`));
  await Promise.all([again, others].map(({ id }) => ended(id)));
  const found = async (id) => (await get(`/experiments/${id}/report`)).checks.find(({ name }) => name === "selection");
  const told = await found(again.id);
  assert.equal(told.status, "warn");
  assert.deepEqual(told.evidence.experiments.map(({ experiment, deleted, runs }) => [experiment, deleted, runs]), [[first.id, false, 6]]);
  const { table } = await get(`/experiments/${first.id}/report`);
  for (const cell of told.evidence.cells) {
    const { mean } = table.find(({ arm }) => arm === cell.arm).metrics["val/loss"];
    assert.ok(Math.abs(cell.mean - mean) < 1e-9, `${cell.mean}, ${mean}`);
  }
  assert.equal((await found(others.id)).status, "pass");

  // deletion hides nothing, and neither does a purge
  await call("DELETE", `/experiments/${first.id}`, undefined, 204);
  assert.match(selection(await submit([6])).detail, new RegExp(`experiment ${first.id} \\(deleted, 6 runs`));
  await call("POST", `/experiments/${first.id}/purge`, undefined, 202);
  const gone = async () => (await call("POST", "/query", { sql: `SELECT count(*) FROM runs WHERE experiment = ${first.id}` })).rows[0][0] === 0;
  await until("the purge", gone);
  const last = await submit([7]);
  assert.match(selection(last).detail, new RegExp(`experiment ${first.id} \\(purged, 6 runs, val/loss Δ of window against dense`));
  await ended(last.id);
  const { status, evidence } = await found(last.id);
  assert.equal(status, "warn");
  assert.ok(evidence.experiments.some(({ experiment, purged }) => experiment === first.id && purged));
});

test("the default split passes its audit, and where it leaves nothing, what would do is said", async () => {
  const { planned_audits: planned, id } = await call("POST", "/experiments", spec({ data: { dataset: "corpus", seq_len: 16 }, seeds: [1] }), 201);
  assert.equal(planned.find(({ name }) => name === "split_overlap").status, "pass");
  const { spec: whole } = await get(`/experiments/${id}`), { items: [{ id: run }] } = await get(`/runs?experiment=${id}`);
  assert.deepEqual([whole.data.split, (await get(`/runs/${run}`)).spec.data.split], ["families", "families"]);

  await call("PUT", "/datasets/copies", Array.from({ length: 200 }, (_, i) => `${i} ${"and some words to learn ".repeat(8)}`).join("\n\n"), 201);
  const refused = await call("POST", "/experiments", spec({ data: { dataset: "copies", seq_len: 16 } }), 422);
  assert.deepEqual([refused.code, refused.pointer], ["corpus_too_short", "/data/dataset"]);
  assert.match(refused.detail, /0 validation and 0 test windows .* data\.split families holds .* "documents" would do, though/);
  const { planned_audits: warned } = await call("POST", "/experiments?dry_run=1", spec({ data: { dataset: "copies", seq_len: 16, split: "documents" } }));
  assert.equal(warned.find(({ name }) => name === "split_overlap").status, "fail", "as it said");
  const tiny = await call("POST", "/experiments", spec({ data: { dataset: "copies", seq_len: 16384 } }), 422);
  assert.match(tiny.detail, /A shorter seq_len, a smaller batch_size or a larger corpus would do$/);
});

test("one environment", async () => {
  const { items: [{ id }] } = await get("/experiments");
  await ended(id);
  const same = (await get(`/experiments/${id}/report`)).checks.find(({ name }) => name === "same_environment");
  assert.deepEqual([same.status, same.detail], ["pass", "all runs were trained in one environment"]);
});
