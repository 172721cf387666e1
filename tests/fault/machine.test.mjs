// A machine that misbehaves under the daemon: its clock, memory, descriptors, processes, pids, files.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { chmod, chown, mkdir, readFile, readdir, readlink, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ablated } from "../e2e/daemon.mjs";
import { connect } from "../e2e/raw.mjs";
import { ABLATED, WORKER, alive, call, curves, ended, folder, has, LONG, root, rows, serve, sleep, sql, submit, until, workers } from "./faults.mjs";

const FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
const NOBODY = 65534;
const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
const mayNobody = root && spawnSync(asNobody[0], [...asNobody.slice(1), ABLATED, "--version"]).status === 0;

/** A program that does something and then is the worker. */
async function wrapped(at, line) {
  await writeFile(join(at, "worker"), `#!/bin/sh\n${line}\nexec ${WORKER} "$@"\n`);
  await chmod(join(at, "worker"), 0o755);
  return join(at, "worker");
}

/** A daemon, not its workers, whose clock is moved by what is written to `clock`. */
async function clocked(t) {
  const at = await folder(t), worker = await wrapped(at, "unset LD_PRELOAD"), clock = join(at, "clock");
  await writeFile(clock, "+0");
  const daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "1", "--lease", "10", "--worker", worker],
    env: { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" } });
  return { daemon, clock };
}

test("a clock that jumps by a year, there and back, changes no value and ends no worker", { skip: !existsSync(FAKETIME) && "no faketime" }, async (t) => {
  const { daemon, clock } = await clocked(t);
  const spec = { ...LONG, seeds: [1] }, { id } = await submit(daemon, spec);
  const years = new Set();
  for (const [shift, step] of [["+365d", 100], ["-365d", 400], ["+0", 700]]) {
    await until("it trains on", async () => (await call(daemon, "GET", "runs/1")).step > step);
    await writeFile(clock, shift);
    for (const { at: when } of rows(daemon.dir, "SELECT at FROM events ORDER BY seq DESC LIMIT 1")) years.add(new Date(when).getUTCFullYear());
  }
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  for (const { at: when } of rows(daemon.dir, "SELECT at FROM events")) years.add(new Date(when).getUTCFullYear());
  assert.ok(years.size >= 3, `the daemon saw the years ${[...years]}`);
  assert.deepEqual(rows(daemon.dir, "SELECT attempt, outcome FROM attempts"), [{ attempt: 1, outcome: "finished" }]);
  const again = await submit(daemon, spec);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
  t.diagnostic(`found: the years ${[...years].sort().join(", ")}, one attempt, curves as undisturbed`);
  await daemon.stop();
});

test("a clock that is set back by a year lengthens no lease", { skip: !existsSync(FAKETIME) && "no faketime" }, async (t) => {
  const { daemon, clock } = await clocked(t), { id } = await submit(daemon, { ...LONG, seeds: [1] });
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 100);
  await writeFile(clock, "-365d");
  process.kill(workers(daemon.dir).trainers[0], "SIGSTOP");
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  const attempts = rows(daemon.dir, "SELECT attempt, outcome FROM attempts");
  assert.deepEqual(attempts.map(({ outcome }) => outcome), ["lost", "finished"]);
  t.diagnostic(`found: ${JSON.stringify(attempts)}`);
  await daemon.stop();
});

test("a worker without memory: its run fails and says so, however little there is, and trains when there is some", async (t) => {
  const at = await folder(t), worker = await wrapped(at, `ulimit -v $(cat ${at}/limit)`);
  const daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "1", "--worker", worker] });
  const found = [];
  await writeFile(`${at}/limit`, "unlimited");
  // Too little for the program, for OpenBLAS, for its buffer, for a large model.
  const large = { layers: 4, heads: 8, d_model: 512, d_ff: 1024 };
  for (const [kib, model] of [[4000], [8000], [20000], [60000], [100000], [150000], [200000, large], [300000, large]]) {
    await writeFile(`${at}/limit`, String(kib));
    const { id } = await submit(daemon, { seeds: [1], steps: 3, max_attempts: 1, train: { threads: 1 }, ...model && { model } });
    assert.equal((await ended(daemon, id)).counts.failed, 1, `${kib} KiB`);
    const { items: [{ id: run, reason }] } = await call(daemon, "GET", `runs?experiment=${id}`);
    found.push(`${kib} KiB: ${reason}`);
    assert.match(reason, /memory|shared libraries/i, `${kib} KiB\n${daemon.output()}`);
    const exit = await readFile(join(daemon.dir, `runs/${run}/attempts/1/exit.json`), "utf8").catch(() => "null");
    if (/^out of memory/.test(reason)) assert.equal(JSON.parse(exit).oom, 1, `${kib} KiB`);
  }
  assert.ok(found.some((line) => /OpenBLAS/.test(line)), found.join("\n"));
  await writeFile(`${at}/limit`, "unlimited");
  await call(daemon, "POST", "runs/1/retry", undefined, 200);
  assert.equal((await ended(daemon, 1)).counts.succeeded, 1);
  t.diagnostic(`found: ${found.join("; ")}; succeeded when there was memory again`);
  await daemon.stop();
});

test("a kernel without Landlock, without seccomp, without both: daemon and trainer say so at their start, query and train", { skip: !has("strace") && "no strace" }, async (t) => {
  const at = await folder(t), lacking = { landlock_create_ruleset: "ENOSYS", seccomp: "EINVAL" }, found = [];
  for (const calls of [["landlock_create_ruleset"], ["seccomp"], ["landlock_create_ruleset", "seccomp"]]) {
    const inject = calls.flatMap((call) => ["-e", `inject=${call}:error=${lacking[call]}`]);
    const under = ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${calls}`, ...inject]; // workers, queries too
    const daemon = await serve(t, { dir: join(at, calls.join()), args: ["--slots", "1"], under });
    const { id } = await submit(daemon, { seeds: [1] });
    assert.equal((await ended(daemon, id)).counts.succeeded, 1, daemon.output());
    const log = await (await daemon.fetch("/api/v1/runs/1/log")).text();
    const [, said] = /msg="sandbox: (.*)"/.exec(log) ?? assert.fail(log);
    assert.equal(/has no Landlock/.test(said), calls.includes("landlock_create_ruleset"), said);
    assert.equal(/no seccomp filters|nor has it seccomp/.test(said), calls.includes("seccomp"), said);
    const [, queries] = /level=warn msg="queries: (.*)"/.exec(daemon.output()) ?? assert.fail(daemon.output());
    assert.equal(/has no Landlock/.test(queries), calls.includes("landlock_create_ruleset"), queries);
    assert.equal(/seccomp filters/.test(queries), calls.includes("seccomp"), queries);
    assert.deepEqual((await call(daemon, "POST", "query", { sql: "SELECT count(*) FROM runs" })).rows, [[1]]);
    found.push(`"${said}", "${queries}"`);
    await daemon.stop();
  }
  t.diagnostic(`found: ${found.join("; ")}`);
});

test("what the daemon was started with isn't its workers'", async (t) => {
  const at = await folder(t), worker = await wrapped(at, `exec 7</etc/passwd`);
  const daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "1", "--worker", worker] });
  await submit(daemon, { ...LONG, seeds: [1] });
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 0);
  const [{ pid: keeper }] = rows(daemon.dir, "SELECT pid FROM attempts");
  const trainer = (await readFile(`/proc/${keeper}/task/${keeper}/children`, "latin1")).trim();
  for (const pid of [keeper, trainer]) {
    const held = await Promise.all((await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
    assert.ok(held.some((path) => path.endsWith("/lock")), held.join());
    assert.ok(!held.includes("/etc/passwd"), held.join());
  }
  await ended(daemon, 1);
  await daemon.stop();
});

/** A control group of its own for workers, of the version that there is: where, and the file of its limit; null without one. */
function memoryGroup(t) {
  for (const [above, limit] of [["/sys/fs/cgroup", "memory.max"], ["/sys/fs/cgroup/memory", "memory.limit_in_bytes"]]) {
    const path = `${above}/ablate-${process.pid}`;
    try {
      mkdirSync(path);
      if (existsSync(join(path, limit))) {
        t?.after(() => spawnSync("rmdir", [path]));
        if (!t) rmdirSync(path);
        return { path, limit: join(path, limit) };
      }
      rmdirSync(path);
    } catch { /* not there, or not ours */ }
  }
  return null;
}

test("the kernel kills a trainer for want of memory: its attempt says so, the next goes on, the daemon doesn't notice", { skip: !memoryGroup() && "no control group for memory can be made" }, async (t) => {
  const at = await folder(t), group = memoryGroup(t), worker = await wrapped(at, `echo 500 > /proc/$$/oom_score_adj; echo $$ > ${group.path}/cgroup.procs`);
  const daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "1", "--worker", worker] });
  const spec = { seeds: [1], steps: 250, model: { layers: 2, heads: 4, d_model: 128, d_ff: 256 } }, { id } = await submit(daemon, spec);
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 60);
  const { trainers: [trainer] } = workers(daemon.dir);
  const held = 1024 * Number(/RssAnon:\s+(\d+)/.exec(await readFile(`/proc/${trainer}/status`, "utf8"))[1]), spare = 24 << 20;
  await writeFile(group.limit, String(held + spare));
  // Another, whom the kernel chooses last, takes more than is left, and less than there is without the trainer.
  spawnSync("sh", ["-c", `echo $$ > ${group.path}/cgroup.procs; exec dd if=/dev/zero of=/dev/null bs=${Math.floor(held * 0.6) + spare} count=1`]);
  await until("that is seen", () => rows(daemon.dir, "SELECT 1 FROM attempts WHERE ended_at IS NOT NULL").length > 0);
  await writeFile(group.limit, "-1").catch(() => writeFile(group.limit, "max"));
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  const attempts = rows(daemon.dir, "SELECT attempt, outcome FROM attempts");
  assert.deepEqual(attempts, [{ attempt: 1, outcome: "out of memory" }, { attempt: 2, outcome: "finished" }], daemon.output());
  const [, reason] = /msg="(out of memory: the trainer held \d+ MiB at its peak; attempt 2 of 3 follows)/.exec(daemon.output());
  assert.ok(rows(daemon.dir, "SELECT min(step) AS step FROM checkpoints WHERE attempt = 2")[0].step > 60, "from its checkpoint");
  const again = await submit(daemon, spec);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
  t.diagnostic(`found: "${reason}", curves as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});

test("without descriptors the daemon makes clients wait, trains on, and answers when there are some again", { skip: !has("prlimit") && "no prlimit" }, async (t) => {
  const daemon = await serve(t, { under: ["prlimit", "--nofile=64:64"], args: ["--slots", "1"] });
  const { id } = await submit(daemon, { seeds: [1], steps: 800 });
  const idle = Array.from({ length: 200 }, () => connect(daemon.port));
  await sleep(3000);
  idle.forEach((one) => one.end());
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  t.diagnostic("found: 200 connections at 64 descriptors; the run succeeded, the daemon answers");
  assert.equal(await daemon.stop(), 0, daemon.output());
});

test("when no process can be made, a run waits without losing attempts, and starts when one can", { skip: !mayNobody && "needs root, and a build that others can read" }, async (t) => {
  const at = await folder(t), dir = join(at, "data");
  await mkdir(dir);
  await chmod(at, 0o755);
  await chown(dir, NOBODY, NOBODY);
  const daemon = await serve(t, { dir, under: asNobody, args: ["--slots", "1"] });
  const [, soft] = /^Max processes +(\S+)/m.exec(await readFile(`/proc/${daemon.pid}/limits`, "utf8"));
  const limit = (n) => execFileSync(asNobody[0], [...asNobody.slice(1), "prlimit", "--pid", String(daemon.pid), `--nproc=${n}:`]);
  limit(1);
  const { id } = await submit(daemon, { seeds: [1], max_attempts: 1 });
  await until("it is refused a process", () => /could not be started/.test(daemon.output()));
  assert.equal((await call(daemon, "GET", `experiments/${id}`)).counts.failed, 0);
  limit(soft);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1, daemon.output());
  t.diagnostic("found: queued again each time, succeeded with max_attempts 1");
  await daemon.stop();
});

test("a pid that has passed to another process is left alone, and nothing begins beside a lock that is held", { skip: !has("flock") && "no flock" }, async (t) => {
  const at = await folder(t), dir = join(at, "data"), args = ["--slots", "1", "--lease", "10"];
  let daemon = await serve(t, { dir, args });
  const { id } = await submit(daemon, { ...LONG, seeds: [1] });
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 100);
  const [{ pid }] = rows(dir, "SELECT pid FROM attempts");
  daemon.kill("SIGKILL");
  await daemon.ended;
  process.kill(-pid, "SIGKILL");
  await until("the keeper is gone", () => !alive(pid));
  const other = spawn("flock", [join(dir, "runs/1/attempts/1/lock"), "sleep", "600"], { detached: true, stdio: "ignore" });
  t.after(() => { try { process.kill(-other.pid, "SIGKILL"); } catch { /* ended */ } });
  await sleep(500);
  sql(dir, `UPDATE attempts SET pid = ${other.pid}`);
  daemon = await serve(t, { dir, args });
  await until("its lease ends", () => /hasn't been heard of .* can't be killed/.test(daemon.output()));
  await sleep(1500);
  assert.ok(alive(other.pid), "the stranger lives");
  assert.equal(rows(dir, "SELECT count(*) AS n FROM attempts")[0].n, 1, "nothing begins while the lock is held");
  process.kill(-other.pid, "SIGKILL");
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  t.diagnostic("found: the stranger lived past the lease; attempt 2 began when the lock was free");
  await daemon.stop();
});

test("links in the data folder: nothing outside is read, written or removed", async (t) => {
  const at = await folder(t), dir = join(at, "data"), outside = join(at, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "kept"), "a secret of somebody else");
  let daemon = await serve(t, { dir });
  const { id } = await submit(daemon, { seeds: [1], artifacts: ["final"] });
  await ended(daemon, id);
  for (const [path, file] of [["artifacts/final.safetensors", "runs/1/artifacts/final.safetensors"], ["log", "runs/1/attempts/1/log.txt"]]) {
    await rm(join(dir, file), { force: true });
    await symlink(join(outside, "kept"), join(dir, file));
    const reply = await daemon.fetch(`/api/v1/runs/1/${path}`);
    assert.doesNotMatch(await reply.text().catch(() => ""), /a secret/, path);
  }
  await daemon.stop();
  for (const name of ["lock", "tmp"]) {
    await rename(join(dir, name), join(dir, `${name}.away`));
    await symlink(name === "tmp" ? outside : join(outside, "kept"), join(dir, name));
    const { status, stderr } = await ablated("--data", dir, "--listen", "127.0.0.1:0");
    assert.equal(status, 74, `${name}: ${stderr}`);
    await rm(join(dir, name));
    await rename(join(dir, `${name}.away`), join(dir, name));
    assert.deepEqual(await readdir(outside), ["kept"], name);
  }
  assert.equal(await readFile(join(outside, "kept"), "utf8"), "a secret of somebody else");
  daemon = await serve(t, { dir });
  await daemon.stop();
});

test("a worker's log of 256 MiB is answered in part, and the daemon stays small", async (t) => {
  const daemon = await serve(t, {}), { id } = await submit(daemon, { seeds: [1] });
  await ended(daemon, id);
  await truncate(join(daemon.dir, "runs/1/attempts/1/log.txt"), 256 << 20);
  const text = await (await daemon.fetch("/api/v1/runs/1/log")).text();
  const [, kib] = /VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${daemon.pid}/status`, "utf8"));
  assert.ok(kib < 200 << 10, `${kib} KiB at its peak`);
  t.diagnostic(`found: ${text.length} bytes answered, ${kib} KiB at the daemon's peak`);
  await daemon.stop();
});
