// The protocol, byte by byte, against the real daemon: methods, access, hosts, sizes, and what a lenient
// parser would let through. A request that is refused says why as a problem document and changes nothing.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ablated, start } from "../daemon.mjs";
import { all, ask, connect, parse } from "../raw.mjs";
import { until } from "../until.mjs";

let daemon;
before(async () => {
  daemon = await start();
});
after(async () => {
  assert.equal(await daemon.stop(), 0, daemon.output());
});

const host = () => `Host: 127.0.0.1:${daemon.port}\r\n`;
const bearer = () => `Authorization: Bearer ${daemon.token}\r\n`;
/** One request by hand, with Host and token. */
const request = (line, header = "", body = "") => `${line} HTTP/1.1\r\n${host()}${bearer()}${header}\r\n${body}`;
const send = (line, header, body, options) => ask(daemon.port, request(line, header, body), options);

function assertProblem(reply, status, code) {
  assert.equal(reply.status, status, reply.body);
  assert.equal(reply.headers.get("content-type"), "application/problem+json");
  const problem = JSON.parse(reply.body);
  assert.equal(problem.status, status);
  assert.equal(problem.type, `urn:ablate:problem:${problem.code}`);
  assert.ok(problem.title.length > 0 && problem.detail.length > 0, reply.body);
  if (code !== undefined) assert.equal(problem.code, code, reply.body);
  return problem;
}
const alive = async () => assert.equal((await fetch(`${daemon.base}/healthz`)).status, 200);

test("methods come out of the route table", async () => {
  const refused = await send("PUT /api/v1/experiments");
  assertProblem(refused, 405, "method_not_allowed");
  assert.equal(refused.headers.get("allow"), "POST, GET, HEAD, OPTIONS");
  const asked = await send("OPTIONS /api/v1/runs/1");
  assert.equal(asked.status, 204);
  assert.equal(asked.headers.get("allow"), "GET, HEAD, OPTIONS");
  assert.equal((await send("OPTIONS *")).status, 204);
  const got = await send("GET /api/v1/version"), head = await send("HEAD /api/v1/version", "", "", { head: true });
  assert.equal(head.status, 200);
  for (const name of ["content-type", "content-length", "cache-control"]) assert.equal(head.headers.get(name), got.headers.get(name));
  assertProblem(await send("GET /api/v1/nothing"), 404, "not_found");
  assertProblem(await send("GET /api/v1/version/"), 404, "not_found");
  assertProblem(await send("GET /api/v1/runs/x"), 404, "not_found");
  assertProblem(await send("GET /api/v1/runs/0"), 404, "not_found");
  assertProblem(await send("GET /api/v1/runs/99999999999999999999"), 404, "not_found");
  assertProblem(await send("POST /app.js"), 405);
  assertProblem(await send("BREW /healthz"), 405);
  assert.ok((await send("HEAD /", "", "", { head: true })).headers.get("content-length") > 0);
});

test("every reply carries the security headers; the API is never cached", async () => {
  for (const path of ["/", "/app.js", "/api/v1/version", "/api/v1/nothing", "/healthz", "/api/v1/datasets/%41"]) {
    const { headers } = await send(`GET ${path}`);
    assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    assert.equal(headers.get("referrer-policy"), "no-referrer", path);
    assert.match(headers.get("content-security-policy"), /default-src 'none'/, path);
    assert.doesNotMatch(headers.get("content-security-policy"), /unsafe|\*/, path);
    assert.equal(headers.get("cache-control"), path === "/" || path === "/app.js" ? "no-cache" : "no-store", path);
  }
});

test("the page's files are revalidated by their content", async () => {
  const first = await send("GET /app.js"), tag = first.headers.get("etag");
  assert.match(first.headers.get("content-type"), /^text\/javascript/);
  assert.equal((await send("GET /app.js", `If-None-Match: ${tag}\r\n`)).status, 304);
  assert.equal((await send("GET /app.js", `If-None-Match: "x", W/${tag}\r\n`)).status, 304);
  assert.equal((await send("GET /app.js", 'If-None-Match: "x"\r\n')).status, 200);
  for (const path of ["/lib/uPlot.js", "/lib/uPlot.css", "/style.css", "/icon.svg", "/views/run.js"])
    assert.equal((await send(`GET ${path}`)).status, 200, path);
  for (const path of ["/web/app.js", "/schema/migrations/0001_init.sql", "/package.json", "/index.html/", "//app.js"])
    assert.notEqual((await send(`GET ${path}`)).status, 200, path);
});

test("nothing without the token but the page, its health and the log-in", async () => {
  const paths = ["GET /api/v1/runs", "GET /metrics", "POST /api/v1/query", "PUT /api/v1/datasets/x", "GET /api/v1/events", "DELETE /api/v1/session", "GET /api/v1/version"];
  const wrong = ["", "Authorization: Bearer\r\n", `Authorization: Bearer ${"0".repeat(64)}\r\n`, `Authorization: Basic ${daemon.token}\r\n`,
    `Authorization: Bearer ${daemon.token}0\r\n`, `Authorization: Bearer ${daemon.token.toUpperCase()}\r\n`, `Cookie: token=${daemon.token}\r\n`];
  for (const line of paths)
    for (const header of wrong) {
      const reply = await ask(daemon.port, `${line} HTTP/1.1\r\n${host()}${header}\r\n`);
      assertProblem(reply, 401, "unauthorized");
      assert.match(reply.headers.get("www-authenticate"), /^Bearer( error="invalid_token")?$/);
    }
  for (const path of ["/", "/healthz", "/app.js"]) assert.equal((await fetch(daemon.base + path)).status, 200);
  assert.deepEqual(await (await fetch(`${daemon.base}/api/v1/session`)).json(), { authenticated: false, method: "", access: "public" });
});

test("the data folder lets its owner in only", async () => {
  for (const name of ["token", "curlrc", "address"]) assert.equal((await stat(join(daemon.dir, name))).mode & 0o777, 0o600, name);
  assert.equal((await stat(daemon.dir)).mode & 0o777, 0o700);
  assert.match(await readFile(join(daemon.dir, "curlrc"), "utf8"), new RegExp(`Bearer ${daemon.token}`));
});

test("Host must be an address, localhost or the public name", async () => {
  const of = (value) => ask(daemon.port, `GET /healthz HTTP/1.1\r\n${value}\r\n`);
  for (const good of ["127.0.0.1", "localhost", `LOCALHOST:${daemon.port}`, "[::1]:80", "192.0.2.7:8642"])
    assert.equal((await of(`Host: ${good}\r\n`)).status, 200, good);
  for (const bad of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:", "localhost:80x", "a@127.0.0.1", "localhost:80:80", ""])
    assertProblem(await of(`Host: ${bad}\r\n`), 421, "misdirected_request");
  assert.equal((await of("")).status, 400);
  // Probes of load balancers: HTTP/1.0, without a Host, and only there.
  const old = (path, header = "") => ask(daemon.port, `GET ${path} HTTP/1.0\r\n${header}\r\n`);
  for (const header of ["", "Host: localhost\r\n"]) assert.equal((await old("/healthz", header)).status, 200);
  for (const path of ["/", "/api/v1/session", "/healthz/"]) assertProblem(await old(path), 400, "bad_request");
  assertProblem(await old("/healthz", "Host: evil.example\r\n"), 421, "misdirected_request");
  assertProblem(await of("Host: localhost\r\nHost: localhost\r\n"), 400);
});

test("a page of another site can't make a browser act for it", async () => {
  const code = /#login=(\S+)/.exec((await ablated("link", "--data", daemon.dir)).stdout)[1];
  const login = (header) => fetch(`${daemon.base}/api/v1/session`, { method: "POST", headers: { "Content-Type": "application/json", ...header }, body: JSON.stringify({ code }) });
  assert.equal((await login({ Origin: "http://evil.example" })).status, 403);
  const made = await login({ Origin: daemon.base });
  assert.equal(made.status, 201);
  const cookie = `Cookie: ${made.headers.get("set-cookie").split(";")[0]}\r\n`;
  const pause = (header) => ask(daemon.port, `POST /api/v1/queue HTTP/1.1\r\n${host()}${cookie}${header}Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{"paused":true}`);
  for (const header of ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n", "",
    `Origin: http://127.0.0.1:${daemon.port + 1}\r\n`, `Origin: ${daemon.base}\r\nSec-Fetch-Site: cross-site\r\n`])
    assertProblem(await pause(header), 403, "forbidden");
  assert.equal((await (await daemon.fetch("/api/v1/queue")).json()).paused, false);
  for (const header of [`Origin: ${daemon.base}\r\n`, "Sec-Fetch-Site: same-origin\r\n"]) assert.equal((await pause(header)).status, 200);
  assert.equal((await ask(daemon.port, `GET /api/v1/queue HTTP/1.1\r\n${host()}${cookie}\r\n`)).json().paused, true);
});

test("a log-in link works once; its cookie until it is ended; nothing forged", async () => {
  const fresh = async () => /#login=(\S+)/.exec((await ablated("link", "--data", daemon.dir)).stdout)[1];
  const login = (code) => ask(daemon.port, `POST /api/v1/session HTTP/1.1\r\n${host()}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(JSON.stringify({ code }))}\r\n\r\n${JSON.stringify({ code })}`);
  const who = (cookie) => ask(daemon.port, `GET /api/v1/session HTTP/1.1\r\n${host()}Cookie: ${cookie}\r\n\r\n`).then((reply) => reply.json());
  const code = await fresh(), made = await login(code), set = made.headers.get("set-cookie");
  assert.equal(made.status, 201);
  assert.match(set, /^ablate_[0-9a-f]{16}=[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
  assertProblem(await login(code), 401, "unauthorized");
  const cookie = set.split(";")[0], [name, value] = cookie.split("=");
  assert.deepEqual(await who(cookie), { authenticated: true, method: "cookie", access: "admin" });
  const digest = createHash("sha256").update(value).digest("hex");
  for (const forged of [value.replace(/^./, (c) => (c === "0" ? "1" : "0")), value.slice(1), value.toUpperCase(), digest, code, await fresh(), "", "..", `${value}0`, `${value}.`])
    assert.equal((await who(`${name}=${forged}`)).authenticated, false, forged);
  for (const bad of ["", "x", value, digest, (await fresh()).slice(0, -1), (await fresh()).toUpperCase(), "9".repeat(64), "9".repeat(90)])
    assert.ok([401, 422].includes((await login(bad)).status), bad);
  // Ended means ended, for whoever kept a copy, and over a restart.
  const end = await ask(daemon.port, `DELETE /api/v1/session HTTP/1.1\r\n${host()}Cookie: ${cookie}\r\nOrigin: ${daemon.base}\r\n\r\n`);
  assert.equal(end.status, 204);
  assert.match(end.headers.get("set-cookie"), /Max-Age=0/);
  assert.equal((await who(cookie)).authenticated, false);
});

test("what was spent stays spent over a restart, what is good stays good", async () => {
  let one = await start();
  const code = /#login=(\S+)/.exec(one.output())[1];
  const spare = /#login=(\S+)/.exec((await ablated("link", "--data", one.dir)).stdout)[1];
  const login = (value) => fetch(`${one.base}/api/v1/session`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ code: value }) });
  const who = async (cookie) => (await (await fetch(`${one.base}/api/v1/session`, { headers: { Cookie: cookie } })).json()).authenticated;
  const kept = (await login(code)).headers.get("set-cookie").split(";")[0], dropped = (await login(spare)).headers.get("set-cookie").split(";")[0];
  await fetch(`${one.base}/api/v1/session`, { method: "DELETE", headers: { Cookie: dropped, Origin: one.base } });
  assert.equal(await one.stop({ keep: true }), 0, one.output());
  await assert.rejects(stat(join(one.dir, "address")));
  assert.equal((await ablated("link", "--data", one.dir)).status, 75);
  const { dir } = one;
  one = await start({ dir });
  assert.equal((await login(code)).status, 401);
  assert.equal(await who(kept), true);
  assert.equal(await who(dropped), false);
  await one.stop({ keep: false });
});

test("two readings of one request are refused before anybody can choose", async () => {
  const json = "Content-Type: application/json\r\n", chunks = "f\r\n{\"paused\":true}\r\n0\r\n\r\n";
  const table = [
    ["Content-Length: 15\r\nContent-Length: 15\r\n", '{"paused":true}'],
    ["Content-Length: 15\r\nContent-Length: 0\r\n", '{"paused":true}'],
    ["Content-Length: 15, 15\r\n", '{"paused":true}'],
    ["Content-Length: +15\r\n", '{"paused":true}'],
    ["Content-Length: 0x0f\r\n", '{"paused":true}'],
    ["Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", chunks],
    ["Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", chunks],
    ["Transfer-Encoding : chunked\r\n", chunks],
    ["Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunks],
    ["Transfer-Encoding: chunked, identity\r\n", chunks],
    ["Transfer-Encoding: identity\r\n", chunks],
    ["Transfer-Encoding: xchunked\r\n", chunks],
    ["Transfer-Encoding: gzip, chunked\r\n", chunks],
    ["Content-Length : 15\r\n", '{"paused":true}'],
    ["Content-Length\r\n", '{"paused":true}'],
    ["Bad Name: 1\r\nContent-Length: 15\r\n", '{"paused":true}'],
    ["Content-Length: -1\r\n", '{"paused":true}'],
    ["Content-Length: 99999999999999999999999\r\n", '{"paused":true}'],
  ];
  await daemon.fetch("/api/v1/queue", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"paused":false}' });
  for (const [header, body] of table) {
    const replies = await all(daemon.port, `${request("POST /api/v1/queue", json + header, body)}GET /healthz HTTP/1.1\r\n${host()}\r\n`, { quiet: 100 });
    assert.ok(replies.length <= 1, `${header}: ${replies.map((reply) => reply.status)}`);
    if (replies.length > 0) assert.ok([400, 413].includes(replies[0].status), `${header}: ${replies[0].status}`);
  }
  for (const body of ["-1\r\nx\r\n0\r\n\r\n", "0xf\r\n{\"paused\":true}\r\n0\r\n\r\n", "ffffffffffffffffff\r\n{\r\n", "zz\r\n\r\n", "f\r\n{\"paused\":true}XX0\r\n\r\n"]) {
    const reply = await send("POST /api/v1/queue", `${json}Transfer-Encoding: chunked\r\n`, body);
    assert.ok(typeof reply.status === "string" || (reply.status >= 400 && reply.status < 500), `${body}: ${reply.status}`);
  }
  assert.equal((await (await daemon.fetch("/api/v1/queue")).json()).paused, false);
  const good = await send("POST /api/v1/queue", `${json}Transfer-Encoding: chunked\r\n`, chunks);
  assert.equal(good.status, 200, good.body);
  const old = await ask(daemon.port, `POST /api/v1/queue HTTP/1.0\r\n${host()}${bearer()}${json}Transfer-Encoding: chunked\r\n\r\n${chunks}`);
  assertProblem(old, 400, "bad_request");
});

test("nothing that a parser may read in two ways is read at all", async () => {
  const json = "Content-Type: application/json\r\n", body = '{"paused":true}', ask = "POST /api/v1/queue HTTP/1.1\r\n", get = "GET /healthz HTTP/1.1\r\n";
  const begin = `${host()}${bearer()}`, chunks = `f\r\n${body}\r\n0\r\n\r\n`, next = `${get}${host()}\r\n`, length = "Content-Length: 15\r\n";
  const table = {
    "a folded length": `${ask}${begin}${json}Content-Length: 1\r\n 5\r\n\r\n${body}`,
    "a length on the next line": `${ask}${begin}${json}Content-Length:\r\n 15\r\n\r\n${body}`,
    "a folded coding": `${ask}${begin}${json}Transfer-Encoding:\r\n chunked\r\n\r\n${chunks}`,
    "a folded coding, by a tab": `${ask}${begin}${json}Transfer-Encoding:\r\n\tchunked\r\n\r\n${chunks}`,
    "a folded Host": `${get}Host:\r\n localhost\r\n\r\n`,
    "an empty fold": `${get}${host()} \r\nX: y\r\n\r\n`,
    "any fold": `${get}${host()}X: y\r\n z\r\n\r\n`,
    "a fold before the first field": `${get} X: y\r\n${host()}\r\n`,
    "LF alone": `${get}${host()}X: y\nZ: z\r\n\r\n`,
    "LF alone everywhere": "GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "LF after the request line": `GET /healthz HTTP/1.1\n${host()}\r\n`,
    "LF at the end": `${get}${host()}\n`,
    "CR in a value": `${get}${host()}X: y\rContent-Length: 5\r\n\r\n`,
    "NUL in a value": `${get}${host()}X: y\0z\r\n\r\n`,
    "NUL in the last value": `${get}X: y\r\nHost: localhost\0.example\r\n\r\n`,
    "NUL in a length": `${ask}${begin}${json}Content-Length: 15\0 0\r\n\r\n${body}`,
    "NUL in a name": `${get}${host()}X\0Y: z\r\n\r\n`,
    "NUL in the address": `GET /healthz\0x HTTP/1.1\r\n${host()}\r\n`,
    "a control character": `${get}${host()}X: y\x01z\r\n\r\n`,
    "a vertical tab": `${ask}${begin}${json}Transfer-Encoding: \x0bchunked\r\n\r\n${chunks}`,
    "two spaces": `GET  /healthz HTTP/1.1\r\n${host()}\r\n`,
    "two spaces before the version": `GET /healthz  HTTP/1.1\r\n${host()}\r\n`,
    "tabs": `GET\t/healthz\tHTTP/1.1\r\n${host()}\r\n`,
    "a quoted coding": `${ask}${begin}${json}Transfer-Encoding: "chunked"\r\n\r\n${chunks}`,
    "a coding with a parameter": `${ask}${begin}${json}Transfer-Encoding: chunked;q=1\r\n\r\n${chunks}`,
    "a coding and a comma": `${ask}${begin}${json}Transfer-Encoding: ,chunked\r\n\r\n${chunks}`,
    "a coding and a blank": `${ask}${begin}${json}Transfer-Encoding: chunked \r\n\r\n${chunks}`,
    "an empty coding": `${ask}${begin}${json}Transfer-Encoding:\r\n${length}\r\n${body}`,
    "an empty length": `${ask}${begin}${json}Content-Length:\r\n\r\n${body}`,
    "a length beyond 64 bits": `${ask}${begin}${json}Content-Length: 18446744073709551631\r\n\r\n${body}`,
    "a name that is empty": `${get}: x\r\n${host()}\r\n`,
    "HTTP/1.2": `GET /healthz HTTP/1.2\r\n${host()}\r\n`,
    "HTTP/0.9": "GET /healthz\r\n\r\n",
    "http/1.1": `GET /healthz http/1.1\r\n${host()}\r\n`,
    "HTTP/2's preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT": `CONNECT localhost:80 HTTP/1.1\r\n${host()}\r\n`,
    "two Hosts in one": `${get}Host: localhost, evil.example\r\n\r\n`,
    "two tokens": `${ask}${begin}Authorization: Bearer x\r\n${json}${length}\r\n${body}`,
    "two Origins": `${ask}${begin}Origin: http://localhost\r\nOrigin: http://evil.example\r\n${json}${length}\r\n${body}`,
    "two types": `${ask}${begin}${json}Content-Type: text/plain\r\n${length}\r\n${body}`,
  };
  await daemon.fetch("/api/v1/queue", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"paused":false}' });
  for (const [name, bytes] of Object.entries(table)) {
    const connection = connect(daemon.port);
    connection.socket.setNoDelay(true);
    connection.send(Buffer.from(bytes + next, "latin1"));
    await connection.until((received, over) => over !== null); // nothing that follows is believed
    const statuses = [...connection.received().toString("latin1").matchAll(/^HTTP\/1\.1 (\d+) /gm)].map(([, status]) => status);
    // microhttpd closes on some without a word, and sends the head of its own 400 twice.
    assert.ok(statuses.length === 0 || (new Set(statuses).size === 1 && ["400", "413", "421", "505"].includes(statuses[0])), `${name}: ${statuses}`);
  }
  assert.equal((await (await daemon.fetch("/api/v1/queue")).json()).paused, false);
  // Chunks end the connection, since their lines may end as they like.
  for (const ends of ["\r\n", "\n"]) {
    const replies = await all(daemon.port, `${ask}${begin}${json}Transfer-Encoding: chunked\r\n\r\n${["f;x=y", '{"paused":false', "1", "}", "0", "", ""].join(ends)}${next}`);
    assert.ok(replies.length === 1 && replies[0].headers.get("connection") === "close", `${replies.map((reply) => reply.status)}`);
  }
  await alive();
});

test("no address reaches beyond its path", async () => {
  for (const path of ["/../token", "/%2e%2e/token", "/%2e%2e%2ftoken", "/..%2ftoken", "/app.js%00.css", "/%00", "/api/v1/runs/1/artifacts/..%2f..%2fspec.json",
    "/api/v1/runs/1/artifacts/%2e%2e", "/./app.js", "/%2e/app.js", "/a%5cb", "/a\\b", "/%", "/%zz", "/%2", "/%252e%252e/token", "/%0d%0aSet-Cookie:%20a=b", "/x?a=%00",
    "/%ff", "/%c3%28", "/x?a=%ff", "/caf\u00e9", "token", "http://127.0.0.1/healthz", ""])
    assert.equal((await send(`GET ${path}`)).status, 400, path);
  assertProblem(await send("GET /caf%c3%a9"), 404);
  assertProblem(await send(`GET /${"%c3%a9".repeat(150)}x`), 404); // cut in the message, between characters
  await alive();
});

test("too much is refused with its name", async () => {
  assertProblem(await send(`GET /${"a".repeat(9000)}`), 414, "uri_too_long");
  assert.ok([400, 414].includes((await send(`GET /${"a".repeat(60000)}`)).status));
  assert.ok([400, 413, 431].includes((await send("GET /healthz", `X: ${"a".repeat(60000)}\r\n`)).status));
  assert.ok([400, 413, 431].includes((await send("GET /healthz", "X: a\r\n".repeat(20000))).status));
  const json = "Content-Type: application/json\r\n";
  assertProblem(await send("POST /api/v1/experiments", `${json}Content-Length: 1048577\r\n`, ""), 413, "too_large");
  assertProblem(await send("POST /api/v1/experiments", `${json}Content-Length: 9000000000000000000\r\n`, ""), 413, "too_large");
  // Whoever sends on regardless still gets the answer, not a reset connection.
  for (const header of [`Content-Length: ${8 << 20}\r\n`, "Transfer-Encoding: chunked\r\n", `Content-Length: ${8 << 20}\r\nExpect: 100-continue\r\n`]) {
    const one = connect(daemon.port);
    one.send(request("POST /api/v1/experiments", json + header));
    for (let i = 0; i < 128 && one.over() === null; i++) one.send(header.startsWith("T") ? `10000\r\n${"x".repeat(65536)}\r\n` : "x".repeat(65536));
    await one.until((received) => parse(received).replies.length > 0);
    assertProblem(parse(one.received()).replies.at(-1), 413, "too_large");
    one.end();
  }
  await alive();
});

test("a body must be what the endpoint takes", async () => {
  const post = (type, body, path = "/api/v1/queue") => send(`POST ${path}`, `${type === null ? "" : `Content-Type: ${type}\r\n`}Content-Length: ${Buffer.byteLength(body)}\r\n`, body);
  for (const type of [null, "text/plain", "application/jsonp", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"])
    assertProblem(await post(type, '{"paused":false}'), 415, "unsupported_media_type");
  assertProblem(await send("POST /api/v1/queue", "Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"), 415, "unsupported_media_type");
  for (const [body, status, code, pointer] of [
    ["", 400, "truncated_json"], ["{", 400, "truncated_json"], ["{]", 400, "malformed_json"], ['{"paused":false} x', 400, "malformed_json"], ["\ufeff{}", 400, "malformed_json"],
    ['{"paused":true,"paused":false}', 400, "duplicate_key"], [`${'{"a":'.repeat(40)}1${"}".repeat(40)}`, 400, "json_too_deep"],
    ["[]", 422, "wrong_type"], ["1", 422, "wrong_type"], ["{}", 422, "missing_field"], ['{"paused":1}', 422, "wrong_type", "/paused"],
    ['{"paused":true,"x":1}', 422, "unknown_field", "/x"], ['{"paused":true,"a/b~":1}', 422, "unknown_field", "/a~1b~0"],
  ]) {
    const problem = assertProblem(await post("application/json; charset=utf-8", body), status, code);
    if (pointer !== undefined) assert.equal(problem.pointer, pointer);
  }
  const bad = Buffer.concat([Buffer.from('{"paused":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  const one = connect(daemon.port);
  one.send(request("POST /api/v1/queue", `Content-Type: application/json\r\nContent-Length: ${bad.length}\r\n`));
  one.send(bad);
  await one.until((received) => parse(received).whole);
  assertProblem(parse(one.received()).replies[0], 400, "bad_utf8");
  one.end();
  for (const line of ["GET /api/v1/runs", "GET /app.js", "OPTIONS /api/v1/runs", "GET /", "GET /healthz"])
    for (const header of ["Content-Length: 2\r\n", "Transfer-Encoding: chunked\r\n"])
      assertProblem(await send(line, header, header.startsWith("C") ? "{}" : "2\r\n{}\r\n0\r\n\r\n"), 400, "bad_request");
  await alive();
});

test("query parameters are known, single and well formed", async () => {
  for (const query of ["nope=1", "page_size=1&page_size=2", "page_size=x", "page_size=-1", "page_size=1001", "page_size=", "page_size"])
    assertProblem(await send(`GET /api/v1/runs?${query}`), 400, "bad_parameter");
  for (const line of ["GET /api/v1/queue?page_siz=1", "GET /api/v1/runs?filter,=1", "GET /api/v1/runs?experiment%2C%20filter=1", "GET /api/v1/runs?sort=1", "GET /api/v1/version?=1"])
    assertProblem(await send(line), 400, "bad_parameter");
  assert.equal((await send("GET /healthz?from=monitor")).status, 200);
});

test("a connection is kept: for the page's files, what is asked of them, and refusals without a body", async () => {
  const one = connect(daemon.port), tag = (await send("GET /app.js")).headers.get("etag");
  const lines = ["GET /", "GET /app.js", "HEAD /style.css", "OPTIONS /app.js", "GET /nothing.js", "DELETE /app.js", "GET /api/v1/runs/x", "GET /healthz"];
  const statuses = [200, 304, 200, 204, 404, 405, 404, 200];
  for (let i = 0, at = 0; i < lines.length; i++) {
    one.send(request(lines[i], lines[i] === "GET /app.js" ? `If-None-Match: ${tag}\r\n` : ""));
    const { replies: [reply] } = await one.until((received) => parse(received.subarray(at), { head: lines[i].startsWith("HEAD") }).whole)
      .then(() => parse(one.received().subarray(at), { head: lines[i].startsWith("HEAD") }));
    at = one.received().length;
    assert.equal(reply.status, statuses[i], lines[i]);
    assert.notEqual(reply.headers.get("connection"), "close", lines[i]);
  }
  one.end();
});

test("a connection is kept, also after a refusal whose body was small", async () => {
  const one = connect(daemon.port);
  one.send(request("POST /api/v1/nothing", "Content-Length: 5\r\n", "hello") + request("GET /api/v1/version") + request("GET /healthz"));
  await one.until((received) => parse(received).replies.length === 3 && parse(received).whole);
  assert.deepEqual(parse(one.received()).replies.map((reply) => reply.status), [404, 200, 200]);
  one.end();
});

test("a request may arrive a byte at a time, and stop halfway", async () => {
  const one = connect(daemon.port), text = request("POST /api/v1/queue", "Content-Type: application/json\r\nContent-Length: 16\r\n", '{"paused":false}');
  one.socket.setNoDelay(true);
  for (const byte of text) {
    one.send(byte);
    await new Promise(setImmediate);
  }
  await one.until((received) => parse(received).whole);
  assert.equal(parse(one.received()).replies[0].status, 200);
  one.end();
  for (const at of [3, 12, 40, text.length - 20, text.length - 3]) {
    const half = connect(daemon.port);
    half.send(text.slice(0, at));
    await new Promise((resolve) => setTimeout(resolve, 20));
    half.end();
  }
  await alive();
});

test("the event stream says what it is and isn't buffered", async () => {
  const one = connect(daemon.port);
  one.send(request("GET /api/v1/events"));
  await one.until((received) => received.includes("retry: 1000"));
  const { headers } = parse(one.received()).replies[0];
  assert.equal(headers.get("content-type"), "text/event-stream");
  assert.equal(headers.get("x-accel-buffering"), "no");
  assert.equal(headers.get("cache-control"), "no-store");
  await daemon.fetch("/api/v1/queue", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"paused":true}' });
  await one.until((received) => received.includes("event: queue\n"));
  one.end();
  assertProblem(await send("GET /api/v1/events", "Last-Event-ID: x\r\n"), 400, "bad_parameter");
  assert.equal((await send("HEAD /api/v1/events", "", "", { head: true })).status, 200);
});

test("an upload goes to the disk as it comes, and leaves nothing when it is refused", async () => {
  const small = await start({ args: ["--upload-limit", "1M"] });
  try {
    const put = (body, header = {}) => small.fetch("/api/v1/datasets/a", { method: "PUT", headers: { "Content-Type": "text/plain", ...header }, body, duplex: "half" });
    const documents = Array.from({ length: 30000 }, (_, i) => `Document ${i}`), text = documents.join("\n\n");
    const stored = { documents: documents.length, duplicates: 0, bytes: documents.join("").length };
    const pieces = async function* (size) {
      for (let i = 0, n = 1; i < text.length; i += n, n = (n * 7919) % size) yield new TextEncoder().encode(text.slice(i, i + n));
    };
    for (const [body, status] of [[text, 201], [text, 200], [pieces(65521), 200], [pieces(1009), 200]]) {
      const reply = await put(body), { documents: n, duplicates, bytes } = await reply.json();
      assert.equal(reply.status, status);
      assert.deepEqual({ documents: n, duplicates, bytes }, stored);
    }
    const refused = connect(small.port);
    refused.send(`PUT /api/v1/datasets/b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${small.token}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (let i = 0; i < 64 && refused.over() === null; i++) refused.send(`10000\r\n${"x\n".repeat(32768)}\r\n`);
    await refused.until((received) => parse(received).replies.length > 0);
    assertProblem(parse(refused.received()).replies[0], 413, "too_large");
    await refused.until((_, over) => over !== null); // and that is the end of the connection
    const left = connect(small.port); // gone halfway
    left.send(`PUT /api/v1/datasets/c HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${small.token}\r\nContent-Type: text/plain\r\nContent-Length: 500000\r\n\r\n${"x\n".repeat(100000)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
    left.end();
    await until("nothing is left of it", async () => (await readdir(join(small.dir, "tmp"))).length === 0);
  } finally {
    assert.equal(await small.stop(), 0, small.output());
  }
});

test("the daemon ends cleanly with readers, half requests and waiting requests at hand", async () => {
  const one = await start();
  const reader = connect(one.port), half = connect(one.port), idle = connect(one.port);
  reader.send(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${one.token}\r\n\r\n`);
  half.send("POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Le");
  idle.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await Promise.all([reader.until((received) => received.includes("retry")), idle.until((received) => parse(received).whole)]);
  assert.equal(await one.stop(), 0, one.output());
  await Promise.all([reader, half, idle].map((connection) => connection.until((_, over) => over !== null)));
});

test("command line: each mistake its own message and status", async () => {
  const dir = daemon.dir, file = join(dir, "settings");
  await writeFile(file, "# a comment\nslots = 2\n\nlog-level = loud\n");
  for (const [args, status, message] of [
    [[], 64, /--data DIR is needed/], [["--data"], 64, /--data needs a value/], [["--nope"], 64, /no option --nope/], [["serve"], 64, /"serve"/],
    [["--data", dir, "--listen", "nowhere"], 64, /--listen/], [["--data", dir, "--listen", "127.0.0.1:70000"], 64, /0 to 65535/],
    [["--data", dir, "--slots", "0"], 64, /--slots must be an integer from 1 to 1024, not "0"/], [["--data", dir, "--memory", "4X"], 64, /--memory/],
    [["--data", dir, "--log-level", "loud"], 64, /debug, info, warn or error/], [["--data", dir, "--config", file], 64, /settings line 4: --log-level/],
    [["--data", dir, "--config", join(dir, "none")], 66, /none/], [["--data", dir, "--no-auth", "--listen", "0.0.0.0:0"], 64, /loopback/],
    [["--data", dir, "--no-auth", "--public-url", "https://a.example"], 64, /loopback/], [["--data", dir, "--public-url", "a.example"], 64, /https:\/\//],
    [["--data", dir, "--public-url", "https://a.example/a/../b"], 64, /path/], [["--data", dir, "--no-auth=yes"], 64, /takes no value/],
    [["--data", dir, "--listen", "127.0.0.1:0"], 69, /another daemon uses/], [["link", "--data", join(dir, "none")], 66, /none/],
  ]) {
    const ended = await ablated(...args);
    assert.equal(ended.status, status, `${args}: ${ended.stderr}`);
    assert.match(ended.stderr, message);
    assert.equal(ended.stderr.trim().split("\n").length, 1, ended.stderr);
  }
  const elsewhere = join(dir, "tmp", "other");
  const taken = await ablated("--data", elsewhere, "--listen", `127.0.0.1:${daemon.port}`);
  assert.equal(taken.status, 69, taken.stderr);
  assert.match((await ablated("--help")).stdout, /--listen ADDRESS:PORT/);
  assert.match((await ablated("--version")).stdout, /^ablated \S+\n$/);
});

test("--no-auth lets programs in, but no other site's page", async () => {
  const open = await start({ args: ["--no-auth"] });
  try {
    assert.deepEqual(await (await fetch(`${open.base}/api/v1/session`)).json(), { authenticated: true, method: "none", access: "admin" });
    const post = (header) => fetch(`${open.base}/api/v1/queue`, { method: "POST", headers: { "Content-Type": "application/json", ...header }, body: '{"paused":true}' });
    assert.equal((await post({})).status, 200);
    assert.equal((await post({ Origin: open.base })).status, 200);
    assert.equal((await post({ Origin: "http://evil.example" })).status, 403);
  } finally {
    await open.stop();
  }
});

test("behind a proxy: its name is a Host and an Origin, and cookies are Secure", async () => {
  const one = await start({ args: ["--public-url", "https://ablate.example/"] }).catch((error) => error);
  assert.equal(one.base, "https://ablate.example");
  const port = Number((/listening on 127\.0\.0\.1 port (\d+)/.exec(one.output()) ?? [])[1]);
  const code = /#login=(\S+)/.exec(one.output())[1], body = JSON.stringify({ code });
  const made = await ask(port, `POST /api/v1/session HTTP/1.1\r\nHost: ablate.example\r\nOrigin: https://ablate.example\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  assert.equal(made.status, 201, made.body);
  assert.match(made.headers.get("set-cookie"), /; Secure$/);
  await one.stop();
});
