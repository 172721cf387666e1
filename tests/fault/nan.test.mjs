// A loss that stops being a number: the run goes on to its end, every value is stored as what it is, the audit says so, and
// whatever is made of it (JSON, events, report, figure, a verification) stays well formed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { call, ended, rows, serve, submit, until } from "./faults.mjs";

const STEPS = 80;

test("a loss of NaN: the run ends as a success whose audit `finite` fails, and every value says what it is", async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1"] });
  // Each step multiplies the weights by 1 - lr * weight_decay = -99, until float32 has no more of them.
  const { id } = await submit(daemon, { steps: STEPS, seeds: [1], train: { optimizer: "adamw", lr: 10, weight_decay: 10 } });
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  assert.deepEqual(rows(daemon.dir, "SELECT outcome FROM attempts"), [{ outcome: "finished" }]);
  const { series } = await call(daemon, "GET", "runs/1/metrics?points=1000"), { points } = series["train/loss"];
  const words = points.filter(([, value]) => typeof value !== "number"), kinds = [...new Set(words.map(([, value]) => value))];
  assert.equal(points.length, STEPS);
  assert.ok(words.length > 0 && points.length > words.length && kinds.every((value) => ["nan", "inf", "-inf"].includes(value)), `${kinds}`);
  assert.equal(rows(daemon.dir, "SELECT count(*) AS n FROM metrics WHERE run = 1 AND kind <> 0 AND name = (SELECT id FROM metric_names WHERE name = 'train/loss')")[0].n, words.length);

  // In SQL an arm that diverged has no mean to lead by.
  const said = (sql) => call(daemon, "POST", "query", { sql }, 200).then(({ rows: found }) => found);
  const counted = await said(`SELECT count(*), count(value_word), sum(value_word <> 'nan') FROM v_curves WHERE run = 1 AND metric = 'train/loss'`);
  assert.deepEqual(counted, [[STEPS, words.length, words.filter(([, value]) => value !== "nan").length]]);
  assert.deepEqual(await said("SELECT DISTINCT typeof(value) FROM v_curves WHERE coalesce(value_word, '') NOT IN ('inf', '-inf') ORDER BY 1"), [["null"], ["real"]]);
  assert.deepEqual(await said("SELECT arm, avg(final), count(final_word), max(final_word), count(*) FROM v_runs GROUP BY arm"), [["main", null, 1, "nan", 1]]);

  const told = [], { as_of: last } = await call(daemon, "GET", `experiments/${id}`); // what readers of the events are told, from the beginning
  const abort = new AbortController(), { body } = await daemon.fetch("/api/v1/events?after=0", { signal: abort.signal });
  let text = "", seen = 0;
  for await (const chunk of body) {
    const blocks = (text + Buffer.from(chunk).toString("latin1")).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      seen = Number(/^id: (\d+)$/m.exec(block)?.[1] ?? seen);
      if (block.includes("event: metrics\n")) told.push(...JSON.parse(/^data: (.*)$/m.exec(block)[1]).series["train/loss"] ?? []);
    }
    if (seen >= last) break;
  }
  abort.abort();
  assert.deepEqual(told, points);

  const report = await call(daemon, "GET", `experiments/${id}/report`, undefined, 200);
  const finite = report.audits.concat(...Object.values(report.arms).map(({ audits }) => audits)).find(({ name }) => name === "finite");
  assert.equal(finite.status, "fail");
  for (const path of [`experiments/${id}/report?format=md`, `experiments/${id}/report?format=csv`, `experiments/${id}/figure.svg`, "runs?order_by=metrics.train/loss"])
    assert.equal((await daemon.fetch(`/api/v1/${path}`)).status, 200, path);
  await call(daemon, "POST", "runs/1/verify", undefined, 202);
  const { state, compared } = await until("it is verified", async () => {
    const { verify } = await call(daemon, "GET", "runs/1");
    return !["queued", "running"].includes(verify.state) && verify;
  });
  assert.equal(state, "identical");
  t.diagnostic(`found: from step ${words[0][0]} on ${words.length} values of ${STEPS} are ${kinds.join(", ")}; finite: "${finite.detail}"; ${compared} values verified`);
  assert.equal(await daemon.stop(), 0);
});
