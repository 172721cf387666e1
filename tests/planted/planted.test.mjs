// Faults planted into the worker, one a run, and the audit that must catch each: here every fault at one seed, on one of the
// kinds that it touches (in turn, so that all kinds come up); tests/full/planted.test.mjs has the other seeds and kinds.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { ALL, FAULTS } from "./faults.mjs";
import { audited, caught, cleanUp, PLANTED, prepare, SHIPPED, sound } from "./plant.mjs";

before(prepare);
after(cleanUp);

FAULTS.forEach((row, i) => {
  const kind = row.kinds[i % row.kinds.length];
  test(`${row.fault}: ${row.audit} catches it (${kind})`, () => caught(row, kind, 1));
});

test("without a fault the same build passes every audit", () => sound("dsa", 1));

for (const kind of ALL)
  test(`without a fault the audits of the table pass (${kind})`, async () => {
    for (const audit of new Set(FAULTS.filter(({ kinds }) => kinds.includes(kind)).map((row) => row.audit)))
      for (const { name, status, detail } of await audited({ kind, seed: 1, audit })) assert.equal(status, "pass", `${name}: ${detail}`);
  });

test("an audit that there isn't can't be asked for", () =>
  assert.rejects(audited({ kind: "dense", seed: 1, audit: "causalty" }), /there is no audit causalty/));

test("what is shipped holds no trace of the faults", async () => {
  const [shipped, planted] = await Promise.all([SHIPPED, PLANTED].map((path) => readFile(path, "latin1")));
  for (const word of ["ABLATE_PLANTED", ...FAULTS.map(({ fault }) => fault)]) {
    assert.ok(planted.includes(`${word}\0`), `the planted build knows ${word}`);
    assert.ok(!shipped.includes(`${word}\0`), `${word} is in ${SHIPPED}`);
  }
});
