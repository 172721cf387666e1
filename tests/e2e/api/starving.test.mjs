// Connections that want the daemon for themselves: bodies that never get on, requests without end on one socket. While
// they last the API answers, a run trains and its steps are stored, and a signal ends the daemon; and each that doesn't
// get on is closed by it, its descriptor given back.

import assert from "node:assert/strict";
import net from "node:net";
import { once } from "node:events";
import { readdir, readlink } from "node:fs/promises";
import { test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { connect, parse } from "../raw.mjs";

const CHUNKED = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
const LOG_IN = `POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n${CHUNKED}`;
const HEALTH = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const SPEC = { name: "beside", data: { dataset: "synthetic:copy", seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 10, batch_size: 1, eval_every: 10, eval_windows: 1, checkpoint_every: 10 }, seeds: [1] };

/** Connects and sends `bytes`, again whenever it was closed; without end also as long as more is taken. */
function attack(port, bytes, { endless = false } = {}) {
  let socket, going = true, closed = 0;
  const more = () => { while (going && endless && socket.write(bytes)); };
  const open = () => {
    socket = net.connect(port, "127.0.0.1", () => (endless ? more() : socket.write(bytes)));
    socket.on("drain", more).on("data", () => {}).on("error", () => {});
    socket.on("close", () => { closed++; if (going) open(); });
  };
  open();
  return { closed: () => closed, stop: () => { going = false; socket.destroy(); } };
}

const attacks = {
  "a line between chunks without end": { bytes: LOG_IN + "0".repeat(33000), closes: true },
  "requests without end on one socket": { bytes: HEALTH.repeat(500), endless: true },
};

for (const [name, { bytes, endless, closes }] of Object.entries(attacks))
  test(`beside ${name}: the API answers, steps are stored, SIGTERM ends the daemon`, async (t) => {
    const daemon = await start({ args: ["--slots", "1"] }), { call, get, until } = client(() => daemon);
    t.after(() => daemon.kill("SIGKILL"));
    const attacker = attack(daemon.port, bytes, { endless });
    t.after(() => attacker.stop());
    if (closes) await until("the daemon closes it", () => attacker.closed() > 0);
    const { id } = await call("POST", "/experiments", SPEC, 201);
    await until("the run has ended", async () => (await get(`/experiments/${id}`)).counts.succeeded === 1);
    assert.equal((await get("/runs/1/metrics?names=train/loss")).series["train/loss"].raw, 10);
    assert.equal(await daemon.stop(), 0, daemon.output());
  });

/** Sockets that the daemon holds. */
async function sockets(pid) {
  const fds = await readdir(`/proc/${pid}/fd`), links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return links.filter((link) => link.startsWith("socket:")).length;
}

test("what doesn't get on is ended, and gives its descriptor back", async (t) => {
  const daemon = await start({ args: ["--body-time", "1", "--header-time", "1", "--upload-time", "1"] }), { until, get } = client(() => daemon);
  t.after(() => daemon.kill("SIGKILL"));
  const put = `PUT /api/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const zeros = "0".repeat(40000), hello = "5\r\nhello\r\n";
  const table = {
    "a size without end": LOG_IN + zeros,
    "a size without end, after a chunk": put + hello + zeros,
    "a size without end, after much": `${put}186a0\r\n${"x".repeat(100000)}\r\n${zeros}`,
    "an extension without end": `${put}5;${"x".repeat(40000)}`,
    "a trailer without end": `${put}${hello}0\r\nX: ${"y".repeat(80000)}`,
    "trailers without end": `${put}${hello}0\r\n${"X: y\r\n".repeat(40000)}`,
    "a size that goes on for a while": `${put}${"0".repeat(8000)}`,
    "half a size": `${put}5`,
    "half a chunk": `${put}5\r\nhel`,
    "a chunk's missing end": `${put}5\r\nhello`,
    "no body": `${LOG_IN}`,
    "half a header": "GET / HTTP/1.1\r\nHost: loc",
    "a header without end": `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"y".repeat(80000)}`,
    "headers without end": `GET / HTTP/1.1\r\nHost: localhost\r\n${"X: y\r\n".repeat(40000)}`,
    "a query of more parameters than can be listed": `GET /healthz?${"a&".repeat(5000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    "empty lines without end": "\r\n".repeat(40000),
    "a header without end behind a request": `${HEALTH}GET / HTTP/1.1\r\nX: ${"y".repeat(80000)}`,
    "a body that is waited for": `POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\nContent-Type: application/json\r\n\r\n`,
    "a body of a GET": `GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${zeros}`,
    "nothing": "",
  };
  const before = await sockets(daemon.pid);
  // Each once as it is, once from a client that says it is done, and once from one that leaves.
  const stay = Object.entries(table).map(([name, bytes]) => [name, connect(daemon.port), bytes]);
  const half = Object.entries(table).map(([name, bytes]) => [`${name}, half closed`, connect(daemon.port), bytes]);
  for (const [, one, bytes] of [...stay, ...half]) one.send(bytes);
  for (const [, one] of half) one.socket.end();
  for (const bytes of Object.values(table)) net.connect(daemon.port, "127.0.0.1", function sent() { this.write(bytes, () => this.destroy()); }).on("error", () => {});
  for (const [name, one] of [...stay, ...half]) {
    await one.until((received, over) => over !== null, 60000).catch((error) => assert.fail(`${name}: ${error.message}`));
    const { replies } = parse(one.received());
    for (const { status } of replies.slice(name.startsWith("a header without end behind") ? 1 : 0)) assert.ok(status < 200 || status >= 400 && status < 500, `${name}: ${status}`);
  }
  await get("/queue");
  await until("every descriptor is back", async () => (await sockets(daemon.pid)) <= before + 1); // fetch keeps one
  assert.equal(await daemon.stop(), 0, daemon.output());
});

test("a request that the parser lets go of without a word ends with its connection", async (t) => {
  const daemon = await start();
  t.after(() => daemon.kill("SIGKILL"));
  const leave = net.connect(daemon.port, "127.0.0.1", () => leave.write(`GET /healthz?${"a&".repeat(5000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, () => leave.destroy()));
  await once(leave, "close");
  // Each of these takes its descriptor, and is looked at for not getting on.
  for (let i = 0; i < 3; i++) {
    const one = connect(daemon.port);
    one.send(LOG_IN + "0".repeat(33000));
    await one.until((received, over) => over !== null);
  }
  assert.equal(await daemon.stop(), 0, daemon.output());
  assert.equal(daemon.output().match(/refused: .* \/healthz/g)?.length, 1, daemon.output());
});

test("an upload past its time is ended, however small the chunks it still brings", async (t) => {
  const daemon = await start({ args: ["--upload-time", "1"] });
  t.after(() => daemon.kill("SIGKILL"));
  const one = connect(daemon.port), chunks = "1\r\na\r\n".repeat(1000);
  const more = () => { while (one.over() === null && one.socket.write(chunks)); };
  one.send(`PUT /api/v1/datasets/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n`);
  one.socket.on("drain", more);
  more();
  await one.until((received) => received.includes("HTTP/1.1 408"), 60000);
  one.end();
  assert.equal(await daemon.stop(), 0, daemon.output());
});
