// How requests end that nobody ends by themselves: their client leaves, or the daemon does.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, readdir, readlink, truncate, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { client } from "../client.mjs";
import { ablated, start } from "../daemon.mjs";
import { connect } from "../raw.mjs";

const SPEC = { name: "short", data: { dataset: "synthetic:copy", seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 10, batch_size: 1, eval_every: 10, eval_windows: 1, checkpoint_every: 10 }, seeds: [1] };

/** A daemon that a failed test doesn't leave behind. */
async function serve(t) {
  const daemon = await start();
  t.after(() => daemon.kill("SIGKILL"));
  return { daemon, ...client(() => daemon) };
}

/** An experiment that doesn't begin. */
async function queued({ call }) {
  await call("POST", "/queue", { paused: true });
  return (await call("POST", "/experiments", SPEC, 201)).id;
}

const request = (daemon, path) => `GET /api/v1${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\n\r\n`;

/** Sockets that the daemon holds. */
async function sockets({ pid }) {
  const fds = await readdir(`/proc/${pid}/fd`), links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return links.filter((link) => link.startsWith("socket:")).length;
}

/** How many follow the events; a wait does. */
const followers = async ({ daemon }) => Number(/^ablate_event_readers (\d+)$/m.exec(await (await daemon.fetch("/metrics")).text())[1]);

test("waits that their clients give up leave nothing behind", async (t) => {
  const here = await serve(t), { daemon, get, until } = here, id = await queued(here), before = await sockets(daemon), N = 100;
  const waits = Array.from({ length: N }, () => connect(daemon.port));
  for (const one of waits) one.send(request(daemon, `/experiments/${id}?wait=3600`));
  await until("all of them wait", async () => (await followers(here)) === N);
  for (const one of waits) one.end();
  await until("nobody waits", async () => (await followers(here)) === 0);
  await until("every connection is closed", async () => (await sockets(daemon)) <= before + 1); // fetch keeps one
  assert.equal((await get(`/experiments/${id}`)).state, "queued");
  assert.equal(await daemon.stop(), 0, daemon.output());
});

test("who waits is answered when the experiment ends, and when the daemon does", async (t) => {
  const here = await serve(t), { daemon, call, get, until } = here, ids = [await queued(here), await queued(here)];
  const waits = ids.map((id) => get(`/experiments/${id}?wait=3600`));
  await until("both wait", async () => (await followers(here)) === 2);
  await call("POST", `/experiments/${ids[0]}/cancel`, undefined, 202);
  assert.equal((await waits[0]).state, "cancelled");
  assert.equal(await daemon.stop(), 0, daemon.output());
  const { id, state, counts } = await waits[1];
  assert.deepEqual([id, state, counts.queued], [ids[1], "queued", 1]);
});

test("a wait ends with the token that it was asked by", async (t) => {
  const here = await serve(t), { daemon, until } = here, id = await queued(here), one = connect(daemon.port);
  one.send(request({ token: (await readFile(join(daemon.dir, "token.read"), "utf8")).trim() }, `/experiments/${id}?wait=3600`));
  await until("it waits", async () => (await followers(here)) === 1);
  assert.equal((await ablated("token", "--data", daemon.dir, "--rotate", "read")).status, 0);
  await one.until((received, over) => over !== null);
  assert.equal(one.received().length, 0);
  await until("nobody waits", async () => (await followers(here)) === 0);
  assert.equal(await daemon.stop(), 0, daemon.output());
});

test("downloads, however fast or slow, don't hold up the end of the daemon, and none that was cut off looks whole", async (t) => {
  const here = await serve(t), { daemon, until } = here, id = await queued(here), bytes = 2 ** 30, at = join(daemon.dir, "runs/1/artifacts");
  // More than the kernel takes in advance, and without a block on the disk.
  await mkdir(at, { recursive: true });
  await writeFile(join(at, "large"), "");
  await truncate(join(at, "large"), bytes);
  await promisify(execFile)("sqlite3", [join(daemon.dir, "ablate.db"),
    `INSERT INTO artifacts (run, name, bytes, sha256, created_at) SELECT id, 'large', ${bytes}, '${"0".repeat(64)}', 1 FROM runs WHERE experiment = ${id}`]);
  const readers = Array.from({ length: 24 }, () => {
    const socket = net.connect(daemon.port, "127.0.0.1"), one = { socket, n: 0, head: "" };
    one.over = new Promise((resolve) => socket.on("close", resolve));
    one.began = new Promise((resolve) => socket.once("data", (data) => {
      one.head = data.toString("latin1");
      socket.pause(); // what the kernel holds is all that it has got for now
      resolve();
    }));
    socket.on("error", () => {}).on("data", (data) => (one.n += data.length));
    socket.write(request(daemon, "/runs/1/artifacts/large"));
    return one;
  });
  await Promise.all(readers.map(({ began }) => began));
  daemon.kill("SIGTERM");
  await until("it begins to end", () => /signal 15: ending/.test(daemon.output()), 1);
  for (const { socket } of readers.slice(0, 12)) socket.resume(); // the others never do
  assert.equal(await daemon.ended, 0, daemon.output());
  const [, said] = /(\d+) replies that are still being sent are cut off/.exec(daemon.output()) ?? assert.fail(daemon.output());
  assert.equal(Number(said), readers.length);
  for (const { socket } of readers.slice(12)) socket.resume();
  await Promise.all(readers.map(({ over }) => over));
  for (const { head, n } of readers) {
    assert.match(head, new RegExp(`^HTTP/1.1 200 [^]*\r\nContent-Length: ${bytes}\r\n`));
    assert.ok(n < bytes, `${n} bytes`);
  }
  await daemon.stop();
});
