// Deletion: soft and restorable; final when purged, whatever moment the daemon dies at; and nothing else goes with it.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spawn, spawnSync } from "node:child_process";
import { test } from "node:test";
import { ABLATED, ablated } from "../e2e/daemon.mjs";
import { call, curves, ended, folder, LONG, rows, serve, sleep, submit, until } from "./faults.mjs";

const TABLES = ["metrics", "rollups", "series", "checkpoints", "artifacts", "facts", "attempts"];
/** Rows that an experiment has, by table. */
const held = (dir, runs) => TABLES.map((table) => rows(dir, `SELECT count(*) AS n FROM ${table} WHERE run IN (${runs})`)[0].n);
const ids = async (daemon, query) => (await call(daemon, "GET", `experiments${query}`)).items.map(({ id }) => id);
const runsOf = async (daemon, id) => (await call(daemon, "GET", `runs?experiment=${id}`)).items.map((run) => run.id);

test("deleted, restored, deleted, purged", async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: join(at, "data") });
  const gone = await submit(daemon), stays = await submit(daemon, { seeds: [3] });
  for (const { id } of [gone, stays]) await ended(daemon, id);
  const said = await curves(daemon, gone.id), other = await curves(daemon, stays.id), runs = await runsOf(daemon, gone.id);
  const path = `experiments/${gone.id}`;

  await call(daemon, "POST", `${path}/restore`, undefined, 409);
  await call(daemon, "POST", `${path}/purge`, undefined, 409);
  await call(daemon, "DELETE", path, undefined, 204);
  const problem = await call(daemon, "GET", path, undefined, 404);
  assert.match(problem.detail, /was deleted at .*\/restore/);
  await call(daemon, "GET", `runs/${runs[0]}`, undefined, 404);
  assert.deepEqual([await ids(daemon, ""), await ids(daemon, "?deleted=1")], [[stays.id], [gone.id]]);
  assert.match((await call(daemon, "GET", "experiments?deleted=1")).items[0].deleted_at, /^20/);

  const back = await call(daemon, "POST", `${path}/restore`, undefined, 200);
  assert.equal(back.deleted_at, null);
  assert.deepEqual(await curves(daemon, gone.id), said);
  assert.deepEqual(await ids(daemon, "?deleted=1"), []);

  await call(daemon, "DELETE", path, undefined, 204);
  await call(daemon, "POST", `${path}/purge`, undefined, 202);
  await until("it is purged", () => rows(daemon.dir, `SELECT 1 FROM experiments WHERE id = ${gone.id}`).length === 0);
  assert.deepEqual(held(daemon.dir, runs), TABLES.map(() => 0));
  assert.deepEqual(await readdir(join(daemon.dir, "runs")), (await runsOf(daemon, stays.id)).map(String));
  await call(daemon, "POST", `${path}/restore`, undefined, 404);
  assert.deepEqual(await curves(daemon, stays.id), other);
  assert.deepEqual(rows(daemon.dir, `SELECT what FROM v_history WHERE experiment = ${gone.id} AND run IS NULL`).map(({ what }) => what),
    ["submitted", "deleted", "restored", "deleted", "purge asked for", "purged"]);
  await daemon.stop();
});

test("a corpus goes when neither a name nor a run holds it", async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: join(at, "data") });
  const { id } = await submit(daemon, { steps: 20, seeds: [1] }), corpora = () => readdir(join(daemon.dir, "datasets"));
  await ended(daemon, id);
  await call(daemon, "PUT", "datasets/spare", "one\n%\ntwo");
  assert.equal((await corpora()).length, 2);
  await call(daemon, "DELETE", "datasets/spare", undefined, 204);
  await until("the spare one goes", async () => (await corpora()).length === 1);
  await call(daemon, "DELETE", "datasets/small", undefined, 204);
  await call(daemon, "DELETE", `experiments/${id}`, undefined, 204);
  await sleep(300);
  assert.equal((await corpora()).length, 1, "a deleted experiment holds it");
  await call(daemon, "POST", `experiments/${id}/purge`, undefined, 202);
  await until("the last one goes", async () => (await corpora()).length === 0);
  await until("and its bytes", async () => (await readdir(join(daemon.dir, "tmp"))).length === 0);
  await daemon.stop();
});

test("a purge is finished by the next start, whatever moment the daemon dies at", async (t) => {
  const at = await folder(t), dir = join(at, "data");
  let daemon = await serve(t, { dir });
  const kept = await submit(daemon, { seeds: [9] }), others = [];
  for (let i = 0; i < 3; i++) others.push(await submit(daemon, { seeds: [1] }));
  for (const { id } of [kept, ...others]) await ended(daemon, id);
  const said = await curves(daemon, kept.id);
  for (const [i, { id }] of others.entries()) {
    await call(daemon, "DELETE", `experiments/${id}`, undefined, 204);
    await call(daemon, "POST", `experiments/${id}/purge`, undefined, 202);
    await sleep(5 * i);
    daemon.kill("SIGKILL");
    await daemon.ended;
    daemon = await serve(t, { dir });
    await until("what was begun is finished", () => rows(dir, "SELECT 1 FROM experiments WHERE purge_at IS NOT NULL").length === 0);
  }
  assert.deepEqual(await readdir(join(dir, "runs")), (await runsOf(daemon, kept.id)).map(String));
  assert.deepEqual(rows(dir, "SELECT DISTINCT run FROM metrics").map(({ run }) => run), await runsOf(daemon, kept.id));
  assert.deepEqual(await curves(daemon, kept.id), said);
  await daemon.stop();
});

const tracer = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;

test("nothing is left of a run whose folder a purge was removing when it died", { skip: !tracer && "no strace" }, async (t) => {
  const at = await folder(t), dir = join(at, "data"), daemon = await serve(t, { dir });
  const { id } = await submit(daemon, { seeds: [1] });
  await ended(daemon, id);
  await call(daemon, "DELETE", `experiments/${id}`, undefined, 204);
  await daemon.stop();
  let killed = 0;
  for (let when = 1, more = true; more; when++) { // until it comes to its end
    const copy = join(at, `data-${when}`);
    await cp(dir, copy, { recursive: true });
    const { signal } = spawnSync("strace", ["-f", "-o", "/dev/null", "-e", "trace=unlink,unlinkat,rmdir", "-e",
      `inject=unlink,unlinkat,rmdir:signal=SIGKILL:when=${when}`, ABLATED, "purge", "--data", copy]);
    more = signal === "SIGKILL";
    killed += more;
    assert.equal((await ablated("purge", "--data", copy)).status, 0);
    assert.deepEqual(await readdir(join(copy, "runs")), [], `killed at the removal of file ${when}`);
    assert.deepEqual(rows(copy, "SELECT id FROM experiments"), []);
  }
  assert.ok(killed > 10, `${killed} were killed`);
});

test("what stays deleted is purged in time; without a daemon by hand; never while a backup is made", async (t) => {
  const at = await folder(t), dir = join(at, "data");
  let daemon = await serve(t, { dir });
  const { id } = await submit(daemon, { seeds: [1] }), later = await submit(daemon, { seeds: [2] });
  for (const one of [id, later.id]) await ended(daemon, one);
  await call(daemon, "DELETE", `experiments/${id}`, undefined, 204);
  assert.match((await ablated("purge", "--data", dir)).stderr, /another daemon/);
  await daemon.stop();

  const lock = spawn("flock", ["--shared", join(dir, "hold"), "sleep", "60"], { stdio: "ignore", detached: true });
  const unlock = () => { try { process.kill(-lock.pid); } catch { /* it is gone */ } };
  t.after(unlock);
  daemon = await serve(t, { dir, args: ["--keep-deleted", "0"] });
  await until("it waits for the backup", () => /purging waits: a backup is being made/.test(daemon.output()));
  assert.ok(existsSync(join(dir, "runs/1")));
  unlock();
  await until("then it goes", () => !existsSync(join(dir, "runs/1")) && rows(dir, `SELECT id FROM experiments WHERE id = ${id}`).length === 0);
  await daemon.stop();
  daemon = await serve(t, { dir }); // keeps what is deleted for some days
  await call(daemon, "DELETE", `experiments/${later.id}`, undefined, 204);
  await daemon.stop();
  const { status, stdout } = await ablated("purge", "--data", dir);
  assert.deepEqual([status, stdout], [0, "purged 1 experiments\n"]);
  assert.deepEqual(await readdir(join(dir, "runs")), []);
  assert.equal((await ablated("purge", "--data", join(at, "none"))).status, 66);
});

test("events that are stored leave their files; the log stays", async (t) => {
  const at = await folder(t), dir = join(at, "data"), file = (run) => join(dir, `runs/${run}/attempts/1/events.ndjson`);
  let daemon = await serve(t, { dir });
  const { id } = await submit(daemon);
  await ended(daemon, id);
  const said = await curves(daemon, id), log = async (run) => (await daemon.fetch(`/api/v1/runs/${run}/log`)).text();
  const before = await log(1), whole = await readFile(file(1), "utf8"), second = await readFile(file(2), "utf8");
  await daemon.stop();
  await writeFile(file(2), `${second}{"type":"garbage"}\n`); // more than is stored
  daemon = await serve(t, { dir, args: ["--keep-events", "0"] });
  await until("the file is cut", async () => (await readFile(file(1), "utf8")).length < whole.length);
  const cut = await readFile(file(1), "utf8");
  assert.equal(cut, whole.split("\n").filter((line) => line.startsWith('{"type":"log"')).map((line) => `${line}\n`).join(""));
  assert.ok(cut.length > 0);
  await until("both are noted", () => rows(dir, "SELECT events_file FROM attempts ORDER BY run").map((row) => row.events_file).join() === "0,2");
  assert.equal(await readFile(file(2), "utf8"), `${second}{"type":"garbage"}\n`);
  assert.equal(await log(1), before);
  assert.deepEqual(await curves(daemon, id), said);
  await daemon.stop();
});

/** A round of what is removed by and by: a corpus that nobody holds goes before checkpoints do, its bytes after them. */
async function round(daemon) {
  await call(daemon, "PUT", "datasets/spare", "one\n%\ntwo");
  const before = (await readdir(join(daemon.dir, "datasets"))).length;
  await call(daemon, "DELETE", "datasets/spare", undefined, 204);
  await until("the spare corpus goes", async () => (await readdir(join(daemon.dir, "datasets"))).length < before);
  await until("and its bytes", async () => (await readdir(join(daemon.dir, "tmp"))).length === 0);
}

test("checkpoints of runs that ended go in time, artifacts stay; a retry begins anew and meets its own values", async (t) => {
  const at = await folder(t), dir = join(at, "data"), long = { ...LONG, seeds: [2] };
  const kept = (run) => readdir(join(dir, `runs/${run}/checkpoints`)).catch(() => []);
  let daemon = await serve(t, { dir });
  const whole = await submit(daemon, { seeds: [1], artifacts: ["final"] }), cut = await submit(daemon, long), same = await submit(daemon, long);
  const [[done], [stopped]] = [await runsOf(daemon, whole.id), await runsOf(daemon, cut.id)];
  await until("a checkpoint", async () => (await kept(stopped)).length > 0);
  await call(daemon, "POST", `runs/${stopped}/cancel`, undefined, 202);
  for (const { id } of [whole, cut, same]) await ended(daemon, id);
  assert.equal((await call(daemon, "GET", `runs/${stopped}`)).state, "cancelled");
  await round(daemon);
  for (const run of [done, stopped]) assert.ok((await kept(run)).length > 0, `run ${run} keeps its checkpoints for some days`);
  const digests = rows(dir, "SELECT run, step, sha256 FROM checkpoints"), final = (run) => daemon.fetch(`/api/v1/runs/${run}/artifacts/final.safetensors`);
  await daemon.stop();

  daemon = await serve(t, { dir, args: ["--keep-checkpoints", "0"] });
  await until("they go", () => !existsSync(join(dir, `runs/${done}/checkpoints`)) && !existsSync(join(dir, `runs/${stopped}/checkpoints`)));
  await until("it says so", () => /the checkpoints of 3 runs that have ended are removed/.test(daemon.output()));
  assert.deepEqual(await readdir(join(dir, "tmp")), []);
  assert.deepEqual(rows(dir, "SELECT run, step, sha256 FROM checkpoints"), digests);
  assert.deepEqual(rows(dir, `SELECT what FROM v_history WHERE run = ${stopped}`).map(({ what }) => what).slice(-2), ["cancelled", "checkpoints removed"]);
  assert.equal((await final(done)).status, 200);
  await call(daemon, "POST", `runs/${done}/verify`, undefined, 202);
  const verify = await until("it is verified", async () => {
    const found = (await call(daemon, "GET", `runs/${done}`)).verify;
    return !/queued|running/.test(found.state) && found;
  });
  assert.equal(verify.state, "identical");

  // Whatever it said before it was cancelled is compared, and what comes of it is what comes of a run that nothing disturbed.
  await call(daemon, "POST", `runs/${stopped}/retry`, undefined, 200);
  assert.equal((await ended(daemon, cut.id)).counts.succeeded, 1);
  assert.match(await (await daemon.fetch(`/api/v1/runs/${stopped}/log`)).text(), /from step 0\n[^]*from step 0\n/);
  const [replay] = rows(dir, `SELECT status, json_extract(evidence, '$.compared') AS compared FROM audits WHERE run = ${stopped} AND name = 'replay' ORDER BY id DESC`);
  assert.equal(replay.status, "pass");
  assert.ok(replay.compared > Math.min(...digests.filter(({ run }) => run === stopped).map(({ step }) => step)), `${replay.compared} values were compared`);
  assert.deepEqual(await curves(daemon, cut.id), await curves(daemon, same.id));
  await daemon.stop();
});
