// The decoder's field tables and the JSON Schema name the same fields, types, ranges, choices and defaults.

import assert from "node:assert/strict";
import test from "node:test";
import { decode, resolve, schema, tables } from "./contract.mjs";

const known = tables();
const defs = schema.$defs;
const name = defs.name;

/** Where a table's fields stand in the schema. */
const objects = {
  experiment: schema, data: defs.data, model: defs.model, layer_range: defs.layer_range, train: defs.train, compare: defs.compare,
};
for (const table of known.keys()) if (table.startsWith("attention_")) objects[table] = defs[table];

function range(row) {
  return {
    [row.exclusive_min ? "exclusiveMinimum" : "minimum"]: row.min,
    [row.exclusive_max ? "exclusiveMaximum" : "maximum"]: row.max,
  };
}

/** What the schema must say of a row, by its type. */
const wanted = {
  integer: (row) => ({ type: "integer", ...range(row) }),
  number: (row) => ({ type: "number", ...range(row) }),
  boolean: () => ({ type: "boolean" }),
  enum: (row) => ({ enum: row.choices }),
  name: () => ({ type: name.type, maxLength: name.maxLength, pattern: name.pattern }),
  string: (row) => ({ type: "string", ...(row.min > 0 && { minLength: row.min }), maxLength: row.max }),
  pair: (row) => ({ type: "array", minItems: 2, maxItems: 2, items: { type: "number", ...range(row) } }),
  object: () => ({ type: "object" }),
  array: () => ({ type: "array" }),
};

/** What the schema says, reduced to what a row can say. */
function said(node, row) {
  const keys = { string: ["type", "minLength", "maxLength"], object: ["type"], array: ["type"], enum: ["enum"] };
  const { description, default: preset, ...rest } = resolve(node);
  const only = keys[row.type];
  return only ? Object.fromEntries(Object.entries(rest).filter(([key]) => only.includes(key))) : rest;
}

for (const [table, place] of Object.entries(objects)) {
  test(`table ${table}`, () => {
    const rows = known.get(table);
    const beyond = table === "experiment" ? ["preset"] : []; // merged before the decoder sees the spec
    assert.deepEqual(Object.keys(place.properties).sort(), [...rows.map((row) => row.key), ...beyond].sort());
    assert.equal(place.additionalProperties, false);
    for (const row of rows) {
      const node = place.properties[row.key];
      // A kind's own table lists every kind, but only one leads to it.
      if (row.key === "kind") assert.equal(node.const, table.slice("attention_".length));
      else assert.deepEqual(said(node, row), wanted[row.type](row), `${table}.${row.key}`);
      // What is frozen without a split has that of before; what is submitted without one, another.
      // Without a goal it is the metric's own.
      const preset = table === "data" && row.key === "split" ? "families" : table === "compare" && row.key === "goal" ? undefined : row.default;
      if (preset !== undefined && row.key !== "kind")
        assert.deepEqual(resolve(node).default, preset, `${table}.${row.key}: default`);
    }
  });
}

test("kinds of attention", () => {
  const [kind] = known.get("attention_dense");
  assert.deepEqual(defs.attention.properties.kind, { enum: kind.choices, default: kind.default });
  assert.deepEqual(defs.attention.allOf.map((row) => [row.if.properties.kind.const, row.then.$ref, row.if.required]),
    kind.choices.map((one) => [one, `#/$defs/attention_${one}`, one === kind.default ? undefined : ["kind"]]));
});

test("the layers of a range", () => {
  const [row] = known.get("layer");
  assert.deepEqual(defs.layer_range.properties.layers.items, wanted.integer(row));
  assert.deepEqual(defs.layer_range.required, known.get("layer_range").filter((one) => one.required).map((one) => one.key));
});

test("seeds and tags", () => {
  const [[seed], [tag]] = [known.get("seeds"), known.get("tags")];
  assert.deepEqual(resolve(schema.properties.seeds.items), wanted.integer(seed));
  assert.equal(tag.type, "name");
  assert.equal(resolve(schema.properties.tags.additionalProperties).pattern, name.pattern);
});

test("paths that arms and grids may set", () => {
  const paths = ["data", "model", "train"].flatMap((section) => known.get(section).map((row) => `${section}.${row.key}`));
  for (const [table, rows] of known)
    if (table.startsWith("attention_")) paths.push(...rows.map((row) => `model.attention.${row.key}`));
  const all = [...new Set(paths)].sort();
  assert.deepEqual(Object.keys(defs.overrides.properties).sort(), all);
  assert.deepEqual(Object.keys(defs.factors.properties).sort(), all);
  for (const path of all) {
    const at = path.split(".");
    const field = at.length === 2 ? resolve(defs[at[0]].properties[at[1]])
      : at[2] === "kind" ? defs.attention.properties.kind
      : resolve(Object.values(defs).find((def) => def.properties?.kind?.const && def.properties[at[2]]).properties[at[2]]);
    assert.deepEqual(resolve(defs.overrides.properties[path]), field, path);
    const factor = resolve(defs.factors.properties[path]);
    assert.deepEqual({ ...factor, items: resolve(factor.items) }, { ...defs.values, items: field }, path);
  }
});

test("the defaults are those that the decoder fills in, but for the fields that came later", () => {
  const later = new Set([...known.values()].flat().filter(({ sparse }) => sparse).map(({ key }) => key));
  const [{ spec }] = decode([{ data: { dataset: "x" } }]);
  const filled = (place) => Object.fromEntries(Object.entries(place.properties).filter(([key]) => key !== "preset" && !later.has(key))
    .map(([key, node]) => {
      const field = resolve(node);
      return [key, field.default ?? (field.properties ? filled(field) : undefined)];
    }));
  const expected = filled(schema);
  expected.data.dataset = "x";
  expected.compare.baseline = "main"; // resolved: the first arm
  expected.compare.goal = "min"; // resolved: less val/loss is better
  assert.deepEqual(spec, expected);
});
