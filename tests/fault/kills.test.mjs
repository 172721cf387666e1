// Kill -9 at random moments: of trainers, of keepers, of the daemon, of all at once. The runs go on from their
// checkpoints until they have ended, and then hold, value by value, what an undisturbed daemon holds.
//
// FAULTS_ROUNDS kills are made (24), at moments and of victims drawn from FAULTS_SEED (1). When the runs have ended before,
// the same experiment is submitted again. The kills keep to the pace at which an undisturbed daemon trains here and now. Where
// that wasn't slow enough, on a machine that has become busy since, a run that has had 80 of its 100 attempts is let end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { call, consistent, curves, ended, folder, kill, random, rows, seed, serve, sleep, submit, workers } from "./faults.mjs";

const ROUNDS = Number(process.env.FAULTS_ROUNDS ?? 24);
const SPEC = { steps: 400, seeds: [1, 2, 3], max_attempts: 100, artifacts: ["final"], train: { checkpoint_every: 10, eval_every: 50 } };
const ARGS = ["--slots", "2", "--log-level", "error"];

test("no value is lost, doubled or changed; each run ends once", async (t) => {
  const at = await folder(t), dir = `${at}/data`, next = random(seed);
  const calm = await serve(t, { dir: `${at}/calm`, args: ARGS });
  const began = Date.now(), { id: undisturbed } = await submit(calm, SPEC);
  assert.equal((await ended(calm, undisturbed)).counts.succeeded, 3);
  const pace = Math.max(1500, (Date.now() - began) / 4), reference = await curves(calm, undisturbed);
  await calm.stop();

  let daemon = await serve(t, { dir, args: ARGS });
  const experiments = [(await submit(daemon, SPEC)).id], killed = { trainer: 0, keeper: 0, daemon: 0, all: 0, nobody: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(Math.floor(next() ** 2 * pace)); // often soon: starts and ends are where it hurts
    if (rows(dir, "SELECT 1 FROM attempts WHERE ended_at IS NULL AND attempt > 80").length > 0) await ended(daemon, experiments.at(-1));
    if ((await call(daemon, "GET", `experiments/${experiments.at(-1)}`)).state === "finished") experiments.push((await submit(daemon, SPEC)).id);
    const victim = ["trainer", "keeper", "daemon", "all"][Math.floor(next() * 4)], { keepers, trainers } = workers(dir);
    const one = (pids) => pids.slice(Math.floor(next() * pids.length)).slice(0, 1);
    const found = kill({ trainer: one(trainers), keeper: one(keepers), daemon: [daemon.pid], all: [daemon.pid, ...keepers, ...trainers] }[victim]);
    killed[found > 0 ? victim : "nobody"]++;
    if (victim !== "daemon" && victim !== "all") continue;
    await daemon.ended;
    if (next() < 0.3) await sleep(Math.floor(next() * 2000)); // workers train on alone, or end alone
    daemon = await serve(t, { dir, args: ARGS });
  }
  for (const id of experiments) {
    const { counts } = await ended(daemon, id), { items } = await call(daemon, "GET", `runs?experiment=${id}`);
    assert.equal(counts.succeeded, 3, JSON.stringify(items.map((run) => [run.attempt, run.step, run.reason])));
  }
  for (const id of experiments) {
    consistent(dir, id);
    assert.deepEqual(await curves(daemon, id), reference, `experiment ${id}`);
  }
  const [{ attempts, n }] = rows(dir, "SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM metrics) AS n");
  t.diagnostic(`found: seed ${seed}, ${ROUNDS} rounds, killed ${JSON.stringify(killed)}; ${experiments.length * 3} runs in ${attempts} attempts, ${n} values, all as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});
