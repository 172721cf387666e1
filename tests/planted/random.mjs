// Random legal specifications (draw.mjs), each trained with its audits, none of which may fail: what would is a false
// alarm, or a fault. SEED and N in the environment choose others: number i is that of seed SEED + i.
//
//   SEED=7000 N=600 tests/run --full random
//   SEED=7123 N=1 node --test tests/full/random.test.mjs      # one that failed, again

import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { attentions, draw } from "./draw.mjs";
import { SHIPPED, trained } from "./plant.mjs";

/** Audits that fail of what they exist for. One of `when` that passes all the same is no fault: at some K nothing leaks. */
const published = ({ selection }) => selection === "published";
const RIGHTLY = [
  { audit: "causality", when: (spec) => attentions(spec).some(published) },
  { audit: "entropy_floor", when: (spec) => attentions(spec).some(published) },
  { audit: "indexer_learns", when: (spec) => attentions(spec).some((one) => one.indexer_training === "frozen") },
  // A gradient of 1e6 times the slope, and a step that is a share of it.
  { audit: "finite", when: ({ train, ...spec }) => train.optimizer === "sgd" &&
    train.lr / (1 - train.momentum) * Math.max(1, spec.model.balance_weight, ...attentions(spec).map((one) => one.kl_weight ?? 0)) > 1 },
  { audit: "split_overlap", when: ({ data }) => data.split === "windows" || data.dataset === "copies" && data.split === "documents" },
];
const rightly = (spec, { name }) => RIGHTLY.some(({ audit, when }) => audit === name && when(spec));

/** What is wrong with a run's audits: failed without a reason in the specification, or couldn't be made. */
export const alarms = (spec, audits) => audits
  .filter((one) => one.status === "fail" && !rightly(spec, one) || /^it couldn't be made/.test(one.detail))
  .map(({ name, status, detail, evidence }) => ({ name, status, detail, evidence }));

/** Trains the specification of a seed; rejects with all that is needed to try it again. */
export async function quiet(seed, how = { worker: SHIPPED }) {
  const spec = draw(seed), again = `specification of seed ${seed}, SEED=${seed} N=1 tries it again:\n${JSON.stringify(spec)}`;
  let audits;
  try {
    audits = await trained(spec, { threads: 0, ...how });
  } catch (error) {
    throw new Error(`it didn't end well: ${error.stderr?.trim().split("\n").at(-1) ?? error.message}\n${again}`);
  }
  const wrong = alarms(spec, audits);
  assert.equal(wrong.length, 0, `${wrong.map((one) => JSON.stringify(one)).join("\n")}\n${again}`);
  return audits;
}

/** The test of so many seeds from `seed` on, unless SEED and N say otherwise. */
export function quietTest({ seed, n }) {
  const from = Number(process.env.SEED ?? seed), many = Number(process.env.N ?? n);
  assert.ok(Number.isSafeInteger(from) && Number.isSafeInteger(many) && many > 0, "SEED and N are whole numbers");
  test(`no audit of a random legal specification gives a false alarm: seeds ${from} to ${from + many - 1}`, { concurrency: availableParallelism() }, async (t) => {
    await Promise.all(Array.from({ length: many }, (_, i) => t.test(`seed ${from + i}`, async () => { await quiet(from + i); })));
  });
}
