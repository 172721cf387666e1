// Corpora by name: what they look like, who uses them, another name, and none that is replaced or deleted unasked.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

let daemon;
const { call, get } = client(() => daemon);
const put = (name, text, headers = {}) => daemon.fetch(`/api/v1/datasets/${name}`, { method: "PUT", body: text, headers: { "Content-Type": "text/plain", ...headers } });
const spec = (dataset, more = {}) => ({ data: { dataset, seq_len: 8, split: "documents" }, train: { steps: 1, batch_size: 1 }, seeds: [1], ...more });
const texts = (n) => Array.from({ length: n }, (_, i) => `document ${i}: ${"word ".repeat(i % 7 + 3)}${i * i}`);
const submit = async (body) => (await call("POST", "/experiments", body, 201)).id;

before(async () => {
  daemon = await start();
  await call("POST", "/queue", { paused: true });
  assert.equal((await put("corpus", texts(300).join("\n\n"))).status, 201);
});
after(async () => assert.equal(await daemon?.stop(), 0));

test("a preview has the documents that were asked for, and the lengths of all", async () => {
  const all = texts(300), one = await get("/datasets/corpus/preview");
  assert.deepEqual(one.items.map(({ text }) => text), all.slice(0, 10));
  assert.deepEqual(one.items[3], { document: 3, bytes: all[3].length, whole: true, text: all[3] });
  const lengths = all.map(({ length }) => length);
  assert.deepEqual([one.lengths.least, one.lengths.greatest], [Math.min(...lengths), Math.max(...lengths)]);
  assert.ok(Math.abs(one.lengths.mean - lengths.reduce((a, b) => a + b) / 300) < 1e-9);
  assert.deepEqual(one.lengths.below, [32, 64, 128].map((most) => [most, lengths.filter((n) => n < most && n >= most / 2).length]).filter(([, n]) => n));
  assert.equal(one.lengths.below.reduce((sum, [, n]) => sum + n, 0), 300);
  const tail = await get("/datasets/corpus/preview?from=298&documents=100&bytes=5");
  assert.deepEqual(tail.items.map(({ document, text, whole }) => [document, text, whole]), [[298, "docum", false], [299, "docum", false]]);
  assert.deepEqual((await get("/datasets/corpus/preview?from=9007199254740993")).items, []);
  for (const query of ["from=-1", "documents=0", "documents=101", "bytes=4097", "bytes=x", "more=1"]) await get(`/datasets/corpus/preview?${query}`, 400);
});

test("what isn't seen is made visible, and no character is cut", async () => {
  const odd = "a\u001b[31mb\u0007\u007f\u0085\u202ec\u2069\td\u00a0é";
  await put("odd", JSON.stringify({ text: odd }) + "\n" + JSON.stringify({ text: "日本語" }) + "\n", { "Content-Type": "application/jsonl" });
  assert.equal((await get("/datasets/odd/preview")).items[0].text, "a␛[31mb␇␡\ufffd\ufffdc\ufffd\td\u00a0é");
  assert.deepEqual((await get("/datasets/odd/preview?from=1&bytes=8")).items[0], { document: 1, bytes: 9, whole: false, text: "日本" });
});

test("who uses it, by content; and what is needed stays", async () => {
  assert.deepEqual((await get("/datasets/corpus")).used_by, []);
  const [one, two, gone] = [await submit(spec("corpus")), await submit(spec("corpus", { seeds: [1, 2, 3] })), await submit(spec("corpus"))];
  await submit(spec("synthetic:copy"));
  await call("DELETE", `/experiments/${gone}`, undefined, 204);
  const { used_by, used_by_more } = await get("/datasets/corpus");
  assert.deepEqual([used_by, used_by_more], [[two, one], false]);
  const refused = await call("DELETE", "/datasets/corpus", undefined, 409);
  assert.match(refused.detail, new RegExp(`needed by 4 runs that are queued, running or being verified, of experiments ${one}, ${two};`));
  assert.equal((await get("/datasets")).items.length, 2);
  const many = [];
  for (let i = 0; i < 101; i++) many.unshift(await submit(spec("odd", { data: { dataset: "corpus", seq_len: 8, split: "windows" } })));
  const users = await get("/datasets/corpus");
  assert.deepEqual([users.used_by, users.used_by_more], [many.slice(0, 100), true]);
  assert.match((await call("DELETE", "/datasets/corpus", undefined, 409)).detail, /of experiments(,? \d+){8} and others;/);
});

test("another name, for the same content", async () => {
  const [{ id }] = (await get("/runs?page_size=1")).items, before = await get("/datasets/corpus");
  const renamed = await call("PATCH", "/datasets/corpus", { name: "corpus v2" });
  assert.deepEqual([renamed.name, renamed.digest], ["corpus v2", before.digest]);
  await get("/datasets/corpus", 404);
  assert.deepEqual((await get("/datasets/corpus%20v2")).used_by, before.used_by);
  await get(`/runs/${id}`);
  assert.match((await call("POST", "/experiments", spec("corpus"), 422)).detail, /no dataset "corpus"/);
  await call("POST", "/experiments", spec("corpus v2"), 201);
  assert.equal((await call("PATCH", "/datasets/corpus%20v2", { name: "corpus v2" })).name, "corpus v2");
  assert.match((await call("PATCH", "/datasets/corpus%20v2", { name: "odd" }, 409)).detail, /there is a dataset "odd" already/);
  for (const body of [{}, { name: "" }, { name: "a/b" }, { name: "ä" }, { name: 1 }, { name: "x".repeat(65) }, { name: "x", more: 1 }]) await call("PATCH", "/datasets/corpus%20v2", body, 422);
  await call("PATCH", "/datasets/none", { name: "x" }, 404);
  await call("PATCH", "/datasets/corpus%20v2", { name: "corpus" });
});

test("an upload takes no name that it was asked not to", async () => {
  const before = await get("/datasets/corpus"), none = { "If-None-Match": "*" };
  const refused = await put("corpus", "other\n\ntext", none), problem = await refused.json();
  assert.deepEqual([refused.status, problem.code], [412, "precondition_failed"]);
  assert.deepEqual(await get("/datasets/corpus").then(({ digest, created_at }) => [digest, created_at]), [before.digest, before.created_at]);
  assert.equal((await put("fresh", "other\n\ntext", none)).status, 201);
  assert.equal((await put("fresh", "other\n\ntext", none)).status, 412); // nor with the same content
  assert.equal((await put("fresh", "another\n\ntext")).status, 200);
  assert.equal((await put("fresh", "another\n\ntext", { "If-None-Match": '"tag"' })).status, 400);
});
