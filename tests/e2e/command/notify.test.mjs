// That an experiment has ended is told: to the program of --on-end, and to the webhook, by a process of its own. Whom that
// asks, what it says, and what becomes of it when nobody listens or the daemon dies.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { lookup } from "node:dns/promises";
import { chmod, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { client } from "../client.mjs";
import { ablated, start } from "../daemon.mjs";
import { hostname } from "node:os";
import { make, remove } from "../folder.mjs";

const SPEC = { name: "short", data: { dataset: "synthetic:copy", seq_len: 4 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 10, batch_size: 1, eval_every: 10, eval_windows: 1, checkpoint_every: 10 }, seeds: [1] };

/** A receiver: what it was sent, in order. `answer` gets the request and what came before it. */
async function receiver(t, { answer = () => 204, host = "127.0.0.1" } = {}) {
  const got = [];
  const server = http.createServer(async (request, reply) => {
    let body = "";
    for await (const part of request) body += part;
    got.push({ method: request.method, url: request.url, headers: request.headers, body });
    const status = await answer(got.length, reply, request);
    if (status) reply.writeHead(status).end();
  });
  await new Promise((resolve) => server.listen(0, host, resolve));
  t.after(() => { server.closeAllConnections(); server.close(); });
  return { got, port: server.address().port, url: `http://${host.includes(":") ? `[${host}]` : host}:${server.address().port}` };
}

async function serve(t, options) {
  let daemon = await start(options);
  t.after(() => daemon.kill("SIGKILL"));
  const here = client(() => daemon);
  return { ...here, get daemon() { return daemon; },
    async again(more = {}) { daemon = await start({ ...options, dir: daemon.dir, ...more }); },
    submit: async () => (await here.call("POST", "/experiments", SPEC, 201)).id,
    logged: (text) => here.until(`the log says ${text}`, () => text.test(daemon.output())) };
}

/** An experiment whose one run is cancelled before it begins. */
async function cancelled(here) {
  const id = await here.submit();
  await here.call("POST", `/experiments/${id}/cancel`, undefined, 202);
  return id;
}

const signed = (secret, { headers, body }) => assert.equal(headers["ablate-signature"],
  `v1=${createHmac("sha256", secret).update(`${headers["ablate-timestamp"]}.${body}`).digest("hex")}`);

test("an end is told once, signed, whatever the environment says of proxies", async (t) => {
  const to = await receiver(t);
  const here = await serve(t, { args: ["--webhook", `${to.url}/ended?by=me`], env: { http_proxy: "http://127.0.0.1:9", ALL_PROXY: "http://127.0.0.1:9" } });
  const { daemon, call, until } = here, first = await here.submit();
  await until("it was told", () => to.got.length === 1);
  const [one] = to.got, body = JSON.parse(one.body), secret = (await readFile(join(daemon.dir, "webhook.key"), "utf8")).trim();
  assert.deepEqual([one.method, one.url, one.headers["content-type"]], ["POST", "/ended?by=me", "application/json"]);
  assert.deepEqual([body.type, body.experiment.id, body.experiment.state, body.experiment.counts.succeeded], ["experiment.ended", first, "finished", 1]);
  assert.equal(body.ended_at, body.experiment.ended_at);
  assert.equal(body.delivery, one.headers["ablate-delivery"]);
  assert.ok(Math.abs(Date.now() / 1000 - Number(one.headers["ablate-timestamp"])) < 86400);
  assert.equal(one.headers.authorization, undefined);
  assert.ok(!one.body.includes(daemon.token) && !("spec" in body.experiment));
  signed(secret, one);

  // A verification comes to no other end; a second experiment does, and one that is retried ends again.
  await call("POST", "/runs/1/verify", undefined, 202);
  await until("it is verified", async () => (await call("GET", "/runs/1")).verify?.state === "identical");
  await call("POST", "/queue", { paused: true });
  const second = await cancelled(here);
  await until("that was told", () => to.got.length === 2);
  await call("POST", "/runs/2/retry");
  await call("POST", `/experiments/${second}/cancel`, undefined, 202);
  await until("its other end was told", () => to.got.length === 3);
  assert.deepEqual(to.got.map(({ body }) => JSON.parse(body).experiment.id), [first, second, second]);
  assert.equal(JSON.parse(to.got[1].body).experiment.state, "cancelled");
  assert.equal(new Set(to.got.map(({ headers }) => headers["ablate-delivery"])).size, 3);
  await until("all is settled", async () => (await here.rows("SELECT count(*) FROM notices WHERE next_at IS NULL"))[0][0] === 3);
  assert.equal(await daemon.stop(), 0, daemon.output());
});

test("who refuses or redirects is told again, with the same id, and nobody else is", async (t) => {
  const other = await receiver(t);
  const to = await receiver(t, { answer: (n, reply) => n === 1 ? 500 : n === 2 ? (reply.setHeader("Location", other.url), 307) : 200 });
  const secret = join(await make("secret"), "secret");
  await writeFile(secret, "a secret that both know\n");
  const here = await serve(t, { args: ["--webhook", to.url, "--webhook-secret-file", secret] }), id = await here.submit();
  await here.until("it was told", () => to.got.length === 3);
  await here.logged(/its end was told to the webhook.* experiment=1/);
  assert.match(here.daemon.output(), /couldn't be told \(attempt 1 of 8\): ablate: 127\.0\.0\.1:\d+ answers 500.* experiment=1/);
  assert.match(here.daemon.output(), /couldn't be told \(attempt 2 of 8\): .*a redirect \(307\), which is not followed/);
  assert.equal(other.got.length, 0);
  for (const one of to.got) {
    assert.equal(one.headers["ablate-delivery"], to.got[0].headers["ablate-delivery"]);
    assert.equal(JSON.parse(one.body).experiment.id, id);
    signed("a secret that both know", one);
  }
  assert.equal(await here.daemon.stop(), 0);
  await remove(join(secret, ".."));
});

test("a daemon that dies before it knows tells again when it is back; what was told stays told", async (t) => {
  const dir = await make("notices");
  const to = await receiver(t, { answer: (n) => n === 1 ? null : 204 }); // the first is never answered
  const here = await serve(t, { dir, args: ["--webhook", to.url] });
  await here.call("POST", "/queue", { paused: true });
  await cancelled(here);
  await here.until("it is being told", () => to.got.length === 1);
  here.daemon.kill("SIGKILL");
  await here.daemon.ended;
  await here.again();
  await here.until("it was told again", () => to.got.length === 2);
  assert.equal(to.got[0].headers["ablate-delivery"], to.got[1].headers["ablate-delivery"]);
  await here.logged(/its end was told to the webhook/);
  assert.equal(await here.daemon.stop(), 0);
  await here.again();
  await cancelled(here);
  await here.until("the next was told", () => to.got.length === 3);
  assert.equal(JSON.parse(to.got[2].body).experiment.id, 2);
  assert.equal(await here.daemon.stop(), 0);
  await remove(dir);
});

test("a daemon that ends while it tells doesn't wait, and tells the next time", async (t) => {
  const dir = await make("notices");
  const to = await receiver(t, { answer: (n) => n === 1 ? null : 204 });
  const here = await serve(t, { dir, args: ["--webhook", to.url] });
  await here.call("POST", "/queue", { paused: true });
  await cancelled(here);
  await here.until("it is being told", () => to.got.length === 1);
  assert.equal(await here.daemon.stop(), 0, here.daemon.output());
  await here.again();
  await here.until("it was told again", () => to.got.length === 2);
  assert.equal(await here.daemon.stop(), 0);
  await remove(dir);
});

test("only this machine and listed hosts are asked", async (t) => {
  const here = await serve(t, { args: ["--webhook", "http://hooks.example/ended", "--webhook-host", "hooks.example.org, 10.0.0.7"] });
  await here.call("POST", "/queue", { paused: true });
  await cancelled(here);
  await here.logged(/couldn't be told/);
  assert.match(here.daemon.output(), /hooks\.example is neither this machine nor listed by --webhook-host; nothing was asked/);
  assert.equal(await here.daemon.stop(), 0);
});

test("a listed name is resolved, and asked where that says", async (t) => {
  const name = hostname(), found = await lookup(name).catch(() => null);
  if (!found) return t.skip(`${name} has no address here`);
  const to = await receiver(t, { host: found.address });
  const here = await serve(t, { args: ["--webhook", `http://${name}:${to.port}/`, "--webhook-host", name] });
  await here.call("POST", "/queue", { paused: true });
  await cancelled(here);
  await here.until("it was told", () => to.got.length === 1);
  assert.equal(to.got[0].headers.host, `${name}:${to.port}`);
  assert.equal(await here.daemon.stop(), 0);
});

test("an answer without end is no answer to wait for", async (t) => {
  const to = await receiver(t, { answer: (n, reply) => { reply.writeHead(200); const more = () => { while (reply.write("x".repeat(65536))); }; reply.on("drain", more); more(); } });
  const here = await serve(t, { args: ["--webhook", to.url] });
  await here.call("POST", "/queue", { paused: true });
  await cancelled(here);
  await here.logged(/its end was told to the webhook/);
  assert.equal(await here.daemon.stop(), 0);
});

test("many ends at once are told one after the other, each once, while the API answers", async (t) => {
  let at = 0, most = 0;
  const to = await receiver(t, { answer: async () => { most = Math.max(most, ++at); await new Promise(setImmediate); at--; return 200; } });
  const here = await serve(t, { args: ["--webhook", to.url] }), N = 12;
  await here.call("POST", "/queue", { paused: true });
  const ids = await Promise.all(Array.from({ length: N }, () => cancelled(here)));
  await here.until("all were told", async () => (await here.get("/queue")).paused && to.got.length >= N);
  await here.until("all is settled", async () => (await here.rows("SELECT count(*) FROM notices WHERE next_at IS NULL"))[0][0] === N);
  assert.deepEqual(to.got.map(({ body }) => JSON.parse(body).experiment.id).sort((a, b) => a - b), ids.sort((a, b) => a - b));
  assert.equal(most, 1);
  assert.equal(await here.daemon.stop(), 0);
});

test("the program of --on-end gets the id alone, and nothing of the daemon", async (t) => {
  const dir = await make("program"), program = join(dir, "tell"), out = join(dir, "out");
  await writeFile(program, `#!/bin/sh\n{ echo "$#" "$@"; pwd; env; ls -l /proc/$$/fd | wc -l; } >${out}.part; mv ${out}.part ${out}\n`);
  await chmod(program, 0o755);
  const here = await serve(t, { args: ["--on-end", program], env: { SECRET: "of the daemon" } });
  await here.call("POST", "/queue", { paused: true });
  await cancelled(here);
  const said = (await here.until("it was told", () => readFile(out, "utf8").catch(() => null))).split("\n");
  assert.deepEqual(said.slice(0, 2), ["1 1", "/"]);
  assert.deepEqual(said.slice(2).map((line) => line.split("=")[0]).filter((name) => /[A-Z]/.test(name)).sort(), ["LC_ALL", "PATH", "PWD"]);
  await here.logged(/its end was told to the command.* experiment=1/);
  // One that fails is logged with what it says, and isn't started again.
  await writeFile(program, "#!/bin/sh\necho \"no letter box for $1\" >&2\nyes '' | head -c 300000 >&2\nexit 3\n");
  await cancelled(here);
  await here.logged(/the program of --on-end failed: exit status 3: no letter box for 2.* experiment=2/);
  assert.deepEqual(await here.rows("SELECT attempts, next_at FROM notices ORDER BY id"), [[1, null], [1, null]]);
  assert.equal(await here.daemon.stop(), 0);
  await remove(dir);
});

test("who can't be told is refused at the start", async () => {
  const dir = await make("refused"), short = join(dir, "short");
  await writeFile(short, "too short\n");
  const cases = [
    [64, /--on-end must be a program's whole path/, "--on-end", "mail"],
    [64, /--on-end: can't start \/nowhere\/tell: No such file/, "--on-end", "/nowhere/tell"],
    [64, /--webhook must be a URL/, "--webhook", "ftp://127.0.0.1/"],
    [64, /--webhook must be a URL.*without a name and password/, "--webhook", "http://me:secret@127.0.0.1/"],
    [64, /--webhook-host must be names or addresses/, "--webhook-host", "hooks example/"],
    [66, /there is no|No such file/, "--webhook", "http://127.0.0.1/", "--webhook-secret-file", "/nowhere/secret"],
    [65, /shorter than 16 bytes/, "--webhook", "http://127.0.0.1/", "--webhook-secret-file", short],
  ];
  for (const [status, why, ...args] of cases) {
    const said = await ablated("--data", join(dir, "data"), "--listen", "127.0.0.1:0", ...args);
    assert.deepEqual([said.status, why.test(said.stderr)], [status, true], `${args}: ${said.status} ${said.stderr}`);
  }
  await remove(dir);
});
