// Backups: made while the daemon trains, checked, restored whole or not at all; nothing damaged is accepted.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { execFileSync, spawn } from "node:child_process";
import { ABLATED, ablated } from "../e2e/daemon.mjs";
import { call, curves, disk, ended, files, fill, folder, LONG, root, serve, submit, until } from "./faults.mjs";

/** A folder with an experiment that has ended; its curves. */
async function finished(t, at) {
  const daemon = await serve(t, { dir: join(at, "data") });
  const { id } = await submit(daemon, { artifacts: ["final", "batches"] });
  await ended(daemon, id);
  const said = await curves(daemon, id), report = await call(daemon, "GET", `experiments/${id}/report`);
  return { daemon, id, said, report };
}

test("what is restored says the same, and trains on", async (t) => {
  const at = await folder(t), { daemon, id, said, report } = await finished(t, at);
  const made = await ablated("backup", "--data", daemon.dir, join(at, "copy"));
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /1 experiments, 2 runs, \d+ values, \d+ files.*checked/);
  await daemon.stop();
  execFileSync("sha256sum", ["-c", "--quiet", "SHA256SUMS"], { cwd: join(at, "copy") });
  assert.ok(!(await files(join(at, "copy"))).some((name) => /token|curlrc|launch\.json|\.tmp$|-wal$|-shm$/.test(name)), "no secrets, no scraps");

  const restored = await ablated("restore", "--data", join(at, "new"), join(at, "copy"));
  assert.equal(restored.status, 0, restored.stderr);
  assert.equal((await stat(join(at, "new"))).mode & 0o777, 0o700);
  const again = await serve(t, { dir: join(at, "new") });
  assert.notEqual(again.token, daemon.token);
  assert.deepEqual(await curves(again, id), said);
  assert.deepEqual((await call(again, "GET", `experiments/${id}/report`)).audits, report.audits);
  const run = (await call(again, "GET", `runs?experiment=${id}`)).items[0].id;
  await call(again, "POST", `runs/${run}/verify`, undefined, 202);
  const { verify } = await until("the verification ends", async () => {
    const one = await call(again, "GET", `runs/${run}`);
    return !/queued|running/.test(one.verify.state) && one;
  });
  assert.equal(verify.state, "identical", verify.reason);
  await again.stop();
});

test("made while runs train: they go on from a checkpoint, and nothing is lost", async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "2"] });
  const { id } = await submit(daemon, { ...LONG, artifacts: ["final", "batches"] });
  await until("both train", async () => (await call(daemon, "GET", `runs?experiment=${id}`)).items.every((run) => run.step > 100));
  for (let i = 0; i < 2; i++) {
    const made = await ablated("backup", "--data", daemon.dir, join(at, `copy${i}`));
    assert.equal(made.status, 0, made.stderr);
  }
  await ended(daemon, id);
  const said = await curves(daemon, id);
  await daemon.stop();
  assert.equal((await ablated("restore", "--data", join(at, "new"), join(at, "copy0"))).status, 0);
  const again = await serve(t, { dir: join(at, "new"), args: ["--slots", "2"] });
  assert.equal((await ended(again, id)).counts.succeeded, 2);
  assert.deepEqual(await curves(again, id), said);
  const { items } = await call(again, "GET", `runs?experiment=${id}`);
  assert.ok((await Promise.all(items.map((run) => call(again, "GET", `runs/${run.id}`)))).some((run) => run.attempts.length > 1), "it was interrupted");
  await again.stop();
});

test("without a daemon, also of a folder whose daemon was killed", async (t) => {
  const at = await folder(t), { daemon, id, said } = await finished(t, at);
  daemon.kill("SIGKILL");
  await daemon.ended;
  assert.ok((await stat(join(at, "data/ablate.db-wal"))).size > 0, "not all of it is in the database file");
  assert.equal((await ablated("backup", "--data", daemon.dir, join(at, "copy"))).status, 0);
  assert.equal((await ablated("restore", "--data", join(at, "new"), join(at, "copy"))).status, 0);
  const again = await serve(t, { dir: join(at, "new") });
  assert.deepEqual(await curves(again, id), said);
  await again.stop();
});

test("what is damaged is refused before anything is placed", async (t) => {
  const at = await folder(t), { daemon } = await finished(t, at), copy = join(at, "copy"), bad = join(at, "bad");
  assert.equal((await ablated("backup", "--data", daemon.dir, copy)).status, 0);
  await daemon.stop();
  const artifact = (await files(copy)).find((name) => name.endsWith("final.safetensors"));
  const change = (name, at) => async () => {
    const bytes = await readFile(join(bad, name));
    bytes[at < 0 ? bytes.length + at : at] ^= 1;
    await writeFile(join(bad, name), bytes);
  };
  const cases = {
    "a file": [change(artifact, -1), new RegExp(`${artifact} is damaged`)],
    "the database": [change("ablate.db", 5000), /ablate\.db is damaged/],
    "the sums": [change("SHA256SUMS", 3), /SHA256SUMS is damaged/],
    "the manifest": [change("manifest.json", 0), /manifest\.json is damaged/],
    "a file that is gone": [() => rm(join(bad, artifact)), /final\.safetensors/],
    "no manifest": [() => rm(join(bad, "manifest.json")), /is no backup/],
  };
  for (const [what, [damage, said]] of Object.entries(cases)) {
    await cp(copy, bad, { recursive: true });
    await damage();
    const { status, stderr } = await ablated("restore", "--data", join(at, "new"), bad);
    assert.ok([65, 66, 74].includes(status), `${what}: ${status} ${stderr}`);
    assert.match(stderr, said, what);
    assert.deepEqual(await readdir(at).then((names) => names.filter((name) => name.startsWith("new"))), [], what);
    await rm(bad, { recursive: true });
  }
});

test("nothing that exists is written over", async (t) => {
  const at = await folder(t), { daemon } = await finished(t, at);
  await mkdir(join(at, "copy"));
  await writeFile(join(at, "copy/mine"), "kept");
  for (const [command, data, other] of [["backup", daemon.dir, join(at, "copy")], ["restore", daemon.dir, join(at, "good")]]) {
    if (command === "restore") assert.equal((await ablated("backup", "--data", daemon.dir, join(at, "good"))).status, 0);
    const { status, stderr } = await ablated(command, "--data", data, other);
    assert.equal(status, 69, stderr);
    assert.match(stderr, /isn't an empty folder/);
  }
  assert.equal(await readFile(join(at, "copy/mine"), "utf8"), "kept");
  assert.equal((await ablated("backup", "--data", join(at, "none"), join(at, "x"))).status, 66);
  assert.equal((await ablated("backup", "--data", daemon.dir)).status, 64);
  await daemon.stop();
});

test("an artifact that isn't what was recorded is told of", async (t) => {
  const at = await folder(t), { daemon } = await finished(t, at);
  await writeFile(join(daemon.dir, "runs/1/artifacts/final.safetensors"), "something else");
  await rm(join(daemon.dir, "runs/2/artifacts/final.safetensors"));
  const { status, stderr } = await ablated("backup", "--data", daemon.dir, join(at, "copy"));
  assert.equal(status, 65);
  assert.match(stderr, /the backup is whole, but 2 files .* runs\/1\/artifacts\/final\.safetensors isn't what was recorded/);
  assert.ok(existsSync(join(at, "copy/manifest.json")));
  await daemon.stop();
});

/** Starts a backup and sends the signal as soon as its folder is there; what it ended by. */
async function interrupted(data, to, signal) {
  const child = spawn(ABLATED, ["backup", "--data", data, to], { stdio: "ignore" });
  const ended = new Promise((resolve) => child.on("close", (status, by) => resolve(by ?? status)));
  await until("its folder is there", async () => (await partials(to)).length > 0 || child.exitCode !== null, { every: 1 });
  child.kill(signal);
  return ended;
}
const partials = async (to) => (await readdir(dirname(to))).filter((name) => name.startsWith(`${basename(to)}.partial-`));

test("a backup that is interrupted leaves nothing: at once by a signal, else by the next call", async (t) => {
  const at = await folder(t), { daemon } = await finished(t, at), to = join(at, "copy");
  await daemon.stop();
  // Long enough that a signal comes in time.
  for (let i = 0; i < 25; i++) await writeFile(join(daemon.dir, `runs/1/artifacts/extra${i}.bin`), randomBytes(4 << 20));
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGTERM", "SIGINT", "SIGHUP"]) {
    assert.equal(await interrupted(daemon.dir, to, signal), signal);
    assert.deepEqual(await partials(to), [], signal);
    assert.ok(!existsSync(to));
  }
  for (let i = 0; i < 6; i++) assert.equal(await interrupted(daemon.dir, to, "SIGKILL"), "SIGKILL");
  assert.ok((await partials(to)).length <= 2, "of twelve kills there are at most what the last two have left");
  await until("the next call, whatever its target, removes them", async () => {
    const { status } = await ablated("backup", "--data", daemon.dir, join(at, "other"));
    await rm(join(at, "other"), { recursive: true, force: true });
    return status === 0 && (await partials(to)).length === 0;
  });
  assert.equal((await ablated("backup", "--data", daemon.dir, to)).status, 0);
  assert.deepEqual((await readdir(at)).sort(), ["copy", "data"]);
});

/** The children of a process, and whether one goes on. */
const children = async (pid) => (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "")).trim().split(" ").filter(Boolean);
const goesOn = async (pid) => !/\) [ZX] /.test(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") X "));

test("a backup that is killed as it begins makes none", async (t) => {
  const at = await folder(t), { daemon } = await finished(t, at);
  await daemon.stop();
  for (let i = 0; i < 40; i++) {
    const to = join(at, `copy${i}`), one = spawn(ABLATED, ["backup", "--data", daemon.dir, to], { stdio: "ignore" });
    const over = new Promise((resolve) => one.on("close", resolve));
    let works;
    while (!(works = (await children(one.pid))[0]) && one.exitCode === null);
    one.kill("SIGKILL");
    await over;
    if (works) await until("nothing works on it any more", async () => !(await goesOn(works)));
    assert.ok(!existsSync(to), `round ${i}`);
  }
});

test("a backup that finds no room leaves nothing behind", { skip: !root }, async (t) => {
  const at = await folder(t), { daemon } = await finished(t, at), small = await disk(t, 2);
  fill(small, 200 << 10);
  const { status, stderr } = await ablated("backup", "--data", daemon.dir, join(small, "copy"));
  assert.equal(status, 74, stderr);
  assert.match(stderr, /no room on the disk|No space/);
  assert.deepEqual(await readdir(small), ["filler"]);
  await daemon.stop();
});
