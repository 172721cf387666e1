// Workers that say too much: log events and lines of standard error without end, files that grow past every bound. The
// daemon's memory and tables stay bounded, and another run is trained, stored and told of as ever.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { alive, call, curves, ended, figures, flooding, folder, has, LONG, rows, serve, submit, until, workers } from "./faults.mjs";

const SPEC = { ...LONG, seeds: [1] };
const MIB = 1 << 20, LINES = 33; // of a run in a commit, with the one that counts the rest

test("a worker that logs without end: bounded rows and memory, the other run as undisturbed, and it can be ended", { skip: !has("flock") && "no flock" }, async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "2", "--worker", await flooding(at)] });
  const log = (name) => stat(join(daemon.dir, "runs/1/attempts/1", name)).then(({ size }) => size, () => 0);
  const { id: flood } = await submit(daemon, { ...SPEC, name: "flood" });
  await until("it floods", async () => await log("events.ndjson") > 8 * MIB && await log("log.txt") > 0);
  const before = await figures(daemon), { id } = await submit(daemon, SPEC);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  // The flood goes on meanwhile: what bounds the rows is looked at after them.
  const [{ acked, n, longest }] = rows(daemon.dir, `SELECT (SELECT acked_seq FROM attempts WHERE run = 1) AS acked, count(*) AS n, max(length(data)) AS longest
    FROM events WHERE kind = 'log' AND run = 1`), after = await figures(daemon), commits = after.ablate_commits_total;
  assert.ok(acked > n, `${acked} lines are stored as ${n}`);
  assert.ok(n <= commits * LINES, `${n} rows in ${commits} commits`);
  assert.ok(longest < 5000, `a row has ${longest} bytes`);
  assert.ok(rows(daemon.dir, "SELECT 1 FROM events WHERE kind = 'log' AND json_extract(data, '$.message') LIKE '% more lines: see the log'").length > 0, "the rest is counted");
  const grown = after.process_resident_memory_bytes - before.process_resident_memory_bytes;
  assert.ok(grown < 64 * MIB, `the daemon has grown by ${grown} bytes`);
  const shown = (await (await daemon.fetch("/api/v1/runs/1/log")).text()).length, size = await log("events.ndjson") + await log("log.txt");
  assert.ok(shown < size / 2 && shown < 4 * MIB, `${shown} of ${size} bytes are shown`);
  await call(daemon, "POST", `experiments/${flood}/cancel`, undefined, 202);
  assert.equal((await ended(daemon, flood)).counts.cancelled, 1);
  const again = await submit(daemon, SPEC);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
  t.diagnostic(`found: ${acked} lines (${(size / MIB).toFixed(0)} MiB) as ${n} events in ${commits} commits; ${(grown / MIB).toFixed(1)} MiB more; curves as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});

test("a trainer whose file grows past its bound is ended by the kernel, and the next attempt goes on", { skip: !has("prlimit") && "no prlimit" }, async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1"] }), { id } = await submit(daemon, SPEC);
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 150);
  const { trainers: [trainer] } = workers(daemon.dir);
  const [, bound] = /^Max file size +(\S+)/m.exec(await readFile(`/proc/${trainer}/limits`, "utf8"));
  assert.ok(Number(bound) > 512 * MIB && Number(bound) < 4096 * MIB, `a trainer's file may have ${bound} bytes`);
  execFileSync("prlimit", ["--pid", String(trainer), "--fsize=4096"]);
  await until("it is ended", () => !alive(trainer));
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  const attempts = rows(daemon.dir, "SELECT attempt, outcome FROM attempts");
  assert.deepEqual(attempts, [{ attempt: 1, outcome: "signal SIGXFSZ" }, { attempt: 2, outcome: "finished" }]);
  const again = await submit(daemon, SPEC);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
  t.diagnostic(`found: bound ${bound}; ${JSON.stringify(attempts)}, curves as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});
