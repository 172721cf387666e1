// The daemon's own audits, end to end: real workers tell what they began with and saw, and when the last run has
// ended the comparison is stored, streamed and counted.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const OWN = ["budget", "learned", "power", "same_batches", "same_environment", "selection", "shared_init", "tuning"];
const OF_ARMS = ["distinct_seeds", "one_change"]; // the daemon's too: one an arm, or an arm at a grid point
let daemon;
const { call, get, corpus } = client(() => daemon);

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  await corpus(200);
});
after(async () => { assert.equal(await daemon?.stop(), 0, "a clean end"); });

const SMALL = { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 };
const submit = (more = {}) => call("POST", "/experiments", {
  name: "audited", data: { dataset: "corpus", seq_len: 16 },
  model: SMALL,
  train: { steps: 10, batch_size: 2, eval_every: 5, eval_windows: 4 },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_dim: 8 } } }, seeds: [1, 2], ...more,
}, 201);
const ended = (id) => get(`/experiments/${id}?wait=3600`);
/** Documents of words in an order of no pattern, so that no stretch of them stands in two. */
function words(documents, n) {
  const some = ["the", "arms", "of", "a", "comparison", "learn", "what", "tokens", "follow", "one", "another", "here", "and", "nothing", "else"];
  let state = 1;
  const next = () => some[(state = Math.imul(state, 1664525) + 1013904223 >>> 0) % 65536 % some.length];
  return Array.from({ length: documents }, () => Array.from({ length: n }, next).join(" ")).join("\n\n");
}
/** The daemon's findings, by name. */
const own = async (id) => Object.fromEntries((await get(`/experiments/${id}/report`)).audits
  .filter(({ run, name }) => run === null && OWN.includes(name)).map((audit) => [audit.name, audit]));

test("they come with the end, by every way", async () => {
  const { id, as_of } = await submit();
  const abort = new AbortController(), streamed = [];
  const reply = await daemon.fetch(`/api/v1/events?experiment=${id}&after=${as_of ?? 0}`, { signal: abort.signal });
  let text = "";
  for await (const chunk of reply.body) {
    text += Buffer.from(chunk).toString();
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks)
      if (/^event: audit$/m.test(block)) streamed.push(JSON.parse(/^data: (.*)$/m.exec(block)[1]).audit);
    if (/"state":"finished"/.test(blocks.join())) break;
  }
  abort.abort();
  const done = await ended(id), found = await own(id);
  assert.deepEqual(Object.keys(found).sort(), OWN);
  assert.deepEqual(streamed.filter(({ name }) => OWN.includes(name)).map(({ name }) => name).sort(), OWN);
  for (const audit of streamed) if (OWN.includes(audit.name)) assert.deepEqual(audit, found[audit.name]);

  assert.equal(found.shared_init.status, "pass");
  assert.equal(found.shared_init.evidence.compared, 22, "eleven tensors of dense, two seeds");
  assert.equal(found.same_batches.status, "pass");
  assert.equal(found.same_batches.evidence.runs, 4);
  assert.equal(found.budget.status, "warn");
  assert.match(found.budget.detail, /parameters differ by/);
  const { items } = await get(`/runs?experiment=${id}`);
  for (const cell of found.budget.evidence.cells) {
    const run = items.find(({ arm }) => arm === cell.arm);
    assert.deepEqual([cell.parameters, cell.flops_per_step, cell.tokens], [run.parameters, run.flops_per_step, 10 * 2 * 16]);
  }
  assert.equal(found.tuning.status, "warn");
  assert.equal(found.tuning.detail, "every arm used lr 0.003; nothing was tuned");
  assert.equal(found.power.status, "fail");

  for (const arm of ["dense", "dsa"]) {
    const [seeds] = (await get(`/experiments/${id}/report`)).arms[arm].audits.filter(({ name }) => name === "distinct_seeds");
    assert.deepEqual([seeds.status, seeds.detail], ["pass", "2 seeds start from weights of their own and saw an order of their own"]);
    assert.deepEqual([seeds.evidence.told_weights, seeds.evidence.few_windows], [2, 0], "norms start as ones, and aren't held against them");
  }

  const { arms, checks, table } = await get(`/experiments/${id}/report`);
  const [learns] = arms.dense.audits.filter(({ name }) => name === "indexer_learns");
  assert.deepEqual([learns.status, learns.findings, learns.detail], ["skipped", 0, "this arm has no indexer"]);
  assert.ok([...checks, ...arms.dense.audits, ...arms.dsa.audits].every(({ remedy, status }) => remedy.length > 20 && status !== "missing"));
  assert.deepEqual(table.map(({ arm, valid }) => [arm, valid]), [["dense", true], ["dsa", true]]);

  const statuses = ["pass", "warn", "fail", "skipped"];
  assert.deepEqual(Object.keys(done.audits).sort(), [...statuses].sort());
  const listed = (await get("/experiments")).items.find((one) => one.id === id);
  assert.deepEqual(listed.audits, done.audits);
  assert.ok(done.audits.pass >= 4 && done.audits.warn >= 2 && done.audits.fail >= 1);
});

test("a comparison is invalid by what its two arms share", async () => {
  const synthetic = (arms, model = {}) =>
    submit({ data: { dataset: "synthetic:uniform", vocab: 16, seq_len: 16 }, arms: { a: {}, ...arms }, model: { ...SMALL, ...model }, seeds: [1] });
  const depths = { b: { "model.layers": 3 }, d: { "model.tied": false } };
  const submitted = [synthetic({ b: { "train.batch_size": 4 }, c: { "train.lr": 0.01 } }), synthetic(depths),
    synthetic({ ...depths, e: { "model.init": "gpt2" } }, { init: "torch" })];
  const [batches, gpt2, torch] = await Promise.all(submitted.map(async (one) => (await one).id));
  const verdicts = async (id) => {
    await ended(id);
    const { primary, comparisons, checks } = await get(`/experiments/${id}/report`);
    assert.deepEqual(comparisons.map(({ arm, verdict, against }) => [arm, verdict, against]), primary.map(({ arm, verdict, against }) => [arm, verdict, against]));
    return [Object.fromEntries(primary.map(({ arm, verdict, against }) => [arm, verdict === "invalid" ? against : "valid"])), Object.fromEntries(checks.map((one) => [one.name, one]))];
  };
  {
    const [found, { same_batches: { status, detail, evidence } }] = await verdicts(batches);
    assert.deepEqual(found, { b: "same_batches", c: "valid" });
    assert.equal(status, "fail");
    assert.match(detail, /^2 of 3 pairs of arms saw other data: b and a, c and b; run \d+ \(b\) was trained on other tokens than run \d+ \(a\)/);
    assert.deepEqual(evidence.pairs.map(({ arms }) => arms), [["a", "b"], ["b", "c"]]);
    const as = async (query) => (await daemon.fetch(`/api/v1/experiments/${batches}/report?${query}`)).text();
    const csv = (await as("format=csv&table=claims")).split("\r\n").filter((line) => /invalid/.test(line));
    assert.ok(csv.length === 2 && csv.every((line) => /^(primary|secondary),b,a,.*,invalid,same_batches,/.test(line)), csv.join());
    const md = (await as("format=md")).split("\n").filter((line) => /^\|.*invalid: same_batches/.test(line));
    assert.ok(md.length > 0 && md.every((line) => /^\|[^|]*\| b \|/.test(line)), md.join());
  }
  {
    const [found, { shared_init: { status, detail, evidence } }] = await verdicts(gpt2);
    assert.deepEqual(found, { b: "valid", d: "valid" });
    assert.equal(status, "pass");
    assert.match(detail, /more differ on purpose \(b and a\): init gpt2 divides what ends a residual branch by √\(2·layers\); their specs choose model.layers 3 and 1$/);
    assert.deepEqual([evidence.different, evidence.pairs], [0, []]);
    assert.ok(evidence.deliberate > 0);
  }
  const [found, { shared_init: { status, evidence } }] = await verdicts(torch);
  assert.deepEqual(found, { b: "valid", d: "valid", e: "shared_init" });
  assert.deepEqual([status, evidence.deliberate], ["fail", undefined]);
  assert.deepEqual(evidence.pairs.map(({ arms }) => arms), [["a", "e"], ["b", "e"], ["d", "e"]]);
});

test("a comparison of arms that have learnt nothing is invalid, one of arms that have learnt isn't", async () => {
  await call("PUT", "/datasets/words", words(100, 60), 201);
  const trained = (steps) => submit({ data: { dataset: "words", seq_len: 16 }, arms: { dense: {}, window: { "model.attention": { kind: "window", window: 4 } } }, seeds: [1, 2, 3, 4, 5, 6],
    train: { steps, batch_size: 16, lr: 0.01, eval_every: steps, eval_windows: 8 } });
  const [short, long] = await Promise.all([3, 150].map(async (steps) => (await trained(steps)).id));
  const look = async (id) => {
    await ended(id);
    const { primary: [claim], verdict, checks } = await get(`/experiments/${id}/report`), { items } = await get(`/runs?experiment=${id}`);
    const { status, detail, evidence, invalidates } = checks.find(({ name }) => name === "learned");
    for (const { arm, loss, unigram, bigram, runs } of evidence.cells) {
      const own = items.filter((run) => run.arm === arm).map(({ final }) => final["val/loss"]);
      assert.equal(runs, own.length);
      assert.ok(Math.abs(loss - own.reduce((sum, value) => sum + value) / own.length) < 1e-12);
      assert.ok(bigram > 0 && bigram < unigram && unigram < Math.log(257), `${bigram}, ${unigram}`);
    }
    assert.deepEqual([evidence.cells.map(({ arm }) => arm), invalidates], [["dense", "window"], true]);
    return { claim, verdict, status, detail, evidence };
  };
  const nothing = await look(short), something = await look(long);
  assert.deepEqual([nothing.status, nothing.claim.verdict, nothing.claim.against, nothing.evidence.pairs], ["fail", "invalid", "learned", [{ arms: ["dense", "window"] }]]);
  assert.match(nothing.detail, /^neither window nor dense has learnt anything: their val\/loss \([\d.]+, [\d.]+\) isn\'t below the [\d.]+ of guessing by how often each token occurs \(unigram\)$/);
  assert.match(nothing.verdict.sentence, /^window can't be compared with dense at L = 16: learned fails: neither window nor dense has learnt anything\. /);
  assert.notEqual(something.status, "fail", something.detail);
  assert.notEqual(something.claim.verdict, "invalid");
  assert.equal(something.claim.against, null);
  assert.ok(something.evidence.cells.every(({ loss, unigram }) => loss < unigram));
});

test("arms that choose other initial weights, or other batches, fail", async () => {
  const { id } = await submit({ arms: { dense: {}, torch: { "model.init": "torch" }, wide: { "train.batch_size": 4 } } });
  await ended(id);
  const found = await own(id);
  assert.equal(found.shared_init.status, "fail");
  assert.match(found.shared_init.detail, /their specs choose model\.init "torch" and "gpt2"/);
  assert.deepEqual(found.shared_init.evidence.first.arms, ["dense", "torch"]);
  assert.equal(found.same_batches.status, "fail");
  assert.match(found.same_batches.detail, /their specs choose train\.batch_size 4 and 2/);
});

test("what a run is at is said before it is found", async () => {
  const { id } = await submit({ seeds: [1], arms: { dense: {} } });
  await ended(id);
  const [run] = (await get(`/runs?experiment=${id}`)).items;
  assert.equal(run.auditing, null);
  const events = (await readFile(join(daemon.dir, `runs/${run.id}/attempts/1/events.ndjson`), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
  let at = null;
  const made = [];
  for (const { type, name, audit } of events) {
    if (audit !== undefined) {
      assert.equal(at === null, audit !== ""); // one after the other
      at = audit || null;
    }
    if (type !== "audit" || name === "finite") continue;
    assert.equal(at, name);
    made.push(name);
    at = null;
  }
  assert.equal(at, null);
  assert.ok(made.includes("causality") && made.includes("evaluation"), made.join());
});

test("the first seed of a cell audits, or the next when it ended without; a gap is shown, and goes when it is filled", async () => {
  await call("POST", "/queue", { paused: true });
  const { id } = await submit();
  const { items } = await get(`/runs?experiment=${id}`);
  const first = items.find(({ arm, seed }) => arm === "dsa" && seed === 1);
  await call("POST", `/runs/${first.id}/cancel`, undefined, 202);
  await call("POST", "/queue", { paused: false });
  await ended(id);
  for (const run of items) {
    if (run.id === first.id) continue;
    const launch = JSON.parse(await readFile(join(daemon.dir, "runs", String(run.id), "attempts/1/launch.json"), "utf8"));
    assert.equal(launch.audits, run.arm === "dsa" || run.seed === 1, `run ${run.id}`);
    assert.equal(launch.replays, run.arm !== "dsa" && run.seed === 1, `run ${run.id}`);
  }
  const gaps = async () => (await get(`/experiments/${id}/report`)).audits.filter(({ run, arm, name }) => run === null && arm === "dsa" && !OF_ARMS.includes(name));
  const valid = async (arm) => (await get(`/experiments/${id}/report`)).arms[arm].valid;
  const [gap, ...more] = await gaps(); // only the arm's very first run makes these two
  assert.equal(gap.name, "replay");
  assert.deepEqual([await valid("dense"), await valid("dsa")], [true, null]);
  assert.deepEqual(more.map(({ name }) => name), ["update"]);
  assert.deepEqual([gap.status, gap.evidence], ["skipped", { run: first.id, state: "cancelled", others: 0 }]);
  assert.match(gap.detail, /was cancelled before it did/);
  const before = await own(id);
  assert.match(before.power.detail, /of 2 seeds 1 can be paired/);

  await call("POST", `/runs/${first.id}/retry`);
  await ended(id);
  assert.deepEqual(await gaps(), []);
  assert.equal(await valid("dsa"), true);
  const now = await own(id);
  assert.equal(now.power.id, before.power.id, "replaced, not piled up");
  assert.match(now.power.detail, /of 2 seeds 2 can be paired/);
});

test("the published mask: invalid, with the share of positions that see the answer; dense holds", async () => {
  const { id } = await submit({
    arms: { dense: {}, published: { "model.attention": { kind: "dsa", top_k_ratio: 0.5, indexer_dim: 8, indexer_training: "frozen", selection: "published" } } },
    grid: { "data.seq_len": [16, 32] }, seeds: [1],
  });
  await ended(id);
  const report = await get(`/experiments/${id}/report`), made = report.audits.filter(({ run }) => run !== null);
  const of = (name, arm, seqLen) => made.filter((one) => one.name === name && (one.arm ?? arm) === arm && (one.grid?.["data.seq_len"] ?? seqLen) === seqLen);
  for (const seqLen of [16, 32]) {
    for (const phase of ["start", "end"]) {
      const [leaky] = of("causality", "published", seqLen).filter(({ evidence }) => evidence.phase === phase);
      assert.equal(leaky.status, "fail");
      assert.equal(leaky.evidence.leak_next, (seqLen / 2 - 1) / seqLen, "(K − 1)/T");
      for (const kernels of ["training", "evaluation"]) assert.notEqual(leaky.evidence.kernels[kernels].across_sequences, true);
      const [sound] = of("causality", "dense", seqLen).filter(({ evidence }) => evidence.phase === phase);
      assert.deepEqual([sound.status, sound.evidence.leak_next], ["pass", 0]);
    }
    assert.deepEqual(of("entropy_floor", "published", seqLen).map(({ status }) => status), ["fail"]);
    assert.deepEqual(of("entropy_floor", "dense", seqLen).map(({ status }) => status), ["pass"]);
    for (const arm of ["dense", "published"]) {
      const [limit] = of("dense_equivalence", arm, seqLen);
      assert.deepEqual([limit.status, limit.evidence.path, limit.evidence.layer], ["pass", "kept", 0]);
      assert.ok(limit.evidence.dk > 0 && limit.evidence.dk < 1e-5, "held against another computation");
    }
    assert.deepEqual(of("indexer_learns", "published", seqLen).map(({ status }) => status), ["fail"]);
    assert.equal(of("causality", "published", seqLen).at(-1).evidence.by_position.loss.length, seqLen);
  }
  for (const arm of ["dense", "published"]) {
    const replays = made.filter((one) => one.name === "replay" && one.arm === arm);
    assert.deepEqual(replays.map(({ status }) => status), ["pass"], "one run an arm");
    const updates = made.filter((one) => one.name === "update" && one.arm === arm);
    assert.deepEqual(updates.map(({ status, evidence }) => [status, evidence.steps, evidence.updates]), [["pass", 10, 10]]);
    for (const seqLen of [16, 32]) {
      const [{ status, evidence }, ...others] = of("evaluation", arm, seqLen);
      assert.deepEqual([status, evidence.windows, evidence.differing_states, others.length], ["pass", 4, 0, 0]);
      assert.ok(Math.abs(evidence.reported - evidence.in_double) <= evidence.bound && evidence.bound < 1e-3);
    }
  }
  assert.equal(report.arms.published.valid, false);
  assert.ok(report.comparisons.every(({ verdict }) => verdict === "invalid"));
  assert.match(report.verdict.sentence, /^published can't be compared with dense over L = 16, 32: it fails causality: \d+\.\d % of the positions depend on tokens after them, which they must predict\. Its val\/loss, [\d.]+ (lower|higher), says nothing about which is better\.$/);
  assert.deepEqual(report.table.map(({ valid }) => valid), [true, false, true, false]);
});
