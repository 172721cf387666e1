// Times and compute: runs beside each other are told apart from runs alone, exclusive runs keep the machine to
// themselves and take turns, and arms get the same FLOPs.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { client } from "../e2e/client.mjs";
import { start } from "../e2e/daemon.mjs";

let daemon;

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
});
after(() => daemon?.stop());

const { call, get, rows, until } = client(() => daemon);

const spec = (more = {}, steps = { steps: 150 }) => ({
  data: { dataset: "synthetic:copy", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 32, d_ff: 32 },
  train: { ...steps, batch_size: 8, eval_every: 1000, eval_windows: 4 },
  arms: { dense: {}, window: { "model.attention": { kind: "window", window: 4 } } }, ...more,
});
const submit = async (...args) => (await call("POST", "/experiments", spec(...args), 201)).id;

async function finished(id) {
  const experiment = await get(`/experiments/${id}?wait=3600`);
  assert.equal(experiment.state, "finished", JSON.stringify(experiment.counts));
  return get(`/experiments/${id}/report`);
}
const reasons = (report) => report.table.map(({ timing }) => timing.reasons.map(({ reason }) => reason));

test("runs side by side are marked, and nothing is claimed by their times", async () => {
  const id = await submit({ seeds: [1, 2], compare: { metric: "time/step_s" } });
  const report = await finished(id);
  for (const [i, list] of reasons(report).entries()) assert.ok(list.includes("another_run"), JSON.stringify(report.table[i].timing));
  assert.ok(report.table.every(({ timing }) => timing.clean === false));
  assert.equal(report.verdict.status, "undetermined");
  assert.match(report.verdict.sentence, /times of 2 pairs were taken while another run shared the machine/);
  assert.ok(report.remarks.some((remark) => remark.startsWith("The times of all arms were taken while another run shared the machine")), report.remarks.join(" "));
  const text = await get(`/experiments/${id}/report?format=md`);
  assert.match(text, /\| window \| 2 \|.*\d †/);
  assert.match(text, /^† /m);
  const [run] = (await get(`/runs?experiment=${id}`)).items;
  const { attempts: [attempt] } = await get(`/runs/${run.id}`);
  assert.ok(attempt.interference.steal_share >= 0 && attempt.interference.other_cores > 0, JSON.stringify(attempt));
  // The mean leaves out step 1, which warms up.
  const { points } = (await get(`/runs/${run.id}/metrics?names=time/step_s`)).series["time/step_s"];
  const both = await Promise.all((await get(`/runs?experiment=${id}&filter=arm = "${run.arm}"`.replaceAll(" ", "%20"))).items
    .map(async (one) => (await get(`/runs/${one.id}/metrics?names=time/step_s`)).series["time/step_s"].points.slice(1)));
  const means = both.map((list) => list.reduce((sum, [, value]) => sum + value, 0) / list.length);
  const said = report.table.find(({ arm }) => arm === run.arm).metrics["time/step_s"].mean;
  assert.ok(points.length === 150 && Math.abs(said - (means[0] + means[1]) / 2) < 1e-12 * said + 1e-15, `${said} ${means}`);
});

test("exclusive runs take turns and run alone, whatever else waits", async () => {
  const beside = await submit({ seeds: [7] });
  const id = await submit({ exclusive: true, seeds: [1, 2] });
  const late = await submit({ seeds: [8], priority: 5 });
  await until("it runs", async () => (await get(`/experiments/${id}`)).counts.running > 0);
  const urgent = await submit({ seeds: [9], priority: 9 });
  const [verified] = (await get(`/runs?experiment=1`)).items;
  await call("POST", `/runs/${verified.id}/verify`, undefined, 202);
  const report = await finished(id);
  for (const other of [beside, late, urgent]) await finished(other);
  assert.ok(reasons(report).every((list) => !list.includes("another_run")), JSON.stringify(reasons(report)));
  assert.ok(!report.remarks.some((remark) => remark.includes("another run")), report.remarks.join(" "));
  await until("it is verified", async () => !["queued", "running"].includes((await get(`/runs/${verified.id}`)).verify.state));
  assert.equal((await get(`/runs/${verified.id}`)).verify.state, "identical");
  const order = await rows(`SELECT r.arm, r.seed FROM attempts a JOIN runs r ON r.id = a.run WHERE r.experiment = ${id} ORDER BY a.started_at, a.run`);
  assert.deepEqual(order, [["dense", 1], ["window", 1], ["dense", 2], ["window", 2]]);
  const overlaps = await rows(`SELECT a.run, b.run FROM attempts a JOIN runs r ON r.id = a.run JOIN attempts b ON b.run != a.run
    WHERE r.exclusive AND a.started_at < b.ended_at AND b.started_at < a.ended_at`);
  assert.deepEqual(overlaps, []);
});

test("arms compared at equal FLOPs end within a step of the budget", async () => {
  const flops = 2e9;
  const { runs } = await call("POST", "/experiments?dry_run=1", spec({}, { flops }));
  assert.equal(runs.length, 2);
  for (const run of runs) {
    assert.equal(run.flops_total, run.steps * run.flops_per_step);
    assert.ok(run.flops_total <= flops && run.flops_total + run.flops_per_step > flops, JSON.stringify(run));
  }
  assert.ok(runs[1].steps > runs[0].steps);
  const id = await submit({}, { flops });
  const report = await finished(id);
  assert.deepEqual((await get(`/runs?experiment=${id}`)).items.map(({ step }) => step), runs.map(({ steps }) => steps));
  assert.deepEqual(report.table.map(({ tokens }) => tokens), runs.map(({ steps }) => steps * 8 * 16));
  const { status, detail } = report.audits.find(({ name }) => name === "budget");
  assert.equal(status, "pass");
  assert.match(detail, /^at equal training FLOPs, /);
  const refused = await call("POST", "/experiments", spec({}, { flops, steps: 10 }), 422);
  assert.deepEqual([refused.code, refused.pointer], ["inconsistent", "/train/flops"]);
});
