// A disk that fills up while runs train: nothing new is taken on, everything says why, nothing is lost, and all goes on
// by itself when there is room.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { call, curves, disk, ended, fill, LONG, root, rows, serve, sleep, submit, until } from "./faults.mjs";

const MIB = 1 << 20, health = async (daemon) => (await daemon.fetch("/healthz")).json();
const ballast = (dir) => stat(join(dir, "ballast")).then(({ size }) => size, () => 0);

test("nearly full: nothing new is taken on, and it says why", { skip: !root }, async (t) => {
  const at = await disk(t, 16), dir = join(at, "data"), daemon = await serve(t, { dir, args: ["--ballast", "2M"] });
  await call(daemon, "POST", "queue", { paused: true });
  const { id } = await submit(daemon, { seeds: [1] });
  await until("the ballast is laid down", async () => await ballast(dir) === 2 * MIB);
  fill(at, MIB);
  const low = await until("it says that it isn't ready", async () => { const h = await health(daemon); return !h.ready && h; });
  assert.match(low.reasons.join(), /^disk_low: /);
  const refused = await call(daemon, "POST", "experiments", { data: { dataset: "small" } }, 503);
  assert.equal(refused.code, "disk_full");
  assert.match(refused.detail, /nearly full \(\d\.\d MiB are free\)/);
  await call(daemon, "PUT", "datasets/more", "text\n%\n".repeat(1000), 503);
  await call(daemon, "POST", "experiments?dry_run=1", { data: { dataset: "small", seq_len: 16 } }, 200);
  await call(daemon, "POST", "queue", { paused: false }, 200);
  await sleep(1500);
  assert.equal((await call(daemon, "GET", `experiments/${id}`)).state, "queued", "nothing is claimed");
  assert.equal(await ballast(dir), 2 * MIB);
  await rm(join(at, "filler"));
  assert.equal((await ended(daemon, id)).counts.succeeded, 1, "it goes on by itself");
  await daemon.stop();
});

test("full: trainers wait, the daemon may die, and nothing is lost", { skip: !root }, async (t) => {
  const at = await disk(t, 24), dir = join(at, "data"), args = ["--slots", "1", "--ballast", "2M"];
  let daemon = await serve(t, { dir, args });
  await until("the ballast is laid down", async () => await ballast(dir) === 2 * MIB);
  const spec = { ...LONG, artifacts: ["final", "batches"], seeds: [1] };
  const { id } = await submit(daemon, spec);
  const step = async () => (await call(daemon, "GET", `runs?experiment=${id}`)).items[0].step;
  await until("it trains", async () => await step() > 60);
  fill(at);
  await until("the ballast is given up", async () => await ballast(dir) === 0);
  fill(dir); // and what that gave, too
  await sleep(3000);
  const before = await step();
  await sleep(2500);
  assert.equal(await step(), before, "the trainer waits");
  assert.ok(before < LONG.steps);
  assert.match((await health(daemon)).reasons.join(), /^disk_full: /);
  assert.deepEqual(rows(dir, "SELECT outcome FROM attempts"), [{ outcome: "" }]);

  // The daemon dies and starts on the full disk.
  daemon.kill("SIGKILL");
  await daemon.ended;
  daemon = await serve(t, { dir, args });
  assert.equal((await health(daemon)).live, true);

  for (const filler of ["filler", "data/filler"]) await rm(join(at, filler), { force: true });
  await until("it is ready again, by itself", async () => (await health(daemon)).ready);
  await until("the ballast is laid down again", async () => await ballast(dir) === 2 * MIB);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  assert.ok(!existsSync(join(dir, "runs/1/attempts/2")), "the same attempt has gone on");
  const said = await curves(daemon, id);
  const other = await submit(daemon, spec);
  await ended(daemon, other.id);
  assert.deepEqual(said, await curves(daemon, other.id), "as if nothing had happened");
  await daemon.stop();
});

test("on a full disk one can delete and purge, which makes room", { skip: !root }, async (t) => {
  const at = await disk(t, 16), dir = join(at, "data"), daemon = await serve(t, { dir, args: ["--ballast", "1M"] });
  const { id } = await submit(daemon, { seeds: [1], artifacts: ["init", "final", "batches"] });
  await ended(daemon, id);
  await until("the ballast is laid down", async () => await ballast(dir) === MIB);
  fill(at);
  await until("the ballast is given up", async () => await ballast(dir) === 0);
  await until("it is deleted", async () => (await daemon.fetch(`/api/v1/experiments/${id}`, { method: "DELETE" })).status === 204);
  await call(daemon, "POST", `experiments/${id}/purge`, undefined, 202);
  await until("it is purged", () => !existsSync(join(dir, "runs/1")) && rows(dir, "SELECT 1 FROM experiments").length === 0);
  await daemon.stop();
});
