// The Debian package on a machine whose systemd is real: installed, upgraded while runs train, removed, installed again; and
// what it needs, on a bare Debian. BUILD/ablate_VERSION_ARCH.deb is taken when it is there, else built.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { before, test } from "node:test";
import { boot, refused } from "./boot.mjs";
import { call, curves, ended, folder, has, submit, until } from "./faults.mjs";

const BUILD = process.env.BUILD ?? "build";
const NEEDED = ["dpkg-buildpackage", "dh", "help2man", "lintian"];
const missing = NEEDED.filter((program) => !has(program)), skip = missing.length > 0 ? `no ${missing.join(", ")}` : refused();
const SPEC = { steps: 8000, seeds: [1], arms: { one: {}, other: { "train.lr": 0.002 } },
  train: { batch_size: 4, checkpoint_every: 50, eval_every: 500 }, artifacts: ["final"] };
let deb;

const output = (program, ...args) => execFileSync(program, args, { encoding: "utf8", stdio: "pipe", maxBuffer: 1 << 28 }).trim();
const field = (file, name) => output("dpkg-deb", "-f", file, name);

before(() => {
  if (skip) return;
  const release = /^## ([0-9.]+) /m.exec(readFileSync("CHANGELOG.md", "utf8"))[1];
  deb = join(BUILD, `ablate_${release}_${output("dpkg", "--print-architecture")}.deb`);
  if (!existsSync(deb)) output("make", "deb", `BUILD=${BUILD}`);
});

/** The package as a later version of it, whose programs have other digests. */
function later(dir) {
  const tree = join(dir, "later"), file = join(dir, "later.deb"), control = join(tree, "DEBIAN/control");
  output("dpkg-deb", "-R", deb, tree);
  writeFileSync(control, readFileSync(control, "utf8").replace(/^Version: (.*)$/m, "Version: $1+1"));
  for (const name of ["ablated", "ablate-worker"]) writeFileSync(join(tree, "usr/bin", name), "\n", { flag: "a" });
  output("dpkg-deb", "--root-owner-group", "-b", tree, file);
  return file;
}

/** Puts a file into the machine, under its own name in its /tmp. */
function give(machine, file) {
  const to = `/tmp/${basename(file)}`;
  machine.run("dd", "status=none", `of=${to}`, { input: readFileSync(file) });
  return to;
}

test("installed, upgraded while it trains, removed, installed again: no run is lost, curves as undisturbed", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine, dir = await folder(t);
  machine.run("rm", "-f", "/usr/sbin/policy-rc.d"); // of a container's image: nothing would start
  const dpkg = (...args) => machine.run("dpkg", ...args);
  dpkg("-i", give(machine, deb));
  await machine.up();
  assert.equal(machine.run("systemctl", "is-enabled", "ablated").trim(), "enabled");
  assert.equal(machine.run("stat", "-c", "%U %a", "/var/lib/ablate").trim(), "ablate 700");
  assert.match(machine.run("ablated", "link", "--data", "/var/lib/ablate"), /^http:\/\//m);
  const { id: first } = await submit(daemon, SPEC);
  assert.equal((await ended(daemon, first)).counts.succeeded, 2);
  const undisturbed = await curves(daemon, first);

  const { id } = await submit(daemon, SPEC);
  const runs = async () => (await call(daemon, "GET", `runs?experiment=${id}`)).items;
  await until("both train", async () => (await runs()).every(({ step }) => step > 200));
  const main = machine.show("MainPID"), workers = machine.workers();
  machine.run("kill", "-STOP", ...workers.map(String)); // they don't end meanwhile
  dpkg("-i", give(machine, later(dir)));
  await until("another daemon serves", () => !["0", main].includes(machine.show("MainPID")));
  await machine.up();
  assert.deepEqual(machine.workers(), workers, "the same workers");
  machine.run("kill", "-CONT", ...workers.map(String));
  assert.equal((await ended(daemon, id)).counts.succeeded, 2);
  assert.deepEqual((await runs()).map(({ attempt }) => attempt), [1, 1]);
  assert.deepEqual(await curves(daemon, id), undisturbed);

  const { id: last } = await submit(daemon, SPEC);
  const step = () => machine.rows(`SELECT min(step) AS step FROM runs WHERE experiment = ${last}`)[0].step;
  await until("both train", () => step() > 200);
  const files = dpkg("-L", "ablate").split("\n").filter((path) => path !== "");
  dpkg("-r", "ablate");
  t.diagnostic(`found: removed at step ${step()} of ${SPEC.steps}`);
  assert.equal(machine.tries("pgrep", "-f", "ablate"), "", "nothing of it runs");
  assert.equal(machine.run("sh", "-c", 'while read -r path; do [ -d "$path" ] || [ ! -e "$path" ] || echo "$path"; done', { input: `${files.join("\n")}\n` }), "", "none of its files is left");
  dpkg("-P", "ablate");
  assert.equal(machine.run("find", "/etc", "/lib/systemd", "/run/systemd", "/usr/bin", "/usr/lib/sysusers.d", "/usr/share", "-name", "*ablate*"), "");
  assert.equal(machine.run("stat", "-c", "%a", "/var/lib/ablate/ablate.db").trim(), "600", "the data stay");

  dpkg("-i", "/tmp/later.deb");
  await machine.up();
  assert.equal((await ended(daemon, last)).counts.succeeded, 2);
  assert.deepEqual(await curves(daemon, last), undisturbed);
});

test("on a bare Debian it installs with what it depends on, serves and trains", { skip: skip || (!has("debootstrap") && "no debootstrap") }, async (t) => {
  const at = join(await folder(t), "root"), inside = (...command) => output("unshare", "--mount", "--pid", "--fork", `--root=${at}`, "--mount-proc", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", ...command);
  mkdirSync(at);
  output("debootstrap", "--variant=minbase", "bookworm", at);
  for (const name of ["resolv.conf", "apt/apt.conf.d", "apt/sources.list", "apt/sources.list.d"])
    if (existsSync(`/etc/${name}`)) spawnSync("cp", ["-rT", `/etc/${name}`, join(at, "etc", name)]);
  output("cp", deb, join(at, "tmp/ablate.deb"));
  inside("apt-get", "update", "-q");
  inside("apt-get", "install", "-y", "-q", "--no-install-recommends", "/tmp/ablate.deb");
  assert.equal(inside("ablated", "--version"), `ablated ${field(deb, "Version")}`);
  assert.match(inside("getent", "passwd", "ablate"), /:\/var\/lib\/ablate:/);
  writeFileSync(join(at, "tmp/spec.json"), JSON.stringify({ seed: 1, data: { dataset: "synthetic:copy", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 },
    train: { steps: 5, batch_size: 2 } }));
  const { type, step } = JSON.parse(inside("ablate-worker", "train", "/tmp/spec.json", "--out", "/tmp/out").split("\n").at(-1));
  assert.deepEqual([type, step], ["finished", 5]);
});
