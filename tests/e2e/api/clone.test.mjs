// The parent of a clone: told beside the specification, found by it, and still known when it is gone itself.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const SPEC = { name: "first", data: { dataset: "synthetic:copy", vocab: 32, seq_len: 4 }, train: { steps: 1 }, seeds: [1] };
let daemon, first;
const { call, get, until } = client(() => daemon);
const post = (query, spec, headers = {}) => daemon.fetch(`/api/v1/experiments${query}`,
  { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(spec) });
const found = async (filter) => (await get(`/experiments?deleted=0&filter=${encodeURIComponent(filter)}&order=id`)).items.map(({ id }) => id);
const digests = async (id) => (await get(`/runs?experiment=${id}`)).items.map(({ digest }) => digest);

before(async () => {
  daemon = await start();
  await call("POST", "/queue", { paused: true });
  first = (await call("POST", "/experiments", SPEC, 201)).id;
});
after(async () => assert.equal(await daemon?.stop(), 0));

test("it is shown and found, and no digest knows of it", async () => {
  assert.equal((await get(`/experiments/${first}`)).parent, null);
  const { id, parent } = await call("POST", `/experiments?parent=${first}`, SPEC, 201);
  assert.equal(parent, first);
  assert.equal((await get(`/experiments/${id}`)).parent, first);
  assert.ok(!JSON.stringify((await get(`/experiments/${id}`)).spec).includes("parent"));
  assert.deepEqual(await digests(id), await digests(first));
  assert.deepEqual(await found(`parent = ${first}`), [id]);
  assert.deepEqual(await found("parent is null"), [first]);
  assert.equal((await get("/experiments?order=-parent,id")).items[0].parent, first);
});

test("what can't be a parent is refused, and stores nothing", async () => {
  const before = (await get("/experiments")).items.length;
  for (const [query, detail] of [["999", /no experiment 999/], ["0", /from 1 to/], ["x", /must be an integer/], ["-1", /from 1 to/], ["1.5", /must be an integer/]]) {
    for (const dry of ["", "&dry_run=1"]) {
      const reply = await post(`?parent=${query}${dry}`, SPEC), problem = await reply.json();
      assert.deepEqual([reply.status, problem.code], [400, "bad_parameter"]);
      assert.match(problem.detail, detail);
    }
  }
  assert.equal((await get("/experiments")).items.length, before);
  assert.equal((await post("", { ...SPEC, parent: first })).status, 422);
});

test("a key stands for a body and its parent", async () => {
  const key = { "Idempotency-Key": "k" }, one = await (await post(`?parent=${first}`, SPEC, key)).json();
  const again = await post(`?parent=${first}`, SPEC, key);
  assert.deepEqual([again.status, (await again.json()).id], [200, one.id]);
  for (const query of ["", `?parent=${one.id}`]) {
    const other = await post(query, SPEC, key);
    assert.deepEqual([other.status, (await other.json()).code], [422, "idempotency_mismatch"]);
  }
});

test("it outlives its parent, and goes along in a capsule", async () => {
  const parent = (await call("POST", "/experiments", { ...SPEC, name: "goes" }, 201)).id;
  const child = (await call("POST", `/experiments?parent=${parent}`, SPEC, 201)).id;
  await call("DELETE", `/experiments/${parent}`, undefined, 204);
  assert.equal((await call("POST", `/experiments?parent=${parent}`, SPEC, 201)).parent, parent); // it can be restored
  await call("POST", `/experiments/${parent}/purge`, undefined, 202);
  await until("it is purged", async () => !execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", `SELECT id FROM experiments WHERE id = ${parent}`], { encoding: "utf8" }));
  assert.equal((await get(`/experiments/${child}`)).parent, parent);
  assert.equal((await found(`parent = ${parent}`)).length, 2);
  assert.equal((await post(`?parent=${parent}`, SPEC)).status, 400);
  await call("POST", `/experiments/${child}/cancel`, undefined, 202);
  const capsule = Buffer.from(await (await daemon.fetch(`/api/v1/experiments/${child}/capsule`)).arrayBuffer());
  const inside = execFileSync("tar", ["xOf", "-", "--wildcards", "*/experiment.json"], { input: capsule, encoding: "utf8" });
  assert.equal(JSON.parse(inside).parent, parent);
});
