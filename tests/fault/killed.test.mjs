// Trainers that are killed: the next attempt goes on from the last checkpoint, and no step is missing or there twice.

import assert from "node:assert/strict";
import { test } from "node:test";
import { call, ended, LONG, rows, serve, submit, until } from "./faults.mjs";

test("no step is missing after a checkpoint, whenever the worker dies", async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1"] }), steps = 400;
  const { id } = await submit(daemon, { ...LONG, steps, seeds: [1], max_attempts: 20, train: { ...LONG.train, checkpoint_every: 1 } });
  const attempt = () => rows(daemon.dir, "SELECT attempt, pid FROM attempts WHERE ended_at IS NULL AND pid IS NOT NULL")[0];
  const step = async () => (await call(daemon, "GET", "runs/1")).step;
  for (let kill = 0, from = 0; kill < 5 && from < steps - 80; kill++) {
    await until(`it trains on from ${from}`, async () => await step() > from + 20);
    const { pid } = await until("it has a worker", attempt);
    process.kill(pid, "SIGKILL"); // its trainer dies with it
    await until("that is seen", () => rows(daemon.dir, `SELECT 1 FROM attempts WHERE pid = ${pid} AND ended_at IS NOT NULL`).length > 0);
    from = await step();
  }
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  const { attempts } = await call(daemon, "GET", "runs/1");
  assert.ok(attempts.length >= 3, `${attempts.length} attempts`);
  const { series } = await call(daemon, "GET", "runs/1/metrics?names=train/loss&points=100000");
  assert.deepEqual(series["train/loss"].points.map(([at]) => at), Array.from({ length: steps }, (_, i) => i + 1));
  await daemon.stop();
});
