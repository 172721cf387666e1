// Sweeps that nobody could train: of exactly 10⁹ runs, of 10¹⁸, of more than 64 bits count. The figure is computed before
// anything is built, so the answer costs no more than the text.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { call, rows, serve, submit } from "./faults.mjs";

const numbers = (n, step = 1) => Array.from({ length: n }, (_, i) => (i + 1) * step);
const PATHS = ["data.split_seed", "train.lr", "train.weight_decay", "train.grad_clip", "train.eps", "train.min_lr_ratio"];
const grid = (factors, n) => Object.fromEntries(PATHS.slice(0, factors).map((path, i) => [path, numbers(n, i === 0 ? 1 : 1e-6)]));

for (const [what, spec, pointer, said] of [
  ["10⁹ runs: 1,000 × 1,000 grid points, 1,000 seeds", { grid: grid(2, 1000), seeds: numbers(1000) }, "/grid", /1000000 grid points and 1000 seeds make 1000000000 runs; at most 10000/],
  ["10⁹ runs: 1,000 × 1,000 × 1,000 grid points", { grid: grid(3, 1000), seeds: [1] }, "/grid", /1000000000 grid points and 1 seeds make 1000000000 runs/],
  ["10¹⁸ runs", { grid: grid(6, 1000), seeds: [1] }, "/grid", /make 1000000000000000000 runs/],
  ["10²⁴ runs", { grid: grid(6, 10000), seeds: [1] }, "/grid", /more than 10\^18 runs/],
  ["10²⁷ runs, the seeds over 64 bits", { grid: grid(6, 1000), seeds: numbers(1000) }, "/grid", /more than 10\^18 runs/],
])
  test(`${what}: refused with the figure, and the daemon stays as small as it was`, async (t) => {
    const daemon = await serve(t, {}), status = `/proc/${daemon.pid}/status`;
    await call(daemon, "POST", "queue", { paused: true }, 200);
    await submit(daemon);
    const peak = async () => Number(/VmHWM:\s+(\d+)/.exec(await readFile(status, "utf8"))[1]);
    await writeFile(`/proc/${daemon.pid}/clear_refs`, "5"); // the peak is counted from here
    const before = await peak(), body = { data: { dataset: "small", seq_len: 16 }, ...spec }, bytes = JSON.stringify(body).length;
    for (const path of ["experiments", "experiments?dry_run=1"]) {
      const { code, detail, pointer: at } = await call(daemon, "POST", path, body, 422);
      assert.equal(code, "too_many_runs");
      assert.match(detail, said);
      assert.equal(at, pointer);
    }
    const grown = 1024 * (await peak() - before);
    assert.ok(grown < 64 * bytes + (8 << 20), `${bytes} bytes of text took ${grown} of memory`);
    assert.deepEqual(rows(daemon.dir, "SELECT (SELECT count(*) FROM experiments) AS e, (SELECT count(*) FROM runs) AS r"), [{ e: 1, r: 2 }]);
    t.diagnostic(`found: 422 for ${bytes} bytes, the peak grew by ${(grown / (1 << 20)).toFixed(1)} MiB`);
    assert.equal(await daemon.stop(), 0);
  });
