// Replay: what is computed again is compared with what is stored. Verification of a run against the real daemon and trainer:
// equal bits, a row that was tampered with, another environment. What comes between is tests/full/verify's.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { access, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { call, get, rows, until, verify, cancel, tamper, DSA, submit, ended, succeeded, verified, audit, whole, processes, here, WORKER } from "../verify.mjs";

for (const [arm, attention] of Object.entries({ dense: { kind: "dense" }, dsa: DSA }))
  test(`${arm}: trained again, the same bits; the run stays as it is`, async () => {
    const id = await submit({ attention });
    assert.equal((await succeeded(id)).verify, null);
    const before = await whole(id);
    const queued = await verify(id);
    assert.equal(queued.state, "succeeded");
    assert.deepEqual(queued.verify, { state: "queued", attempt: null, compared: 0, first_difference: null, reason: "" });
    await verify(id, 409);
    const run = await verified(id);
    const { state, attempt, compared, first_difference } = run.verify;
    assert.deepEqual({ state, attempt, first_difference }, { state: "identical", attempt: 2, first_difference: null }, run.verify.reason);
    const stored = Object.entries(before.metrics).filter(([name]) => !/^(time|throughput)\//.test(name)).reduce((sum, [, { raw }]) => sum + raw, 0);
    assert.equal(compared, stored + 3 + 2); // metrics, checkpoints, artifacts
    assert.deepEqual(run.attempts.map(({ kind, outcome }) => [kind, outcome]), [["train", "finished"], ["verify", "identical"]]);
    assert.deepEqual(await whole(id), before);
    const { status, detail, evidence } = await audit(id);
    assert.equal(status, "pass");
    assert.match(detail, /^The verification \(attempt 2\) computed \d+ stored values again: every bit is the same\.$/);
    assert.deepEqual([evidence.attempt, evidence.kind, evidence.compared, evidence.first_difference], [2, "verify", compared, null]);
    assert.equal(new Set(evidence.environments.map(({ digest }) => digest)).size, 1);
    await until("its folder is gone", () => access(`${here.dir}/runs/${id}/attempts/2/out`).then(() => false, () => true));
    // Live and in order: queued, running, identical, each as a run's event, and the audit.
    const events = await rows(`SELECT kind FROM events WHERE run = ${id} AND seq > ${before.run.as_of ?? 0} AND kind IN ('run', 'audit')`);
    assert.ok(events.some(([kind]) => kind === "audit") && events.filter(([kind]) => kind === "run").length >= 3);
  });

test("a frozen run keeps its steps, whatever its budget buys by now", async () => {
  const { id: experiment } = await call("POST", "/experiments", {
    data: { dataset: "corpus", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, attention: { kind: "window", window: 4, sink: 2 } },
    train: { flops: 2e7, batch_size: 2, eval_every: 5, eval_windows: 2, checkpoint_every: 5 }, seeds: [3],
  }, 201);
  const { id, steps, digest } = (await get(`/runs?experiment=${experiment}`)).items[0];
  await succeeded(id);
  // As if FLOPs had been counted otherwise when it was submitted: today its budget stands for a third of the steps.
  await tamper(`UPDATE experiments SET spec = json_set(spec, '$.train.flops', 7e6) WHERE id = ${experiment}`);
  const { runs: [fewer] } = await call("POST", "/experiments?dry_run=1", (await get(`/experiments/${experiment}`)).spec, 200);
  assert.ok(steps > 9 && fewer.flops_total < fewer.flops_per_step * steps / 2, JSON.stringify(fewer));
  const before = await whole(id);
  await verify(id);
  assert.equal((await verified(id)).verify.state, "identical");
  assert.deepEqual(await whole(id), before);
  const run = await get(`/runs/${id}`);
  assert.deepEqual([run.steps, run.step, run.spec.train.steps, run.digest], [steps, steps, steps, digest]);
  assert.equal((await get(`/experiments/${experiment}/report`)).table[0].n, 1);
  // The capsule holds it to its frozen specification.
  const capsule = await here.daemon.fetch(`/api/v1/experiments/${experiment}/capsule`);
  await writeFile(`${here.dir}/capsule.tar`, Buffer.from(await capsule.arrayBuffer()));
  execFileSync(WORKER, ["verify", `${here.dir}/capsule.tar`, "--run", id, "--dataset", `${here.dir}/datasets/${run.spec.data.dataset.slice(7)}`]);
});

test("a row that was tampered with is found, by step and metric", async () => {
  const id = await submit();
  await succeeded(id);
  const [[value]] = await rows(`SELECT value FROM v_curves WHERE run = ${id} AND metric = 'train/grad_norm' AND step = 33`);
  const of = (metric) => `run = ${id} AND name = (SELECT id FROM metric_names WHERE name = '${metric}')`;
  await tamper(`UPDATE metrics SET value = value * (1 + 3e-16) WHERE step = 33 AND ${of("train/grad_norm")};
    UPDATE metrics SET value = 0 WHERE step = 50 AND ${of("train/loss")}; UPDATE metrics SET value = 9 WHERE step = 5 AND ${of("time/step_s")}`);
  const [[changed]] = await rows(`SELECT value FROM v_curves WHERE run = ${id} AND metric = 'train/grad_norm' AND step = 33`);
  assert.ok(changed !== value && Math.abs(changed / value - 1) < 1e-15); // the last bit or two
  await verify(id);
  const run = await verified(id);
  assert.equal(run.verify.state, "differs", run.verify.reason);
  assert.deepEqual(run.verify.first_difference, { step: 33, metric: "train/grad_norm", stored: changed, got: value });
  assert.equal(run.attempts.at(-1).outcome, "differs at step 33");
  assert.equal(run.state, "succeeded");
  const found = await audit(id);
  assert.equal(found.status, "fail");
  assert.match(found.detail, /^The verification \(attempt 2\) gave other bits\. The first difference among \d+ values is train\/grad_norm at step 33: /);
  assert.deepEqual(found.evidence.first_difference, run.verify.first_difference);
});

test("a run trained elsewhere is skipped, whatever the bits", async () => {
  const id = await submit();
  await succeeded(id);
  await tamper(`UPDATE attempts SET environment = json_set(environment, '$.digest', 'x', '$.blas_core', 'Elsewhere') WHERE run = ${id}`);
  await verify(id);
  const { verify: { state, compared, first_difference, reason } } = await verified(id);
  assert.deepEqual({ state, first_difference }, { state: "skipped", first_difference: null });
  assert.match(reason, /ran with another BLAS core than what is stored, so that bits may differ\. Of \d+ values none does\.$/);
  const found = await audit(id);
  assert.deepEqual([found.status, found.evidence.compared, found.evidence.environments[0].blas_core], ["skipped", compared, "Elsewhere"]);
  assert.ok(compared > 200);
});

test("a verification that can't be prepared comes to an end", async () => {
  const id = await submit();
  await succeeded(id);
  await mkdir(`${here.dir}/runs/${id}/attempts/2/launch.json/in-the-way`, { recursive: true });
  await verify(id);
  const run = await verified(id);
  assert.deepEqual([run.state, run.verify.state, run.attempts.length], ["succeeded", "failed", 2], run.verify.reason);
  assert.match(run.verify.reason, /launch\.json/);
});

test("a trainer is told nothing of its daemon's environment, and each of its threads is sealed", async () => {
  const id = await submit({ wide: true, steps: 100000 }), { trainer } = await processes(id);
  const told = await until("it has become a trainer", async () => {
    const variables = (await readFile(`/proc/${trainer}/environ`, "utf8")).split("\0").filter(Boolean).map((one) => one.split("=")[0]);
    return !variables.includes("PATH") && variables;
  });
  assert.ok(process.env.PATH, "the daemon has one");
  assert.deepEqual(told.filter((name) => !/^(OPENBLAS_[A-Z0-9_]+|LD_LIBRARY_PATH|[A-Z]+SAN_OPTIONS)$/.test(name)), []);
  const filters = async () => Promise.all((await readdir(`/proc/${trainer}/task`)).map(async (thread) =>
    Number(/^Seccomp_filters:\s*(\d+)/m.exec(await readFile(`/proc/${trainer}/task/${thread}/status`, "utf8"))?.[1])));
  const own = Number(/^Seccomp_filters:\s*(\d+)/m.exec(await readFile("/proc/self/status", "utf8"))?.[1]);
  if (!Number.isNaN(own)) await until("two filters on each thread", async () => (await filters()).every((n) => n === own + 2));
  await cancel(id);
  await ended(id);
});
