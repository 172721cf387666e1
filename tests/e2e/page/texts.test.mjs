// The page's own ways with texts: logs with escapes, CSV, addresses, what differs between specifications, what the schema
// says at a place. Pure modules, without a browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { link } from "../../../web/base/address.js";
import { plainText, segments } from "../../../web/parts/ansi.js";
import { csv } from "../../../web/base/csv.js";
import { armSpec, differencesOf, differing } from "../../../web/base/differences.js";
import { nameOf, readList } from "../../../web/charts/lines.js";
import { paragraphs } from "../../../web/base/paragraphs.js";
import { allowed, helpAt, pathAt, withoutDefaults } from "../../../web/editor/schema_help.js";

const schema = JSON.parse(await readFile(new URL("../../../schema/experiment.schema.json", import.meta.url), "utf8"));

test("a log's line is what a terminal would show", () => {
  const cases = {
    "plain": "plain",
    "a\tb": "a\tb",
    "10 %\r20 %\r100 %": "100 %",
    "100 %\r20 %": "20 %%", // what isn't overwritten stays
    "100 %\r\x1b[K20 %": "20 %",
    "ab\b\bcd": "cd",
    "\x1b]0;title\x07shown": "shown",
    "\x1b[31mred\x1b[0m": "red",
    "broken \x1b": "broken ",
    "\x1b[1;32": "[1;32", // a sequence that doesn't end is text
    "a\x00b\x7f": "ab\x7f",
  };
  for (const [line, shown] of Object.entries(cases)) assert.equal(plainText(line), shown, JSON.stringify(line));
  assert.deepEqual(segments("a\x1b[1;31mb\x1b[22mc\x1b[39md"), [
    { text: "a", color: "", bold: false }, { text: "b", color: "red", bold: true },
    { text: "c", color: "red", bold: false }, { text: "d", color: "", bold: false }]);
  assert.deepEqual(segments("\x1b[38;5;196mx\x1b[38;2;1;2;3my").map(({ color }) => color), [""]);
});

test("a verdict has a paragraph an arm, and one of what ran elsewhere", () => {
  const detail = "2 of these ran in 1 other, too: experiment 3 (6 runs)", checks = [{ name: "power", detail: "x" }, { name: "selection", detail }];
  const of = (sentence, ...each) => paragraphs({ verdict: { sentence }, primary: each.map((one) => ({ sentence: one })), checks });
  assert.deepEqual(of("A. B.", "A.", "B."), ["A.", "B."]);
  assert.deepEqual(of(`A. B. ${detail}.`, `A. ${detail}.`, "B."), ["A.", "B.", `${detail}.`]);
  assert.deepEqual(of(`A. ${detail}.`, `A. ${detail}.`), [`A. ${detail}.`]);
  assert.deepEqual(of("3 of 4 runs have ended.", "A.", "B."), ["3 of 4 runs have ended."]);
  assert.deepEqual(paragraphs({ verdict: { sentence: "A." }, primary: [{ sentence: "A." }], checks: [] }), ["A."]);
});

test("CSV quotes what needs it, and disarms formulas", () => {
  assert.equal(csv([["a", "b"], [1.5, "x,\"y\"\nz"], [null, "=1+1"], [-2, "-3.5"]]),
    "a,b\r\n1.5,\"x,\"\"y\"\"\nz\"\r\n,'=1+1\r\n-2,-3.5\r\n");
});

test("addresses leave out what is empty", () => {
  assert.equal(link("/runs", { filter: "metrics.val/loss < 3", order: "", columns: undefined }), "#/runs?filter=metrics.val/loss+%3C+3");
  assert.equal(link("/runs"), "#/runs");
});

test("what is compared comes back from its name, whatever the arm is called", () => {
  const items = [{ kind: "e", id: 1, arm: null }, { kind: "r", id: 17, arm: null }, { kind: "e", id: 3, arm: "one, two: 50 %" }];
  assert.deepEqual(readList(items.map(nameOf).join(",")), items);
  assert.deepEqual(readList("x1,e,r2x,"), []);
});

test("specifications differ where their values do", () => {
  assert.deepEqual(differing([{ a: 1, b: { c: [1, 2], d: 3 } }, { a: 1, b: { c: [1, 3] } }]),
    [{ path: "b.c", values: ["[1,2]", "[1,3]"] }, { path: "b.d", values: ["3", ""] }]);
  const spec = { model: { d_model: 64, attention: { kind: "dense" } }, arms: { one: {}, two: { "model.attention": { kind: "dsa", top_k: 4 } } },
    seeds: [1] };
  assert.deepEqual(armSpec(spec, "two"), { model: { d_model: 64, attention: { kind: "dsa", top_k: 4 } } });
  assert.deepEqual(differencesOf(spec, ["one", "two"], "one"), [
    { path: "model.attention.kind", values: [{ value: "dense", same: false }, { value: "dsa", same: false }] },
    { path: "model.attention.top_k", values: [{ value: "", same: false }, { value: "4", same: false }] }]);
});

test("where a cursor stands in JSON, even while it is written", () => {
  const at = (text) => pathAt(text.replace("|", ""), text.indexOf("|")).path.join(".");
  assert.equal(at('{"train": {"lr": |0.1}}'), "train.lr");
  assert.equal(at('{"train": {"l|r": 0.1}}'), "train.lr");
  assert.equal(at('{"seeds": [1, 2|'), "seeds.1");
  assert.equal(at('{"name": "a{[\\"|'), "name");
  assert.equal(at('{"train": {"lr": 0.1}, |'), "");
  assert.deepEqual(pathAt('{"train": {"lr', 14).key, { typed: "lr", from: 12, to: 14 });
  assert.deepEqual(pathAt('{"train": {"lr": 1}}', 13).key, { typed: "l", from: 12, to: 14 });
});

test("the schema's help knows ranges, defaults, and the fields of an attention by its kind", () => {
  const spec = { train: { lr: 0.1 }, arms: { sparse: { "model.attention": { kind: "dsa", top_k: 4 } } }, grid: { "train.lr": [1] } };
  const text = JSON.stringify(spec), at = (word) => helpAt(schema, text, text.indexOf(word) + 2, spec);
  assert.equal(allowed(at("lr").node), "number, 0 < x \u2264 10");
  assert.ok(at("lr").members.some(({ name }) => name === "warmup_steps"));
  const sparse = at("top_k");
  assert.match(sparse.node.description, /^K; 0 leaves it/);
  assert.ok(sparse.members.some(({ name }) => name === "indexer_heads"));
  assert.equal(at("train.lr").node.type, "array");
  assert.equal(helpAt(schema, '{"nothing": 1}', 12, null).node, null);
});

test("a specification without its defaults says what was chosen", () => {
  const { compare: { properties } } = schema.$defs;
  assert.deepEqual(withoutDefaults(schema, { name: "x", priority: 0, train: { lr: 0.003, steps: 7 }, model: { layers: schema.$defs.model.properties.layers.default },
    compare: { metric: properties.metric.default, baseline: "dense" }, arms: { dense: {}, sparse: { "train.lr": 0.003 } } }),
  { name: "x", train: { steps: 7 }, compare: { baseline: "dense" }, arms: { dense: {}, sparse: { "train.lr": 0.003 } } });
});
