// The same specification gives the same bits (exact.mjs): some of what tests/full/exact tries.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { start } from "../daemon.mjs";
import { ATTENTION, attempt, collect, CORPUS, place, same, spec, train, WORKER } from "../exact.mjs";

const TRIED = {
  dense: { threads: [4], kills: [[7, 4]] },
  dsa: { threads: [3], kills: [[11, 2, 5]], beside: true },
  published: { threads: [2], kills: [[3, 13]] },
  options: { threads: [2], kills: [[1]] },
};
for (const [arm, tried] of Object.entries(TRIED)) test(`${arm}: the same bits`, () => same(arm, tried));

test("another seed gives other bits, and the comparison sees them", async () => {
  const [one, other] = [await train(spec(ATTENTION.dense)), await train(spec(ATTENTION.dense, { seed: 4 }))];
  assert.notDeepEqual(one, other);
  assert.throws(() => collect(['{"type":"metrics","names":["train/loss"],"rows":[[1,2.5]]}'], { ...one }), /trained again/);
});

test("an attempt that resumes behind the last step has the losses by position, too", async () => {
  const name = place();
  await writeFile(`${name}.json`, JSON.stringify(spec(ATTENTION.dense, { steps: 20 })));
  const found = async () => {
    const { lines, status } = await attempt(`${name}.json`, name, { more: ["--audits"] });
    assert.equal(status, 0, lines.at(-1));
    const events = lines.map((line) => JSON.parse(line));
    return { from: events.find(({ type }) => type === "started").step,
      by_position: events.findLast(({ type, name: what }) => type === "audit" && what === "causality").evidence.by_position };
  };
  const [whole, again] = [await found(), await found()];
  assert.deepEqual([whole.from, again.from, whole.by_position.loss.length], [0, 20, 24]);
  assert.deepEqual(again.by_position, whole.by_position);
});

/** A run's file and folder, with more steps than a test waits for. */
async function endless(more = {}) {
  const name = place();
  await writeFile(`${name}.json`, JSON.stringify({ ...spec(ATTENTION.dense, { steps: 1e6 }), ...more }));
  return name;
}

test("told to end, it says so: exit status 75, and the same command goes on", async () => {
  const name = await endless();
  let from = 0;
  for (const signal of ["SIGTERM", "SIGINT"]) {
    const { lines, status, stderr } = await attempt(`${name}.json`, name, { kill: 4, signal });
    const events = lines.map(JSON.parse), last = events.at(-1);
    assert.deepEqual([last.type, last.reason, status], ["failed", "stopped", 75], stderr);
    assert.match(stderr, /stopped by a signal before its last step; the same command goes on from the last checkpoint/);
    const started = events.find(({ type }) => type === "started").step;
    assert.equal(started, from);
    from = events.findLast(({ type }) => type === "checkpoint").step;
    assert.ok(from > started);
  }
});

test("told to end while it waits for room on the disk, it says the same", async () => {
  const name = await endless({ artifacts: ["batches"] });
  await mkdir(`${name}/artifacts`, { recursive: true });
  await symlink("/dev/full", `${name}/artifacts/batches.jsonl`);
  const { lines, status, stderr } = await attempt(`${name}.json`, name, { kill: /waiting for room on the disk/, signal: "SIGTERM" });
  const { type, reason, detail } = JSON.parse(lines.at(-1));
  assert.deepEqual([type, reason, status], ["failed", "stopped", 75], `${detail} ${stderr}`);
  assert.match(stderr, /stopped by a signal before its last step/);
});

test("a run goes on with the corpus that it began with, whatever that is called", async () => {
  const dir = place();
  const daemon = await start({ dir });
  const put = async (name, body) => (await (await daemon.fetch(`/api/v1/datasets/${name}`, { method: "PUT", body, headers: { "Content-Type": "text/plain" } })).json()).digest;
  const other = join(dir, "datasets", await put("other", CORPUS.replaceAll("e", "i")));
  await daemon.stop({ keep: true });
  const name = await endless();
  assert.equal((await attempt(`${name}.json`, name, { kill: 4, signal: "SIGTERM" })).status, 75);
  const { lines, status, stderr } = await attempt(`${name}.json`, name, { from: other });
  assert.equal(status, 65, stderr);
  assert.match(stderr, /was trained on a corpus with the digest [0-9a-f]{64}, and this one's is [0-9a-f]{64}: give the run its corpus again/);
  assert.deepEqual(lines.map(JSON.parse).map(({ type, reason }) => [type, reason]), [["failed", "inconsistent"]]);
  const { lines: again } = await attempt(`${name}.json`, name, { kill: 4, signal: "SIGTERM" });
  assert.ok(JSON.parse(again.find((line) => /"started"/.test(line))).step > 0, "nothing was lost");
});

test("started without standard descriptors, it trains all the same", async () => {
  const outs = [];
  for (const closed of ["", "<&- >&- 2>&-"]) {
    const name = place();
    await writeFile(`${name}.json`, JSON.stringify({ ...spec(ATTENTION.dense, { steps: 5 }), data: { dataset: "synthetic:copy", vocab: 16, seq_len: 16 } }));
    await promisify(execFile)("sh", ["-c", `exec "$0" train "$1.json" --out "$1" --threads 1 ${closed}`, WORKER, name]);
    outs.push(await readFile(`${name}/artifacts/final.safetensors`));
  }
  assert.ok(outs[0].equals(outs[1]));
});

test("going on with another BLAS core is said", async () => {
  const name = await endless(), said = [];
  for (const core of ["Haswell", "Haswell", "Sandybridge"]) {
    const { lines } = await attempt(`${name}.json`, name, { kill: 4, signal: "SIGTERM", env: { OPENBLAS_CORETYPE: core } });
    said.push(lines.map(JSON.parse).filter(({ type, level }) => type === "log" && level === "warn").map(({ message }) => message));
  }
  assert.deepEqual(said.slice(0, 2), [[], []]);
  assert.match(said[2].join(), /^the checkpoint of step \d+ was made with OpenBLAS' core Haswell, and this is Sandybridge: what follows may have other bits/);
});

test("an experiment's specification is told from a run's", async () => {
  const name = place(), { seed, ...run } = spec(ATTENTION.dense);
  for (const more of [{ seeds: [seed] }, { arms: { dense: {} } }, { name: "x" }, { preset: "demo" }]) {
    await writeFile(`${name}.json`, JSON.stringify({ ...run, ...more }));
    const { status, stderr } = await promisify(execFile)(WORKER, ["train", `${name}.json`, "--out", name]).then(() => ({ status: 0 }), ({ code, stderr: text }) => ({ status: code, stderr: text }));
    assert.equal(status, 65, stderr);
    assert.match(stderr, /is an experiment's specification; a run's is one arm at one grid point with one seed/);
  }
});
