// Random legal specifications: that they are drawn over everything that can be said, and that no audit gives a false alarm;
// tests/full/random.test.mjs trains more of them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { decode, schemaSays } from "../schema/contract.mjs";
import { asExperiment, attentions, CORPORA, draw, fields, unknown } from "./draw.mjs";
import { cleanUp, prepare, PLANTED } from "./plant.mjs";
import { quiet, quietTest } from "./random.mjs";

before(prepare);
after(cleanUp);

const SPECS = Array.from({ length: 1000 }, (_, seed) => draw(seed));

test("every field has a draw", () => assert.deepEqual(unknown(), []));

test("the schema and the daemon take every specification", () => {
  decode(SPECS.map(asExperiment)).forEach((answer, i) => {
    assert.equal(answer.code, undefined, `seed ${i}: ${JSON.stringify(answer)}`);
    assert.equal(schemaSays(asExperiment(SPECS[i])), "", `seed ${i}`);
  });
});

test("a seed draws one specification", () => assert.deepEqual(draw(17), SPECS[17]));

test("every choice is drawn, each number at several values", () => {
  for (const [path, row, kind] of fields()) {
    const [section, key] = path.split(".");
    const places = kind ? SPECS.flatMap(attentions).filter((one) => one.kind === kind) : SPECS.map((spec) => spec[section]);
    const seen = new Set(places.map((one) => JSON.stringify(one[key])).filter((text) => text !== undefined));
    const of = `${path}${kind ? ` of ${kind}` : ""}: ${[...seen].join(" ")}`;
    if (key === "kind") continue;
    else if (row.type === "enum") for (const choice of row.choices) assert.ok(seen.has(JSON.stringify(choice)), `${choice} of ${of}`);
    else assert.ok(seen.size >= 2, of);
  }
  for (const [, { choices }, kind] of [...fields()].filter(([path]) => path === "attention.kind"))
    assert.ok(choices.includes(kind) && SPECS.some((spec) => attentions(spec).some((one) => one.kind === kind)), kind);
  for (const corpus of CORPORA) assert.ok(SPECS.some(({ data }) => data.dataset === corpus), corpus);
});

test("with a planted fault it would fail", () =>
  assert.rejects(quiet(1, { worker: PLANTED, fault: "twice_lr", audit: "update" }), /"name":"update","status":"fail".*SEED=1 N=1 tries it again/s));

quietTest({ seed: 1, n: 20 });
