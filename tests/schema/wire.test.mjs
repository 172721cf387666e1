// schema/wire.md says what the codec does: every type with the members that it needs, every example.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { decodeWire, ROOT } from "./contract.mjs";

const text = readFileSync(`${ROOT}schema/wire.md`, "utf8");
const code = readFileSync(`${ROOT}common/wire/wire.h`, "utf8");
const known = [...code.matchAll(/^ {4}X\([A-Z]+, +"(\w+)", +([01])\)/gm)].map(([, name, event]) => [name, event === "1"]);
const table = [...text.matchAll(/^\| `(\w+)` \| \w+ \| (yes)? ?\| (.*) ?\|$/gm)]
  .map(([, name, event, members]) => [name, event === "yes", [...members.matchAll(/`(\w+)`/g)].map(([, member]) => member)]);
const examples = [...text.matchAll(/```ndjson\n([^`]+)```/g)].flatMap(([, block]) => block.trim().split("\n").map((line) => JSON.parse(line)));

test("the table names the codec's types", () => {
  assert.ok(known.length > 10);
  assert.deepEqual(table.map(([name, event]) => [name, event]), known);
});

test("there is an example of every type, and all are accepted", () => {
  assert.deepEqual([...new Set(examples.map(({ type }) => type))].sort(), known.map(([name]) => name).sort());
  assert.deepEqual(decodeWire(examples), examples.map(({ type, seq }) => ({ type, seq: known.find(([name]) => name === type)[1] ? seq : 0 })));
});

test("exactly the table's members are needed", () => {
  for (const example of examples) {
    const [, event, members] = table.find(([name]) => name === example.type);
    const needed = event ? ["seq", ...members] : members;
    for (const member of Object.keys(example).filter((key) => key !== "type")) {
      const { [member]: gone, ...rest } = example;
      const [answer] = decodeWire([rest]);
      assert.equal(answer.code, needed.includes(member) ? "protocol" : undefined, `${example.type} without ${member}`);
    }
    assert.deepEqual(needed.filter((member) => !(member in example)), [], example.type);
    assert.equal(decodeWire([{ ...example, news: 1 }])[0].type, example.type, "an unknown member");
  }
});
