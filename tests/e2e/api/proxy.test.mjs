// Behind nginx, with TLS: deploy/nginx.conf as it stands there, ports and certificate aside, unprivileged, on free ports of
// loopback, in front of the real daemon.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, readdir, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import http2 from "node:http2";
import { join } from "node:path";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ablated, start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";
import { freePorts, startNginx } from "../nginx.mjs";
import { until } from "../until.mjs";

const NAME = "ablate.example", ORIGIN = `https://${NAME}`;
const run = promisify(execFile);

let daemon, dir, stopNginx, ports, ca, client;

/** The example with this test's ports and certificate; each must stand where it is looked for. */
async function site() {
  let text = await readFile(fileURLToPath(new URL("../../../deploy/nginx.conf", import.meta.url)), "utf8");
  for (const [from, to, n] of [
    ["server 127.0.0.1:8642;", `server 127.0.0.1:${daemon.port};`, 1], ["listen 443 ", `listen 127.0.0.1:${ports[0]} `, 2],
    ["listen 80;", `listen 127.0.0.1:${ports[1]};`, 1], ["/etc/ssl/certs/ablate.pem", `${dir}/cert.pem`, 1], ["/etc/ssl/private/ablate.key", `${dir}/key.pem`, 1],
  ]) {
    assert.equal(text.split(from).length - 1, n, from);
    text = text.replaceAll(from, to);
  }
  return text;
}

async function certified() {
  await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", `/CN=${NAME}`,
    "-addext", `subjectAltName=DNS:${NAME}`, "-keyout", join(dir, "key.pem"), "-out", join(dir, "cert.pem")]);
  ca = await readFile(join(dir, "cert.pem"));
  await writeFile(join(dir, "site.conf"), await site());
  return `include ${dir}/site.conf;`;
}

before(async () => {
  dir = await make("nginx");
  daemon = await start({ args: ["--public-url", ORIGIN, "--trusted-proxy", "127.0.0.1", "--log-level", "debug"] });
  ports = await freePorts(2);
  stopNginx = await startNginx(dir, await certified(), ports[0]);
  client = http2.connect(`https://127.0.0.1:${ports[0]}`, { ca, servername: NAME });
  await new Promise((resolve, reject) => client.on("connect", resolve).on("error", reject));
});
after(async () => {
  client?.destroy();
  await stopNginx?.();
  assert.equal(await daemon?.stop(), 0, daemon?.output());
  if (dir) await remove(dir);
});

/** A request over HTTP/2; body may be a string. */
function open(method, path, headers = {}) {
  return client.request({ ":method": method, ":path": path, ":authority": NAME, ...headers }, { endStream: method === "GET" });
}
async function answer(stream) {
  let body = "";
  const headers = new Promise((resolve, reject) => stream.on("response", resolve).on("error", reject));
  stream.setEncoding("utf8").on("data", (data) => (body += data));
  const [head] = await Promise.all([headers, new Promise((resolve, reject) => stream.on("end", resolve).on("error", reject))]);
  return { status: head[":status"], headers: head, body, json: () => JSON.parse(body) };
}
const get = (path, headers) => answer(open("GET", path, headers));
function send(method, path, body, headers = {}) {
  const stream = open(method, path, { "content-type": "application/json", "content-length": Buffer.byteLength(body), ...headers });
  stream.end(body);
  return answer(stream);
}
const bearer = () => ({ authorization: `Bearer ${daemon.token}` });

/** Logs in by a fresh link; returns the header of its cookie. */
async function logIn() {
  const { stdout } = await ablated("link", "--data", daemon.dir);
  assert.ok(stdout.startsWith(`${ORIGIN}/#login=`), stdout);
  const made = await send("POST", "/api/v1/session", JSON.stringify({ code: stdout.trim().split("#login=")[1] }), { origin: ORIGIN, "sec-fetch-site": "same-origin" });
  assert.equal(made.status, 201, made.body);
  const [set] = made.headers["set-cookie"];
  assert.match(set, /; HttpOnly; SameSite=Strict; Secure$/);
  return { cookie: set.split(";")[0] };
}

test("HTTP/2 and 1.1 with TLS; plain HTTP is sent on", async () => {
  assert.equal(client.alpnProtocol, "h2");
  const page = await get("/");
  assert.equal(page.status, 200);
  assert.match(page.headers["strict-transport-security"], /max-age/);
  assert.match(page.headers["content-security-policy"], /default-src 'none'/);
  assert.equal((await get("/api/v1/runs")).status, 401);
  assert.equal((await get("/api/v1/runs", bearer())).headers["cache-control"], "no-store");
  const plain = await new Promise((resolve) => http.get({ host: "127.0.0.1", port: ports[1], path: "/x?y=1", headers: { Host: NAME } }, resolve));
  assert.deepEqual([plain.statusCode, plain.headers.location], [301, `${ORIGIN}/x?y=1`]);
  const curl = ["-sS", "--http1.1", "--cacert", join(dir, "cert.pem"), "--connect-to", `${NAME}:443:127.0.0.1:${ports[0]}`, "-K", join(daemon.dir, "curlrc")];
  assert.deepEqual(JSON.parse((await run("curl", [...curl, `${ORIGIN}/api/v1/session`])).stdout), { authenticated: true, method: "token", access: "admin" });
});

test("log-in, cookie, submission; another site's Origin is refused, and so is none", async () => {
  const cookie = await logIn();
  assert.deepEqual((await get("/api/v1/session", cookie)).json(), { authenticated: true, method: "cookie", access: "admin" });
  await send("POST", "/api/v1/queue", '{"paused":true}', bearer());
  const spec = JSON.stringify({ data: { dataset: "synthetic:copy", vocab: 32, seq_len: 4 }, train: { steps: 1 } });
  for (const origin of ["https://evil.example", `http://${NAME}`, `${ORIGIN}:8443`, `https://127.0.0.1:${ports[0]}`, "null", undefined]) {
    const refused = await send("POST", "/api/v1/experiments", spec, { ...cookie, ...(origin && { origin }) });
    assert.equal(refused.status, 403, origin);
    assert.equal(refused.json().code, "forbidden");
  }
  assert.equal((await get("/api/v1/experiments", cookie)).json().items.length, 0);
  const made = await send("POST", "/api/v1/experiments", spec, { ...cookie, origin: ORIGIN });
  assert.equal(made.status, 201, made.body);
  assert.equal((await get(`/api/v1/experiments/${made.json().id}?wait=1`, cookie)).json().state, "queued");
});

test("another Host is refused: by name, by port, by the certificate", async () => {
  assert.equal((await get("/healthz", { ":authority": "evil.example" })).status, 421);
  assert.equal((await get("/healthz", { ":authority": "127.0.0.1" })).status, 421);
  const port = await get("/healthz", { ":authority": `${NAME}:8443` }); // nginx takes it for the name: the daemon doesn't
  assert.equal(port.status, 421);
  assert.equal(port.json().code, "misdirected_request");
  const shaken = await new Promise((resolve) => tls.connect({ host: "127.0.0.1", port: ports[0], ca, servername: "evil.example", rejectUnauthorized: false })
    .on("secureConnect", () => resolve("let in")).on("error", (error) => resolve(error.message)));
  assert.match(shaken, /unrecognized name/);
});

test("events come as they happen", async () => {
  const stream = open("GET", "/api/v1/events", await logIn());
  let text = "";
  const comes = (pattern) => until(`${pattern}`, () => pattern.test(text), { told: () => text });
  stream.setEncoding("utf8").on("data", (data) => (text += data));
  await comes(/retry: /);
  for (const paused of [false, true]) {
    await send("POST", "/api/v1/queue", JSON.stringify({ paused }), bearer());
    await comes(new RegExp(`event: queue\\ndata: .*"paused":${paused}`)); // and nothing has ended, nor filled a buffer
  }
  stream.close();
});

test("a corpus goes through as it comes, and has the daemon's limit, not the requests'", async () => {
  const piece = "A document of some length, and another of its kind.\n\n".repeat(20000); // 1 MiB
  const stream = open("PUT", "/api/v1/datasets/streamed", { ...bearer(), "content-type": "text/plain" }), answered = answer(stream);
  stream.write(piece);
  await until("half of it is on the daemon's disk, before the rest is sent", async () => {
    const sizes = await Promise.all((await readdir(join(daemon.dir, "tmp"))).map(async (name) => (await stat(join(daemon.dir, "tmp", name)).catch(() => ({ size: 0 }))).size));
    return Math.max(0, ...sizes) >= piece.length / 2;
  });
  stream.end(`${piece}${piece}The end.\n`);
  assert.equal((await answered).status, 201, (await answered).body);
  assert.equal((await send("POST", "/api/v1/experiments", `"${"x".repeat(2 << 20)}"`, bearer()).catch(() => ({ status: 413 }))).status, 413);
});

test("whom the daemon logs is whom nginx has seen", async () => {
  await get("/healthz", { "x-forwarded-for": "203.0.113.9, garbage" });
  const seen = () => /msg="GET \/healthz: 200.* client="(\S+)"/.exec(daemon.output())?.[1];
  assert.equal(await until("it is logged, when it is over", seen), "127.0.0.1");
});
