// Lists of runs and experiments are searched by whatever they say, sorted by several keys, paged; a mistake is told
// with its place and with what is known. None of them answers with an empty list for want of a word.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test, { after, before } from "node:test";
import { start } from "../daemon.mjs";

const SPEC = {
  data: { dataset: "synthetic:uniform", seq_len: 4 },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 4, batch_size: 2, eval_every: 2, eval_windows: 4 }, artifacts: ["final"],
};
let daemon;

async function ask(path, query = {}, { method = "GET", body } = {}) {
  const search = Object.keys(query).length > 0 ? `?${new URLSearchParams(query)}` : "";
  const reply = await daemon.fetch(`/api/v1/${path}${search}`, { method,
    ...(body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }) });
  return { status: reply.status, body: await reply.json() };
}

async function submit(more) {
  const { status, body } = await ask("experiments", {}, { method: "POST", body: { ...SPEC, ...more } });
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}

/** The items of a search; it isn't refused. */
async function found(path, filter, query = {}) {
  const { status, body } = await ask(path, { filter, ...query });
  assert.equal(status, 200, `${filter}: ${JSON.stringify(body)}`);
  return body.items;
}
const runs = async (filter, query) => (await found("runs", filter, { page_size: 1000, ...query })).map(({ id }) => id);
const experiments = async (filter, query) => (await found("experiments", filter, query)).map(({ id }) => id);
const sql = (text) => execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 5000", text]);

// Runs 1–8: experiment 1, four arms × tied or not. 9–10: experiment 2. 11: experiment 3, which trains.
before(async () => {
  daemon = await start({ args: ["--slots", "1"] });
  await ask("queue", {}, { method: "POST", body: { paused: true } });
  await submit({ name: "first", tags: { topic: "dsa", layers: "4", "a key": "x" }, notes: "about it", hypothesis: "none",
    arms: { "1e3": {}, 1000: { "model.d_model": 32 }, wide: { "train.lr": 0.5, "train.betas": [0.8, 0.9] },
      dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_dim: 8 } } }, grid: { "model.tied": [true, false] }, seeds: [7] });
  await submit({ name: "second", tags: { topic: "moe", layers: "120" }, seeds: [1, 2] });
  await ask("queue", {}, { method: "POST", body: { paused: false } });
  await submit({ name: "third", priority: 9 });
  await ask("experiments/3", { wait: 3600 });
  await Promise.all([1, 2, 3].map((id) => ask(`experiments/${id}`, { wait: 3600 })));
});
after(() => daemon.stop());

test("what once found nothing", async () => {
  assert.deepEqual(await runs("tags.layers = 4"), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(await runs("tags.layers > 100"), [9, 10], "by number, not as texts");
  assert.deepEqual(await runs("not tags.topic = dsa"), [9, 10, 11], "and one without a tag");
  assert.deepEqual(await runs("tags.topic != dsa"), [9, 10, 11]);
  const tied = (await found("runs", "grid.model.tied = true")).map(({ grid }) => grid["model.tied"]);
  assert.deepEqual(tied, [true, true, true, true]);
  assert.deepEqual((await found("runs", "arm = 1e3")).map(({ arm }) => arm), ["1e3", "1e3"]);
  assert.deepEqual((await found("runs", "arm = 1000")).map(({ arm }) => arm), ["1000", "1000"]);
  const [one] = await found("runs", "id = 3");
  for (const value of [one.created_at, one.created_at.replace("Z", "+00:00"), one.created_at.slice(0, 10)])
    assert.ok((await runs(`created_at = "${value}"`)).includes(3), value);
  const east = new Date(Date.parse(one.created_at) + 2 * 3600_000).toISOString().replace("Z", "+02:00");
  assert.ok((await runs(`created_at = "${east}"`)).includes(3), "its own time, elsewhere");
  assert.deepEqual(await runs(`created_at < "${one.created_at}"`), []);
  assert.ok((await runs(`created_at >= ${one.created_at} and created_at <= 2999-01-01`)).length === 11);
});

test("states and other words are known, or refused with those that are", async () => {
  assert.equal((await runs("state = succeeded")).length, 11);
  assert.equal((await runs("state in (queued, failed)")).length, 0);
  for (const [path, filter, offset, said] of [
    ["runs", "state = done", 8, /`done` is no state; known are queued, running, succeeded, failed, cancelled/],
    ["experiments", "state = done", 8, /known are queued, running, finished, cancelled/],
    ["runs", "arm = \"ä\" and metrcs.val/loss < 3", 14, /no field of a run; near: metrics\.val\/loss; known are id/],
    ["runs", "metrics.val/los < 3", 0, /no run has measured a metric `val\/los`; near: val\/loss/],
    ["runs", "params.model.dmodel = 16", 0, /near: params\.model\.d_model/],
    ["runs", "created_at > yesterday", 13, /is a time/], ["runs", "seed > many", 7, /is a number/],
    ["runs", "arm = two words", 10, /"and", "or" or the end expected/], ["runs", "ended_at = null", 11, /"is null"/],
    ["experiments", "arm = dense", 0, /no field of an experiment; near: arms/],
  ]) {
    const { status, body } = await ask(path, { filter });
    assert.deepEqual([status, body.code, body.offset], [400, "bad_parameter", offset], `${filter}: ${JSON.stringify(body)}`);
    assert.match(body.detail, said);
    const [text, mark] = body.context.split("\n");
    assert.equal([...text].length >= mark.length && [...text][mark.indexOf("^")], [...filter][offset], body.context);
  }
  const { body } = await ask("runs", { filter: "seed = 1", order: "seed, nosuch" });
  assert.deepEqual([body.code, body.offset, body.context], ["bad_parameter", 6, "seed, nosuch\n      ^^^^^^"]);
});

test("by every path of the frozen specification", async () => {
  assert.deepEqual(await runs("params.model.d_model = 32"), await runs("arm = 1000"));
  assert.deepEqual(await runs("params.model.d_model > 16 and params.model.tied = false").then((ids) => ids.length), 1);
  assert.deepEqual(await runs("params.train.lr >= 0.5"), await runs("arm = wide"));
  assert.deepEqual(await runs("params.train.betas.1 = 0.9"), await runs("arm = wide"));
  assert.deepEqual(await runs("params.train.betas = \"[0.8,0.9]\""), await runs("arm = wide"));
  assert.deepEqual(await runs("params.model.attention.kind in (dsa, strided)"), await runs("arm = dsa"));
  assert.deepEqual(await runs("params.model.attention.top_k is not null"), await runs("arm = dsa"));
  assert.equal((await runs("not params.model.attention.top_k > 2")).length, 9, "a path that isn't there is no number");
  assert.deepEqual(await runs("params.seed = 2"), [10]);
  assert.equal((await runs("params.artifacts ~ final and params.data.dataset = \"synthetic:uniform\"")).length, 11);
  assert.deepEqual(await runs("grid.model.tied is null"), [9, 10, 11]);
  assert.deepEqual(await runs("grid.model.tied = false"), await runs("not grid.model.tied = true and experiment = 1"));
  const { body } = await ask("runs/1");
  for (const [section, fields] of Object.entries(body.spec).filter(([key]) => ["data", "model", "train"].includes(key)))
    for (const [key, value] of Object.entries(fields)) {
      const text = typeof value === "object" ? JSON.stringify(value) : String(value);
      const filter = `params.${section}.${key} = "${text.replaceAll("\"", "\"\"")}" and id = 1`;
      assert.deepEqual(await runs(filter), [1], filter);
    }
});

test("by text, lists and what isn't there", async () => {
  assert.deepEqual(await runs("arm like 'w%' or arm like '1_3'"), await runs("arm in (wide, \"1e3\")"));
  assert.deepEqual(await runs("arm not like 'W%' and arm ~ id"), [], "like takes both cases of a letter");
  assert.deepEqual(await runs("name ~ eco and notes = \"\""), [9, 10]);
  assert.deepEqual(await runs("tags.\"a key\" = x and hypothesis = none"), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(await runs("id not in (1, 2, 3, 4, 5, 6, 7, 8)"), [9, 10, 11]);
  assert.equal((await runs("verify is null and started_at is not null")).length, 11);
  assert.deepEqual(await runs("experiment_id = 2 and priority < 1 or priority = 9"), [9, 10, 11]);
  assert.equal((await runs("audits.finite = pass or audits.finite is null")).length, 11);
  assert.deepEqual(await runs("audits.finite = fail"), []);
});

test("metrics, finite or not", async () => {
  assert.equal((await runs("metrics.val/loss < 100 and metrics.val/loss.min > 0")).length, 11);
  sql("UPDATE series SET last = 0, last_kind = 1 WHERE run = 1; UPDATE series SET last = 9e999, last_kind = 2 WHERE run = 2; " +
    "UPDATE series SET last = -9e999, last_kind = 3 WHERE run = 3; DELETE FROM series WHERE run = 4");
  assert.deepEqual(await runs("metrics.val/loss = nan"), [1]);
  assert.deepEqual(await runs("metrics.val/loss = inf"), [2]);
  assert.deepEqual(await runs("metrics.val/loss = -inf"), [3]);
  assert.deepEqual(await runs("metrics.val/loss > 1e9"), [2]);
  assert.deepEqual(await runs("metrics.val/loss is null"), [4]);
  assert.deepEqual(await runs("metrics.val/loss != nan and id < 5"), [2, 3, 4]);
  assert.deepEqual(await runs("not metrics.val/loss < inf"), [1, 2, 4]);
  for (const order of ["metrics.val/loss", "-metrics.val/loss"]) // finite ones first, both ways
    assert.deepEqual((await runs("", { order })).slice(-4), [1, 2, 3, 4], order);
});

test("by several keys, page by page", async () => {
  const all = (await found("runs", "", { page_size: 1000 }));
  const keys = { "experiment": (r) => r.experiment_id, "-seed": (r) => -r.seed, "arm": (r) => r.arm, "-id": (r) => -r.id };
  const order = Object.keys(keys).join(",");
  const sorted = [...all].sort((a, b) => Object.values(keys).reduce((so, key) => so || (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0), 0));
  assert.deepEqual(await runs("", { order }), sorted.map(({ id }) => id));
  for (const query of [{ order }, { order: "-metrics.val/loss,created_at,id" }, { order: "metrics.val/loss, -id" }, { order_by: "created_at desc" },
    { order: "grid.model.tied,tags.layers desc" }, { order: "-params.train.lr,state" }, { order: "ended_at", experiment: 1 },
    { order: "metrics.train/loss", filter: "metrics.train/loss < 1e9 or id = 4" }]) {
    const whole = await runs(query.filter ?? "", query), seen = [];
    for (let token = ""; token !== null;) {
      const { status, body } = await ask("runs", { page_size: 2, ...query, page_token: token });
      assert.equal(status, 200, JSON.stringify(body));
      seen.push(...body.items.map(({ id }) => id));
      token = body.next_page_token;
      if (token) assert.equal((await ask("runs", { ...query, page_token: token, filter: "id > 0" })).status, 400, "another query's");
    }
    assert.deepEqual(seen, whole, JSON.stringify(query));
    assert.equal(new Set(seen).size, seen.length);
  }
  assert.equal((await ask("runs", { order: "id", order_by: "id" })).status, 400);
});

test("experiments", async () => {
  assert.deepEqual(await experiments(""), [3, 2, 1], "the newest first");
  assert.deepEqual(await experiments("", { order: "id" }), [1, 2, 3]);
  assert.deepEqual(await experiments("", { order: "-runs,name" }), [1, 2, 3]);
  assert.deepEqual(await experiments("arms = dsa and state = finished"), [1]);
  assert.deepEqual(await experiments("arms ~ e3 or hypothesis like \"N_NE\""), [1]);
  assert.deepEqual(await experiments("tags.layers > 100 or not tags.topic is not null"), [3, 2]);
  assert.deepEqual(await experiments("params.model.d_model = 16 and runs in (1, 2)"), [3, 2]);
  assert.deepEqual(await experiments("grid.model.tied = true and counts.succeeded = 8"), [1]);
  assert.deepEqual(await experiments("priority = 9 and compare.metric = val/loss"), [3]);
  assert.deepEqual(await experiments("created_at > 2020-01-01 and ended_at is not null and deleted_at is null"), [3, 2, 1]);
  assert.deepEqual((await experiments("audits.finite != fail")).length, 3);
  const { verdict, primary } = (await ask("experiments/1/report")).body;
  assert.deepEqual(await experiments(`verdict = ${verdict.status} and verdict = ${primary[0].verdict} and verdict.dsa = ${primary[0].verdict}`), [1]);
  assert.deepEqual(await experiments("verdict = none", { order: "verdict,id" }), [2, 3], "nothing to compare");
  assert.deepEqual(await experiments("verdict is null or verdict.narrow is not null or verdict = open"), []);
  sql("UPDATE verdicts SET verdict = iif(arm = 'dsa', 'better', 'worse') WHERE experiment = 1; UPDATE experiments SET verdict = 'mixed' WHERE id = 1");
  for (const filter of ["verdict = better", "verdict = worse", "verdict = mixed", "verdict.dsa = better and verdict.wide = worse"]) assert.deepEqual(await experiments(filter), [1], filter);
  assert.deepEqual(await experiments("verdict != better"), [3, 2]);
  assert.match((await ask("experiments", { filter: "verdict = good" })).body.detail, /known are better, worse, equivalent, undetermined, invalid, mixed, open, none/);
  await ask("experiments/2", {}, { method: "PATCH", body: { tags: { layers: "4" } } });
  assert.deepEqual(await experiments("tags.layers = 4", { order: "id" }), [1, 2], "tags that were changed");
  assert.deepEqual(await runs("tags.layers = 4.0 and experiment > 1"), [9, 10]);
  assert.deepEqual(await runs("tags.layers = \"4.0\""), [], "in quotes, a text");
  const { body } = await ask("experiments", { page_size: 2, order: "name" });
  assert.deepEqual(body.items.map(({ name }) => name), ["first", "second"]);
  assert.deepEqual((await ask("experiments", { page_size: 2, order: "name", page_token: body.next_page_token })).body.items.map(({ id }) => id), [3]);
});
