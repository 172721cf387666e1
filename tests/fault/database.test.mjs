// Databases that can't be used, disks that lie, migrations that are cut short: the daemon refuses or ends, says what to do,
// and finds everything again.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdir, open, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ablated } from "../e2e/daemon.mjs";
import { ABLATED, call, disk, ended, fill, folder, has, root, rows, serve, sql, submit, until } from "./faults.mjs";

const SCHEMA = fileURLToPath(new URL("../../schema/migrations/", import.meta.url));
const tracer = has("strace") && spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;
const begin = (dir) => ablated("--data", dir, "--listen", "127.0.0.1:0");

test("what isn't Ablate's, is newer or no database at all is refused and left alone", async (t) => {
  const at = await folder(t), cases = {
    foreign: ["CREATE TABLE mine (x); INSERT INTO mine VALUES (1)", /not one of Ablate's; name another folder/],
    newer: ["CREATE TABLE t (x); PRAGMA application_id = 1096969332; PRAGMA user_version = 99", /newer version of Ablate \(schema 99\): start that one, or/],
    nonsense: [null, /can't be used.*not a database.*ablated restore/s],
  };
  for (const [name, [text, said]] of Object.entries(cases)) {
    const dir = join(at, name), file = join(dir, "ablate.db");
    await mkdir(dir);
    if (text === null) await writeFile(file, "these are no pages\n".repeat(1000));
    else sql(dir, text);
    const before = await readFile(file), { status, stderr } = await begin(dir);
    assert.equal(status, 65, stderr);
    assert.match(stderr, said);
    assert.deepEqual(await readFile(file), before);
  }
});

/** Writes over the pages of a table. */
async function damage(dir, table) {
  const file = join(dir, "ablate.db"), [{ page_size: size }] = rows(dir, "PRAGMA page_size");
  const pages = rows(dir, `SELECT pageno FROM dbstat WHERE name = '${table}'`).map(({ pageno }) => pageno);
  const handle = await open(file, "r+");
  for (const page of pages) await handle.write(Buffer.alloc(size, 0xa5), 0, size, (page - 1) * size);
  await handle.close();
}

test("damaged pages: found when they are read, and at the start after a death", async (t) => {
  const at = await folder(t), dir = join(at, "data");
  let daemon = await serve(t, { dir });
  const { id } = await submit(daemon, { seeds: [1] });
  await ended(daemon, id);
  await daemon.stop();
  await damage(dir, "metrics");

  daemon = await serve(t, { dir }); // it ended as it should: nothing is checked
  await daemon.fetch("/api/v1/runs/1/metrics").catch(() => null);
  assert.equal(await daemon.ended, 65, daemon.output());
  const { status, stderr } = await begin(dir);
  assert.equal(status, 65);
  assert.match(stderr, /ablate\.db.*damaged.*ablated restore --data NEW BACKUP.*\.recover/s);
  assert.equal((await ablated("backup", "--data", dir, join(at, "copy"))).status, 65);
  assert.deepEqual((await readdir(at)).sort(), ["data"]);
});

test("an fsync that fails ends the daemon; what it has answered is there after the next start", { skip: !tracer }, async (t) => {
  const dir = join(await folder(t), "data");
  let daemon = await serve(t, { dir });
  await call(daemon, "POST", "queue", { paused: true });
  await submit(daemon, { seeds: [1] });
  await daemon.stop();
  daemon = await serve(t, { dir, under: ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=9+"] });
  const answered = [];
  for (let i = 0; i < 60; i++) {
    const reply = await daemon.fetch("/api/v1/experiments", { method: "POST", body: JSON.stringify({ name: `n${i}`, data: { dataset: "small", seq_len: 16 } }),
      headers: { "Content-Type": "application/json" } }).catch(() => null);
    if (reply?.status === 201) answered.push((await reply.json()).id);
    else break;
  }
  assert.equal(await daemon.ended, 74, daemon.output());
  assert.match(daemon.output(), /the store failed.*ending/);
  assert.ok(answered.length > 0 && answered.length < 60, `${answered.length} answered`);
  daemon = await serve(t, { dir });
  assert.match(daemon.output(), /the daemon before has died; the database is sound/);
  for (const id of answered) await call(daemon, "GET", `experiments/${id}`, undefined, 200);
  await daemon.stop();
});

/** A data folder as version 4 left it, with so many values. */
async function old(dir, values) {
  await mkdir(dir, { recursive: true });
  const migrations = (await readdir(SCHEMA)).filter((name) => /^000[1-4]_.*\.sql$/.test(name)).sort();
  for (const name of migrations) sql(dir, await readFile(join(SCHEMA, name), "utf8"));
  sql(dir, `PRAGMA journal_mode = WAL; PRAGMA application_id = 1096969332; PRAGMA user_version = 4;
    INSERT INTO experiments (id, name, spec, metric, goal, runs_n, created_at) VALUES (1, 'old', '{}', 'val/loss', 'min', 1, 1000);
    INSERT INTO runs (id, experiment, arm, grid, seed, state, attempt, max_attempts, step, steps, spec, digest, parameters, memory_bytes, flops_per_step,
      created_at, ended_at) VALUES (1, 1, 'dense', '{}', 1, 'succeeded', 1, 3, 9, 9, '{}', 'd', 1, 1, 1, 1000, 2000);
    INSERT INTO metric_names VALUES (1, 'train/loss');
    WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${values}) INSERT INTO metrics SELECT 1, 1, i, i * 0.5, 0 FROM n`);
}
const LATEST = Math.max(...(await readdir(SCHEMA)).map((name) => Number(/^\d{4}(?=_)/.exec(name))));
const content = (dir) => rows(dir, "SELECT (SELECT count(*) FROM metrics) AS n, (SELECT sum(value) FROM metrics) AS sum, (SELECT name FROM experiments) AS name");
const version = (dir) => rows(dir, "PRAGMA user_version")[0].user_version;

test("a migration killed at any moment has happened or hasn't", { skip: !tracer }, async (t) => {
  const at = await folder(t), dir = join(at, "data");
  await old(dir, 2000);
  const before = content(dir);
  let migrated = 0;
  for (const when of [1, 4, 12, 25, 40, 60]) {
    const { status, signal } = spawnSync("strace", ["-f", "-o", "/dev/null", "-e", "trace=pwrite64,fdatasync,fsync,rename", "-e",
      `inject=pwrite64,fdatasync,fsync,rename:signal=KILL:when=${when}`, ABLATED, "--data", dir, "--listen", "127.0.0.1:0"], { timeout: 20000, killSignal: "SIGTERM" });
    assert.ok(status !== 0 || signal, `at call ${when} it was cut short`);
    assert.deepEqual(rows(dir, "PRAGMA integrity_check"), [{ integrity_check: "ok" }]);
    assert.deepEqual(content(dir), before, `at call ${when}`);
    assert.ok(version(dir) >= 4 && version(dir) <= LATEST);
    migrated += version(dir) > 4;
    const copies = (await readdir(dir)).filter((name) => name === "ablate.db.before-5");
    if (version(dir) > 4) assert.equal(copies.length, 1, "a copy was kept first");
  }
  assert.ok(migrated < 6, "some were early");
  const daemon = await serve(t, { dir });
  assert.equal(version(dir), LATEST);
  assert.deepEqual(content(dir), before);
  assert.deepEqual(rows(dir, "SELECT run, what FROM v_history"), [{ run: null, what: "submitted" }, { run: 1, what: "succeeded" }]);
  const copy = execFileSync("sqlite3", [join(dir, "ablate.db.before-5"), "PRAGMA integrity_check; PRAGMA user_version; SELECT count(*) FROM metrics"], { encoding: "utf8" });
  assert.equal(copy, "ok\n4\n2000\n");
  await daemon.stop();
});

test("no room for the copy: the migration isn't begun", { skip: !root }, async (t) => {
  const at = await disk(t, 32), dir = join(at, "data"); // each migration keeps a copy of 1.2 MiB
  await old(dir, 60000);
  const size = (await stat(join(dir, "ablate.db"))).size, before = content(dir);
  fill(at, Math.floor(size / 2));
  const { status, stderr } = await begin(dir);
  assert.equal(status, 74, stderr);
  assert.match(stderr, /no copy could be kept before the migration to schema 5, which was not begun/);
  assert.equal(version(dir), 4);
  assert.deepEqual(content(dir), before);
  assert.ok(!(await readdir(dir)).some((name) => /before/.test(name)));
  execFileSync("rm", [join(at, "filler")]);
  const daemon = await serve(t, { dir });
  assert.deepEqual(content(dir), before);
  await until("it is migrated", () => version(dir) === LATEST);
  await daemon.stop();
});
