// Who may do what: tokens, sessions and links of each kind, their rotation while the daemon runs, what is counted and
// logged of the refused; and how much of the daemon a stranger may take.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { chown, readFile, readdir, stat, unlink, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ablated, start } from "../daemon.mjs";
import { ask, connect, parse } from "../raw.mjs";
import { routes } from "../routes.mjs";
import { until } from "../until.mjs";

const KINDS = ["read", "submit", "admin"], FILES = { read: "token.read", submit: "token.submit", admin: "token" };
const JSON_TYPE = "Content-Type: application/json\r\n";

let daemon;
before(async () => {
  daemon = await start({ args: ["--log-level", "debug"] });
});
after(async () => {
  assert.equal(await daemon.stop(), 0, daemon.output());
});

const token = async (kind, one = daemon) => (await readFile(join(one.dir, FILES[kind]), "utf8")).trim();
const link = async (kind, one = daemon) => /#login=(\S+)/.exec((await ablated("link", "--data", one.dir, ...(kind ? ["--access", kind] : []))).stdout)[1];
const rotate = (kind, one = daemon) => ablated("token", "--data", one.dir, "--rotate", kind);
const bearer = (text) => `Authorization: Bearer ${text}\r\n`;

/** One request by hand; header lines end with \r\n. */
function send(line, header = "", body = "", { one = daemon, ...options } = {}) {
  const length = body === "" ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  return ask(one.port, `${line} HTTP/1.1\r\nHost: localhost\r\n${header}${length}\r\n${body}`, options);
}
const session = async (header, one = daemon) => (await send("GET /api/v1/session", header, "", { one })).json();
async function logIn(code, one = daemon) {
  const reply = await send("POST /api/v1/session", JSON_TYPE, JSON.stringify({ code }), { one });
  return { reply, cookie: `Cookie: ${reply.headers.get("set-cookie")?.split(";")[0]}\r\n` };
}
async function counted(reason, one = daemon) {
  const text = (await send("GET /metrics", bearer(await token("read", one)), "", { one })).body;
  return Number(new RegExp(`^ablate_refused_total\\{reason="${reason}"\\} (\\d+)$`, "m").exec(text)[1]);
}

/** Waits until the daemon has logged what matches, and returns it; `from`: characters to leave out. */
const logged = (one, pattern, from = 0) =>
  until(`${pattern} is logged`, () => pattern.exec(one.output().slice(from)), { told: () => one.output().slice(from) });

test("each route lets in who may, and tells the others what they lack", async () => {
  const tokens = Object.fromEntries(await Promise.all(KINDS.map(async (kind) => [kind, await token(kind)])));
  for (const { access, method, path, body } of routes.filter((row) => row.access !== "public")) {
    const line = `${method === "GET" ? "HEAD" : method} ${path.replace("{id}", "999").replace("{name}", "none")}`;
    const header = body.startsWith("json") ? JSON_TYPE : body === "upload" ? "Content-Type: text/plain\r\n" : "";
    const content = body.startsWith("json") ? "[]" : body === "upload" ? " " : ""; // never acceptable
    const options = { head: method === "GET" };
    assert.equal((await send(line, header, content, options)).status, 401, line);
    for (const kind of KINDS) {
      const reply = await send(line, header + bearer(tokens[kind]), content, options);
      if (KINDS.indexOf(kind) >= KINDS.indexOf(access)) {
        assert.ok(![401, 403].includes(reply.status), `${line} with ${kind}: ${reply.status} ${reply.body}`);
        continue;
      }
      assert.equal(reply.status, 403, `${line} with ${kind}`);
      assert.equal(reply.headers.get("www-authenticate"), `Bearer error="insufficient_scope", scope="${access}"`);
      assert.equal(reply.json().code, "insufficient_access");
      assert.match(reply.json().detail, new RegExp(`takes ${access} access; this token gives ${kind} access`));
    }
  }
});

test("a missing token and a wrong one are told apart", async () => {
  assert.equal((await send("GET /api/v1/runs")).headers.get("www-authenticate"), "Bearer");
  assert.equal((await send("GET /api/v1/runs", bearer("0".repeat(64)))).headers.get("www-authenticate"), 'Bearer error="invalid_token"');
});

test("curlrc of each kind carries its token; what it may not do it can't", async () => {
  for (const kind of KINDS) {
    const file = join(daemon.dir, FILES[kind].replace("token", "curlrc"));
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const { stdout } = await promisify(execFile)("curl", ["-sS", "-K", file, `${daemon.base}/api/v1/session`]);
    assert.deepEqual(JSON.parse(stdout), { authenticated: true, method: "token", access: kind });
  }
  const told = (await ablated("token", "--data", daemon.dir)).stdout.trim().split("\n").map((line) => line.split("\t"));
  assert.deepEqual(told, KINDS.map((kind) => [kind, join(daemon.dir, FILES[kind])]));
});

test("read: a query and the report, nothing that changes; submit: an experiment, but no deleting", async () => {
  const auth = async (kind) => bearer(await token(kind));
  assert.equal((await send("POST /api/v1/query", (await auth("read")) + JSON_TYPE, '{"sql":"SELECT 1"}')).status, 200);
  assert.equal((await send("POST /api/v1/queue", (await auth("submit")) + JSON_TYPE, '{"paused":true}')).status, 403);
  assert.equal((await send("POST /api/v1/queue", (await auth("admin")) + JSON_TYPE, '{"paused":true}')).status, 200);
  const spec = JSON.stringify({ data: { dataset: "synthetic:copy", vocab: 32, seq_len: 4 }, train: { steps: 1 } });
  assert.equal((await send("POST /api/v1/experiments?dry_run=1", (await auth("read")) + JSON_TYPE, spec)).status, 403);
  const made = await send("POST /api/v1/experiments", (await auth("submit")) + JSON_TYPE, spec);
  assert.equal(made.status, 201, made.body);
  const path = `/api/v1/experiments/${made.json().id}`;
  assert.equal((await send(`GET ${path}`, await auth("read"))).status, 200);
  assert.equal((await send(`POST ${path}/cancel`, await auth("submit"))).status, 202);
  assert.equal((await send(`DELETE ${path}`, await auth("submit"))).status, 403);
  assert.equal((await send(`GET ${path}`, await auth("read"))).status, 200);
  assert.equal((await send(`DELETE ${path}`, await auth("admin"))).status, 204);
});

test("a link gives what it was asked to give, and its session no more", async () => {
  for (const kind of KINDS) {
    const { reply, cookie } = await logIn(await link(kind));
    assert.equal(reply.status, 201, reply.body);
    assert.deepEqual(reply.json(), { authenticated: true, method: "cookie", access: kind });
    assert.deepEqual(await session(cookie), { authenticated: true, method: "cookie", access: kind });
    const pause = await send("POST /api/v1/queue", `${cookie}${JSON_TYPE}Origin: http://localhost\r\n`, '{"paused":true}');
    assert.equal(pause.status, kind === "admin" ? 200 : 403, pause.body);
    if (kind !== "admin") assert.match(pause.json().detail, /this session gives/);
  }
  assert.equal((await logIn(await link())).reply.json().access, "admin");
  assert.equal((await ablated("link", "--data", daemon.dir, "--access", "root")).status, 64);
});

/** A stream of events that was opened with this header, once it is open. */
async function follow(header, one = daemon) {
  const stream = connect(one.port);
  stream.send(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`);
  await stream.until((received) => received.includes("retry: "));
  return stream;
}

test("rotation: from the moment the command returns the old token, its sessions and links are dead, others alive", async () => {
  for (const kind of KINDS) {
    const old = Object.fromEntries(await Promise.all(KINDS.map(async (one) => [one, bearer(await token(one))])));
    const sessions = Object.fromEntries(await Promise.all(KINDS.map(async (one) => [one, (await logIn(await link(one))).cookie])));
    const spare = await link(kind), streams = await Promise.all([follow(old[kind]), follow(sessions[kind])]);
    const others = await Promise.all(KINDS.filter((one) => one !== kind).map((one) => follow(sessions[one])));
    assert.equal((await rotate(kind)).status, 0);
    assert.equal((await send("GET /api/v1/runs", old[kind])).status, 401);
    assert.equal((await send("GET /api/v1/runs", sessions[kind])).status, 401);
    assert.equal((await logIn(spare)).reply.status, 401);
    for (const one of KINDS.filter((name) => name !== kind)) {
      assert.equal((await send("GET /api/v1/runs", old[one])).status, 200);
      assert.equal((await session(sessions[one])).access, one);
    }
    assert.equal((await session(bearer(await token(kind)))).access, kind);
    const { stdout } = await promisify(execFile)("curl", ["-sS", "-K", join(daemon.dir, FILES[kind].replace("token", "curlrc")), `${daemon.base}/api/v1/session`]);
    assert.equal(JSON.parse(stdout).access, kind);
    // What is still being sent to them ends, too; nobody else's does.
    await Promise.all(streams.map((stream) => stream.until((_, over) => over !== null)));
    for (const stream of others) {
      assert.equal(stream.over(), null);
      stream.end();
    }
  }
  await logged(daemon, /the submit token has changed/);
  assert.equal((await rotate("nobody")).status, 64);
});

test("rotating all, and what holds over a restart", async () => {
  let one = await start();
  try {
    const before = await Promise.all(KINDS.map((kind) => token(kind, one)));
    const { cookie } = await logIn(await link("read", one), one), dead = (await logIn(await link("admin", one), one)).cookie;
    assert.equal((await rotate("admin", one)).status, 0);
    assert.equal(await one.stop({ keep: true }), 0, one.output());
    one = await start({ dir: one.dir });
    assert.equal((await session(cookie, one)).access, "read");
    assert.equal((await session(dead, one)).authenticated, false);
    assert.equal((await session(bearer(before[2]), one)).authenticated, false);
    assert.equal((await rotate("all", one)).status, 0);
    for (const [i, kind] of KINDS.entries()) assert.notEqual(await token(kind, one), before[i]);
    assert.equal((await session(cookie, one)).authenticated, false);
  } finally {
    await one.stop({ keep: false });
  }
});

test("who has a token alone can make no code, however it is made and dated", async () => {
  const now = Math.floor(Date.now() / 1000), secret = await token("read"), hmac = (key, text) => createHmac("sha256", key).update(text);
  const sessions = () => readdir(join(daemon.dir, "sessions")).catch(() => []), before = await sessions(), nonce = "0123456789abcdef", keys = [secret, hmac(secret, "sign").digest(), hmac(secret, "mark").digest(), hmac(secret, "mark").digest("hex").slice(0, 16)];
  for (const key of keys)
    for (const expiry of [now + 60, now + 599, now + 1e9])
      for (const code of [`${expiry}-${nonce}-${hmac(key, `log-in ${expiry} ${nonce}`).digest("hex")}`, hmac(key, `log-in ${expiry} ${nonce}`).digest("hex")])
        assert.equal((await logIn(code)).reply.status, 401, code);
  assert.deepEqual(await sessions(), before);
});

test("one log-in more than may be ends the oldest, of its own access alone, and nothing ended comes back", async () => {
  const MAX = 256, one = await start(), sessions = async (kind) => (await readdir(join(one.dir, "sessions"))).filter((name) => name.includes(`.${kind}.`));
  try {
    const admin = (await logIn(await link("admin", one), one)).cookie, gone = (await logIn(await link("admin", one), one)).cookie;
    assert.equal((await send("DELETE /api/v1/session", `${gone}Origin: http://localhost\r\n`, "", { one })).status, 204);
    const first = (await logIn(await link("read", one), one)).cookie;
    // As many as there may be, made by hand: what a log-in leaves is a name.
    const [, mark, expiry] = /\.read\.([0-9a-f]{16})\.(\d+)$/.exec((await sessions("read"))[0]);
    assert.equal(await one.stop({ keep: true }), 0, one.output());
    for (let i = 1; i < MAX; i++) await writeFile(join(one.dir, "sessions", `${createHash("sha256").update(String(i)).digest("hex")}.read.${mark}.${Number(expiry) + 1}`), "");
    const again = await start({ dir: one.dir });
    try {
      assert.equal((await session(first, again)).access, "read");
      const last = (await logIn(await link("read", again), again)).cookie;
      assert.equal((await session(last, again)).access, "read");
      assert.equal((await session(first, again)).authenticated, false);
      assert.equal((await sessions("read")).length, MAX);
      assert.equal((await session(admin, again)).access, "admin");
      assert.equal((await session(gone, again)).authenticated, false);
      assert.equal((await rotate("read", again)).status, 0);
      assert.deepEqual(await sessions("read"), []);
      assert.equal((await session(last, again)).authenticated, false);
      assert.equal((await logIn(await link("read", again), again)).reply.status, 201);
    } finally {
      await again.stop();
    }
  } finally {
    await one.stop({ keep: false });
  }
});

test("a start under systemd prints no link into its journal", async () => {
  // systemd names the stream that it has opened for standard output in this variable.
  const under = ["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/1); export JOURNAL_STREAM; exec "$@"', "sh"], one = await start({ under });
  try {
    assert.match(one.output(), new RegExp(`^Ablate is at .*\\nLog in by the link that \`ablated link --data ${one.dir}\` prints$`, "m"));
    assert.doesNotMatch(one.output(), /login=/);
    assert.equal((await logIn(await link("admin", one), one)).reply.status, 201);
  } finally {
    await one.stop();
  }
});

test("a token that is taken away opens nothing until the next start makes another", async () => {
  const old = bearer(await token("read"));
  await unlink(join(daemon.dir, "token.read"));
  assert.equal((await session(old)).authenticated, false);
  assert.equal((await session(bearer("0".repeat(64)))).authenticated, false);
  assert.equal((await ablated("link", "--data", daemon.dir, "--access", "read")).status, 66);
  assert.equal((await rotate("read")).status, 0);
  assert.equal((await session(bearer(await token("read")))).access, "read");
});

test("logging out ends the session's stream", async () => {
  const { cookie } = await logIn(await link()), stream = await follow(cookie);
  assert.equal((await send("DELETE /api/v1/session", `${cookie}Origin: http://localhost\r\n`)).status, 204);
  await stream.until((_, over) => over !== null);
});

test("refusals are counted by reason and logged, and no secret stands in the log", async () => {
  const one = await start({ args: ["--log-level", "debug"] });
  try {
    const secret = await token("admin", one), code = await link("admin", one), { cookie } = await logIn(await link("admin", one), one);
    const header = bearer(secret), wrong = "f".repeat(64), reader = bearer(await token("read", one)), pause = '{"paused":true}';
    const knock = (line, head, body) => send(line, head, body, { one });
    const table = [
      ["unauthorized", () => knock("GET /api/v1/runs", bearer(wrong))],
      ["unauthorized", () => logIn(`${code}0`, one)],
      ["unauthorized", async () => { await logIn(code, one); await logIn(code, one); }],
      ["insufficient_access", () => knock("POST /api/v1/queue", reader + JSON_TYPE, pause)],
      ["forbidden", () => knock("POST /api/v1/queue", `${cookie}${JSON_TYPE}Origin: http://evil.example\r\n`, pause)],
      ["misdirected_request", () => ask(one.port, `GET /api/v1/runs?token=${secret} HTTP/1.1\r\nHost: evil.example\r\n${header}\r\n`)],
      ["bad_request", () => knock(`GET /..%2ftoken?code=${code}`, header)],
      ["uri_too_long", () => knock(`GET /${"a".repeat(9000)}`, header)],
      ["headers_too_large", () => knock("GET /healthz", `${header}X: ${"a".repeat(17000)}\r\n`)],
      ["too_large", () => knock("POST /api/v1/experiments", `${header}${JSON_TYPE}Content-Length: 2000000\r\n`)],
    ];
    for (const [reason, refuse] of table) {
      const before = await counted(reason, one), lines = one.output().length;
      await refuse();
      assert.equal(await counted(reason, one), before + 1, reason);
      await logged(one, new RegExp(`level=warn msg="refused: \\w+ /\\S*" code="${reason}" client="127\\.0\\.0\\.1"`), lines);
    }
    await knock(`GET /api/v1/runs?filter=${secret}`, header + cookie);
    for (let i = 0; i < 30; i++) await knock("GET /api/v1/runs", bearer(wrong));
    assert.equal(await counted("unauthorized", one), 33);
    assert.equal(one.output().match(/code="unauthorized"/g).length, 10);
    for (const [name, text] of Object.entries({ secret, code, wrong, cookie: cookie.split("=")[1].trim() }))
      assert.ok(!one.output().includes(text), `${name} is in the log`);
  } finally {
    assert.equal(await one.stop(), 0);
  }
});

test("a header has its bounds, and whoever meets one learns which", async () => {
  const one = await start({ args: ["--header-limit", "2K"] });
  try {
    const get = (header) => ask(one.port, `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${header}\r\n`);
    assert.equal((await get(`X: ${"a".repeat(1500)}\r\n`)).status, 200);
    assert.equal((await get("X: a\r\n".repeat(99))).status, 200);
    for (const header of [`X: ${"a".repeat(2100)}\r\n`, "X: a\r\n".repeat(100)]) {
      const reply = await get(header);
      assert.equal(reply.status, 431);
      assert.equal(reply.json().code, "headers_too_large");
      assert.match(reply.json().detail, /at most (2048 bytes|100 fields)/);
      assert.equal(reply.headers.get("cache-control"), "no-store");
    }
  } finally {
    await one.stop();
  }
});

test("a request has its time, whatever trickles; the slow are told", async () => {
  const one = await start({ args: ["--header-time", "1", "--body-time", "1", "--upload-time", "1"] });
  try {
    const begin = `Host: localhost\r\nAuthorization: Bearer ${one.token}\r\n`;
    const json = `POST /api/v1/queue HTTP/1.1\r\n${begin}${JSON_TYPE}`, put = `PUT /api/v1/datasets/a HTTP/1.1\r\n${begin}Content-Type: text/plain\r\n`;
    const slow = [
      ["GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", "header"], ["GET /healthz HTTP/1.1\r\n", "header"],
      [`${json}Content-Length: 1000\r\n\r\n{"paused"`, "body"], [`${json}Transfer-Encoding: chunked\r\n\r\n1000\r\n{`, "body"],
      [`${put}Content-Length: 100000\r\n\r\nabc`, "body"], [`POST /nothing HTTP/1.1\r\n${begin}Content-Length: 1000\r\n\r\n`, "body"],
    ];
    const silent = connect(one.port), fast = connect(one.port);
    fast.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await fast.until((received) => parse(received).whole);
    await Promise.all(slow.map(async ([bytes, what]) => {
      const connection = connect(one.port);
      connection.send(bytes);
      const trickle = setInterval(() => connection.send("a"), 100);
      await connection.until((received) => parse(received).whole).finally(() => clearInterval(trickle));
      const reply = parse(connection.received()).replies[0];
      assert.equal(reply.status, 408, bytes);
      assert.equal(reply.json().code, "too_slow");
      assert.match(reply.json().detail, new RegExp(what));
      assert.equal(reply.headers.get("connection"), "close");
      assert.match(reply.headers.get("content-security-policy"), /default-src 'none'/);
      connection.send("a");
      await connection.until((_, over) => over !== null);
    }));
    await silent.until((_, over) => over !== null);
    assert.equal(silent.received().length, 0);
    fast.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); // one that rests between requests isn't late
    await fast.until((received) => parse(received).replies.length === 2);
    fast.end();
    assert.ok((await counted("too_slow", one)) >= slow.length);
  } finally {
    assert.equal(await one.stop(), 0, one.output());
  }
});

const outside = Object.values(networkInterfaces()).flat().find(({ family, internal }) => family === "IPv4" && !internal)?.address;

test("at its limit the daemon lets the next wait, and takes them once there is room", async () => {
  const limit = 4, one = await start({ args: ["--connections", String(limit), "--header-time", "1"] });
  try {
    const silent = Array.from({ length: limit }, () => connect(one.port));
    const { status } = await one.fetch("/healthz", { signal: AbortSignal.timeout(300000) }); // as soon as those that say nothing have been closed
    assert.equal(status, 200);
    for (const connection of silent) connection.end();
  } finally {
    await one.stop();
  }
});

test("an address has so many connections; one more is told, loopback isn't bound", { skip: outside === undefined && "there is no address but loopback" }, async () => {
  const one = await start({ args: ["--connections-per-address", "3", "--header-time", "5"], listen: "0.0.0.0:0" });
  try {
    const get = `GET /healthz HTTP/1.1\r\nHost: ${outside}\r\n\r\n`, open = [];
    const opened = async (address) => {
      const connection = connect(one.port, address);
      open.push(connection);
      connection.send(get);
      await connection.until((received, over) => over !== null || parse(received).whole);
      return connection.over() ?? parse(connection.received()).replies[0];
    };
    for (let i = 0; i < 3; i++) assert.equal((await opened(outside)).status, 200);
    const refused = await opened(outside);
    assert.equal(refused.status, 429);
    assert.equal(refused.json().code, "too_many_connections");
    assert.ok(refused.headers.get("retry-after") > 0);
    await open.at(-1).until((_, over) => over !== null);
    for (let i = 0; i < 10; i++) assert.equal((await opened("127.0.0.1")).status, 200);
    // Those that say nothing are closed unheard from twice the number on.
    const silent = Array.from({ length: 10 }, () => connect(one.port, outside));
    await Promise.all(silent.slice(-5).map((connection) => connection.until((_, over) => over !== null)));
    assert.ok((await counted("too_many_connections", one)) >= 6);
    for (const connection of [...open, ...silent]) connection.end();
    // A place that has come free is taken again.
    for (let status = 429; status !== 200;) status = (await ask(one.port, get, { address: outside })).status;
  } finally {
    assert.equal(await one.stop(), 0, one.output());
  }
});

test("X-Forwarded-For is believed from trusted proxies alone; X-Forwarded-Proto from nobody", async () => {
  const asked = async (args, header) => {
    const one = await start({ args: ["--log-level", "debug", ...args] });
    try {
      const { reply } = await logIn(await link(undefined, one), one);
      assert.equal((await send("GET /healthz", header, "", { one })).status, 200);
      const [, client] = await logged(one, /msg="GET \/healthz: 200.*client="(\S+)"/);
      return { client, cookie: reply.headers.get("set-cookie") };
    } finally {
      await one.stop();
    }
  };
  const forwarded = "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\nX-Forwarded-For: 10.1.1.1\r\nX-Forwarded-Proto: https\r\n";
  const plain = await asked([], forwarded);
  assert.equal(plain.client, "127.0.0.1");
  assert.doesNotMatch(plain.cookie, /Secure/);
  assert.equal((await asked(["--trusted-proxy", "10.0.0.0/8"], forwarded)).client, "127.0.0.1");
  assert.equal((await asked(["--trusted-proxy", "127.0.0.1"], forwarded)).client, "10.1.1.1");
  assert.equal((await asked(["--trusted-proxy", "127.0.0.1,10.0.0.0/8"], forwarded)).client, "203.0.113.9");
});

test("root's rotation leaves the files to the folder's owner", { skip: process.getuid() !== 0 && "not root" }, async () => {
  const one = await start();
  try {
    await chown(one.dir, 65534, 65534);
    assert.equal((await rotate("read", one)).status, 0);
    for (const name of ["token.read", "curlrc.read"]) assert.equal((await stat(join(one.dir, name))).uid, 65534);
    await chown(one.dir, 0, 0);
  } finally {
    await one.stop();
  }
});
