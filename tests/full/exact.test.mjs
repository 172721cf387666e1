// The same specification gives the same bits (tests/e2e/exact.mjs): with 1, 2, 3 and 4 threads, again, beside another run,
// and when the trainer is killed at chosen lines and resumes.

import { test } from "node:test";
import { RUNS, same } from "../e2e/exact.mjs";

for (const arm of Object.keys(RUNS))
  test(`${arm}: the same bits`, () => same(arm, { threads: [1, 2, 3, 4], kills: [[1], [7, 4], [11, 2, 5], [3, 13]], beside: true }));
