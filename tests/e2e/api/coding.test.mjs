// Replies that are packed, for those who take it; names of the page's files that never change; what a first load takes.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { launch, link, open } from "../browser.mjs";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";

const V1 = "/api/v1";
let daemon, id;
const { call, get, corpus } = client(() => daemon);

/** As it comes: node's fetch unpacks. */
const raw = (path, headers = {}, method = "GET") => new Promise((resolve, reject) => {
  const sent = request({ port: daemon.port, host: "127.0.0.1", path, method, headers: { Authorization: `Bearer ${daemon.token}`, ...headers } }, (reply) => {
    const parts = [];
    reply.on("data", (part) => parts.push(part)).on("end", () => resolve({ status: reply.statusCode, headers: reply.headers, body: Buffer.concat(parts) })).on("error", reject);
  });
  sent.on("error", reject).end();
});
const packed = (path, more) => raw(path, { "Accept-Encoding": "gzip, deflate, br", ...more });

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  await corpus(300);
  ({ id } = await call("POST", "/experiments", {
    name: "packed", data: { dataset: "corpus", seq_len: 8 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
    train: { steps: 300, batch_size: 2, eval_every: 100, eval_windows: 4 }, seeds: [1, 2], arms: { one: {}, two: { "train.lr": 0.001 } },
  }, 201));
  assert.equal((await get(`/experiments/${id}?wait=3600`)).state, "finished");
});
after(() => daemon?.stop());

test("what is large and text comes packed to those who take it, and is the same", async () => {
  for (const path of [`${V1}/runs`, `${V1}/experiments/${id}`, `${V1}/experiments/${id}/report`, `${V1}/experiments/${id}/report?format=md`, `${V1}/experiments/${id}/export`,
    `${V1}/experiments/${id}/export?what=runs&format=jsonl`, `${V1}/experiments/${id}/figure.svg`, `${V1}/openapi.json`, `${V1}/presets`, "/app.js", "/style.css"]) {
    const plain = await raw(path), short = await packed(path);
    assert.deepEqual([plain.status, plain.headers["content-encoding"], plain.headers.vary], [200, undefined, "Accept-Encoding"], path);
    assert.deepEqual([short.status, short.headers["content-encoding"], short.headers.vary], [200, "gzip", "Accept-Encoding"], path);
    assert.ok(short.body.length < plain.body.length / 1.5, path);
    assert.deepEqual(gunzipSync(short.body), plain.body, path);
    assert.equal(short.headers["content-type"], plain.headers["content-type"]);
    if (short.headers["content-length"]) assert.equal(Number(short.headers["content-length"]), short.body.length);
  }
});

test("who doesn't take it gets it as it is", async () => {
  for (const header of ["identity", "br", "gzip;q=0", "gzip; q=0.0, br", "*;q=0", "gzip;q=0, *"])
    assert.equal((await raw(`${V1}/runs`, { "Accept-Encoding": header })).headers["content-encoding"], undefined, header);
  for (const header of ["gzip", "x-gzip", "GZIP;q=0.1", "*", "br;q=1, *;q=0.5"])
    assert.equal((await raw(`${V1}/runs`, { "Accept-Encoding": header })).headers["content-encoding"], "gzip", header);
});

test("nor what is short, no text, a part, or a stream of events", async () => {
  const { items: [run] } = await get(`/runs?experiment=${id}`);
  const { items } = await get(`/runs/${run.id}/artifacts`);
  const paths = [`${V1}/version`, "/healthz", `${V1}/experiments/${id}/capsule`, `${V1}/experiments/${id}/export?format=tensorboard`, `${V1}/experiments/${id}/figure.png`,
    ...items.map(({ name }) => `${V1}/runs/${run.id}/artifacts/${name}`)];
  for (const path of paths) {
    const { status, headers } = await packed(path);
    assert.deepEqual([status, headers["content-encoding"]], [200, undefined], path);
  }
  const ended = new AbortController();
  const reply = await daemon.fetch(`${V1}/events?after=0`, { headers: { "Accept-Encoding": "gzip" }, signal: ended.signal });
  assert.deepEqual([reply.headers.get("content-encoding"), reply.headers.get("vary")], [null, null]);
  assert.match(new TextDecoder().decode((await reply.body.getReader().read()).value), /^(id|event|:|retry)/);
  ended.abort();
});

test("a tag is another one when the reply is packed, and either is known", async () => {
  for (const path of ["/app.js", `${V1}/openapi.json`, `${V1}/experiments/${id}/figure.svg`]) {
    const plain = (await raw(path)).headers.etag, short = (await packed(path)).headers.etag;
    assert.equal(short, plain.replace(/"$/, "-gzip\""));
    for (const tag of [plain, short, `W/${plain}`, `"other", ${short}`]) { // W/: as a proxy that packs by itself makes it
      const again = await packed(path, { "If-None-Match": tag });
      assert.deepEqual([again.status, again.body.length, again.headers.vary], [304, 0, "Accept-Encoding"], `${path} ${tag}`);
    }
    assert.equal((await packed(path, { "If-None-Match": "\"other\"" })).status, 200);
  }
  const weak = (await packed(`${V1}/experiments/${id}/curves?metric=train/loss`)).headers;
  assert.deepEqual([weak.etag.slice(0, 2), weak["content-encoding"]], ["W/", "gzip"]);
});

test("HEAD says what GET would, whole or made while it is sent", async () => {
  for (const path of ["/app.js", `${V1}/runs`, `${V1}/experiments/${id}/export`]) {
    const head = await raw(path, { "Accept-Encoding": "gzip" }, "HEAD"), full = await packed(path);
    for (const name of ["content-encoding", "vary", "etag", "content-length", "content-type"]) assert.equal(head.headers[name], full.headers[name], `${path} ${name}`);
  }
});

test("the page names its files so that they can be kept for ever, and is asked for again itself", async () => {
  const page = await raw("/"), text = page.body.toString();
  assert.equal(page.headers["cache-control"], "no-cache");
  const names = [...text.matchAll(/(?:href|src)="(\/?[^"#]+)"/g)].map(([, name]) => new URL(name, `${daemon.base}/`).pathname);
  assert.ok(names.length >= 4);
  for (const name of names) {
    assert.match(name, /^\/page\/[0-9a-f]{16}\//);
    const file = await raw(name);
    assert.deepEqual([file.status, file.headers["cache-control"]], [200, "public, max-age=31536000, immutable"]);
    const plain = await raw(name.replace(/^\/page\/[0-9a-f]+/, ""));
    assert.deepEqual([plain.headers["cache-control"], plain.body.equals(file.body)], ["no-cache", true]);
  }
  const [script] = names.filter((name) => name.endsWith("/app.js"));
  assert.equal((await raw(script.replace(/[0-9a-f]{16}/, "0123456789abcdef"))).status, 404);
  assert.equal((await raw(script.replace("app.js", "digest"))).status, 404);
  assert.equal((await raw(script.replace("app.js", "app.js.gz"))).status, 404);
  assert.equal((await raw(script, {}, "POST")).status, 405);
});

test("a first load takes at most 150 kB, and a second one asks for the page alone", async () => {
  const browser = await launch();
  try {
    const { page, context, faults } = await open(browser);
    const session = await context.newCDPSession(page), files = new Map(), kept = new Set();
    await session.send("Network.enable");
    session.on("Network.requestServedFromCache", ({ requestId }) => kept.add(requestId)); // of the memory
    session.on("Network.responseReceived", ({ requestId, response }) =>
      files.set(requestId, { path: new URL(response.url).pathname, cached: response.fromDiskCache || kept.has(requestId) }));
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => Object.assign(files.get(requestId) ?? {}, { bytes: encodedDataLength }));
    const loaded = async (go) => {
      files.clear();
      await go();
      await page.getByRole("link", { name: "packed" }).waitFor();
      return [...files.values()].filter(({ path }) => !path.startsWith("/api/"));
    };
    const first = await loaded(async () => page.goto(await link(daemon)));
    const bytes = first.reduce((sum, one) => sum + (one.bytes ?? 0), 0);
    console.log(`first load: ${first.length} files, ${(bytes / 1000).toFixed(1)} kB`);
    assert.ok(first.length > 10 && bytes <= 150_000);
    const second = await loaded(() => page.reload());
    assert.deepEqual(second.filter(({ cached }) => !cached).map(({ path }) => path), ["/"]);
    assert.deepEqual(faults, []);
  } finally {
    await browser.close();
  }
});
