// The tests' own fixture: a daemon that is stopped while it trains leaves neither its folder nor a worker behind. Workers
// outlive their daemon, and write on.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { workersIn } from "../folder.mjs";

test("a daemon that is stopped while it trains leaves nothing", async (t) => {
  const daemon = await start({ args: ["--slots", "2"] });
  t.after(() => daemon.kill("SIGKILL"));
  const { call, get, until, corpus } = client(() => daemon);
  await corpus(100);
  const { id } = await call("POST", "/experiments", { data: { dataset: "corpus", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 },
    train: { steps: 1000000, batch_size: 2, eval_every: 100000, checkpoint_every: 1 }, seeds: [1, 2] }, 201);
  await until("both train", async () => (await get(`/runs?experiment=${id}`)).items.every(({ step }) => step > 5));
  assert.equal(workersIn(daemon.dir).length, 4, "two keepers, two trainers");
  assert.equal(await daemon.stop(), 0, daemon.output());
  assert.ok(!existsSync(daemon.dir));
  assert.deepEqual(workersIn(daemon.dir), []);
});
