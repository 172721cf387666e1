// The endpoints, driven over HTTP against the real daemon: what a good request answers, and that a bad one says
// why, where, and changes nothing.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { start } from "../daemon.mjs";

const V1 = "/api/v1";
let daemon;

before(async () => { daemon = await start({ args: ["--slots", "1", "--memory", "256M"] }); });
after(async () => { assert.equal(await daemon?.stop(), 0, "a clean end"); });

async function call(method, path, body, headers = {}) {
  const json = body !== undefined && typeof body !== "string" && !(body instanceof Uint8Array);
  const reply = await daemon.fetch(V1 + path, {
    method, body: json ? JSON.stringify(body) : body,
    headers: { ...(json ? { "Content-Type": "application/json" } : {}), ...headers },
  });
  const text = await reply.text();
  const isJson = /json/.test(reply.headers.get("content-type") ?? "");
  return { status: reply.status, headers: reply.headers, text, body: isJson ? JSON.parse(text) : undefined };
}
const get = (path) => call("GET", path);
const post = (path, body, headers) => call("POST", path, body, headers);

async function ok(promise, status = 200) {
  const reply = await promise;
  assert.equal(reply.status, status, reply.text);
  return reply.body;
}

async function refused(promise, status, code, pointer) {
  const reply = await promise;
  assert.equal(reply.status, status, reply.text);
  assert.equal(reply.headers.get("content-type"), "application/problem+json");
  assert.equal(reply.body.code, code, reply.text);
  assert.equal(reply.body.status, status);
  assert.ok(reply.body.title.length > 0 && reply.body.detail.length > 0, reply.text);
  if (pointer !== undefined) assert.equal(reply.body.pointer ?? "", pointer, reply.text);
  return reply.body;
}

/** Documents that differ, 60 words each. */
function corpus(n, separator = "\n%\n") {
  const words = "the of sparse dense attention leak run seed arm token step loss is not".split(" ");
  let state = 1;
  const word = () => words[(state = (state * 48271) % 2147483647) % words.length];
  return Array.from({ length: n }, (_, i) => `${i} ${Array.from({ length: 60 }, word).join(" ")}`).join(separator);
}

const putText = (name, text, type = "text/plain") => call("PUT", `/datasets/${name}`, text, { "Content-Type": type });

const spec = (more = {}) => ({
  name: "tiny", data: { dataset: "corpus", seq_len: 16 },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 20, batch_size: 2, eval_every: 5, eval_windows: 4 },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 4 } } }, seeds: [1, 2], ...more,
});

/** Everything that a request could have changed. */
async function contents() {
  const rows = await Promise.all(["/experiments", "/runs", "/datasets", "/queue"].map((path) => ok(get(path))));
  return JSON.stringify(rows);
}

async function paused(work) {
  await ok(post("/queue", { paused: true }));
  try { return await work(); } finally { await ok(post("/queue", { paused: false })); }
}

/** Until the experiment has ended. */
const ended = (id) => ok(get(`/experiments/${id}?wait=120`));

describe("datasets", () => {
  test("a text is stored once, under its content's digest, whatever its name", async () => {
    const a = await ok(putText("corpus", corpus(200)), 201);
    assert.equal(a.documents, 200);
    assert.match(a.digest, /^[0-9a-f]{64}$/);
    assert.equal((await ok(putText("corpus", corpus(200)), 200)).digest, a.digest, "replaced");
    const lines = corpus(200).split("\n%\n").map((text) => JSON.stringify({ text, more: 1 })).join("\n");
    const b = await ok(putText("as lines", lines, "application/x-ndjson"), 201);
    assert.equal(b.digest, a.digest, "JSON lines of the same documents");
    assert.equal(b.format, "jsonl");
    const list = (await ok(get("/datasets"))).items;
    assert.deepEqual(list.map((d) => d.name), ["as lines", "corpus"]);
    assert.equal((await call("DELETE", "/datasets/as%20lines")).status, 204);
    await ok(putText("short", corpus(3)), 201);
    await refused(call("DELETE", "/datasets/as%20lines"), 404, "not_found");
  });

  test("documents end at % lines or at blank lines, or are JSON; copies are dropped, and notes tell", async () => {
    assert.equal((await ok(putText("d1", "a\n\nb\n%\nc\r\n%\n\n%\n"), 201)).documents, 2);
    const d2 = await ok(putText("d2", "\n\na\nb\n\n \n\nc\n\na\nb\n"), 201);
    assert.deepEqual([d2.documents, d2.duplicates, d2.bytes], [2, 1, 4]);
    assert.deepEqual(d2.notes, []);
    const d3 = await ok(putText("d3", '{"text":"a"}\n{"text":"b"}\n'), 201);
    assert.deepEqual([d3.documents, d3.format], [2, "jsonl"]);
    assert.match(d3.notes.join(), /^Each of 2 lines is a JSON object: they were taken as JSON lines/);
    const d4 = await ok(call("PUT", "/datasets/d4?format=text", '{"text":"a"}\r{"text":"b"}', { "Content-Type": "text/plain" }), 201);
    assert.deepEqual([d4.documents, d4.format, d4.notes.length], [1, "text", 2]);
    for (const name of ["d1", "d2", "d3", "d4"]) await call("DELETE", `/datasets/${name}`);
  });

  const bytes = (...list) => new Uint8Array(list);
  for (const [what, name, body, type, status, code, detail] of [
    ["an empty body", "x", "", "text/plain", 422, "bad_corpus", /empty/],
    ["blank documents", "x", "\n \n%\n\t\n", "text/plain", 422, "bad_corpus", /no document/],
    ["bytes that are no UTF-8", "x", bytes(97, 10, 98, 0xff, 99), "text/plain", 400, "bad_utf8", /line 2, byte 3/],
    ["an overlong sequence", "x", bytes(0xc0, 0x80), "text/plain", 400, "bad_utf8", /line 1, byte 0/],
    ["half a surrogate pair", "x", bytes(97, 0xed, 0xa0, 0x80), "text/plain", 400, "bad_utf8", /byte 1/],
    ["a sequence cut short", "x", bytes(97, 0xe2, 0x82), "text/plain", 400, "bad_utf8", /byte 1/],
    ["a NUL", "x", bytes(97, 10, 10, 0, 98), "text/plain", 422, "bad_corpus", /NUL: line 3, byte 3/],
    ["an unknown type", "x", "a", "text/csv", 415, "unsupported_media_type", /text\/plain/],
    ["an unknown format", "x?format=csv", "a", "text/plain", 400, "bad_parameter", /text or jsonl/],
    ["an unknown parameter", "x?form=text", "a", "text/plain", 400, "bad_parameter", /form/],
    ["a bad name", "a%2Cb", "a", "text/plain", 400, "bad_parameter", /name/],
    ["a name too long", "n".repeat(65), "a", "text/plain", 400, "bad_parameter", /64/],
    ["a line that is no JSON", "x", '{"text":"a"}\n{"text":\n', "application/jsonl", 400, "truncated_json", /line 2/],
    ["a line without text", "x", '{"text":"a"}\n\n{"txt":"b"}\n', "application/jsonl", 422, "bad_corpus", /line 3/],
    ["a text that is a number", "x", '{"text":1}', "application/jsonl", 422, "bad_corpus", /line 1/],
    ["an empty text", "x", '{"text":""}', "application/jsonl", 422, "bad_corpus", /line 1/],
    ["a line that is an array", "x", '["a"]', "application/jsonl", 422, "bad_corpus", /line 1/],
  ]) test(`refused: ${what}`, async () => {
    const kept = await contents();
    assert.match((await refused(putText(name, body, type), status, code)).detail, detail);
    assert.equal(await contents(), kept);
  });
});

describe("submission", () => {
  test("a dry run says what would be stored, and stores nothing", async () => {
    const kept = await contents();
    const dry = await ok(post("/experiments?dry_run=1", spec({ grid: { "data.seq_len": [8, 16] } })));
    assert.equal(await contents(), kept);
    assert.equal(dry.runs.length, 8);
    assert.equal(dry.totals.runs, 8);
    for (const run of dry.runs) {
      assert.match(run.digest, /^[0-9a-f]{64}$/);
      assert.ok(run.parameters > 0 && run.memory_bytes > 0 && run.flops_per_step > 0 && run.estimated_seconds > 0);
    }
    assert.equal(new Set(dry.runs.map((run) => run.digest)).size, 8);
    assert.deepEqual([...new Set(dry.runs.map((run) => run.grid["data.seq_len"]))].sort(), [16, 8]);
    assert.equal(dry.totals.memory_bytes, Math.max(...dry.runs.map((run) => run.memory_bytes)));
  });

  test("what is stored is what the dry run said, with the dataset's content in the spec", async () => {
    const dry = await ok(post("/experiments?dry_run=1", spec()));
    await paused(async () => {
      const reply = await post("/experiments", spec());
      assert.equal(reply.status, 201, reply.text);
      const e = reply.body;
      assert.equal(reply.headers.get("location"), `${V1}/experiments/${e.id}`);
      assert.deepEqual([e.state, e.runs, e.counts.queued, e.progress], ["queued", 4, 4, 0]);
      assert.deepEqual(e.arms, ["dense", "dsa"]);
      assert.equal(e.spec.train.lr, 0.003, "defaults are filled in");
      const runs = (await ok(get(`/runs?experiment=${e.id}`))).items;
      assert.deepEqual(runs.map((r) => r.digest).sort(), dry.runs.map((r) => r.digest).sort());
      assert.equal(runs[0].spec, undefined, "no spec in lists");
      const one = await ok(get(`/runs/${runs[0].id}`));
      const { digest } = (await ok(get("/datasets"))).items.find((d) => d.name === "corpus");
      assert.equal(one.spec.data.dataset, `sha256:${digest}`);
      await refused(call("DELETE", "/datasets/corpus"), 409, "conflict");
      await ok(post(`/experiments/${e.id}/cancel`), 202);
      assert.equal((await ok(get(`/experiments/${e.id}`))).state, "cancelled");
    });
  });

  test("a digest doesn't know name, notes, tags, priority, threads", async () => {
    const digests = async (s) => (await ok(post("/experiments?dry_run=1", s))).runs.map((r) => r.digest).join();
    const plain = await digests(spec());
    const train = spec().train;
    assert.equal(await digests(spec({ name: "n", notes: "x", hypothesis: "y", tags: { a: "b" }, priority: 5,
      train: { ...train, threads: 2 } })), plain);
    assert.notEqual(await digests(spec({ train: { ...train, lr: 0.01 } })), plain);
  });

  test("an Idempotency-Key answers again, also when its dataset has gone, and refuses another body", async () => {
    await ok(putText("passing", corpus(100)), 201);
    const body = spec({ name: "once", data: { dataset: "passing", seq_len: 16 }, seeds: [1] });
    const headers = { "Idempotency-Key": "key-1" };
    const first = await paused(async () => {
      const e = await ok(post("/experiments", body, headers), 201);
      const again = await post("/experiments", body, headers);
      assert.equal(again.status, 200, again.text);
      assert.equal(again.body.id, e.id);
      await refused(post("/experiments", { ...body, name: "twice" }, headers), 422, "idempotency_mismatch");
      await ok(post(`/experiments/${e.id}/cancel`), 202);
      return e;
    });
    assert.equal((await call("DELETE", "/datasets/passing")).status, 204);
    assert.equal((await ok(post("/experiments", body, headers))).id, first.id);
    assert.equal((await call("DELETE", `/experiments/${first.id}`)).status, 204);
    await refused(post("/experiments", body, headers), 409, "conflict");
  });

  test("the same submit at the same time makes one experiment", async () => {
    await paused(async () => {
      const replies = await Promise.all(Array.from({ length: 8 }, () =>
        post("/experiments", spec({ name: "race" }), { "Idempotency-Key": "key-2" })));
      assert.equal(new Set(replies.map((r) => r.body.id)).size, 1);
      assert.deepEqual(replies.map((r) => r.status).sort(), [200, 200, 200, 200, 200, 200, 200, 201]);
      await ok(post(`/experiments/${replies[0].body.id}/cancel`), 202);
    });
  });

  test("a preset takes overrides: objects key by key, arms and grid whole", async () => {
    const { items } = await ok(get("/presets"));
    assert.ok(items.some((p) => p.name === "demo" && p.description.length > 0));
    const preset = await ok(get("/presets/demo"));
    const dry = (more) => ok(post("/experiments?dry_run=1", { preset: "demo", data: { dataset: "corpus" }, ...more }));
    const all = await dry({});
    assert.equal(all.runs.length, Object.keys(preset.arms).length * preset.seeds.length);
    const one = await dry({ arms: { only: {} }, seeds: [7], train: { steps: 30 }, compare: { baseline: "only" } });
    assert.deepEqual(one.runs.map((r) => [r.arm, r.seed, r.steps]), [["only", 7, 30]]);
    await refused(post("/experiments", { preset: "nonesuch" }), 422, "unknown_preset", "/preset");
    await refused(post("/experiments", { preset: 1 }), 422, "wrong_type", "/preset");
    await refused(post("/experiments", { preset: "demo", data: { dataset: "corpus" }, train: { stepz: 1 } }),
      422, "unknown_field", "/train/stepz");
    await refused(get("/presets/nonesuch"), 404, "not_found");
    await refused(get("/presets/..%2f..%2f0001_init.sql"), 400, "bad_request");
  });

  const model = (more) => ({ model: { ...spec().model, ...more } });
  const deep = (n) => `${'{"a":'.repeat(n)}1${"}".repeat(n)}`;
  for (const [what, body, status, code, pointer] of [
    ["no dataset", { ...spec(), data: {} }, 422, "missing_field", "/data/dataset"],
    ["an unknown dataset", spec({ data: { dataset: "nowhere" } }), 422, "unknown_dataset", "/data/dataset"],
    ["an integer that a double doesn't hold", JSON.stringify(spec()).replace('"seeds":[', '"seeds":[1,9007199254740993,'), 422, "out_of_range", "/seeds/1"],
    ["the same in a grid", JSON.stringify(spec({ grid: { "train.flops": [1e10] } })).replace("[10000000000]", "[1e10,100000000000000001]"), 422, "out_of_range", "/grid/train.flops/1"],
    ["an integer of 20 digits", JSON.stringify(spec()).replace('"seeds":[', '"seeds":[1,99999999999999999999,'), 422, "out_of_range", "/seeds/1"],
    ["an unknown field", spec({ modle: {} }), 422, "unknown_field", "/modle"],
    ["a wrong type", spec({ priority: "high" }), 422, "wrong_type", "/priority"],
    ["null", spec({ priority: null }), 422, "wrong_type", "/priority"],
    ["a value out of range", spec({ train: { lr: 0 } }), 422, "out_of_range", "/train/lr"],
    ["heads that don't divide d_model", spec(model({ heads: 3 })), 422, "inconsistent", "/model/heads"],
    ["an odd head size", spec(model({ heads: 2, d_model: 10 })), 422, "inconsistent"],
    ["top_k beyond seq_len", spec({ arms: { dsa: { "model.attention": { kind: "dsa", top_k: 17 } } } }), 422, "inconsistent", "/arms/dsa/model.attention/top_k"],
    ["an unknown attention", spec({ arms: { x: { "model.attention": { kind: "moba" } } } }), 422, "invalid_value"],
    ["a model too large", spec(model({ layers: 64, d_model: 8192, heads: 8 })), 422, "model_too_large", "/model"],
    ["a corpus shorter than its windows", spec({ data: { dataset: "short", seq_len: 256 } }), 422, "corpus_too_short", "/data/dataset"],
    ["a million runs", spec({ grid: { "data.seq_len": [2, 4, 8, 16], "train.lr": Array.from({ length: 64 }, (_, i) => (i + 1) / 1000) },
      seeds: Array.from({ length: 2000 }, (_, i) => i) }), 422, "too_many_runs"],
    ["an unknown path in the grid", spec({ grid: { "data.seqlen": [1] } }), 422, "unknown_field"],
    ["a bad name", spec({ name: "a\tb" }), 422, "invalid_value", "/name"],
    ["no body", undefined, 400, undefined],
    ["no JSON", "{nope", 400, "malformed_json"],
    ["a body cut short", '{"name": "x"', 400, "truncated_json"],
    ["nesting", deep(200), 400, "json_too_deep"],
    ["a key twice", '{"name":"a","name":"b"}', 400, "duplicate_key"],
    ["bytes that are no UTF-8", new Uint8Array([...Buffer.from('{"name":"'), 0xff, ...Buffer.from('"}')]), 400, "bad_utf8"],
    ["an array", "[1]", 422, "wrong_type", ""],
  ]) test(`refused: ${what}`, async () => {
    const kept = await contents();
    const reply = post("/experiments", body, { "Content-Type": "application/json" });
    if (code === undefined) assert.equal((await reply).status, status);
    else await refused(reply, status, code, pointer);
    assert.equal(await contents(), kept);
  });

  test("refused: parameters", async () => {
    await refused(post("/experiments?dry_run=yes", spec()), 400, "bad_parameter");
    await refused(post("/experiments?dryrun=1", spec()), 400, "bad_parameter");
    await refused(post("/experiments", JSON.stringify(spec()), { "Content-Type": "text/plain" }), 415, "unsupported_media_type");
    await refused(post("/experiments", spec(), { "Idempotency-Key": "k".repeat(201) }), 400, "bad_parameter");
    for (const key of ["\xff", "k\xc3", "\xed\xa0\x80"]) await refused(post("/experiments", spec(), { "Idempotency-Key": key }), 400, "bad_request");
  });
});

describe("an experiment's life", () => {
  let e, runs;

  test("waits for its end", async () => {
    e = await ok(post("/experiments", spec({ name: "life", tags: { topic: "dsa" } })), 201);
    const done = await ended(e.id);
    assert.deepEqual([done.state, done.counts.succeeded, done.progress], ["finished", 4, 1]);
    assert.ok(done.as_of > e.as_of && done.started_at && done.ended_at);
    runs = (await ok(get(`/runs?experiment=${e.id}`))).items;
    assert.equal((await ok(get(`/experiments/${e.id}?wait=5`))).state, "finished", "at once");
  });

  test("a wait ends with its time, at the state as it is", async () => {
    await paused(async () => {
      const slow = await ok(post("/experiments", spec({ name: "waits" })), 201);
      const begin = performance.now();
      assert.equal((await ok(get(`/experiments/${slow.id}?wait=1`))).state, "queued");
      assert.ok(performance.now() - begin > 900);
      const waiting = get(`/experiments/${slow.id}?wait=3600`);
      await ok(post(`/experiments/${slow.id}/cancel`), 202);
      assert.equal((await ok(waiting)).state, "cancelled");
    });
    await refused(get(`/experiments/${e.id}?wait=x`), 400, "bad_parameter");
    await refused(get(`/experiments/${e.id}?wait=99999`), 400, "bad_parameter");
    await refused(get("/experiments/9999?wait=1"), 404, "not_found");
  });

  test("runs are listed, filtered, ordered, paged", async () => {
    const list = async (query) => (await ok(get(`/runs?experiment=${e.id}&${query}`))).items;
    const filter = (text) => list(`filter=${encodeURIComponent(text)}`);
    assert.equal((await filter('arm = "dsa"')).length, 2);
    assert.equal((await filter('arm = "dsa" and seed = 2')).length, 1);
    assert.equal((await filter('state = "failed" or seed = 1')).length, 2);
    assert.equal((await filter("metrics.val/loss < 100")).length, 4);
    assert.equal((await filter('tags.topic = "dsa" and not arm ~ "den"')).length, 2);
    const losses = (await list("order_by=metrics.val/loss")).map((r) => r.final["val/loss"]);
    assert.deepEqual(losses, [...losses].sort((a, b) => a - b));
    assert.deepEqual((await list("order_by=-id")).map((r) => r.id), runs.map((r) => r.id).reverse());
    const seen = [];
    for (let token = ""; token !== null;) {
      const page = await ok(get(`/runs?experiment=${e.id}&page_size=3&order_by=-seed&page_token=${encodeURIComponent(token)}`));
      seen.push(...page.items.map((r) => r.id));
      token = page.next_page_token;
      if (token !== null)
        await refused(get(`/runs?experiment=${e.id}&page_size=3&order_by=seed&page_token=${encodeURIComponent(token)}`), 400, "bad_parameter");
    }
    assert.deepEqual([...seen].sort((a, b) => a - b), runs.map((r) => r.id));
    for (const query of ["page_size=0", "page_size=1001", "experiment=x", "filter=arm%20%3D", "filter=nope%3D1", "order_by=nope",
      "page_token=zzz", "colour=red", "page_size=1&page_size=2"])
      await refused(get(`/runs?${query}`), 400, "bad_parameter");
  });

  test("synthetic tasks need no corpus; what they can be scored on is counted", async () => {
    const task = (dataset, more) => spec({ data: { dataset: `synthetic:${dataset}`, seq_len: 16, ...more }, arms: { dense: {} }, seeds: [1, 2] });
    for (const [dataset, more, floor] of [["uniform", { vocab: 4 }, Math.log(4)], ["copy", { vocab: 6 }, 0], ["mqar", { vocab: 32, pairs: 3 }, 0]]) {
      const { id } = await ok(post("/experiments", task(dataset, more)), 201);
      assert.equal((await ended(id)).counts.succeeded, 2, dataset);
      const { items } = await ok(get(`/runs?experiment=${id}`));
      for (const { final } of items) assert.ok(final["val/loss"] > floor - 0.05 && final["val/loss"] < Math.log(40), `${dataset}: ${final["val/loss"]}`);
      assert.notEqual(items[0].final["train/loss"], items[1].final["train/loss"]);
      const run = await ok(get(`/runs/${items[0].id}`));
      assert.equal(run.spec.data.dataset, `synthetic:${dataset}`);
      assert.match(await (await daemon.fetch(`${V1}/runs/${items[0].id}/log`)).text(), /windows drawn as they are needed/);
    }
    await refused(post("/experiments", task("mqar", { vocab: 6, pairs: 3 })), 422, "inconsistent", "/data/vocab");
    await refused(post("/experiments", task("copy", { split: "families" })), 422, "inconsistent", "/data/split");
    // A preset's values for its own corpus may stand, and what is stored may be submitted again.
    await ok(post("/experiments?dry_run=1", { preset: "demo", data: { dataset: "synthetic:copy" } }));
    const { items: [{ id }] } = await ok(get("/experiments?page_size=1")), stored = await ok(get(`/experiments/${id}`));
    await ok(post("/experiments?dry_run=1", stored.spec));
  });

  test("experiments are paged, newest first", async () => {
    const seen = [];
    for (let token = null; ;) {
      const page = await ok(get(`/experiments?page_size=2${token ? `&page_token=${token}` : ""}`));
      assert.equal(page.items.some((x) => x.spec !== undefined), false);
      seen.push(...page.items.map((x) => x.id));
      if ((token = page.next_page_token) === null) break;
    }
    assert.deepEqual(seen, (await ok(get("/experiments?page_size=1000"))).items.map((x) => x.id));
    assert.deepEqual(seen, [...seen].sort((a, b) => b - a));
    await refused(get("/experiments?page_token=x"), 400, "bad_parameter");
  });

  test("a page is full by the bytes that are sent, and the next one goes on from there", () => paused(async () => {
    const notes = "\u0001".repeat(65536), made = [], seen = [], pages = []; // six bytes each, once they are written
    for (let i = 0; i < 24; i++) made.unshift((await ok(post("/experiments", spec({ name: `noted ${i}`, notes })), 201)).id);
    for (let token = ""; token !== null && seen.length < made.length;) {
      const { text, body: page } = await get(`/experiments?page_size=1000${token && `&page_token=${token}`}`);
      pages.push(text.length);
      seen.push(...page.items.map((x) => x.id));
      token = page.next_page_token;
    }
    assert.deepEqual(seen.slice(0, made.length), made);
    assert.ok(pages.length > 1 && Math.max(...pages) < 9 << 20, `${pages}`);
    for (const id of made) {
      await ok(post(`/experiments/${id}/cancel`), 202);
      assert.equal((await call("DELETE", `/experiments/${id}`)).status, 204);
    }
  }));

  test("one run: spec, attempts with their environment, finals", async () => {
    const run = await ok(get(`/runs/${runs[0].id}`));
    assert.deepEqual([run.state, run.step, run.steps, run.attempt], ["succeeded", 20, 20, 1]);
    assert.equal(run.attempts.length, 1);
    assert.equal(run.attempts[0].token, undefined, "no tokens");
    assert.ok(run.final["val/loss"] > 0 && run.spec.model.d_model === 16);
    await refused(get("/runs/9999"), 404, "not_found");
    await refused(get("/runs/0"), 404, "not_found");
    await refused(get("/runs/x"), 404, "not_found");
    await refused(get("/runs/99999999999999999999"), 404, "not_found");
  });

  test("curves: points, buckets, ranges", async () => {
    const path = `/runs/${runs[0].id}/metrics`;
    const all = await ok(get(path));
    assert.equal(all.run, runs[0].id);
    assert.equal(all.series["train/loss"].raw, 20);
    assert.deepEqual(all.series["train/loss"].points.map(([step]) => step), Array.from({ length: 20 }, (_, i) => i + 1));
    assert.deepEqual(all.series["val/loss"].points.map(([step]) => step), [5, 10, 15, 20]);
    const some = await ok(get(`${path}?names=train/loss,val/loss&from=6&to=15`));
    assert.deepEqual(Object.keys(some.series).sort(), ["train/loss", "val/loss"]);
    assert.deepEqual(some.series["train/loss"].points, all.series["train/loss"].points.slice(5, 15));
    const few = (await ok(get(`${path}?names=train/loss&points=4`))).series["train/loss"];
    assert.equal(few.points, undefined);
    assert.ok(few.buckets.length <= 4 && few.raw === 20);
    assert.equal(few.buckets.reduce((n, b) => n + b[5], 0), 20);
    const values = all.series["train/loss"].points;
    for (const [first, last, min, max, mean, count, nonfinite] of few.buckets) {
      const inside = values.filter(([step]) => step >= first && step <= last).map(([, value]) => value);
      assert.deepEqual([min, max, count, nonfinite], [Math.min(...inside), Math.max(...inside), inside.length, 0]);
      assert.ok(Math.abs(mean - inside.reduce((a, b) => a + b) / count) < 1e-9);
    }
    assert.deepEqual((await ok(get(`${path}?names=nope`))).series, {});
    for (const query of ["from=-1", "points=x", "from=5&to=4", "name=x", `names=${"a,".repeat(100)}`])
      await refused(get(`${path}?${query}`), 400, "bad_parameter");
    await refused(get("/runs/9999/metrics"), 404, "not_found");
  });

  test("log and artifacts", async () => {
    const log = await get(`/runs/${runs[0].id}/log`);
    assert.equal(log.status, 200);
    assert.match(log.headers.get("content-type"), /^text\/plain/);
    assert.match(log.text, /^attempt 1\n/);
    assert.match(log.text, /sandbox: (files by Landlock \d+|.* no Landlock)/);
    const { items } = await ok(get(`/runs/${runs[0].id}/artifacts`));
    assert.deepEqual(items.map((a) => a.name), ["final.safetensors"]);
    const file = await daemon.fetch(`${V1}/runs/${runs[0].id}/artifacts/final.safetensors`);
    const bytes = Buffer.from(await file.arrayBuffer());
    assert.equal(bytes.length, items[0].bytes);
    const hash = createHash("sha256").update(bytes).digest("hex");
    assert.equal(hash, items[0].sha256);
    await refused(get(`/runs/${runs[0].id}/artifacts/nope`), 404, "not_found");
    for (const name of ["..%2f..%2f..%2ftoken", "%2e%2e", "final.safetensors%00"])
      assert.ok([400, 404].includes((await get(`/runs/${runs[0].id}/artifacts/${name}`)).status));
  });

  test("the report: JSON, Markdown, CSV say the same", async () => {
    const report = await ok(get(`/experiments/${e.id}/report`));
    assert.deepEqual(report.table.map((row) => [row.arm, row.n]), [["dense", 2], ["dsa", 2]]);
    const finals = (arm) => runs.filter((r) => r.arm === arm).map((r) => r.final["val/loss"]);
    const mean = (list) => list.reduce((a, b) => a + b) / list.length;
    for (const row of report.table) {
      const { mean: m, sd, last } = row.metrics["val/loss"], values = finals(row.arm);
      assert.ok(Math.abs(m - mean(values)) < 1e-12 && m === last);
      assert.ok(Math.abs(sd - Math.abs(values[0] - values[1]) / Math.SQRT2) < 1e-12);
    }
    const [c] = report.comparisons;
    assert.deepEqual([c.baseline, c.arm, c.n, c.ci95, c.p, c.p_adjusted, c.verdict],
      ["dense", "dsa", 2, null, null, null, "invalid"]);
    assert.ok(Math.abs(c.mean_difference - (mean(finals("dsa")) - mean(finals("dense")))) < 1e-12);
    assert.deepEqual(report.dynamics[0].steps.map((s) => s.step), [5, 10, 15, 20]);
    assert.equal(report.verdict.status, "invalid"); // twenty steps: nobody has learnt anything
    assert.match(report.verdict.sentence, /^dsa can't be compared with dense at L = \d+: learned fails: neither dsa nor dense has learnt anything\./);
    assert.deepEqual(report.primary.map(({ arm, n, p, ci95, sentence }) => [arm, n, p, ci95, sentence]),
      [["dsa", 2, null, null, report.verdict.sentence]]);
    assert.ok(report.audits.every((a) => a.name && ["pass", "fail", "warn", "skipped"].includes(a.status)));
    assert.ok(report.arms.dsa.parameters > report.arms.dense.parameters);
    const md = await get(`/experiments/${e.id}/report?format=md`);
    assert.match(md.headers.get("content-type"), /^text\/markdown/);
    assert.ok(md.text.includes(report.verdict.sentence) && md.text.includes(report.table[0].metrics["val/loss"].mean.toFixed(4)));
    const csv = await get(`/experiments/${e.id}/report?format=csv`);
    assert.ok(csv.text.split("\r\n").some((line) => line.startsWith(`dsa,true,val/loss,2,${report.table[1].metrics["val/loss"].mean}`)), csv.text);
    assert.equal((await get(`/experiments/${e.id}/report?format=csv&table=rows`)).text, csv.text);
    const claims = (await get(`/experiments/${e.id}/report?format=csv&table=claims`)).text.split("\r\n");
    assert.match(claims[0], /^claim,arm,baseline,metric,n,mean_difference,/);
    assert.deepEqual(claims.slice(1).map((line) => line.split(",").slice(0, 6)), ["primary", "secondary"]
      .map((which) => [which, "dsa", "dense", "val/loss", "2", String(c.mean_difference)]).concat([[""]]));
    assert.equal((await get(`/experiments/${e.id}/report?format=md`)).text, md.text, "the same bytes again");
    for (const [query, detail] of [["format=pdf", /format must be json, md or csv, not pdf/], ["format=csv&table=audits", /table must be rows or claims.*not audits/],
      ["table=claims", /table must be rows or claims, and goes with format=csv/], ["form=csv", /./]]) {
      const problem = await refused(get(`/experiments/${e.id}/report?${query}`), 400, "bad_parameter");
      assert.match(problem.detail, detail);
    }
    await refused(get("/experiments/9999/report"), 404, "not_found");
  });

  test("the figure: drawn once, known by its tag, or a clear refusal", async () => {
    for (const [format, type, begins] of [["svg", "image/svg+xml", "<?xml"], ["png", "image/png", "\x89PNG"]]) {
      const path = `${V1}/experiments/${e.id}/figure.${format}`;
      const first = await daemon.fetch(path), bytes = Buffer.from(await first.arrayBuffer());
      assert.equal(first.status, 200, bytes.toString());
      assert.equal(first.headers.get("content-type"), type);
      assert.ok(bytes.toString("latin1").startsWith(begins));
      const tag = first.headers.get("etag");
      const again = await daemon.fetch(path, { headers: { "If-None-Match": tag } });
      assert.deepEqual([again.status, again.headers.get("etag"), (await again.arrayBuffer()).byteLength], [304, tag, 0]);
      assert.deepEqual(Buffer.from(await (await daemon.fetch(path)).arrayBuffer()), bytes);
    }
    await refused(get("/experiments/9999/figure.svg"), 404, "not_found");
    await refused(get(`/experiments/${e.id}/figure.svg?size=3`), 400, "bad_parameter");

    const bare = await start({ env: { PATH: "/nonexistent" } });
    try {
      const made = await bare.fetch(`${V1}/experiments`, { method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ data: { dataset: "synthetic:uniform", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 }, train: { steps: 5, batch_size: 2 } }) });
      const { id } = await made.json();
      const answer = await bare.fetch(`${V1}/experiments/${id}/figure.svg`), problem = await answer.json();
      assert.deepEqual([answer.status, problem.code], [503, "unavailable"], JSON.stringify(problem));
      assert.match(problem.detail, /gnuplot-nox/);
      assert.equal((await bare.fetch(`${V1}/experiments/${id}/report`)).status, 200);
    } finally {
      await bare.stop();
    }
  });

  test("what was planned stays as it was submitted", async () => {
    const before = await ok(get(`/experiments/${e.id}`));
    for (const change of [{ hypothesis: "what came out" }, { compare: { margin: 1 } }, { seeds: [1, 2, 3] }, { arms: { dense: {} } }, { grid: {} }])
      await refused(call("PATCH", `/experiments/${e.id}`, change), 422, "unknown_field");
    const { as_of: _, ...now } = await ok(get(`/experiments/${e.id}`)), { as_of: __, ...then } = before;
    assert.deepEqual(now, then);
  });

  test("cancel, retry, priority keep to the state machine", async () => {
    await refused(post(`/runs/${runs[0].id}/cancel`), 409, "conflict");
    await refused(post(`/runs/${runs[0].id}/retry`), 409, "conflict");
    await refused(post(`/runs/${runs[0].id}/priority`, { priority: 1 }), 409, "conflict");
    await refused(post("/runs/9999/cancel"), 404, "not_found");
    for (const path of [`/runs/${runs[0].id}/cancel`, `/runs/${runs[0].id}/retry`, `/runs/${runs[0].id}/verify`, `/experiments/${e.id}/cancel`])
      await refused(post(path, { "why/not": 1 }), 422, "unknown_field", "/why~1not");
    await refused(post(`/runs/${runs[0].id}/retry`, {}), 409, "conflict");
    await refused(post("/queue", { paused: false, x: 1 }), 422, "unknown_field", "/x");
    await paused(async () => {
      const x = await ok(post("/experiments", spec({ name: "queued", seeds: [1] })), 201);
      const [a, b] = (await ok(get(`/runs?experiment=${x.id}`))).items;
      assert.equal((await ok(post(`/runs/${b.id}/priority`, { priority: 7 }))).priority, 7);
      for (const [body, code, pointer] of [[{}, "missing_field", "/priority"], [{ priority: 1001 }, "out_of_range", "/priority"],
        [{ priority: 1, x: 1 }, "unknown_field", "/x"]])
        await refused(post(`/runs/${b.id}/priority`, body), 422, code, pointer);
      assert.equal((await ok(post(`/runs/${a.id}/cancel`), 202)).state, "cancelled");
      await refused(post(`/runs/${a.id}/cancel`), 409, "conflict");
      assert.equal((await ok(post(`/runs/${a.id}/retry`))).state, "queued");
      await ok(post(`/experiments/${x.id}/cancel`), 202);
      assert.equal((await call("DELETE", `/experiments/${x.id}`)).status, 204);
      await refused(get(`/experiments/${x.id}`), 404, "not_found");
      await refused(get(`/runs/${a.id}`), 404, "not_found");
      await refused(post(`/runs/${a.id}/retry`), 404, "not_found");
      assert.equal((await ok(get(`/runs?experiment=${x.id}`))).items.length, 0);
    });
  });

  test("name, notes and tags can be changed, nothing else", async () => {
    const patch = (body) => call("PATCH", `/experiments/${e.id}`, body);
    const changed = await ok(patch({ name: "renamed", notes: "n", tags: { a: "b" } }));
    assert.deepEqual([changed.name, changed.notes, changed.tags], ["renamed", "n", { a: "b" }]);
    assert.deepEqual((await ok(patch({ notes: "" }))).tags, { a: "b" });
    const kept = await contents();
    await refused(patch({ spec: {} }), 422, "unknown_field", "/spec");
    await refused(patch({ name: "" }), 422, "invalid_value", "/name");
    await refused(patch({ name: 1 }), 422, "wrong_type", "/name");
    await refused(patch({ name: null }), 422, "wrong_type", "/name");
    await refused(patch({ name: "ok", tags: { a: 1 } }), 422, "wrong_type", "/tags/a");
    await refused(call("PATCH", "/experiments/9999", { name: "x" }), 404, "not_found");
    assert.equal(await contents(), kept);
  });
});

describe("query", () => {
  const once = (sql, more = {}) => post("/query", { sql, ...more });
  /** A busy machine may give a query less than it needs in its time: it is asked again. */
  const query = async (sql, more) => {
    for (;;) {
      const reply = await once(sql, more);
      if (reply.status !== 422 || reply.body?.code !== "query_time") return reply;
    }
  };

  test("a SELECT answers with columns and rows", async () => {
    const { columns, rows, truncated } = await ok(query("SELECT 1 AS a, 2.5 AS b, 'x' AS c, NULL AS d, x'ff00' AS e, 9e999 AS f"));
    assert.deepEqual([columns, rows, truncated], [["a", "b", "c", "d", "e", "f"], [[1, 2.5, "x", null, "ff00", "inf"]], false]);
    const views = await ok(query("SELECT run, arm, final FROM v_runs WHERE name = 'renamed' ORDER BY run"));
    assert.equal(views.rows.length, 4);
    const limited = await ok(query("SELECT * FROM v_curves", { limit: 3 }));
    assert.deepEqual([limited.rows.length, limited.truncated], [3, true]);
  });

  for (const [what, sql, code = "bad_query"] of [
    ["an INSERT", "INSERT INTO settings VALUES ('a', 'b')"],
    ["an UPDATE that returns", "UPDATE runs SET seed = 1 RETURNING id"],
    ["a DROP", "DROP TABLE runs"],
    ["ATTACH", "ATTACH '/tmp/x.db' AS x"],
    ["VACUUM INTO", "VACUUM INTO '/tmp/x.db'"],
    ["a PRAGMA", "PRAGMA journal_mode = DELETE"],
    ["a pragma function", "SELECT * FROM pragma_database_list"],
    ["two statements", "SELECT 1; SELECT 2"],
    ["a write behind a SELECT", "SELECT 1; DELETE FROM runs"],
    ["a temporary table", "CREATE TEMP TABLE t (a)"],
    ["EXPLAIN of a write", "EXPLAIN DELETE FROM runs"],
    ["load_extension", "SELECT load_extension('x')"],
    ["nothing", " ; "],
    ["a comment", "-- nothing"],
    ["an error", "SELEC 1"],
    ["an unknown table", "SELECT * FROM nope"],
    ["too many columns", `SELECT ${Array(101).fill(1).join()}`],
    ["too deep", `SELECT ${"(".repeat(500)}1${")".repeat(500)}`],
    ["a value too large", "SELECT zeroblob(100000000)", "query_size"],
  ]) test(`refused: ${what}`, async () => {
    const kept = await contents();
    await refused(query(sql), 422, code, "/sql");
    assert.equal(await contents(), kept);
  });

  test("refused: what isn't a query", async () => {
    await refused(post("/query", {}), 422, "missing_field", "/sql");
    await refused(query("SELECT 1", { limit: 10001 }), 422, "out_of_range", "/limit");
    await refused(query("SELECT 1", { limits: 1 }), 422, "unknown_field", "/limits");
    await refused(query(`SELECT 1 ${" ".repeat(20000)}`), 422, "out_of_range", "/sql");
  });

  test("a row that is too large ends the reply, an endless query ends itself", async () => {
    const wide = await ok(query(`SELECT ${Array(5).fill("zeroblob(2000000)").join()}`));
    assert.deepEqual([wide.rows.length, wide.truncated], [0, true]);
    const endless = once("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
    await ok(query("SELECT 1")); // beside it
    assert.match((await refused(endless, 422, "query_time", "/sql")).detail, /5 seconds/);
  });
});

describe("the daemon", () => {
  test("queue: pause and go on", async () => {
    assert.equal((await ok(post("/queue", { paused: true }))).paused, true);
    assert.equal((await ok(get("/queue"))).paused, true);
    await refused(post("/queue", {}), 422, "missing_field", "/paused");
    await refused(post("/queue", { paused: 1 }), 422, "wrong_type", "/paused");
    assert.equal((await ok(post("/queue", { paused: false }))).paused, false);
  });

  test("health is public, figures aren't", async () => {
    const health = await fetch(`${daemon.base}/healthz`);
    assert.deepEqual([health.status, (await health.json()).ready], [200, true]);
    assert.equal((await fetch(`${daemon.base}/metrics`)).status, 401);
    const text = await (await daemon.fetch("/metrics")).text();
    assert.match(text, /^ablate_runs\{state="succeeded"\} [1-9]\d*$/m);
    for (const line of text.trimEnd().split("\n"))
      assert.match(line, /^(# (HELP|TYPE) (ablate|process)_\w+ .+|(ablate|process)_\w+(\{\w+="[^"]*"\})? [-+.e\d]+)$/);
  });

  test("events: parameters", async () => {
    for (const query of ["run=x", "run=1,,2", "experiment=0", "after=-1", "after=x", "what=1"])
      await refused(get(`/events?${query}`), 400, "bad_parameter");
    const reply = await daemon.fetch(`${V1}/events?after=0&experiment=1,2&run=3`);
    assert.equal(reply.headers.get("content-type"), "text/event-stream");
    await reply.body.cancel();
  });

  test("what comes later isn't there yet, and 404 is told from 405", async () => {
    await refused(post("/runs/999999/verify"), 404, "not_found");
    const wrong = await call("PUT", "/experiments", "{}", { "Content-Type": "application/json" });
    assert.equal(wrong.status, 405);
    assert.deepEqual(wrong.headers.get("allow").split(/, */).filter((m) => m !== "HEAD" && m !== "OPTIONS").sort(), ["GET", "POST"]);
  });
});
