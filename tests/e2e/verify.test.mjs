// Replay: what is computed again is compared with what is stored. Verification of a run, and of what a resumed
// run trains twice, against the real daemon and trainer: equal bits, a row that was tampered with, a damaged
// checkpoint, another environment, kills and restarts.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { client } from "./client.mjs";
import { ABLATED, start } from "./daemon.mjs";
import { remove } from "./folder.mjs";

const WORKER = join(dirname(ABLATED), "ablate-worker");
let daemon, dir;

before(async () => {
  daemon = await start({ args: ["--slots", "1"] });
  dir = daemon.dir;
  await corpus(300);
});
after(async () => {
  await daemon?.stop({ keep: true });
  await remove(dir);
});

const { call, get, rows, until, corpus } = client(() => daemon);
const verify = (id, status = 202) => call("POST", `/runs/${id}/verify`, undefined, status);
const cancel = (id, status = 202) => call("POST", `/runs/${id}/cancel`, undefined, status);

/** SQL on the database of a daemon that is away meanwhile. */
async function tamper(sql) {
  await daemon.stop({ keep: true });
  execFileSync("sqlite3", [`${dir}/ablate.db`, sql]);
  daemon = await start({ dir, args: ["--slots", "1"] });
}

const DSA = { kind: "dsa", top_k: 9, indexer_heads: 2, indexer_dim: 8, dense_warmup_steps: 7 };
/** A run's id; `wide` makes a step long enough to be caught in the middle. */
async function submit({ attention = { kind: "dense" }, steps = 60, wide = false, artifacts = ["init", "final"] } = {}) {
  const { id } = await call("POST", "/experiments", {
    data: { dataset: "corpus", seq_len: wide ? 64 : 24 },
    model: { layers: 2, heads: 2, d_model: wide ? 96 : 32, d_ff: wide ? 96 : 32, attention },
    train: { steps, batch_size: wide ? 8 : 4, eval_every: 20, eval_windows: 4, checkpoint_every: 20, grad_clip: 1 }, artifacts, seeds: [3],
  }, 201);
  return (await get(`/runs?experiment=${id}`)).items[0].id;
}
const ended = (id) => until(`run ${id} ends`, async () => {
  const run = await get(`/runs/${id}`);
  return ["succeeded", "failed", "cancelled"].includes(run.state) && run;
});
async function succeeded(id) {
  const run = await ended(id);
  assert.equal(run.state, "succeeded", run.reason);
  return run;
}
/** The run when its verification is over. */
const verified = (id) => until(`run ${id} is verified`, async () => {
  const run = await get(`/runs/${id}`);
  return !["queued", "running"].includes(run.verify.state) && run;
});
/** The newest replay audit of a run, other than that of its own middle, which an arm's first run makes. */
async function audit(id) {
  const { experiment_id } = await get(`/runs/${id}`);
  return (await get(`/experiments/${experiment_id}/report`)).audits.filter(({ name, run, evidence }) => name === "replay" && run === id && evidence.kind !== "middle").at(-1);
}
/** Everything that was stored of a run, but for its verification. */
async function whole(id) {
  const { verify: _, attempts, as_of, ...run } = await get(`/runs/${id}`);
  return { run, attempts: attempts.filter(({ kind }) => kind === "train"), artifacts: (await get(`/runs/${id}/artifacts`)).items,
    metrics: (await get(`/runs/${id}/metrics`)).series, checkpoints: (await rows(`SELECT * FROM checkpoints WHERE run = ${id}`)),
    files: await Promise.all((await readdir(`${dir}/runs/${id}/checkpoints`)).map(async (file) =>
      [file, (await readFile(`${dir}/runs/${id}/checkpoints/${file}`)).toString("base64")])) };
}
/** What two runs of one specification share: every value but the clock's. */
async function bits(id) {
  const { series } = await get(`/runs/${id}/metrics`);
  return [Object.entries(series).filter(([name]) => !/^(time|throughput)\//.test(name)), (await get(`/runs/${id}/artifacts`)).items];
}

/** The processes of a run's newest attempt of a kind. */
async function processes(id, kind = "train") {
  return until(`a trainer of run ${id}`, async () => {
    const [[pid] = []] = await rows(`SELECT pid FROM attempts WHERE run = ${id} AND kind = '${kind}' ORDER BY attempt DESC LIMIT 1`);
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    return children.trim() !== "" && { keeper: pid, trainer: Number(children.trim().split(" ")[0]) };
  });
}
/** Stops the trainer when steps are stored beyond its second checkpoint, so that a resumed one computes them again. */
async function caught(id) {
  const { trainer } = await processes(id);
  await until("steps beyond a checkpoint", async () => {
    const { step, steps } = await get(`/runs/${id}`);
    assert.ok(step < steps, "the run was too fast");
    if (step < 42 || step % 20 < 2) return false;
    process.kill(trainer, "SIGSTOP");
    const newest = Math.max(...(await readdir(`${dir}/runs/${id}/checkpoints`)).map((name) => Number(/\d+/.exec(name)[0])));
    if (newest >= 40 && newest < (await get(`/runs/${id}`)).step) return true;
    process.kill(trainer, "SIGCONT");
    return false;
  }, 2);
  return trainer;
}

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
    await until("its folder is gone", () => access(`${dir}/runs/${id}/attempts/2/out`).then(() => false, () => true));
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
  const capsule = await daemon.fetch(`/api/v1/experiments/${experiment}/capsule`);
  await writeFile(`${dir}/capsule.tar`, Buffer.from(await capsule.arrayBuffer()));
  execFileSync(WORKER, ["verify", `${dir}/capsule.tar`, "--run", id, "--dataset", `${dir}/datasets/${run.spec.data.dataset.slice(7)}`]);
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

test("a verification ends at the difference, not with the run", async () => {
  const id = await submit({ wide: true, steps: 200 });
  await succeeded(id);
  await tamper(`UPDATE metrics SET value = 1 WHERE run = ${id} AND step = 2 AND name = (SELECT id FROM metric_names WHERE name = 'train/loss')`);
  await verify(id);
  assert.equal((await verified(id)).attempts.at(-1).outcome, "differs at step 2");
  assert.match(await readFile(`${dir}/runs/${id}/attempts/2/events.ndjson`, "utf8"), /"type":"failed",.*"reason":"stopped","detail":"a difference was found"[^\n]*\}\n$/);
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

test("killed, a run resumes; what it trains twice is compared, and verifies", async () => {
  const [reference, id] = [await submit({ wide: true, steps: 100 }), await submit({ wide: true, steps: 100 })];
  await succeeded(reference);
  process.kill(await caught(id), "SIGKILL");
  assert.equal((await succeeded(id)).attempt, 2);
  const found = await audit(id);
  assert.equal(found.status, "pass", found.detail);
  assert.ok(found.evidence.compared > 0 && found.evidence.kind === "train");
  assert.deepEqual(await bits(id), await bits(reference));
  assert.equal(await audit(reference), undefined); // nothing was computed twice
  await verify(id);
  assert.equal((await verified(id)).verify.state, "identical");
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

test("a damaged checkpoint is refused, the one before it used: the same bits", async () => {
  const [reference, id] = [await submit({ wide: true, steps: 100 }), await submit({ wide: true, steps: 100 })];
  await succeeded(reference);
  const trainer = await caught(id), folder = `${dir}/runs/${id}/checkpoints`;
  const [before, newest] = (await readdir(folder)).map((name) => Number(/\d+/.exec(name)[0])).sort((a, b) => a - b);
  const bytes = await readFile(`${folder}/step-${newest}.safetensors`);
  bytes[bytes.length - 1000] ^= 1;
  await writeFile(`${folder}/step-${newest}.safetensors`, bytes);
  process.kill(trainer, "SIGKILL");
  assert.equal((await succeeded(id)).attempt, 2);
  const log = await get(`/runs/${id}/log`);
  assert.match(log, new RegExp(`step-${newest}\\.safetensors is passed over: `));
  assert.match(log, new RegExp(`from step ${before}$`, "m"));
  const found = await audit(id);
  assert.equal(found.status, "pass", found.detail);
  assert.ok(found.evidence.compared > (newest - before) * 4); // the steps between them, and the checkpoint itself
  assert.deepEqual(await bits(id), await bits(reference));
});

test("a verification outlives the daemon, running or queued", async () => {
  const [running, queued] = [await submit({ wide: true, steps: 100 }), await submit()];
  await Promise.all([succeeded(running), succeeded(queued)]);
  await verify(running);
  await processes(running, "verify");
  await verify(queued);
  await until("something was compared", async () => (await get(`/runs/${running}`)).verify.compared > 20);
  daemon.kill("SIGKILL");
  await daemon.ended;
  daemon = await start({ dir, args: ["--slots", "1"] });
  assert.equal((await get("/queue")).verifying, 2);
  for (const id of [running, queued]) {
    const { verify: { state, attempt }, attempts } = await verified(id);
    assert.deepEqual([state, attempt, attempts.length], ["identical", 2, 2]);
  }
  assert.equal((await get("/queue")).verifying, 0);
});

test("cancel ends the verification and nothing else", async () => {
  const [id, other] = [await submit({ wide: true, steps: 100 }), await submit()];
  await Promise.all([succeeded(id), succeeded(other)]);
  const before = await whole(id);
  await cancel(id, 409);
  await verify(id);
  await processes(id, "verify");
  await verify(other);
  assert.equal((await cancel(other)).verify.state, "skipped");
  assert.equal((await cancel(id)).state, "succeeded");
  const run = await verified(id);
  assert.deepEqual([run.verify.state, run.verify.reason, run.attempts.at(-1).outcome], ["skipped", "cancelled", "stopped"]);
  assert.deepEqual(await whole(id), before);
  assert.equal(await audit(id), undefined);
  await cancel(id, 409);
});

test("a verification that dies ends as such; a cancelled run verifies as far as it went", async () => {
  const id = await submit({ wide: true, steps: 5000, artifacts: ["init"] });
  await verify(id, 409);
  await until("some steps", async () => (await get(`/runs/${id}`)).step > 25);
  await cancel(id);
  const { state, step } = await ended(id);
  assert.equal(state, "cancelled");
  await verify(id);
  process.kill((await processes(id, "verify")).trainer, "SIGKILL");
  const died = await verified(id);
  assert.deepEqual([died.verify.state, died.state, died.attempts.length], ["failed", "cancelled", 2]);
  assert.match(died.verify.reason, /killed by SIGKILL/);
  assert.deepEqual([(await audit(id)).status, died.attempts[1].outcome], ["skipped", "signal SIGKILL"]);
  await verify(id);
  const run = await verified(id);
  assert.equal(run.verify.state, "identical", run.verify.reason);
  assert.equal(run.step, step);
  assert.equal((await audit(id)).status, "pass");
  // And is retried under the next number, with a try for it.
  await call("POST", `/runs/${id}/retry`);
  await until("it trains on", async () => (await get(`/runs/${id}`)).step > step);
  assert.deepEqual((({ attempt, state }) => [attempt, state])(await get(`/runs/${id}`)), [4, "running"]);
  await cancel(id);
  await ended(id);
});
