// The OpenAPI document is sound, and names exactly the daemon's routes, problem codes and answers.

import { Validator } from "@seriousme/openapi-schema-validator";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import test, { after, before } from "node:test";
import { ablated, start } from "../e2e/daemon.mjs";
import { ask } from "../e2e/raw.mjs";
import { routes } from "../e2e/routes.mjs";
import { until } from "../e2e/until.mjs";
import { ROOT, schema } from "./contract.mjs";
import { api, checked, examples, follow, operations, strictly } from "./openapi.mjs";

test("the document is valid OpenAPI 3.1", async () => {
  const own = structuredClone(api);
  own.components.schemas.Spec = { type: "object" };
  const text = JSON.stringify(own).replaceAll(/"experiment\.schema\.json[^"]*"/g, '"#/components/schemas/Spec"');
  const { valid, errors } = await new Validator().validate(JSON.parse(text));
  assert.ok(valid, JSON.stringify(errors, null, 2));
});

const row = ({ method, path }) => routes.find((one) => one.method === method && one.path === path);

test("its paths are the rows of the route table", () => {
  const names = (all) => all.map(({ method, path }) => `${method} ${path}`).sort();
  assert.deepEqual(names(operations()), names(routes));
});

test("what an operation takes is what its row takes, by token as by cookie", () => {
  for (const one of operations()) {
    const { access } = row(one), security = one.op.security ?? api.security;
    assert.deepEqual(security, access === "public" ? [] : [{ token: [] }, { cookie: [] }], one.name);
    assert.equal(one.op["x-access"], ["public", "read"].includes(access) ? undefined : access, one.name);
  }
});

test("the query parameters of an operation are those that its row knows", () => {
  for (const one of operations()) {
    const named = [...one.op.parameters ?? [], ...api.paths[one.path].parameters ?? []].map(follow).filter((each) => each.in === "query");
    assert.deepEqual(named.map(({ name }) => name).sort(), (row(one).args ?? []).sort(), one.name);
  }
});

test("problem codes are those of the one table of errors", () => {
  const known = [...readFileSync(`${ROOT}common/base/err.h`, "utf8").matchAll(/^ {4}X\([A-Z0-9_]+, "([a-z0-9_]+)"/gm)].map(([, name]) => name);
  assert.ok(known.length > 30);
  assert.deepEqual(api.components.schemas.Problem.properties.code.enum, known);
});

test("examples are what their schemas say", () => {
  let n = 0;
  for (const { name, op } of operations())
    for (const content of [op.requestBody?.content, ...Object.values(op.responses).map((answer) => answer.content)])
      for (const media of Object.values(content ?? {}))
        for (const [, value] of examples(media)) {
          const check = strictly(media.schema);
          assert.ok(check(value), `${name}: ${JSON.stringify(check.errors)}`);
          n++;
        }
  assert.ok(n >= 10, `${n} examples`);
});

// What the daemon answers, held against the document: nothing that it doesn't name, nothing missing.

let daemon;
const seen = new Set(); // "METHOD path status"
const spoil = (sql) => execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 5000", sql]);
before(async () => { daemon = await start({ args: ["--slots", "2"] }); });
after(async () => { await daemon?.stop(); });

/** Calls and checks the answer; `path` is the document's, with values for its {…}. Returns the body. */
async function call(method, path, { at = {}, query = "", body, headers = {}, status = 200 } = {}) {
  const url = path.replaceAll(/\{(\w+)\}/g, (_, key) => encodeURIComponent(at[key])) + query;
  if (body !== undefined && typeof body !== "string") {
    headers = { "Content-Type": "application/json", ...headers };
    body = JSON.stringify(body);
  }
  const answer = await daemon.fetch(url, { method, body, headers });
  return said(method, path, status, answer.status, answer.headers, await answer.text());
}
/** Checks an answer; its body. */
function said(method, path, status, got, headers, text) {
  assert.equal(got, status, `${method} ${path}: ${got} ${text.slice(0, 600)}`);
  seen.add(`${method} ${path} ${status}`);
  return checked(method, path, status, headers, text);
}

const V1 = "/api/v1", corpus = Array.from({ length: 300 }, (_, i) => `Document ${i} says that ${i} comes after ${i - 1}.`).join("\n%\n");
const tiny = {
  name: "tiny", data: { dataset: "tiny", seq_len: 16 },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 30, batch_size: 2, eval_every: 10, eval_windows: 4, checkpoint_every: 30 },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", indexer_dim: 8 } } }, seeds: [1, 2],
};

test("datasets", async () => {
  const text = { "Content-Type": "text/plain" }, at = { name: "tiny" }, path = `${V1}/datasets/{name}`;
  await call("PUT", path, { at, body: corpus, headers: text, status: 201 });
  await call("PUT", path, { at, body: corpus, headers: text, status: 200 });
  await call("PUT", path, { at: { name: "spare" }, query: "?format=jsonl", body: '{"text":"a"}\n', headers: text, status: 201 });
  await call("PUT", path, { at, body: " ", headers: text, status: 422 });
  await call("PUT", path, { at, body: corpus, headers: { "Content-Type": "image/png" }, status: 415 });
  await call("PUT", path, { at, body: corpus, headers: { ...text, "If-None-Match": "*" }, status: 412 });
  await call("PUT", path, { at, body: corpus, headers: { ...text, "If-None-Match": '"x"' }, status: 400 });
  await call("GET", `${V1}/datasets`);
  assert.deepEqual((await call("GET", path, { at })).used_by, []);
  await call("GET", path, { at: { name: "none" }, status: 404 });
  assert.equal((await call("GET", `${path}/preview`, { at, query: "?documents=3&from=1" })).items.length, 3);
  await call("GET", `${path}/preview`, { at: { name: "none" }, status: 404 });
  await call("PATCH", path, { at, body: { name: "small" } });
  await call("PATCH", path, { at: { name: "small" }, body: { name: "spare" }, status: 409 });
  await call("PATCH", path, { at: { name: "small" }, body: { name: "a/b" }, status: 422 });
  await call("PATCH", path, { at, body: { name: "x" }, status: 404 });
  await call("PATCH", path, { at: { name: "small" }, body: { name: "tiny" } });
  await call("DELETE", path, { at: { name: "spare" }, status: 204 });
});

test("experiments and their runs, from the dry run to the report", async () => {
  const all = `${V1}/experiments`, one = `${all}/{id}`, runs = `${V1}/runs`, run = `${runs}/{id}`;
  await call("POST", all, { query: "?dry_run=1", body: tiny });
  await call("POST", all, { query: "?parent=99", body: tiny, status: 400 });
  await call("POST", all, { body: { ...tiny, model: { heads: 3 } }, status: 422 });
  const { id } = await call("POST", all, { body: tiny, status: 201, headers: { "Idempotency-Key": "k" } });
  await call("POST", all, { body: tiny, headers: { "Idempotency-Key": "k" } });
  await call("GET", one, { at: { id }, query: "?wait=3600" });
  await call("GET", all);
  await call("GET", one, { at: { id: 999 }, status: 404 });
  await call("PATCH", one, { at: { id }, body: { notes: "seen", tags: { topic: "test" } } });
  const report = await call("GET", `${one}/report`, { at: { id } });
  assert.ok(report.comparisons.length > 0 && report.dynamics[0].steps.length > 0 && report.audits.length > 0);
  await call("POST", `${one}/seeds`, { at: { id }, body: { seeds: [2] }, status: 409 });
  await call("POST", `${one}/seeds`, { at: { id }, body: { seeds: [] }, status: 422 });
  await call("GET", `${one}/report`, { at: { id }, query: "?format=md" });
  await call("GET", `${one}/report`, { at: { id }, query: "?format=csv" });
  await call("GET", `${one}/report`, { at: { id }, query: "?format=csv&table=claims" });

  const curves = await call("GET", `${one}/curves`, { at: { id }, query: "?metric=train/loss&metric=val/loss&points=4&arm=dsa" });
  assert.ok(curves.metrics["train/loss"].width > 1 && curves.metrics["val/loss"].curves[0].mean.length > 0);
  await call("GET", `${one}/curves`, { at: { id }, query: `?metric=train/loss&metric=val/loss&points=4&arm=dsa&since=${curves.cursor}` });
  await call("GET", `${one}/curves`, { at: { id: 999 }, query: "?metric=val/loss", status: 404 });
  await call("GET", `${one}/curves`, { at: { id }, status: 400 });
  for (const format of ["svg", "png"]) await call("GET", `${one}/figure.${format}`, { at: { id } });
  await call("GET", `${one}/capsule`, { at: { id } });
  for (const query of ["", "?format=jsonl&arm=dsa&names=val/loss", "?what=runs", "?what=runs&format=jsonl", "?format=tensorboard"]) await call("GET", `${one}/export`, { at: { id }, query });

  const { items } = await call("GET", runs, { query: `?experiment=${id}&filter=${encodeURIComponent("state = succeeded")}&order_by=-seed` });
  await call("GET", runs, { query: `?filter=${encodeURIComponent("params.model.d_model = 16 and not tags.topic = old")}&order=-metrics.val/loss,created_at,id` });
  await call("GET", all, { query: `?filter=${encodeURIComponent("state = finished and arms = dsa")}&order=state,-created_at` });
  await call("GET", runs, { query: `?filter=${encodeURIComponent("state = done")}`, status: 400 });
  await call("GET", all, { query: "?order=nosuch", status: 400 });
  assert.equal(items.length, 4);
  const at = { id: items[0].id };
  await call("GET", run, { at });
  await call("GET", `${run}/metrics`, { at });
  const { series } = await call("GET", `${run}/metrics`, { at, query: "?names=train/loss,val/loss&from=1&to=30&points=4" });
  assert.ok(series["train/loss"].buckets && series["val/loss"].points);
  assert.ok((await call("GET", `${run}/log`, { at })).length > 0);
  await call("GET", `${run}/artifacts`, { at });
  await call("GET", `${run}/artifacts/{name}`, { at: { ...at, name: "final.safetensors" } });
  const final = { at: { ...at, name: "final.safetensors" } };
  await call("GET", `${run}/artifacts/{name}`, { ...final, headers: { Range: "bytes=0-9" }, status: 206 });
  await call("GET", `${run}/artifacts/{name}`, { ...final, headers: { Range: "bytes=999999999-" }, status: 416 });
  await call("POST", `${run}/retry`, { at, status: 409 });

  // A row is spoiled, so that a difference is found and described.
  const paused = (paused) => call("POST", `${V1}/queue`, { body: { paused } });
  await paused(true);
  await call("POST", `${run}/verify`, { at, status: 202 });
  await call("POST", `${run}/verify`, { at, status: 409 });
  await paused(false);
  const compared = () => until("it is verified", async () => {
    const { verify } = await call("GET", run, { at });
    return !/queued|running/.test(verify.state) && verify;
  });
  assert.equal((await compared()).state, "identical");
  spoil("UPDATE metrics SET value = value + 1 WHERE step = 3 AND name = (SELECT id FROM metric_names WHERE name = 'train/loss')");
  await call("POST", `${run}/verify`, { at, status: 202 });
  const verify = await compared();
  assert.deepEqual([verify.state, verify.first_difference.step, verify.first_difference.metric], ["differs", 3, "train/loss"]);

  await paused(true);
  const later = await call("POST", all, { body: { ...tiny, arms: { dense: {} }, seeds: [3], train: { ...tiny.train, steps: 1000000 } }, status: 201 });
  const queued = (await call("GET", runs, { query: `?experiment=${later.id}` })).items[0].id;
  await call("POST", `${run}/priority`, { at: { id: queued }, body: { priority: 5 } });
  await call("POST", `${run}/priority`, { at: { id: queued }, body: { priority: 1e6 }, status: 422 });
  assert.equal((await call("POST", `${one}/priority`, { at: { id: later.id }, body: { priority: 7 } })).priority, 7);
  await call("POST", `${one}/priority`, { at: { id: later.id }, body: {}, status: 422 });
  await call("POST", `${one}/priority`, { at: { id: 999 }, body: { priority: 7 }, status: 404 });
  assert.equal((await call("POST", runs, { body: { action: "priority", ids: [queued, 99999], priority: 3 }, headers: { "Idempotency-Key": "move" } })).changed, 1);
  await call("POST", runs, { body: { action: "cancel", filter: "" }, status: 422 });
  await call("DELETE", `${V1}/datasets/{name}`, { at: { name: "tiny" }, status: 409 });
  await call("POST", `${run}/cancel`, { at: { id: queued }, status: 202 });
  await call("POST", `${run}/retry`, { at: { id: queued } });
  await paused(false);
  await until("it runs", async () => (await call("GET", one, { at: { id: later.id } })).counts.running > 0);
  await call("DELETE", one, { at: { id: later.id }, status: 409 });
  await call("POST", `${one}/seeds`, { at: { id: later.id }, body: { seeds: [4] }, status: 201 });
  await call("POST", `${one}/cancel`, { at: { id: later.id }, status: 202 });
  await call("GET", one, { at: { id: later.id }, query: "?wait=3600" });
  await call("DELETE", one, { at: { id: later.id }, status: 204 });
  const { items: [deleted] } = await call("GET", all, { query: "?deleted=1" });
  assert.equal(deleted.id, later.id);
  assert.ok(Date.parse(deleted.purge_due) > Date.parse(deleted.deleted_at));
  await call("POST", `${one}/restore`, { at: { id: later.id } });
  await call("POST", `${one}/purge`, { at: { id: later.id }, status: 409 });
  await call("DELETE", one, { at: { id: later.id }, status: 204 });
  await call("POST", `${one}/purge`, { at: { id: later.id }, status: 202 });

  await call("PATCH", one, { at: { id }, body: { notes: 1 }, status: 422 });
  await call("POST", `${one}/restore`, { at: { id }, status: 409 });
  await call("POST", `${run}/cancel`, { at, status: 409 });
  await call("POST", `${run}/priority`, { at, body: { priority: 5 }, status: 409 });
  await call("DELETE", one, { at: { id }, status: 204 });
  await call("POST", all, { body: tiny, headers: { "Idempotency-Key": "k" }, status: 409 });
  await call("POST", `${one}/restore`, { at: { id } });
  await call("POST", `${V1}/queue`, { body: { paused: 1 }, status: 422 });
  await call("GET", `${V1}/queue`);
});

/** The two documents that the served one is made of (deploy/openapi.mjs). */
function unbundled(served) {
  const keys = new Map(Object.keys(schema.$defs).map((key) => [`Spec${key.replaceAll(/(^|_)(\w)/g, (_, before, letter) => letter.toUpperCase())}`, key]));
  const back = (node, file) => JSON.parse(JSON.stringify(node).replaceAll(/"#\/components\/schemas\/(Spec\w*)/g,
    (ref, name) => keys.has(name) ? `"${file}#/$defs/${keys.get(name)}` : `"${file}`));
  const { Spec, ...schemas } = served.components.schemas, own = Object.fromEntries(Object.entries(schemas).filter(([name]) => !keys.has(name)));
  return {
    api: back({ ...served, components: { ...served.components, schemas: own } }, "experiment.schema.json"),
    schema: { $schema: schema.$schema, ...back(Spec, ""), $defs: Object.fromEntries([...keys].map(([name, key]) => [key, back(schemas[name], "")])) },
  };
}

test("the rest", async () => {
  await call("GET", `${V1}/presets`);
  await call("GET", `${V1}/presets/{name}`, { at: { name: "demo" } });
  await call("GET", `${V1}/presets/{name}`, { at: { name: "none" }, status: 404 });
  const { items: metrics } = await call("GET", `${V1}/metrics`);
  assert.deepEqual(metrics.map(({ name }) => name), schema.$defs.compare.properties.metric.enum);
  await call("POST", `${V1}/query`, { body: { sql: "SELECT run, arm, final, final_word FROM v_runs", limit: 2 } });
  await call("POST", `${V1}/query`, { body: { sql: "DELETE FROM runs" }, status: 422 });
  await call("POST", `${V1}/query`, { body: { sql: "SELECT ?, ?2", params: [1, null] } });
  await call("POST", `${V1}/query`, { body: { sql: "SELECT :a", params: { b: 1 } }, status: 422 });
  await call("GET", `${V1}/session`);
  const [, code] = /#login=(\S+)/.exec((await ablated("link", "--data", daemon.dir)).stdout);
  await call("POST", `${V1}/session`, { body: { code }, status: 201 });
  await call("POST", `${V1}/session`, { body: { code }, status: 401 });
  await call("DELETE", `${V1}/session`, { status: 204 });
  await call("GET", `${V1}/version`);
  assert.deepEqual(unbundled(await call("GET", `${V1}/openapi.json`)), { api, schema });
  assert.deepEqual(await call("GET", `${V1}/experiment.schema.json`), schema);
  for (const path of [`${V1}/openapi.json`, `${V1}/experiment.schema.json`]) { // to anybody, and once
    const etag = (await fetch(daemon.base + path)).headers.get("etag");
    assert.match(etag, /^"[0-9a-f]{16}(-gzip)?"$/);
    assert.equal((await fetch(daemon.base + path, { headers: { "If-None-Match": etag } })).status, 304);
  }
  await call("GET", "/healthz");
  await call("GET", "/metrics");
});

test("events", async () => {
  const answer = await daemon.fetch(`${V1}/events?after=0&experiment=1`, { signal: AbortSignal.timeout(180000) });
  assert.equal(answer.headers.get("content-type"), "text/event-stream");
  const kinds = new Set();
  let text = "";
  for await (const chunk of answer.body) {
    text += Buffer.from(chunk).toString();
    for (const [, kind] of text.matchAll(/^event: (\w+)\n/gm)) kinds.add(kind);
    if (["run", "metrics", "audit", "experiment"].every((kind) => kinds.has(kind))) break;
  }
  const described = operations().find(({ name }) => name === "followEvents").op.description;
  for (const kind of kinds) assert.match(described, new RegExp(`\`${kind}\``));
  seen.add(`GET ${V1}/events 200`);
});

/** Who asks for what isn't there, comes from elsewhere, or hasn't the token: what each operation says of these comes true. */
const REFUSALS = { 401: { Authorization: "Bearer wrong" }, 403: { Origin: "http://evil.example" }, 404: {}, 421: { Host: "evil.example" } };
const BODIES = { changeExperiment: { notes: "" }, addSeeds: { seeds: [1] }, prioritizeRun: { priority: 1 } };
test("strangers, other sites, what isn't there", async () => {
  for (const { name, method, path, op } of operations())
    for (const [status, headers] of Object.entries(REFUSALS)) {
      if (!op.responses[status] || seen.has(`${method} ${path} ${status}`)) continue;
      const body = BODIES[name] ? JSON.stringify(BODIES[name]) : "", about = body && { "Content-Type": "application/json", "Content-Length": body.length };
      const head = Object.entries({ Host: "localhost", Authorization: `Bearer ${daemon.token}`, ...about, ...headers });
      const answer = await ask(daemon.port, `${method} ${path.replace("{id}", "999").replace("{name}", "none")} HTTP/1.1\r\n` +
        `${head.map(([key, value]) => `${key}: ${value}\r\n`).join("")}\r\n${body}`);
      said(method, path, Number(status), answer.status, answer.headers, answer.body);
    }
});

test("every operation was called, and everything that it says it may refuse was refused", () => {
  const CROWDS = "429"; // is for more at a time than come here
  for (const { method, path, op } of operations()) {
    const answers = Object.keys(op.responses).filter((status) => seen.has(`${method} ${path} ${status}`));
    assert.ok(answers.some((status) => status < 300), `${method} ${path} was called`);
    assert.deepEqual(Object.keys(op.responses).filter((status) => /^4/.test(status) && status !== CROWDS && !answers.includes(status)), [], `${method} ${path}`);
  }
});
