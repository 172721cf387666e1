// Every planted fault on every kind that it touches, at three seeds; and every kind without a fault, and, with whatever fields a
// fault asks for, what must catch it: all audits pass.

import { after, before, test } from "node:test";
import { ALL, FAULTS } from "../planted/faults.mjs";
import { caught, cleanUp, prepare, settings, sound } from "../planted/plant.mjs";

const SEEDS = [1, 2, 3];

before(prepare);
after(cleanUp);

for (const row of FAULTS)
  test(`${row.fault}: ${row.audit} catches it`, async (t) => {
    for (const kind of row.kinds)
      for (const seed of SEEDS) await t.test(`${kind}, seed ${seed}`, () => caught(row, kind, seed));
  });

test("an indexer that learns the wrong way round never passes for one that learns", async (t) => {
  const row = FAULTS.find(({ fault, audit }) => fault === "kl_sign" && audit === "indexer_learns");
  for (let seed = 1; seed <= 20; seed++) await t.test(`seed ${seed}`, () => caught(row, "dsa", seed));
});

for (const kind of ALL)
  test(`${kind} without a fault passes every audit`, async (t) => {
    for (const seed of SEEDS) {
      await t.test(`seed ${seed}`, () => sound(kind, seed));
      for (const [fields, audit] of settings(kind)) await t.test(`${audit}, seed ${seed} ${JSON.stringify(fields)}`, () => sound(kind, seed, fields, audit));
    }
  });
