// An experiment's curves in one request, against each run's own series.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const V1 = "/api/v1";
let daemon, id, runs;
const { call, get, corpus } = client(() => daemon);
const sql = (text) => execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", text], { encoding: "utf8" });
const SEEDS = [1, 2, 3];
const spec = {
  name: "curves", data: { dataset: "corpus" }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
  train: { steps: 40, batch_size: 2, eval_every: 10, eval_windows: 4 }, seeds: SEEDS, artifacts: [],
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 8 } } }, grid: { "data.seq_len": [8, 16] },
};
const curves = (query, status) => get(`/experiments/${id}/curves?${query}`, status);
const T = { 2: 12.706204736432095, 3: 4.302652729911275 };
const near = (a, b) => assert.ok(Math.abs(a - b) <= 1e-8 * (1 + Math.abs(b)), `${a} is not ${b}`);

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  await corpus(300);
  ({ id } = await call("POST", "/experiments", spec, 201));
  assert.equal((await get(`/experiments/${id}?wait=3600`)).state, "finished");
  runs = (await get(`/runs?experiment=${id}`)).items;
  // What no trainer of ours tells: values that aren't finite.
  const name = "(SELECT id FROM metric_names WHERE name = 'train/loss')";
  [["step = 3", 1, 0], ["step = 4", 2, "9e999"]].forEach(([where, kind, value]) =>
    sql(`UPDATE metrics SET kind = ${kind}, value = ${value} WHERE run = ${runs[0].id} AND ${where} AND name = ${name}`));
});
after(() => daemon?.stop());

/** The values at each step of an arm at a grid point, over its seeds. */
async function expected(arm, grid, metric) {
  const at = new Map();
  for (const run of runs.filter((one) => one.arm === arm && one.grid["data.seq_len"] === grid["data.seq_len"]))
    for (const [step, value] of (await get(`/runs/${run.id}/metrics?names=${metric}`)).series[metric].points)
      at.set(step, [...(at.get(step) ?? []), value]);
  return at;
}

test("every step of every arm at every grid point, over its seeds", async () => {
  const { metrics, whole } = await curves("metric=train/loss&metric=val/loss");
  assert.equal(whole, true);
  for (const [metric, { width, curves: all }] of Object.entries(metrics)) {
    assert.equal(width, 1);
    assert.deepEqual(all.map((one) => [one.arm, one.grid["data.seq_len"]]), [["dense", 16], ["dense", 8], ["dsa", 16], ["dsa", 8]]);
    for (const one of all) {
      const wanted = await expected(one.arm, one.grid, metric);
      assert.deepEqual([one.runs, one.open, one.from, one.first, one.count], [3, 0, 0, undefined, undefined]);
      assert.deepEqual(one.step, [...wanted.keys()]);
      one.step.forEach((step, i) => {
        const values = wanted.get(step), finite = values.filter(Number.isFinite), n = finite.length;
        assert.deepEqual([one.n[i], one.complete[i], one.nonfinite[i]], [n, 3, values.length - n]);
        const mean = finite.reduce((a, b) => a + b, 0) / n;
        const sd = Math.sqrt(finite.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
        near(one.mean[i], mean);
        near(one.sd[i], sd);
        near(one.t95_low[i], mean - T[n] * sd / Math.sqrt(n));
        near(one.t95_high[i], mean + T[n] * sd / Math.sqrt(n));
        assert.deepEqual([one.min[i], one.max[i]], [Math.min(...finite), Math.max(...finite)]);
      });
    }
  }
});

test("longer curves come as buckets that say what stands behind them, and end with last values", async () => {
  const { metrics: { "train/loss": { width, curves: all } } } = await curves("metric=train/loss&points=12&arm=dsa");
  assert.equal(width, 4);
  assert.deepEqual(all.map(({ arm }) => arm), ["dsa", "dsa"]);
  for (const one of all) {
    const wanted = await expected(one.arm, one.grid, "train/loss");
    assert.deepEqual(one.first, [1, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40]);
    assert.deepEqual(one.step, [3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 40]);
    assert.deepEqual(one.count, [9, 12, 12, 12, 12, 12, 12, 12, 12, 12, 3]);
    near(one.mean.at(-1), wanted.get(40).reduce((a, b) => a + b, 0) / 3);
    near(one.mean[1], [4, 5, 6, 7].flatMap((step) => wanted.get(step)).reduce((a, b) => a + b, 0) / 12);
  }
  const zoomed = await curves("metric=train/loss&points=12&from=18&to=25");
  assert.equal(zoomed.metrics["train/loss"].width, 1);
  assert.deepEqual(zoomed.metrics["train/loss"].curves[0].step, [18, 19, 20, 21, 22, 23, 24, 25]);
});

test("the same question gets the same bytes, and 304 while nothing is new", async () => {
  const path = `${V1}/experiments/${id}/curves?metric=val/loss`;
  const first = await daemon.fetch(path), tag = first.headers.get("etag");
  assert.match(tag, /^W\/"[0-9a-f]{16}"$/);
  assert.equal(first.headers.get("cache-control"), "private, no-cache");
  assert.equal(await first.text(), await (await daemon.fetch(path)).text());
  const again = await daemon.fetch(path, { headers: { "If-None-Match": tag } });
  assert.deepEqual([again.status, await again.text()], [304, ""]);
  assert.notEqual((await daemon.fetch(`${path}&points=30`)).headers.get("etag"), tag);
});

test("with a cursor only what is new comes, and says whose it is", async () => {
  const question = "metric=train/loss&metric=val/loss";
  const before = await curves(question);
  const same = await curves(`${question}&since=${before.cursor}`);
  assert.deepEqual([same.whole, Object.values(same.metrics).flatMap((one) => one.curves)], [false, []]);
  // One more seed of each arm, whose runs wait: each curve is of 3 of 4, and everything comes again.
  await call("POST", "/queue", { paused: true });
  await call("POST", `/experiments/${id}/seeds`, { seeds: [4] }, 201);
  const more = await curves(`${question}&since=${before.cursor}`);
  assert.equal(more.whole, true);
  more.metrics["val/loss"].curves.forEach((one, i) => {
    assert.deepEqual([one.runs, one.open, one.complete], [4, 1, [3, 3, 3, 3]]);
    assert.deepEqual(one.mean, before.metrics["val/loss"].curves[i].mean);
  });
  await call("POST", "/queue", { paused: false });
  await get(`/experiments/${id}?wait=3600`);
  runs = (await get(`/runs?experiment=${id}`)).items;
  const now = await curves(question), tail = await curves(`${question}&since=${more.cursor}`);
  assert.equal(tail.whole, false);
  for (const [metric, { curves: all }] of Object.entries(now.metrics))
    all.forEach((one, i) => {
      const { from, ...rest } = tail.metrics[metric].curves[i], old = more.metrics[metric].curves[i];
      const kept = old.step.filter((step) => step < from).length;
      assert.deepEqual([one.runs, one.complete.at(-1)], [4, 4]);
      for (const column of ["step", "n", "complete", "mean", "sd", "min", "max", "t95_low", "t95_high", "nonfinite"])
        assert.deepEqual([...old[column].slice(0, kept), ...rest[column]], one[column]);
    });
});

test("what is wrong with a question is said", async () => {
  const refused = async (query, says) => assert.match((await curves(query, 400)).detail, says);
  await refused("", /metric must be given/);
  await refused("metric=a&metric=a", /twice/);
  await refused("metric=a&points=1", /points must be an integer from 2/);
  await refused("metric=a&from=5&to=4", /to must not be less than from/);
  await refused("metric=a&to=4&to=5", /"to" is given twice/);
  await refused("metric=a&names=b", /there is no query parameter "names"/);
  const { cursor } = await curves("metric=val/loss");
  await refused(`metric=train/loss&since=${cursor}`, /cursor of an answer to the same question/);
  for (const bad of ["x", "-1", "5", `${cursor}-1`, cursor.slice(0, -2)]) await refused(`metric=val/loss&since=${bad}`, /cursor/);
  assert.match((await get("/experiments/999/curves?metric=a", 404)).detail, /no experiment 999/);
  const none = await curves("metric=no/such");
  assert.deepEqual(none.metrics["no/such"].curves.map((one) => one.step), [[], [], [], []]);
  assert.deepEqual((await curves("metric=val/loss&arm=no")).metrics["val/loss"].curves, []);
});
