// What is asked of many runs at once: which are meant, what each answers, and that a repetition does nothing twice.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const SPEC = { data: { dataset: "synthetic:copy", vocab: 32, seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 }, train: { steps: 1 } };
let daemon;
const { call, get, rows, until } = client(() => daemon);
const submit = async (seeds, more = {}) => (await call("POST", "/experiments", { ...SPEC, seeds: Array.from({ length: seeds }, (_, i) => i + 1), ...more }, 201)).id;
const runsOf = async (id) => (await get(`/runs?experiment=${id}&page_size=1000`)).items;
const post = (body, key) => daemon.fetch("/api/v1/runs", { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) } });
const act = (body, status = 200) => call("POST", "/runs", body, status);
const paused = (paused) => call("POST", "/queue", { paused });

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  await paused(true);
});
after(async () => assert.equal(await daemon?.stop(), 0));

test("by a filter or by a list; what can't change is told", async () => {
  const id = await submit(6), other = await submit(2), ids = (await runsOf(id)).map((run) => run.id);
  assert.deepEqual(await act({ action: "priority", filter: `experiment = ${id} and seed < 4`, priority: 5 }), { action: "priority", changed: 3, unchanged: 0, refused: [] });
  assert.deepEqual((await runsOf(id)).map(({ priority }) => priority), [5, 5, 5, 0, 0, 0]);
  assert.equal((await act({ action: "cancel", ids: [ids[3], ids[0], ids[3]] })).changed, 2);
  const { changed, unchanged, refused } = await act({ action: "cancel", ids: [...ids, 99999] });
  assert.deepEqual([changed, unchanged, refused.map((one) => one.id)], [4, 3, [ids[0], ids[3], 99999]]);
  assert.match(refused[0].reason, new RegExp(`run ${ids[0]} has cancelled already`));
  assert.match(refused[2].reason, /no run 99999/);
  assert.equal((await get(`/experiments/${id}`)).counts.cancelled, 6);
  assert.equal((await get(`/experiments/${other}`)).counts.queued, 2);
  assert.equal((await act({ action: "retry", filter: `experiment = ${id} and state = cancelled` })).changed, 6);
  assert.equal((await act({ action: "retry", filter: "experiment = 999" })).changed, 0);
  assert.equal((await get(`/experiments/${id}`)).counts.queued, 6);
  assert.equal((await rows(`SELECT count(*) FROM history WHERE what = 'retry asked for' AND experiment = ${id}`))[0][0], 6);
});

test("what is wrong is refused before anything changes", async () => {
  const id = await submit(1), [run] = await runsOf(id), big = Array.from({ length: 10001 }, (_, i) => i + 1);
  for (const [body, status, pointer] of [
    [{}, 422, "/action"], [{ action: "delete", ids: [1] }, 422, "/action"], [{ action: "cancel" }, 422, "/filter"], [{ action: "cancel", ids: [1], filter: "id = 1" }, 422, "/ids"],
    [{ action: "cancel", ids: [] }, 422, "/ids"], [{ action: "cancel", ids: [run.id, "x"] }, 422, "/ids/1"], [{ action: "cancel", ids: [run.id, 0] }, 422, "/ids/1"],
    [{ action: "cancel", ids: big }, 422, "/ids"], [{ action: "cancel", filter: " " }, 422, "/filter"], [{ action: "cancel", filter: "nosuch = 1" }, 400, undefined],
    [{ action: "cancel", ids: [run.id], priority: 1 }, 422, "/priority"], [{ action: "priority", ids: [run.id] }, 422, "/priority"],
    [{ action: "priority", ids: [run.id], priority: 1001 }, 422, "/priority"], [{ action: "cancel", ids: [run.id], more: 1 }, 422, "/more"],
  ]) {
    const problem = await act(body, status);
    assert.equal(problem.pointer, pointer, JSON.stringify(body).slice(0, 100));
  }
  assert.equal((await get(`/runs/${run.id}`)).state, "queued");
});

test("a key does it once, goes on where it stopped, and is of one body", async () => {
  const id = await submit(700), body = { action: "cancel", filter: `experiment = ${id} and state = queued` };
  const first = await (await post(body, "once")).json();
  assert.deepEqual(first, { action: "cancel", changed: 700, unchanged: 0, refused: [] });
  await act({ action: "retry", filter: `experiment = ${id}` });
  assert.deepEqual(await (await post(body, "once")).json(), first); // and none of those is cancelled again
  assert.equal((await get(`/experiments/${id}`)).counts.queued, 700);
  const other = await post({ ...body, action: "retry" }, "once");
  assert.deepEqual([other.status, (await other.json()).code], [422, "idempotency_mismatch"]);
  // As a daemon leaves it that died between two slices.
  const ids = (await runsOf(id)).map((run) => run.id);
  execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", `UPDATE acts SET over = 0, after = ${ids[499]}, changed = 500 WHERE key = 'once'`]);
  assert.deepEqual(await (await post(body, "once")).json(), first);
  assert.deepEqual((await get(`/experiments/${id}`)).counts, { queued: 500, running: 0, succeeded: 0, failed: 0, cancelled: 200 });
  assert.deepEqual((await runsOf(id)).filter((run) => run.state === "cancelled").map((run) => run.id), ids.slice(500));
});

test("runs that train are stopped", async () => {
  const id = await submit(2, { train: { steps: 1000000 }, name: "long" });
  await act({ action: "cancel", filter: `state = queued and experiment != ${id}` });
  await paused(false);
  await until("both train", async () => (await get(`/experiments/${id}`)).counts.running === 2);
  assert.equal((await act({ action: "cancel", filter: `experiment = ${id}` })).changed, 2);
  await until("both have ended", async () => (await get(`/experiments/${id}`)).counts.cancelled === 2);
  await paused(true);
});

test("an experiment's priority is its runs', those to come, too", async () => {
  const [one, two] = [await submit(510), await submit(2, { priority: 3 })];
  assert.deepEqual([(await get(`/experiments/${one}`)).priority, (await get(`/experiments/${two}`)).priority], [0, 3]);
  const moved = await call("POST", `/experiments/${one}/priority`, { priority: 9 });
  assert.deepEqual([moved.priority, moved.spec.priority], [9, 0]);
  assert.ok((await runsOf(one)).every(({ priority }) => priority === 9));
  const found = async (filter) => (await get(`/experiments?filter=${encodeURIComponent(filter)}&order=id`)).items.map((each) => each.id);
  assert.deepEqual(await found(`priority > 2 and id >= ${one}`), [one, two]);
  await act({ action: "cancel", filter: `experiment = ${one} and seed = 1` });
  await call("POST", `/experiments/${one}/priority`, { priority: -4 });
  await call("POST", `/experiments/${one}/seeds`, { seeds: [1000] }, 201);
  assert.ok((await runsOf(one)).every(({ priority }) => priority === -4));
  for (const body of [{}, { priority: "1" }, { priority: 1001 }, { priority: 1.5 }, { priority: 1, more: 2 }]) await call("POST", `/experiments/${one}/priority`, body, 422);
  await call("POST", "/experiments/9999/priority", { priority: 1 }, 404);
  await call("DELETE", `/experiments/${two}`, undefined, 204);
  await call("POST", `/experiments/${two}/priority`, { priority: 1 }, 404);
});
