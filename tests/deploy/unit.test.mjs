// The systemd unit: sound, tight, and installed with the programs' own folder in it.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

const UNIT = "deploy/ablated.service";
const build = resolve(process.env.BUILD ?? "build");
const found = spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" });
const missing = found.error ? "systemd-analyze is not installed" : false;
const analyze = (...args) => spawnSync("systemd-analyze", args, { encoding: "utf8", timeout: 300000 });

function inFolder(then) {
  const dir = mkdtempSync(join(tmpdir(), "ablate-unit-"));
  try {
    return then(dir);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

test("its exposure is at most 1.5 of 10", { skip: missing }, () => {
  const { status, stdout, stderr } = analyze("security", "--offline=yes", "--threshold=15", UNIT);
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /Overall exposure level/);
});

test("systemd understands every line of it", { skip: missing }, () => inFolder((dir) => {
  const unit = join(dir, "ablated.service");
  writeFileSync(unit, readFileSync(UNIT, "utf8").replace("/usr/local/bin/ablated", join(build, "ablated")));
  const { status, stderr } = analyze("verify", unit);
  const said = stderr.split("\n").filter((line) => line.includes("ablated.service")).join("\n");
  assert.equal(said, "");
  assert.equal(status, 0, stderr);
}));

test("workers outlive the daemon, under the same user, and in the user namespace of the next one", () => {
  const unit = readFileSync(UNIT, "utf8");
  assert.match(unit, /^KillMode=process$/m);
  assert.match(unit, /^User=ablate$/m);
  assert.doesNotMatch(unit, /^(DynamicUser|PrivateUsers)=/m);
});

test("a worker that is killed for want of memory doesn't stop it", () => {
  assert.match(readFileSync(UNIT, "utf8"), /^OOMPolicy=continue$/m);
});

test("nothing of it leaves a core, and its files are its user's alone", () => {
  const unit = readFileSync(UNIT, "utf8");
  for (const line of [/^LimitCORE=0$/m, /^UMask=0077$/m, /^StateDirectoryMode=0700$/m]) assert.match(unit, line);
});

test("make install puts unit and user where they belong", () => inFolder((dir) => {
  execFileSync("make", ["-s", "-o", "all", "install", `DESTDIR=${dir}`, "PREFIX=/opt/ablate", `BUILD=${build}`], { stdio: "pipe" });
  const unit = readFileSync(join(dir, "opt/ablate/lib/systemd/system/ablated.service"), "utf8");
  assert.match(unit, /^ExecStart=\/opt\/ablate\/bin\/ablated --data \/var\/lib\/ablate /m);
  assert.doesNotMatch(unit, /usr\/local/);
  assert.match(readFileSync(join(dir, "opt/ablate/lib/sysusers.d/ablate.conf"), "utf8"), /^u ablate /m);
}));
