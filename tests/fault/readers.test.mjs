// Readers of the events who don't read, whose host has gone, and clients who say nothing, by the hundred and by the
// thousand, while a run trains: nobody else notices, and what they had taken of the daemon comes back.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "../e2e/raw.mjs";
import { call, curves, ended, figures, flooding, folder, has, root, serve, submit, until } from "./faults.mjs";

const SPEC = { steps: 2000, seeds: [1], train: { checkpoint_every: 500, eval_every: 500 } };
const MIB = 1 << 20;

/** Follows the events on one connection; every {run: {metric: points}} that came, and whether the connection is still there. */
function follow(daemon, query = "") {
  const abort = new AbortController(), self = { got: {}, over: null, resync: 0, close: () => abort.abort() };
  (async () => {
    const reply = await daemon.fetch(`/api/v1/events?${query}`, { signal: abort.signal });
    let text = "";
    for await (const chunk of reply.body) {
      const blocks = (text + Buffer.from(chunk).toString("latin1")).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        if (block.includes("event: resync")) self.resync++;
        if (!block.includes("event: metrics\n")) continue;
        const { run, series } = JSON.parse(/^data: (.*)$/m.exec(block)[1]);
        for (const [name, points] of Object.entries(series)) ((self.got[run] ??= {})[name] ??= []).push(...points);
      }
    }
    self.over = "ended";
  })().catch((error) => (self.over = error.name));
  return self;
}
/** Whether a reader has got every value of a run as it is stored, once each. */
async function got(reader, daemon, id) {
  const { items: [run] } = await call(daemon, "GET", `runs?experiment=${id}`), [stored] = Object.values(await curves(daemon, id));
  const came = (name) => reader.got[run.id]?.[name]?.length ?? 0;
  await until("the rest comes", () => Object.keys(stored).every((name) => came(name) >= stored[name].length));
  for (const name of Object.keys(stored)) assert.deepEqual(reader.got[run.id][name], stored[name], name);
}
/** Descriptors, readers and memory are about what they were. */
async function back(daemon, before, mib) {
  const now = await until("descriptors come back", async () => {
    const one = await figures(daemon);
    return one.ablate_event_readers <= before.ablate_event_readers && one.process_open_fds <= before.process_open_fds + 8 && one;
  });
  const grown = now.process_resident_memory_bytes - before.process_resident_memory_bytes;
  assert.ok(grown < mib * MIB, `the daemon has grown by ${grown} bytes`);
  return `${before.process_open_fds} descriptors before, ${now.process_open_fds} after; ${(grown / MIB).toFixed(1)} MiB more`;
}

test("300 readers who never read, and 300 more, under a flood of events: they are dropped, the others lose nothing", { skip: !has("flock") && "no flock" }, async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "2", "--worker", await flooding(at)] });
  await call(daemon, "POST", "queue", { paused: true }, 200);
  const { id: flood } = await submit(daemon, { ...SPEC, name: "flood" }), { id } = await submit(daemon, SPEC);
  const live = [follow(daemon), follow(daemon, `experiment=${id}`), follow(daemon, "run=2")];
  await until("they follow", async () => (await figures(daemon)).ablate_event_readers === 3);
  const before = await figures(daemon), stalled = [], after = [];
  for (const paused of [false, false]) { // the second time shows whether anything stays
    for (let i = 0; i < 300; i++) {
      const one = connect(daemon.port);
      one.socket.pause();
      one.send(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\n\r\n`);
      stalled.push(one);
    }
    await until("all are let in", async () => (await figures(daemon)).ablate_connections >= 300);
    await call(daemon, "POST", "queue", { paused }, 200);
    await until("those who never read are dropped", async () => (await figures(daemon)).ablate_event_readers === 3);
    after.push(await figures(daemon));
  }
  const [first, second] = after.map((one) => one.process_resident_memory_bytes);
  assert.ok(second - first < 16 * MIB, `${first} bytes after 300, ${second} after 600`);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  for (const one of live) await got(one, daemon, id);
  assert.deepEqual(live.map(({ over, resync }) => [over, resync]), live.map(() => [null, 0]), "who reads is never sent away");
  const again = follow(daemon, "run=2&after=0"); // one of those who were, come back
  await until("what it has missed comes, or a word that it must look", () => again.resync > 0 || again.got[2]?.["train/loss"]?.length === SPEC.steps);
  await call(daemon, "POST", `experiments/${flood}/cancel`, undefined, 202);
  await ended(daemon, flood);
  again.close();
  t.diagnostic(`found: ${await back(daemon, before, 64)}; the second 300 took ${((second - first) / MIB).toFixed(1)} MiB`);
  live.forEach((one) => one.close());
  stalled.forEach((one) => one.end());
  await daemon.stop();
});

/** A host of its own beside this one, by a cable that can be pulled: {address, run(program), pull()}. */
function neighbour(t) {
  const name = `ablate${process.pid}`, ip = (...args) => execFileSync("ip", args, { stdio: "pipe" });
  ip("netns", "add", name);
  t.after(() => spawnSync("ip", ["netns", "del", name])); // and with it the cable
  ip("link", "add", `a${process.pid}`, "type", "veth", "peer", "name", "cable", "netns", name);
  ip("address", "add", "10.254.77.1/30", "dev", `a${process.pid}`);
  ip("link", "set", `a${process.pid}`, "up");
  ip("-n", name, "address", "add", "10.254.77.2/30", "dev", "cable");
  ip("-n", name, "link", "set", "cable", "up");
  return { address: "10.254.77.1", run: (...program) => spawn("ip", ["netns", "exec", name, ...program], { stdio: ["ignore", "pipe", "inherit"] }),
    pull: () => ip("-n", name, "link", "set", "cable", "down") };
}
const mayCable = root && spawnSync("sh", ["-c", "ip netns add ablate-try && ip link add ablate-try type veth peer name x netns ablate-try; r=$?; ip netns del ablate-try; exit $r"]).status === 0;

test("300 readers whose host has gone, without a FIN or RST: they are given up, the others lose nothing", { skip: !mayCable && "no network namespace with a veth" }, async (t) => {
  const host = neighbour(t), daemon = await serve(t, { listen: `${host.address}:0`, args: ["--slots", "1", "--connections-per-address", "1000"] });
  const live = follow(daemon);
  await until("it follows", async () => (await figures(daemon)).ablate_event_readers === 1);
  const before = await figures(daemon);
  const away = host.run(process.execPath, fileURLToPath(new URL("programs/reader.mjs", import.meta.url)), host.address, String(daemon.port), daemon.token, "300");
  t.after(() => away.kill("SIGKILL"));
  let said = "";
  away.stdout.on("data", (data) => (said += data));
  await until("they follow", () => said !== "");
  assert.equal(said, "ready\n");
  assert.equal((await figures(daemon)).ablate_event_readers, 301);
  host.pull();
  away.kill("SIGKILL");
  const { id } = await submit(daemon, SPEC);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  await got(live, daemon, id);
  const held = (await figures(daemon)).ablate_event_readers;
  const found = await back(daemon, before, 64);
  assert.deepEqual([live.over, live.resync], [null, 0]);
  t.diagnostic(`found: ${held} of 301 were thought to be there when the run had ended; then ${found}`);
  live.close();
  await daemon.stop();
});

const IDLE = 10000, files = Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))[1]);
test("10,000 connections that say nothing: the API answers, a run trains to its end, and their descriptors come back", { skip: files < IDLE + 1000 && `${files} descriptors` }, async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1", "--header-time", "3600"] }), live = follow(daemon);
  await until("it follows", async () => (await figures(daemon)).ablate_event_readers === 1);
  const before = await figures(daemon), idle = [];
  while (idle.length < IDLE) {
    const some = Array.from({ length: 500 }, () => connect(daemon.port));
    idle.push(...some);
    await until("they are connected", () => some.every(({ socket }) => !socket.connecting));
  }
  await until("all are taken", async () => (await figures(daemon)).ablate_connections > IDLE);
  const { id } = await submit(daemon, SPEC);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  await got(live, daemon, id);
  const { ablate_connections: connections } = await figures(daemon);
  assert.ok(connections > IDLE && idle.every((one) => one.over() === null), `${connections} are there`);
  idle.forEach((one) => one.end());
  t.diagnostic(`found: ${connections} connections when the run had succeeded; ${await back(daemon, before, 64)}`);
  live.close();
  await daemon.stop();
});

const SLOW = { "headers (slowloris)": ["-H"], bodies: ["-B", "-s", "8192"], reading: ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "3"] };
test("500 clients whose headers, bodies, reading are slow: the API answers, a run trains to its end, nothing stays", { skip: !has("slowhttptest") && "no slowhttptest" }, async (t) => {
  const daemon = await serve(t, { args: ["--slots", "1", "--no-auth"] }), long = "/api/v1/runs/1/metrics?points=100000", found = [];
  await ended(daemon, (await submit(daemon, SPEC)).id);
  assert.ok((await (await daemon.fetch(long)).arrayBuffer()).byteLength > MIB / 4, "there is something to read slowly");
  const live = follow(daemon);
  await until("it follows", async () => (await figures(daemon)).ablate_event_readers === 1);
  const before = await figures(daemon), { id } = await submit(daemon, { ...SPEC, steps: 3000 });
  for (const [name, options] of Object.entries(SLOW)) {
    const args = [...options, "-c", "500", "-r", "250", "-i", "5", "-l", "8", "-p", "3", "-u", `${daemon.base}${name === "reading" ? long : "/api/v1/experiments"}`];
    const attack = spawn("slowhttptest", args, { stdio: "ignore" });
    t.after(() => attack.kill("SIGKILL"));
    let most = 0;
    while (attack.exitCode === null && attack.signalCode === null) most = Math.max(most, (await figures(daemon)).ablate_connections);
    found.push(`${name} ${most}`);
    assert.ok(most > 20, `${most} connections at most under slow ${name}`);
  }
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  await got(live, daemon, id);
  t.diagnostic(`found: at most so many connections: ${found.join(", ")}; ${await back(daemon, before, 64)}`);
  live.close();
  await daemon.stop();
});
