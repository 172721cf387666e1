// Helpers that tell that an experiment has ended and hang, are killed, or outlive a daemon that is: what is owed is told in
// the end, as the same delivery, and the daemon waits for nobody.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { alive, call, folder, rows, serve, submit, until } from "./faults.mjs";

/** A webhook that answers by a function of how many have come: a status, or null for never. */
async function hook(t, answer) {
  const got = [];
  const server = http.createServer(async (request, reply) => {
    let body = "";
    for await (const part of request) body += part;
    got.push({ delivery: request.headers["ablate-delivery"], said: JSON.parse(body).delivery, experiment: JSON.parse(body).experiment.id });
    const status = answer(got.length);
    if (status) reply.writeHead(status).end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return { got, url: `http://127.0.0.1:${server.address().port}/` };
}

const command = (pid) => { try { return readFileSync(`/proc/${pid}/cmdline`, "latin1"); } catch { return ""; } };
/** The daemon's helpers. */
const helpers = (daemon, name) => readdirSync(`/proc/${daemon.pid}/task`).flatMap((thread) =>
  readFileSync(`/proc/${daemon.pid}/task/${thread}/children`, "latin1").split(" ").filter(Boolean).map(Number)).filter((pid) => command(pid).includes(name));
const notices = (dir) => rows(dir, "SELECT attempts, next_at IS NULL AS over, outcome FROM notices ORDER BY id");

/** An experiment that is cancelled before it begins. */
async function end(daemon) {
  await call(daemon, "POST", "queue", { paused: true });
  const { id } = await submit(daemon, { seeds: [1] });
  await call(daemon, "POST", `experiments/${id}/cancel`);
  return id;
}
/** Nobody waits for a helper: another experiment is trained to its end meanwhile. */
async function serves(daemon) {
  await call(daemon, "POST", "queue", { paused: false });
  const { id } = await submit(daemon, { seeds: [1] });
  assert.equal((await call(daemon, "GET", `experiments/${id}?wait=3600`)).counts.succeeded, 1);
  assert.equal((await call(daemon, "GET", "queue")).running, 0);
}
const same = (got) => {
  assert.equal(new Set(got.flatMap(({ delivery, said }) => [delivery, said])).size, 1, JSON.stringify(got));
  assert.equal(new Set(got.map(({ experiment }) => experiment)).size, 1);
};

test("a sender that is killed is followed by another, with the same delivery", async (t) => {
  const to = await hook(t, (n) => n === 1 ? null : 204), daemon = await serve(t, { args: ["--webhook", to.url] });
  await end(daemon);
  await until("it is being told", () => to.got.length === 1);
  const [sender] = helpers(daemon, "deliver");
  process.kill(sender, "SIGKILL");
  await until("it was told", () => notices(daemon.dir)[0].over === 1);
  assert.equal(to.got.length, 2);
  same(to.got);
  assert.match(daemon.output(), /couldn't be told \(attempt 1 of 8\): it died of signal 9/);
  t.diagnostic(`found: ${JSON.stringify(notices(daemon.dir))}`);
  assert.equal(await daemon.stop(), 0);
});

test("a sender that stands still is killed at its limit, and followed by another; the daemon serves and trains", async (t) => {
  const to = await hook(t, (n) => n === 1 ? null : 204), daemon = await serve(t, { args: ["--webhook", to.url] });
  await end(daemon);
  await until("it is being told", () => to.got.length === 1);
  const [sender] = helpers(daemon, "deliver");
  process.kill(sender, "SIGSTOP");
  await serves(daemon);
  await until("it was told", () => notices(daemon.dir)[0].over === 1);
  assert.ok(!alive(sender));
  same(to.got.filter(({ experiment }) => experiment === 1));
  assert.match(daemon.output(), /couldn't be told \(attempt 1 of 8\): it was killed after 30 s/);
  await until("the other end was told", () => notices(daemon.dir).every(({ over }) => over === 1));
  assert.equal(await daemon.stop(), 0);
});

test("a program that never ends is killed at its limit with all that it started; the daemon serves and trains", async (t) => {
  const at = await folder(t), program = join(at, "tell"), out = join(at, "pids");
  await writeFile(program, `#!/bin/sh\n[ "$1" = 1 ] || exit 0\ntrap '' TERM\nsleep 100000 &\necho "$$ $!" >${out}.part; mv ${out}.part ${out}\nwhile :; do sleep 100000; done\n`);
  await chmod(program, 0o755);
  const daemon = await serve(t, { args: ["--on-end", program] });
  await end(daemon);
  const pids = (await until("it was started", () => readFile(out, "utf8").catch(() => null))).trim().split(" ").map(Number);
  await serves(daemon);
  await until("it is given up", () => notices(daemon.dir).every(({ over }) => over === 1));
  assert.deepEqual(pids.map(alive), [false, false]);
  assert.match(daemon.output(), /the program of --on-end failed: it was killed after 60 s.* experiment=1/);
  assert.deepEqual(notices(daemon.dir).map(({ attempts }) => attempts), [1, 1]);
  assert.equal(await daemon.stop(), 0);
});

test("a daemon that is killed while a program and a sender are at it tells both again", async (t) => {
  const at = await folder(t), dir = join(at, "data"), program = join(at, "tell"), out = join(at, "told");
  await writeFile(program, `#!/bin/sh\necho "$$ $1" >>${out}\n[ "$(wc -l <${out})" != 1 ] || exec sleep 100000\n`);
  await chmod(program, 0o755);
  const to = await hook(t, (n) => n === 1 ? null : 204), args = ["--webhook", to.url, "--on-end", program];
  let daemon = await serve(t, { dir, args });
  await end(daemon);
  const told = async () => (await readFile(out, "utf8").catch(() => "")).trim().split("\n").filter(Boolean).map((line) => line.split(" "));
  await until("both are at it", async () => to.got.length === 1 && (await told()).length === 1);
  const [[first]] = await told();
  daemon.kill("SIGKILL");
  await daemon.ended;
  daemon = await serve(t, { dir, args });
  await until("both were told", () => notices(dir).every(({ over }) => over === 1));
  same(to.got);
  assert.deepEqual([to.got.length, (await told()).map(([, id]) => id)], [2, ["1", "1"]]);
  assert.deepEqual(notices(dir), [{ attempts: 2, over: 1, outcome: "told" }, { attempts: 2, over: 1, outcome: "told" }]);
  t.after(() => { if (alive(Number(first))) process.kill(Number(first), "SIGKILL"); });
  t.diagnostic(`found: the program of the daemon that was killed ${alive(Number(first)) ? "lives on" : "is gone"}`);
  assert.equal(await daemon.stop(), 0);
});
