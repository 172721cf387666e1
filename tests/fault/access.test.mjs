// Requests that may not be: another Host, another Origin, no token, a wrong one, for every route of the table and every
// method, HEAD, OPTIONS and ones that nobody knows included. Each would change something if it were let in.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ablated, start } from "../e2e/daemon.mjs";
import { ask } from "../e2e/raw.mjs";
import { routes as table } from "../e2e/routes.mjs";
import { call, ended, files, submit, until } from "./faults.mjs";

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
const WRONG = "0".repeat(64);
/** What a route takes, so that nothing but who asks is wrong with it. */
const BODIES = {
  "POST /experiments": { name: "stranger", data: { dataset: "small", seq_len: 16 } },
  "PATCH /experiments/{id}": { name: "stranger" },
  "POST /runs/{id}/priority": { priority: 9 },
  "POST /query": { sql: "SELECT 1" },
  "POST /queue": { paused: true },
};
let daemon, routes;

before(async () => {
  daemon = await start();
  const { id } = await submit(daemon, { seeds: [1], artifacts: ["final"] });
  await ended(daemon, id);
  await until("the folder is complete", async () => (await files(daemon.dir)).includes("ballast"));
  routes = table.map((row) => ({ ...row, type: row.body === "upload" ? "text/plain" : "application/json",
    body: row.body === "upload" ? "a document" : BODIES[`${row.method} ${row.path.replace("/api/v1", "")}`] }));
  for (const { method, path, body } of table) assert.ok(body !== "json" || path === "/api/v1/session" || BODIES[`${method} ${path.replace("/api/v1", "")}`], `${method} ${path} has a body`);
  const code = /#login=(\S+)/.exec((await ablated("link", "--data", daemon.dir)).stdout)[1];
  for (const route of routes)
    if (route.path === "/api/v1/session" && route.method === "POST") route.body = { code };
});
after(async () => {
  assert.equal(await daemon?.stop(), 0, daemon?.output());
});

/** Everything that is stored, and which files there are. */
const held = async () => [execFileSync("sqlite3", ["-readonly", join(daemon.dir, "ablate.db"), ".dump"], { encoding: "utf8", maxBuffer: 1 << 28 }),
  (await files(daemon.dir)).filter((name) => !name.startsWith("cache/")).join("\n")];
async function counted() {
  const text = await (await daemon.fetch("/metrics")).text();
  return Object.fromEntries([...text.matchAll(/^ablate_refused_total\{reason="(\w+)"\} (\d+)$/gm)].map(([, reason, n]) => [reason, Number(n)]));
}
/** Each path once, with the rows that stand at it. */
const places = () => [...new Set(routes.map(({ path }) => path))].map((path) => [path, routes.filter((one) => one.path === path)]);
const real = (path) => path.replace("{id}", "1").replace("artifacts/{name}", "artifacts/final.safetensors").replace("presets/{name}", "presets/fair")
  .replace("{name}", "small");

function send({ path, type, body }, method, header) {
  const text = body === undefined || ["GET", "HEAD", "OPTIONS"].includes(method) ? "" : typeof body === "string" ? body : JSON.stringify(body);
  const about = text === "" ? "" : `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
  return ask(daemon.port, `${method} ${real(path)} HTTP/1.1\r\n${header}${about}\r\n${text}`, { head: method === "HEAD" });
}
const host = (name = `127.0.0.1:${daemon.port}`) => `Host: ${name}\r\n`;
const bearer = (token = daemon.token) => `Authorization: Bearer ${token}\r\n`;

/** Every path with every method and each of the headers; expected(row, method) is the status, row undefined where the
 *  table has none. */
async function refused(t, headers, expected, secrets = []) {
  const before = await held(), seen = await counted(), got = {};
  const asked = headers.flatMap((header) => places().flatMap(([path, rows]) => METHODS.map((method) =>
    ({ header, path, method, row: rows.find((one) => one.method === (method === "HEAD" ? "GET" : method)) }))));
  for (const { header, path, method, row } of asked) {
    const wanted = expected(row, method);
    if (wanted === undefined) continue;
    const reply = await send(row ?? { path }, method, header);
    assert.equal(reply.status, wanted, `${method} ${path} ${header}: ${reply.body}`);
    assert.equal(reply.headers.get("access-control-allow-origin"), null, `${method} ${path}`);
    got[wanted] = (got[wanted] ?? 0) + 1;
  }
  assert.deepEqual(await held(), before, "nothing has changed");
  const now = await counted();
  for (const [status, reason] of [[401, "unauthorized"], [403, "forbidden"], [421, "misdirected_request"]]) {
    assert.equal(now[reason] - seen[reason], got[status] ?? 0, `${reason} is counted`);
    if (got[status]) assert.match(daemon.output(), new RegExp(`msg="refused: [A-Z]+ /\\S*" code="${reason}" client="127\\.0\\.0\\.1"`));
  }
  for (const secret of [daemon.token, WRONG, ...secrets]) assert.ok(!daemon.output().includes(secret), "the log has no secret");
  t.diagnostic(`found: ${Object.entries(got).map(([status, n]) => `${n} times ${status}`).join(", ")}; the database and the folder as before`);
}

/** OPTIONS and methods that a path hasn't get what the table says, to whomever; else `status`. */
const says = (row, method, status) => method === "OPTIONS" ? 204 : row === undefined ? 405 : status;

test("a wrong Host is refused for every route and method, whatever the token", async (t) => {
  const names = ["evil.example", "localhost.evil.example", `127.0.0.1.evil.example:${daemon.port}`];
  await refused(t, names.map((name) => host(name) + bearer()), () => 421);
});

test("without a token every route but the public ones is refused", async (t) => {
  await refused(t, [host()], (row, method) => row?.access === "public" ? undefined : says(row, method, 401));
});

test("with a wrong token, too", async (t) => {
  const cookie = `ablate_0123456789abcdef=9999999999.${WRONG}.${WRONG}`;
  const wrong = [bearer(WRONG), bearer(`${daemon.token}0`), bearer(daemon.token.slice(1)), `Authorization: Basic ${daemon.token}\r\n`, `Cookie: ${cookie}\r\n`];
  await refused(t, wrong.map((header) => host() + header), (row, method) => row?.access === "public" ? undefined : says(row, method, 401), [cookie]);
});

test("from another site's page nothing can be changed, even with the token; what is read it can't see", async (t) => {
  const answer = (row, method) => method === "GET" && row ? undefined : says(row, method, method === "HEAD" ? 200 : 403); // HEAD asks as GET does
  const others = ["Origin: http://evil.example\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"];
  await refused(t, others.map((origin) => host() + bearer() + origin), answer);
});

test("let in, each of these does something", async () => {
  const before = await held();
  await call(daemon, "POST", "queue", BODIES["POST /queue"], 200);
  const { id } = await call(daemon, "POST", "experiments", BODIES["POST /experiments"], 201);
  await call(daemon, "PATCH", "experiments/1", BODIES["PATCH /experiments/{id}"], 200);
  await call(daemon, "DELETE", `experiments/${id}`, undefined, 204);
  assert.notDeepEqual(await held(), before);
});
