// The unit under a real systemd, installed as deploy/README.md says: what restarts, kills, stops, upgrades and the
// machine's own end cost the training, and whether what the unit forbids lets everything through that the daemon needs.
//
// Whatever happens meanwhile, the curves are, value by value, those of an experiment that nothing disturbed. The moments
// come from FAULTS_SEED. Trainers may be quicker than the scenario: then the same experiment is submitted again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { boot, refused } from "./boot.mjs";
import { call, curves, ended, random, seed, sleep, submit, until } from "./faults.mjs";

const skip = refused();
const SPEC = {
  steps: 8000, seeds: [1], arms: { one: {}, other: { "train.lr": 0.002 } },
  train: { batch_size: 4, checkpoint_every: 50, eval_every: 500 }, artifacts: ["final"],
};
const next = random(seed);
const ABLATED = "ablated --data /var/lib/ablate";

/** What an experiment says that nothing disturbed. */
let reference;
async function undisturbed({ daemon }) {
  if (reference) return reference;
  const { id } = await submit(daemon, SPEC);
  assert.equal((await ended(daemon, id)).counts.succeeded, 2);
  return reference = await curves(daemon, id);
}

const runs = async ({ daemon }, id) => (await call(daemon, "GET", `runs?experiment=${id}`)).items;
/** Waits until each run has trained so many steps since it was seen at those of `from`. */
const training = (machine, id, steps = 0, from = {}) =>
  until("all train", async () => (await runs(machine, id)).every((run) => run.state === "running" && run.step > (from[run.id] ?? 0) + steps));
const sound = (machine) => assert.deepEqual(machine.rows("PRAGMA integrity_check"), [{ integrity_check: "ok" }]);

/** Puts options into the place where `systemctl edit` has them. */
function edit(machine, lines) {
  machine.run("tee", "/tmp/override.conf", { input: `[Service]\n${lines}\n` });
  machine.run("script", "-qec", "SYSTEMD_EDITOR='cp /tmp/override.conf' systemctl edit ablated", "/dev/null");
  assert.ok(machine.run("systemctl", "cat", "ablated").includes(lines), "it is edited");
}

test("under all of the unit's protections: training in its sandbox, figures, capsule, backup; a stop leaves nothing", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine;
  await machine.install();
  const main = machine.show("MainPID"), status = machine.run("cat", `/proc/${main}/status`);
  assert.match(status, /^Seccomp:\t2$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^CapBnd:\t0+$/m);
  assert.equal(machine.run("stat", "-c", "%U %a", "/var/lib/ablate", `/proc/${main}`).trim(), "ablate 700\nablate 555");
  const within = (...command) => machine.tries("nsenter", "-t", main, "-m", "runuser", "-u", "ablate", "--", "sh", "-c", ...command).trim();
  assert.equal(within("[ -d /proc/1 ] || echo hidden; [ -w /usr ] || echo unwritable; [ -w /var/lib/ablate ] && echo writable"), "hidden\nunwritable\nwritable");

  const before = await undisturbed(machine), [{ id }] = await runs(machine, 1);
  const [sandbox] = /sandbox: [^"]*/.exec(await (await daemon.fetch(`/api/v1/runs/${id}/log`)).text()) ?? [""];
  assert.match(sandbox, /^sandbox: (files by Landlock|this kernel has no Landlock).*network and system calls by seccomp/);
  for (const [path, type] of [["report?format=md", /val loss/], ["figure.svg", /<svg/], ["figure.png", /PNG/], ["capsule", /SHA256SUMS|sha256/i]]) {
    const reply = await daemon.fetch(`/api/v1/experiments/1/${path}`);
    assert.equal(reply.status, 200, `${path}: ${await reply.text()}`);
    assert.match(await reply.text(), type, path);
  }
  machine.run("install", "-d", "-o", "ablate", "-g", "ablate", "/var/backups/ablate");
  const backup = machine.run("runuser", "-u", "ablate", "--", ...ABLATED.replace("ablated", "ablated backup").split(" "), "/var/backups/ablate/first");
  assert.match(backup, /1 experiments, 2 runs.*; checked/);

  for (const round of [1, 2]) {
    machine.run("systemctl", "stop", "ablated");
    assert.deepEqual(["ActiveState", "Result"].map(machine.show), ["inactive", "success"], `stop ${round}`);
    assert.equal(machine.tries("pgrep", "-f", "ablate-worker"), "", "no worker is left");
    assert.equal(machine.tries("ls", "/var/lib/ablate/unclean", "/var/lib/ablate/ablate.db-wal"), "", "nothing is left to mend");
    sound(machine);
    machine.run("systemctl", "start", "ablated");
    await machine.up();
  }
  assert.doesNotMatch(machine.journal(), /remains running|left-over|has died|error msg/);
  assert.deepEqual(await curves(daemon, 1), before);
  t.diagnostic(`found: "${sandbox}"; ${backup.trim()}`);
});

test("restarts, kills, stops, upgrades while it trains: the same workers, one attempt a run, curves as undisturbed", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine;
  await machine.install();
  const expected = await undisturbed(machine), experiments = [(await submit(daemon, SPEC)).id];
  const events = () => machine.run("sh", "-c", "cat /var/lib/ablate/runs/*/attempts/*/events.ndjson | wc -c");
  const systemctl = (...command) => machine.run("systemctl", ...command);
  const disturb = {
    restart: () => systemctl("restart", "ablated"),
    // Beyond systemd's own limit on starts, and before the daemon before is up.
    "restart ×7": () => { for (let i = 0; i < 7; i++) systemctl("restart", "ablated"); },
    async kill() {
      const main = machine.show("MainPID");
      systemctl("kill", "-s", "KILL", "--kill-whom=main", "ablated");
      await until("systemd starts it again", () => !["0", main].includes(machine.show("MainPID")));
    },
    async stop() {
      systemctl("stop", "ablated");
      assert.equal(machine.show("ActiveState"), "inactive");
      const size = events();
      if (machine.workers().length > 0) await until("workers train on", () => machine.workers().length === 0 || events() !== size);
      systemctl("start", "ablated");
    },
    // Another program, too, by its digest.
    upgrade() {
      machine.put();
      machine.run("sh", "-c", "echo >> /usr/local/bin/ablate-worker; echo >> /usr/local/bin/ablated");
      systemctl("daemon-reload");
      systemctl("restart", "ablated");
    },
  };
  const kinds = Object.keys(disturb), same = Object.fromEntries(kinds.map((kind) => [kind, 0]));
  for (let round = 0; round < 3 * kinds.length; round++) {
    await until("there are workers", async () => {
      if ((await call(daemon, "GET", `experiments/${experiments.at(-1)}`)).state === "finished") experiments.push((await submit(daemon, SPEC)).id);
      return machine.workers().length > 0;
    });
    await sleep(Math.floor(next() * 800));
    const kind = kinds[round % kinds.length], before = machine.workers();
    await disturb[kind]();
    await machine.up();
    const after = machine.workers(), gone = before.filter((pid) => !after.includes(pid));
    same[kind] += before.length - gone.length;
    if (gone.length > 0) // theirs has ended, and nobody has taken their place
      assert.ok(after.length <= before.length - gone.length, `${kind}: ${before} before, ${after} after`);
  }
  for (const kind of kinds) assert.ok(same[kind] > 0, `${kind}: no worker lived through it`);
  for (const id of experiments) {
    assert.equal((await ended(daemon, id)).counts.succeeded, 2);
    assert.deepEqual(await curves(daemon, id), expected, `experiment ${id}`);
  }
  assert.deepEqual(machine.rows("SELECT run, attempt, outcome FROM attempts WHERE attempt > 1 OR outcome <> 'finished'"), [], "one attempt a run");
  sound(machine);
  t.diagnostic(`found: seed ${seed}; workers that were the same before and after: ${JSON.stringify(same)}; ${experiments.length * 2} runs, as many attempts, all curves as undisturbed`);
});

test("what operators do as root leaves the folder to the daemon: link, tokens, backup, purge, restore", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine, data = "/var/lib/ablate";
  await machine.install();
  const foreign = () => machine.run("find", data, "!", "-user", "ablate").trim();
  const { id } = await submit(daemon, SPEC);
  await call(daemon, "POST", `experiments/${id}/cancel`, undefined, 202);
  assert.equal((await ended(daemon, id)).counts.cancelled, 2);

  assert.match(machine.run("ablated", "link", "--data", data), /^http:\/\/127\.0\.0\.1:8642\/#login=\S+\n$/);
  const token = machine.run("cat", `${data}/token`);
  machine.run("ablated", "token", "--data", data, "--rotate", "all");
  assert.notEqual(machine.run("cat", `${data}/token`), token);
  assert.equal(foreign(), "");
  await call(daemon, "GET", "experiments", undefined, 200);
  machine.run("systemctl", "restart", "ablated");
  await machine.up();
  await call(daemon, "GET", "experiments", undefined, 200);

  assert.match(machine.run("ablated", "backup", "--data", data, "/srv/backup"), /1 experiments.*; checked/);
  await call(daemon, "DELETE", `experiments/${id}`);
  machine.run("systemctl", "stop", "ablated");
  assert.match(machine.run("ablated", "purge", "--data", data), /^purged 1 experiments$/m);
  assert.equal(foreign(), "");

  machine.run("rm", "-r", data);
  assert.match(machine.run("ablated", "restore", "--data", data, "/srv/backup"), /1 experiments.*; checked/);
  machine.run("systemctl", "start", "ablated");
  await machine.up();
  assert.equal(foreign(), "", "the unit has taken it over");
  assert.equal((await call(daemon, "GET", `experiments/${id}`)).counts.cancelled, 2);
  t.diagnostic("found: all of it the daemon's user's, after each");
});

test("by systemctl edit: a worker of an earlier daemon that says nothing is killed when its lease ends; --stop-workers", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine;
  await machine.install();
  edit(machine, `ExecStart=\nExecStart=/usr/local/bin/${ABLATED} --lease 10`);
  machine.run("systemctl", "restart", "ablated");
  await machine.up();
  const { id } = await submit(daemon, { ...SPEC, arms: { one: {} } });
  await training(machine, id);
  machine.run("systemctl", "restart", "ablated");
  await machine.up();
  const workers = machine.workers().map(String);
  assert.equal(workers.length, 2, "keeper and trainer");
  machine.run("kill", "-STOP", ...workers);
  await until("it is given up", () => machine.rows("SELECT 1 FROM attempts WHERE outcome <> ''").length > 0);
  assert.deepEqual(machine.rows("SELECT attempt, outcome FROM attempts WHERE outcome <> ''"), [{ attempt: 1, outcome: "lost" }]);
  assert.match(machine.journal(), /hasn't been heard of for \d+ s and is killed/);

  edit(machine, `ExecStart=\nExecStart=/usr/local/bin/${ABLATED} --stop-workers`);
  machine.run("systemctl", "restart", "ablated");
  await machine.up();
  await training(machine, id);
  machine.run("systemctl", "stop", "ablated");
  assert.equal(machine.tries("pgrep", "-f", "ablate-worker"), "", "a stop ends them");
  machine.run("systemctl", "start", "ablated");
  await machine.up();
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  assert.deepEqual(machine.rows("SELECT outcome FROM attempts ORDER BY attempt").map(({ outcome }) => outcome), ["lost", "stopped", "finished"]);
  t.diagnostic("found: both were killed; attempt 2 stopped, 3 succeeded");
});

test("a daemon that stands still is ended by the watchdog and started again; its workers train on", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine;
  await machine.install();
  assert.equal(machine.show("NotifyAccess"), "main");
  const expected = await undisturbed(machine);
  edit(machine, "WatchdogSec=6");
  machine.run("systemctl", "restart", "ablated");
  await machine.up();
  const { id } = await submit(daemon, SPEC);
  await training(machine, id);
  const main = machine.show("MainPID"), workers = machine.workers();
  assert.deepEqual(machine.run("sh", "-c", `tr '\\0' '\\n' < /proc/${workers[0]}/environ | grep -c -e NOTIFY_SOCKET -e WATCHDOG || true`).trim(), "0");
  machine.run("kill", "-STOP", main);
  await until("the watchdog ends it, and systemd starts it again", () => !["0", main].includes(machine.show("MainPID")));
  await machine.up();
  assert.match(machine.journal(), /Watchdog timeout/);
  const same = machine.workers().filter((pid) => workers.includes(pid));
  assert.equal((await ended(daemon, id)).counts.succeeded, 2);
  assert.deepEqual(await curves(daemon, id), expected);
  assert.deepEqual(machine.rows("SELECT run, attempt, outcome FROM attempts WHERE attempt > 1 OR outcome <> 'finished'"), [], "one attempt a run");
  t.diagnostic(`found: ended by the watchdog; ${same.length} of ${workers.length} workers were the same afterwards, the others had ended; curves as undisturbed`);
});

test("the machine is switched off, and dies, while it trains: runs go on from their checkpoints, curves as undisturbed", { skip }, async (t) => {
  const machine = await boot(t), { daemon } = machine;
  await machine.install();
  const expected = await undisturbed(machine);
  const { id } = await submit(daemon, { ...SPEC, max_attempts: 3 }), ends = ["poweroff", "die", "poweroff", "die"];
  let from = {};
  for (const end of ends) {
    await training(machine, id, 100, from); // beyond a checkpoint
    await sleep(Math.floor(next() * 200));
    from = Object.fromEntries((await runs(machine, id)).map((run) => [run.id, run.step]));
    await machine[end]();
    await machine.boot();
    await machine.up(); // enabled, it starts by itself
  }
  assert.equal((await ended(daemon, id)).counts.succeeded, 2);
  assert.deepEqual(await curves(daemon, id), expected);
  const attempts = machine.rows(`SELECT group_concat(outcome, ', ') AS outcomes FROM (SELECT * FROM attempts ORDER BY run, attempt)
    WHERE run IN (SELECT id FROM runs WHERE experiment = ${id}) GROUP BY run`);
  // Only a death counts towards max_attempts.
  assert.deepEqual(attempts, Array(2).fill({ outcomes: "stopped, lost, stopped, lost, finished" }));
  assert.deepEqual(machine.rows("SELECT * FROM audits WHERE name = 'replay' AND status = 'fail'"), []);
  sound(machine);
  t.diagnostic(`found: seed ${seed}; ${attempts[0].outcomes}`);
});
