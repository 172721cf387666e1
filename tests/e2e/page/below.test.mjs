// Below a path of a name that others share: the block of deploy/README.md as it is printed there, and a proxy that takes
// the path away; the page in a real browser, log-in, cookie, events, forged requests.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { launch, link, open } from "../browser.mjs";
import { start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";
import { freePorts, startNginx } from "../nginx.mjs";
import { fine } from "../terminal.mjs";

const JSON_TYPE = { "Content-Type": "application/json" }, MARK = { "X-Ablate-Request": "test" };
const SPEC = { name: "below", data: { dataset: "synthetic:copy", vocab: 32, seq_len: 4 }, train: { steps: 1 }, seeds: [1] };
let daemon, dir, stopNginx, kept, cut, browser;

/** Two servers, each with another application at its root: one has the block as printed, one takes the path away. */
async function sites(ports) {
  const [, block] = /```nginx\n(location \/ablate\/ [^`]*)```/.exec(await readFile(new URL("../../../deploy/README.md", import.meta.url), "utf8"));
  const pass = "proxy_pass http://127.0.0.1:8642;", ours = `proxy_pass http://127.0.0.1:${daemon.port}`;
  assert.equal(block.split(pass).length, 2);
  const server = (port, text) => `server { listen 127.0.0.1:${port}; location / { default_type text/html; return 200 "<title>another</title>"; } ${text} }`;
  return `${server(ports[0], block.replace(pass, `${ours};`))}\n${server(ports[1], block.replace(pass, `${ours}/;`))}`;
}

before(async () => {
  dir = await make("below");
  const ports = await freePorts(2);
  [kept, cut] = ports.map((port) => `http://127.0.0.1:${port}`);
  daemon = await start({ args: ["--public-url", `${kept}/ablate/`, "--trusted-proxy", "127.0.0.1"] });
  stopNginx = await startNginx(dir, await sites(ports), ports[1]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await stopNginx?.();
  assert.equal(await daemon?.stop(), 0, daemon?.output());
  if (dir) await remove(dir);
});

const direct = () => `http://127.0.0.1:${daemon.port}`;
const bearer = () => ({ Authorization: `Bearer ${daemon.token}` });
const send = (base, method, path, body, headers = {}) => fetch(base + path, { method, body: body && JSON.stringify(body), headers: { ...JSON_TYPE, ...headers }, redirect: "manual" });

/** Logs in by a fresh link, at one of the addresses; returns the header of its cookie, and the whole of Set-Cookie. */
async function logIn(base) {
  const printed = await link(daemon);
  assert.ok(printed.startsWith(`${kept}/ablate/#login=`), printed);
  const made = await send(base, "POST", "/ablate/api/v1/session", { code: printed.split("#login=")[1] }, { Origin: base });
  assert.equal(made.status, 201, await made.text());
  const [set] = made.headers.getSetCookie();
  return { set, cookie: { Cookie: set.split(";")[0], Origin: base } };
}

test("by the path, without it, and by a proxy that takes it away", async () => {
  for (const at of [`${kept}/ablate`, `${cut}/ablate`, direct(), `${direct()}/ablate`]) {
    assert.match(await (await fetch(`${at}/`)).text(), /<title>Ablate<\/title>/, at);
    assert.equal((await fetch(`${at}/healthz`)).status, 200);
    assert.equal((await fetch(`${at}/api/v1/runs`)).status, 401);
    assert.equal((await fetch(`${at}/api/v1/runs`, { headers: bearer() })).status, 200);
    assert.equal((await fetch(`${at}/api/v1/nothing`, { headers: bearer() })).status, 404);
    const made = await send(at, "POST", "/api/v1/experiments", SPEC, bearer());
    assert.equal(made.headers.get("location"), `/ablate/api/v1/experiments/${(await made.json()).id}`);
  }
  for (const path of ["/ablatex/api/v1/runs", "/ablate/ablate/api/v1/runs", "/ablate/%2e%2e/x", "/x/ablate/api/v1/runs"])
    assert.ok([400, 404].includes((await fetch(direct() + path, { headers: bearer() })).status), path);
  const slash = await fetch(`${direct()}/ablate`, { redirect: "manual" });
  assert.deepEqual([slash.status, slash.headers.get("location")], [308, "/ablate/"]);
  assert.match(await (await fetch(`${kept}/`)).text(), /another/);
});

test("the cookie is for the path, and changes nothing without a header that forms can't send", async () => {
  for (const base of [kept, cut]) {
    const { set, cookie } = await logIn(base);
    assert.match(set, /^ablate_[0-9a-f]+=[0-9a-f]+; Path=\/ablate\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/);
    assert.equal((await send(base, "GET", "/ablate/api/v1/runs", undefined, cookie)).status, 200);
    for (const [method, path, body] of [["POST", "/queue", { paused: true }], ["POST", "/experiments", SPEC], ["PATCH", "/experiments/1", { notes: "x" }], ["DELETE", "/session", undefined]]) {
      const refused = await send(base, method, `/ablate/api/v1${path}`, body, cookie);
      assert.equal(refused.status, 403, `${method} ${path}`);
      assert.match((await refused.json()).detail, /X-Ablate-Request/);
    }
    assert.equal((await send(base, "POST", "/ablate/api/v1/queue", { paused: true }, { ...cookie, ...MARK })).status, 200);
    assert.equal((await send(base, "POST", "/ablate/api/v1/queue", { paused: true }, { ...cookie, ...MARK, Origin: "https://evil.example" })).status, 403);
    assert.equal((await send(base, "POST", "/ablate/api/v1/queue", { paused: true }, bearer())).status, 200); // a token is no cookie
    const ended = await send(base, "DELETE", "/ablate/api/v1/session", undefined, { ...cookie, ...MARK });
    assert.deepEqual([ended.status, /Path=\/ablate\/; Max-Age=0/.test(ended.headers.getSetCookie()[0])], [204, true]);
    assert.equal((await send(base, "GET", "/ablate/api/v1/runs", undefined, cookie)).status, 401);
  }
});

test("events come through as they happen", async () => {
  for (const base of [kept, cut]) {
    const stop = new AbortController(), stream = await fetch(`${base}/ablate/api/v1/events`, { headers: bearer(), signal: stop.signal });
    const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const comes = async (pattern) => { while (!pattern.test(text)) text += (await reader.read()).value; };
    await comes(/retry: /);
    for (const paused of [false, true]) {
      await send(base, "POST", "/ablate/api/v1/queue", { paused }, bearer());
      await comes(new RegExp(`event: queue\\ndata: .*"paused":${paused}`));
    }
    stop.abort();
  }
});

test("the page, in a browser: log-in, lists, a submission, the feed", async () => {
  for (const base of [kept, cut]) {
    const { page, context, faults } = await open(browser), asked = [];
    page.on("request", (request) => asked.push(new URL(request.url())));
    await page.goto((await link(daemon)).replace(kept, base));
    await page.getByRole("heading", { name: "Experiments" }).waitFor();
    await page.getByText("below").first().waitFor();
    const code = await page.evaluate(async (spec) => {
      const api = await import("/ablate/base/api.js");
      return (await api.post("experiments", { ...spec, name: "from the page" })).name;
    }, SPEC);
    assert.equal(code, "from the page");
    await page.locator("#live[data-kind=on]").waitFor(); // its stream is a shared worker's, whose requests aren't the page's
    await page.getByText("from the page").first().waitFor(); // the feed has told the list
    await page.goto(`${base}/ablate/#/new`);
    await page.getByText(`${base}/ablate/api/v1/experiments`).first().waitFor({ state: "attached" });
    // Another application of the same origin: without the header, as a form of it would ask.
    await page.goto(`${base}/`);
    assert.equal(await page.title(), "another");
    assert.equal(await page.evaluate(() => fetch("/ablate/api/v1/queue", { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"paused":false}' }).then((reply) => reply.status)), 403);
    assert.deepEqual(asked.filter(({ pathname }) => pathname !== "/" && pathname !== "/favicon.ico" && !pathname.startsWith("/ablate/")).map(String), []);
    assert.deepEqual(faults.filter((fault) => !/403|422|favicon/.test(fault)), []);
    await context.close();
  }
});

test("the terminal client takes such an address, from the data folder and from --url", async () => {
  const before = (await (await fetch(`${direct()}/api/v1/experiments`, { headers: bearer() })).json()).items.length;
  for (const where of [{ ABLATE_DATA: daemon.dir }, { ABLATE_DATA: "", ABLATE_URL: `${cut}/ablate/`, ABLATE_TOKEN: daemon.token }])
    assert.equal(JSON.parse(await fine(daemon, ["ls", "--json"], { env: where })).items?.length ?? before, before);
});
