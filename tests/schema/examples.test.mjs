// Every example of the OpenAPI document is sent as it stands there and does what it is an example of; those of answers are
// held against what the daemon answers.

import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { start } from "../e2e/daemon.mjs";
import { api, checked, examples, follow, operations } from "./openapi.mjs";

const V1 = "/api/v1", text = { "Content-Type": "text/plain" };
let daemon;
before(async () => { daemon = await start({ args: ["--slots", "2"] }); });
after(() => daemon?.stop());

async function call(method, path, { at = {}, query = "", body, headers } = {}) {
  const json = body !== undefined && typeof body !== "string";
  const answer = await daemon.fetch(path.replaceAll(/\{(\w+)\}/g, (_, key) => encodeURIComponent(at[key])) + query,
    { method, body: json ? JSON.stringify(body) : body, headers: { ...json && { "Content-Type": "application/json" }, ...headers } });
  const said = await answer.text();
  return { status: answer.status, headers: answer.headers, text: said, value: checked(method, path, answer.status, answer.headers, said) };
}

const corpus = Array.from({ length: 2000 }, (_, i) => `Document ${i} says that ${i * i % 977} comes after ${i - 1}, and ${i % 13} before it.`).join("\n\n");
const small = {
  name: "small", data: { dataset: "fortunes" }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
  train: { steps: 50, batch_size: 2, eval_every: 25, eval_windows: 4 }, arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 8 } } },
  grid: { "data.seq_len": [64] }, seeds: [1],
};
const cancel = async () => { for (const { id } of (await call("GET", `${V1}/experiments`)).value.items) await call("POST", `${V1}/experiments/{id}/cancel`, { at: { id } }); };
let queued; // a run that waits

/** Where an operation's examples need more than run 1 and experiment 1, which have ended: values for its path, or what goes before. */
const places = {
  prioritizeRun: () => ({ id: queued }),
  renameDataset: () => ({ name: "mine" }),
  deleteDataset: async () => { await cancel(); return {}; },
};

test("what the examples are about", async () => {
  for (const name of ["fortunes", "mine"]) assert.equal((await call("PUT", `${V1}/datasets/{name}`, { at: { name }, body: corpus, headers: text })).status, 201);
  const made = await call("POST", `${V1}/experiments`, { body: small });
  assert.deepEqual([made.status, made.headers.get("location")], [201, `${V1}/experiments/1`]);
  assert.equal((await call("GET", `${V1}/experiments/{id}`, { at: { id: 1 }, query: "?wait=3600" })).value.state, "finished");
  await call("POST", `${V1}/queue`, { body: { paused: true } }); // what the examples submit is large
  const { id } = (await call("POST", `${V1}/experiments`, { body: { ...small, arms: { dense: {} } } })).value;
  queued = (await call("GET", `${V1}/runs`, { query: `?experiment=${id}` })).value.items[0].id;
});

// A deletion comes last, of what others need.
const sent = operations().sort((a, b) => (a.method === "DELETE") - (b.method === "DELETE"));
for (const { name, method, path, op } of sent) {
  const parameters = [...op.parameters ?? [], ...api.paths[path].parameters ?? []].map(follow), body = Object.entries(follow(op.requestBody)?.content ?? {});
  const given = Object.fromEntries(parameters.filter((one) => one.in === "path").map((one) => [one.name, one.example ?? 1]));
  const send = async (more) => {
    const at = { ...given, ...await places[name]?.() }, { status, text: said } = await call(method, path, { at, ...more });
    assert.ok(status < 300, `${status} ${said}`);
  };
  for (const one of parameters)
    for (const [example, value] of examples(one))
      test(`${name}: ${one.name}, ${example}`, async () => {
        assert.ok(one.in === "query" || one.in === "path", one.in);
        const first = body.length > 0 && one.in === "query" ? { body: Object.values(Object.fromEntries(examples(body[0][1])))[0], headers: { "Content-Type": body[0][0] } } : {};
        if (one.in === "query") return send({ query: `?${one.name}=${encodeURIComponent(value)}`, ...first });
        if (!op.requestBody) return send(); // with one, each of its examples goes there
      });
  for (const [type, media] of body)
    for (const [example, value] of examples(media))
      test(`${name}: ${type}, ${example}`, () => send({ body: value, headers: { "Content-Type": type } }));
}

test("answers have the form of their examples", async () => {
  const of = (method, path, status, type) => follow(api.paths[path][method].responses[status]).content[type].example;
  const one = { at: { id: 1 } }, first = (said) => said.split("\r\n", 1)[0];
  const report = `${V1}/experiments/{id}/report`, exported = `${V1}/experiments/{id}/export`;
  assert.equal(first(of("get", report, 200, "text/csv")), first((await call("GET", report, { ...one, query: "?format=csv" })).text));
  assert.equal(first(of("get", exported, 200, "text/csv")), first((await call("GET", exported, one)).text));
  const form = (line) => JSON.stringify(JSON.parse(line), (_, value) => typeof value === "object" ? value : typeof value);
  assert.equal(form(of("get", exported, 200, "application/x-ndjson")), form((await call("GET", exported, { ...one, query: "?format=jsonl" })).text.split("\n", 1)[0]));
  const served = (await call("GET", `${V1}/metrics`)).value.items;
  for (const metric of of("get", `${V1}/metrics`, 200, "application/json").items) assert.deepEqual(served.find((each) => each.name === metric.name), metric);
  const { series } = (await call("GET", `${V1}/runs/{id}/metrics`, { ...one, query: "?points=2" })).value;
  for (const [name, { points, buckets }] of Object.entries(of("get", `${V1}/runs/{id}/metrics`, 200, "application/json").series))
    assert.deepEqual([series[name].points?.length, series[name].buckets?.length], [points?.length, buckets?.length], name);
  const wrong = { ...small, arms: { dsa: { "model.attention": { kind: "dsa", top_k: 100 } } } };
  const { status, value } = await call("POST", `${V1}/experiments`, { body: wrong });
  assert.deepEqual([status, value], [422, of("post", `${V1}/experiments`, 422, "application/problem+json")]);
});

test("events have the form of their example", async () => {
  const fields = (event) => event.trimEnd().split("\n").map((line) => line.split(": ", 1)[0]);
  const example = follow(api.paths[`${V1}/events`].get.responses[200]).content["text/event-stream"].example;
  const answer = await daemon.fetch(`${V1}/events?after=0&run=1`);
  let said = "";
  for await (const chunk of answer.body) {
    said += Buffer.from(chunk).toString();
    const event = /^(id: \d+\nevent: metrics\ndata: .*\n)\n/m.exec(said)?.[1];
    if (event === undefined) continue;
    const data = (of) => Object.keys(JSON.parse(/^data: (.*)$/m.exec(of)[1]));
    assert.deepEqual([fields(event), data(event)], [fields(example), data(example)]);
    return;
  }
  assert.fail(`no metrics: ${said}`);
});
