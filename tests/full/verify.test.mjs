// Verifications and resumed runs that something comes between: a kill, a cancellation, a damaged checkpoint, a daemon that dies.

import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { start } from "../e2e/daemon.mjs";
import { call, get, until, verify, cancel, tamper, submit, ended, succeeded, verified, audit, whole, bits, processes, caught, here } from "../e2e/verify.mjs";

test("a verification ends at the difference, not with the run", async () => {
  const id = await submit({ wide: true, steps: 200 });
  await succeeded(id);
  await tamper(`UPDATE metrics SET value = 1 WHERE run = ${id} AND step = 2 AND name = (SELECT id FROM metric_names WHERE name = 'train/loss')`);
  await verify(id);
  assert.equal((await verified(id)).attempts.at(-1).outcome, "differs at step 2");
  assert.match(await readFile(`${here.dir}/runs/${id}/attempts/2/events.ndjson`, "utf8"), /"type":"failed",.*"reason":"stopped","detail":"a difference was found"[^\n]*\}\n$/);
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

test("a damaged checkpoint is refused, the one before it used: the same bits", async () => {
  const [reference, id] = [await submit({ wide: true, steps: 100 }), await submit({ wide: true, steps: 100 })];
  await succeeded(reference);
  const trainer = await caught(id), folder = `${here.dir}/runs/${id}/checkpoints`;
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
  here.daemon.kill("SIGKILL");
  await here.daemon.ended;
  here.daemon = await start({ dir: here.dir, args: ["--slots", "1"] });
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
