// The JSON Schema and the daemon's decoder accept and refuse the same specs.
//
// tests/specs/good       accepted by both
// tests/specs/bad        refused by both; the decoder with the code and the pointer that the file expects
// tests/specs/bad-rules  rules over several fields, which a schema can't say: refused by the decoder alone
//
// The corpus is for people to read. Beside it, values at and beyond the edge of every field are made up from the
// schema and tried in the base spec, in an arm and in the grid.

import assert from "node:assert/strict";
import test from "node:test";
import { decode, readAll, resolve, schema, schemaSays } from "./contract.mjs";

/** The codes of a value that is wrong by itself, and of values that are wrong together. */
const ALONE = ["wrong_type", "out_of_range", "invalid_value", "unknown_field", "missing_field"];
const TOGETHER = ["inconsistent", "too_many_runs", "unknown_preset"];
const accepts = ({ code }) => code === undefined;

function corpus(folder, check) {
  const files = readAll(`tests/specs/${folder}`);
  const answers = decode(files.map(([, content]) => content.spec ?? content));
  test(folder, async (t) => {
    assert.ok(files.length > 0);
    for (const [i, [name, content]] of files.entries()) await t.test(name, () => check(content, answers[i]));
  });
}

corpus("good", (spec, answer) => {
  assert.equal(schemaSays(spec), "");
  assert.ok(accepts(answer), JSON.stringify(answer));
});
corpus("bad", ({ spec, expect }, { code, pointer }) => {
  assert.notEqual(schemaSays(spec), "", "the schema accepts it");
  assert.deepEqual({ code, pointer }, expect);
});
corpus("bad-rules", ({ spec, expect }, { code, pointer }) => {
  assert.equal(schemaSays(spec), "");
  assert.deepEqual({ code, pointer }, expect);
});

test("presets are specs, beside their description", () => {
  for (const [name, { description, ...spec }] of readAll("schema/presets")) {
    assert.equal(schemaSays(spec), "", name);
    const answers = decode([spec, { preset: name }, { preset: name, seeds: [7], train: { steps: 5000 } }]);
    for (const answer of answers) assert.ok(accepts(answer), `${name}: ${JSON.stringify(answer)}`);
    assert.equal(spec.name, name);
    assert.ok(description.length > 20 && spec.notes.length > 20, `${name}: no description or notes`);
  }
});

test("notes are counted in bytes, which a schema can't", () => {
  const notes = "ü".repeat(40000);
  const [{ code, pointer }] = decode([{ data: { dataset: "x" }, notes }]);
  assert.deepEqual({ says: schemaSays({ data: { dataset: "x" }, notes }), code, pointer }, { says: "", code: "out_of_range", pointer: "/notes" });
});

const JUNK = [null, true, 0, -1, 0.5, 1e300, "", "x", "ä", "a".repeat(65), [], [1, 2], [0.5, 1], {}, { kind: 1 }];

/** Values around the edges of what a field accepts. */
function candidates(node) {
  const field = resolve(node);
  const edges = [field.minimum, field.maximum, field.exclusiveMinimum, field.exclusiveMaximum].filter((edge) => edge !== undefined);
  const numbers = edges.flatMap((edge) => [edge, edge - 1, edge + 1, edge - 1e-9, edge + 1e-9, edge * 2]);
  const words = [...(field.enum ?? []), field.const].filter((word) => typeof word === "string")
    .flatMap((word) => [word, word.toUpperCase(), `${word} `]);
  const lengths = [field.minLength, field.maxLength].filter(Number.isInteger)
    .flatMap((n) => [n - 1, n, n + 1]).filter((n) => n >= 0).map((n) => "a".repeat(n));
  const names = ["sha256:" + "0".repeat(64), "sha256:" + "0".repeat(63), "synthetic:copy", "synthetic:paste", "a/b", "a.b-c_d 9"];
  const pairs = field.items?.type === "number" ? [0, 0.5, 1, -1].flatMap((a) => [[a, 0.5], [0.5, a], [a], [a, a, a]]) : [];
  return [...JUNK, ...numbers, ...words, ...lengths, ...names, ...pairs, field.default ?? null];
}

const base = { data: { dataset: "x" } };

/** The fields of a place of the schema: [path, node], attention's once a kind. */
function fields(place, path = []) {
  return Object.entries(place.properties).flatMap(([key, node]) => {
    const at = [...path, key], field = resolve(node);
    if (at.join(".") === "model.attention")
      return [[at, node], ...field.allOf.flatMap((row) => Object.entries(resolve(row.then).properties)
        .map(([one, inner]) => [[...at, one], inner, { kind: row.if.properties.kind.const }]))];
    return [[at, node], ...(field.properties && !["arms", "grid"].includes(key) ? fields(field, at) : [])];
  });
}

function* made() {
  for (const [path, node, beside] of fields(schema))
    for (const value of candidates(node)) {
      const spec = structuredClone(base);
      let at = spec;
      for (const key of path.slice(0, -1)) at = at[key] ??= {};
      Object.assign(at, beside, { [path.at(-1)]: value });
      yield spec;
    }
  for (const [path, node] of Object.entries(schema.$defs.overrides.properties))
    for (const value of candidates(node)) {
      yield { ...base, arms: { a: { [path]: value }, b: {} } };
      yield { ...base, grid: { [path]: [value] } };
    }
  for (const layers of [...JUNK, [0, 0], [3, 3], [63, 63], [63, 64], [-1, 0], [0, 0.5], [0, 1, 2], ["0", 1], [2, 1]])
    for (const attention of [undefined, {}, { kind: "dsa", top_k: 8 }, { kind: "dense", top_k: 8 }, { kind: "x" }, 1, []])
      for (const extra of [{}, { x: 1 }])
        yield { ...base, model: { attention_layers: [{ layers, attention, ...extra }] } };
  for (const word of ["x", "data", "data.", "data.nothing", "model.attention.nothing", "seed", "__proto__x", ""]) {
    yield { ...base, [word]: 1 };
    yield { ...base, data: { dataset: "x", [word]: 1 } };
    yield { ...base, arms: { a: { [word]: 1 } } };
    yield { ...base, grid: { [word]: [1] } };
    yield { ...base, tags: { [word]: "x" } };
  }
}

test("made-up specs: the decoder refuses what the schema refuses, and beyond it only contradictions", () => {
  const specs = [...made()];
  const answers = decode(specs);
  assert.equal(answers.length, specs.length);
  const disagreements = [];
  let accepted = 0, refused = 0;
  for (const [i, spec] of specs.entries()) {
    const says = schemaSays(spec), answer = answers[i];
    accepted += says === "" && accepts(answer);
    refused += says !== "" && !accepts(answer);
    // Which of attention's fields exist depends on a kind that an override may change.
    const otherKind = answer.code === "unknown_field" && /^\/(arms|grid)\/.*model\.attention/.test(answer.pointer);
    const agree = says !== "" ? [...ALONE, ...TOGETHER].includes(answer.code)
      : accepts(answer) || TOGETHER.includes(answer.code) || otherKind;
    if (!agree) disagreements.push(`${JSON.stringify(spec)}\n  schema: ${says || "fine"}\n  decoder: ${JSON.stringify(answer)}`);
  }
  assert.equal(disagreements.length, 0, `${disagreements.length} of ${specs.length}:\n${disagreements.slice(0, 20).join("\n")}`);
  assert.ok(accepted > 500 && refused > 2000, `${accepted} accepted, ${refused} refused`);
});
