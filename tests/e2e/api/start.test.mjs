// How the daemon is started, and what it leaves behind when it refuses: descriptors that are closed, nohup, process 1 of a
// container, any umask, folders that were there, no core.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createServer } from "node:net";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ABLATED, ablated, start } from "../daemon.mjs";
import { until } from "../until.mjs";

const CORPUS = Array.from({ length: 400 }, (_, i) => `a sentence, the ${i}th of its kind, with ${i * 7} words`).join("\n\n");
const SPEC = { data: { dataset: "small", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2 },
  train: { batch_size: 2, steps: 30, eval_every: 10, checkpoint_every: 10 }, arms: { dense: {} }, seeds: [1], artifacts: ["final"] };
const root = process.getuid() === 0;
const sh = (script) => ["sh", "-c", script, "sh"];

async function folder(t) {
  const at = await mkdtemp(join(tmpdir(), "ablate-start-"));
  t.after(() => rm(at, { recursive: true, force: true }));
  return at;
}

/** Submits an experiment; its id. */
async function submit(one, spec) {
  const put = await one.fetch("/api/v1/datasets/small", { method: "PUT", body: CORPUS, headers: { "Content-Type": "text/plain" } });
  assert.ok(put.ok, await put.text());
  const made = await one.fetch("/api/v1/experiments", { method: "POST", body: JSON.stringify(spec), headers: { "Content-Type": "application/json" } });
  const said = await made.json();
  assert.equal(made.status, 201, JSON.stringify(said));
  return said.id;
}

/** Trains one run to its end. */
async function train(one) {
  const id = await submit(one, SPEC);
  const done = await until("the experiment ends", async () => {
    const experiment = await (await one.fetch(`/api/v1/experiments/${id}?wait=60`)).json();
    return experiment.state === "finished" && experiment;
  });
  assert.equal(done.counts.succeeded, 1, JSON.stringify(done));
}

/** Every file and folder below, with its mode. */
async function modes(at) {
  const entries = await readdir(at, { recursive: true, withFileTypes: true });
  return Promise.all(entries.map(async (entry) => ({ name: join(entry.path, entry.name), folder: entry.isDirectory(), mode: (await stat(join(entry.path, entry.name))).mode & 0o7777 })));
}

for (const [closed, redirections] of [["0, 1 and 2", "<&- >&- 2>&-"], ["1", ">&-"]])
  test(`with descriptors ${closed} closed runs train, and no file gets what is printed`, async (t) => {
    const dir = join(await folder(t), "data");
    const child = spawn("sh", ["-c", `exec "$@" ${redirections}`, "sh", ABLATED, "--data", dir, "--listen", "127.0.0.1:0"], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.on("close", resolve));
    t.after(() => child.kill("SIGKILL"));
    const base = await until("it serves", () => readFile(join(dir, "address"), "utf8").catch(() => ""));
    const token = (await readFile(join(dir, "token"), "utf8")).trim();
    const one = { fetch: (path, init = {}) => fetch(base.trim() + path, { ...init, headers: { Authorization: `Bearer ${token}`, ...init.headers } }) };
    await train(one);
    for (const name of ["lock", "hold", "unclean"]) assert.doesNotMatch(await readFile(join(dir, name), "utf8").catch(() => ""), /Ablate is at|login=|level=/, name);
    assert.match(await readFile(join(dir, "lock"), "utf8"), /^[0-9a-f]{32} \d{16}\n$/);
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
  });

test("under nohup a hang-up ends nothing; without it, it does", async () => {
  const one = await start({ under: sh('trap "" HUP; exec "$@"') });
  one.kill("SIGHUP");
  assert.equal((await one.fetch("/api/v1/runs")).status, 200);
  assert.equal(await one.stop(), 0, one.output());
  assert.doesNotMatch(one.output(), /signal 1:/);
  const other = await start();
  other.kill("SIGHUP");
  assert.equal(await other.ended, 0);
  assert.match(other.output(), /signal 1: ending/);
  await other.stop();
});

test("whatever the umask, files are 0600 and folders 0700, the worker's too", async (t) => {
  for (const umask of ["000", "777"]) {
    const dir = join(await folder(t), "deep/data");
    await mkdir(join(dir, "../.."), { recursive: true });
    const one = await start({ dir, under: sh(`umask ${umask}; exec "$@"`) });
    try {
      await train(one);
      assert.equal((await ablated("backup", "--data", dir, join(dir, "../copy"))).status, 0);
      const made = await modes(join(dir, ".."));
      assert.ok(made.some(({ name }) => name.endsWith("ablate.db-wal")) && made.some(({ name }) => name.endsWith("final.safetensors")));
      assert.deepEqual(made.filter((one) => one.mode !== (one.folder ? 0o700 : 0o600)), []);
      assert.equal((await stat(join(dir, ".."))).mode & 0o777, 0o700);
    } finally {
      assert.equal(await one.stop(), 0, one.output());
    }
  }
});

test("a folder that was there and is open to others is said, and stays as it is", async (t) => {
  const dir = join(await folder(t), "data");
  await mkdir(dir);
  await chmod(dir, 0o755);
  let one = await start({ dir });
  await one.stop({ keep: true });
  assert.match(one.output(), /level=warn msg="the data folder \S+ is open to others of this machine \(mode 0755\); close it/);
  await chmod(join(dir, "ablate.db"), 0o644);
  one = await start({ dir });
  await one.stop({ keep: true });
  assert.match(one.output(), /\(mode 0755\), who can read its ablate\.db/);
  assert.equal((await stat(dir)).mode & 0o777, 0o755);
  await chmod(dir, 0o700);
  one = await start({ dir });
  await one.stop({ keep: true });
  assert.doesNotMatch(one.output(), /is open to others/);
});

test("a start that is refused leaves nothing behind that wasn't there", async (t) => {
  const at = await folder(t), taken = createServer();
  await new Promise((resolve) => taken.listen(0, "127.0.0.1", resolve));
  t.after(() => taken.close());
  const busy = `127.0.0.1:${taken.address().port}`, free = "127.0.0.1:0";
  const newer = async (dir) => {
    await (await start({ dir })).stop({ keep: true });
    await promisify(execFile)("sqlite3", [join(dir, "ablate.db"), "PRAGMA user_version = 999"]);
    await rm(join(dir, "links"), { recursive: true }); // as if this version had never been here
  };
  const table = [
    ["a path that is too long for a socket", "x".repeat(100), free, 64, /too long for a socket/],
    ["a port that is taken", "a/b/c/", busy, 69, /can't listen on/],
    ["an address that is none of ours", "a", "192.0.2.1:80", 64, /can't listen on/],
    ["an option that it doesn't know", "a", free, 64, /--nonsense/, undefined, ["--nonsense"]],
    ["a worker that can't be run", "a", free, 64, /can't be run/, undefined, ["--worker", join(at, "none")]],
    ["a database of a newer version", "a", free, 65, /newer|schema|version/, newer],
    ["no database at all", "a", free, 65, /not a database/, (dir) => writeFile(join(dir, "ablate.db"), "text".repeat(1000))],
    ["a token that is none", "a", free, 65, /holds no token/, (dir) => writeFile(join(dir, "token"), "short")],
    ["a folder with something in it", "a", busy, 69, /can't listen on/, (dir) => writeFile(join(dir, "mine"), "kept")],
  ];
  for (const [what, name, listen, status, said, before, args = []] of table) {
    const dir = join(at, name);
    if (before) await mkdir(dir, { recursive: true }).then(() => before(dir));
    const was = (await modes(at)).map((one) => one.name).sort();
    const refused = await ablated("--data", dir, "--listen", listen, ...args);
    assert.equal(refused.status, status, `${what}: ${refused.stderr}`);
    assert.match(refused.stderr, said, what);
    assert.deepEqual((await modes(at)).map((one) => one.name).sort(), was, what);
    await rm(dir, { recursive: true, force: true });
  }
});

test("a second daemon that is refused takes nothing away from the first", async () => {
  const one = await start();
  try {
    const was = (await readdir(one.dir)).sort(), { status, stderr } = await ablated("--data", one.dir, "--listen", "127.0.0.1:0");
    assert.equal(status, 69);
    assert.match(stderr, /another daemon uses/);
    assert.deepEqual((await readdir(one.dir)).sort(), was);
    assert.equal((await one.fetch("/api/v1/runs")).status, 200);
  } finally {
    assert.equal(await one.stop(), 0, one.output());
  }
});

/** The processes below one, as the kernel has them. */
async function below(pid) {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = (await Promise.all(names.map(async (name) => {
    const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const found = /^(\d+) \((.*)\) (\S) (\d+)/s.exec(text);
    return found && { pid: Number(found[1]), name: found[2], state: found[3], parent: Number(found[4]) };
  }))).filter(Boolean);
  const from = (parent) => all.filter((one) => one.parent === parent).flatMap((one) => [one, ...from(one.pid)]);
  return from(pid);
}

test("as process 1 it keeps no zombies, and ends by the signal and with the status that it would have", { skip: !root && "not root" }, async () => {
  const one = await start({ args: ["--slots", "2"], under: ["unshare", "--pid", "--fork", "--mount-proc"] });
  try {
    const id = await submit(one, { ...SPEC, train: { ...SPEC.train, steps: 1000000, checkpoint_every: 1000 }, seeds: [1, 2], max_attempts: 1 });
    const workers = async () => (await below(one.pid)).filter(({ name }) => /^ablate-(worker|trainer)/.test(name));
    const found = await until("two keepers and two trainers", async () => {
      const all = await workers();
      return all.length >= 4 && all;
    });
    for (const { pid } of found) if (found.some((two) => two.parent === pid)) process.kill(pid, "SIGKILL");
    await until("the runs have failed", async () => (await (await one.fetch(`/api/v1/experiments/${id}`)).json()).state === "finished");
    await until("nothing is left of them, zombies included", async () => (await workers()).length === 0);
    const [first] = await below(one.pid); // process 1, to those within
    process.kill(first.pid, "SIGTERM");
    assert.equal(await one.ended, 0, one.output());
    assert.match(one.output(), /signal 15: ending/);
  } finally {
    one.kill("SIGKILL");
    await one.stop();
  }
});

test("it leaves no core, for its memory holds tokens", { skip: !root && "not root" }, async (t) => {
  const at = await folder(t);
  await chmod(at, 0o777);
  // Of a process that may not be dumped the kernel gives what stands in /proc to root.
  const one = await start({ dir: join(at, "data"), under: ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", 'ulimit -c unlimited; cd "$0"; exec "$@"', at] });
  try {
    assert.match(await readFile(`/proc/${one.pid}/status`, "utf8"), /^Uid:\s65534\s/m);
    assert.equal((await stat(`/proc/${one.pid}/environ`)).uid, 0);
    one.kill("SIGABRT");
    assert.equal(await one.ended, "SIGABRT");
    assert.deepEqual(await readdir(at), ["data"]);
    assert.deepEqual((await readdir(join(at, "data"))).filter((name) => name.startsWith("core")), []);
  } finally {
    await one.stop();
  }
});
