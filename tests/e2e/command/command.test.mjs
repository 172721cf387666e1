// The command `ablate`: what it does with a daemon, how it ends, and what it lets a server that means ill do: nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { readFile, stat, writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";
import { ABLATE, ablate, begin, fake, fine, json } from "../terminal.mjs";

const run = promisify(execFile);
const MAN = fileURLToPath(new URL("../../../deploy/ablate.1", import.meta.url));
const SPEC = { name: "short", data: { dataset: "synthetic:copy", seq_len: 8 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 20, batch_size: 1, eval_every: 10, eval_windows: 1, checkpoint_every: 10 }, arms: { one: {}, two: { "train.lr": 0.01 } }, seeds: [1] };
const LONG = { ...SPEC, name: "long", train: { ...SPEC.train, steps: 1000000 } };

async function serve(t, options) {
  let daemon = await start(options);
  t.after(() => daemon.kill("SIGKILL"));
  return { ...client(() => daemon), get daemon() { return daemon; },
    async again() { await daemon.stop({ keep: true }); daemon = await start({ dir: daemon.dir }); } };
}

// The tables, and what is written of them.

/** {name: {operands, options: ["--data", …]}} as the program says it. */
async function table() {
  const { stdout } = await ablate(["help"]);
  const rows = [...stdout.matchAll(/^ {2}ablate (\S+)(.*?) {2,}\S/gm)].map(([, name, operands]) => [name, { operands: operands.trim() }]);
  assert.ok(rows.length >= 14, stdout);
  for (const [name, row] of rows)
    row.options = [...(await ablate(["help", name])).stdout.matchAll(/^ {2}(?:-\w, | {4})(--[\w-]+)/gm)].map(([, option]) => option);
  return Object.fromEntries(rows);
}

test("help, manual page and completion name the same commands and options", async (t) => {
  const commands = await table(), man = await readFile(MAN, "utf8"), general = commands.ls.options.filter((o) => !["--deleted", "--limit", "--order-by"].includes(o));
  const sections = Object.fromEntries(man.split(/^\.It Ic /m).slice(1).map((part) => [part.split(/\s/)[0], part.split(/^\.(El|Sh)$/m)[0]]));
  assert.deepEqual(Object.keys(sections).sort(), Object.keys(commands).sort());
  for (const [name, { operands, options }] of Object.entries(commands)) {
    const own = options.filter((option) => !general.includes(option)).sort();
    const written = [...sections[name].matchAll(/Fl (?:\w , )?Fl -([\w-]+)|Fl -([\w-]+)/g)].map(([, a, b]) => `--${a ?? b}`);
    assert.deepEqual([...new Set(written)].sort(), own, name);
    const head = sections[name].split("\n")[0].replace(/^\S+ ?/, "").replace(/\b(Ar|Op|Cm|No|Ns)\b ?/g, "").trim();
    const plain = (text) => text.replace(/[[\]|.\s-]+/g, " ").trim();
    assert.equal(plain(head), plain(operands), name);
  }
  const page = man.split(/^\.Sh COMMANDS$/m)[0];
  for (const option of general) assert.match(page, new RegExp(`Fl ${option.slice(1).replace("-", "\\-?")}\\b`), option);
  await t.test("the page is sound", async (t) => {
    const lint = await run("mandoc", ["-Tlint", "-Wwarning", MAN]).catch((error) => error);
    if (lint.code === "ENOENT") return t.skip("no mandoc");
    assert.equal(lint.stdout, "");
  });

  const complete = async (...words) => {
    const script = `source <("${ABLATE}" completion bash) && COMP_WORDS=(${words.map((w) => `'${w}'`).join(" ")}) COMP_CWORD=${words.length - 1} && _ablate && printf '%s\\n' "\${COMPREPLY[@]}"`;
    return (await run("bash", ["-euc", script])).stdout.trim().split("\n");
  };
  for (const name of Object.keys(commands)) {
    assert.deepEqual(await complete("ablate", name), [name]);
    assert.deepEqual((await complete("ablate", name, "--")).sort(), [...commands[name].options].sort(), name);
  }
  assert.deepEqual(await complete("ablate", "link", "--access", "s"), ["submit"]);
});

test("a command line that is wrong is told so, and asks nobody", async (t) => {
  const { env, asked } = await fake(t, (_, reply) => json(reply, {}));
  const cases = [
    [["fly"], /there is no command "fly"/], [[], /which command\?/], [["ls", "--watch"], /ls takes no --watch; see ablate help ls/], [["watch"], /usage: ablate watch EXPERIMENT/],
    [["watch", "one"], /an experiment must be an integer from 1 to \d+, not "one"/], [["cancel", "run/0"], /a run must be/], [["priority", "1", "2000"], /from -1000 to 1000/],
    [["ls", "--limit"], /--limit needs a value: N/], [["ls", "--limit", "-3"], /--limit must be an integer from 0/], [["ls", "--json=1"], /--json takes no value/],
    [["ls", "--data", "x", "--url", "http://127.0.0.1"], /either --data or --url/], [["submit", "-n", "-w", "demo"], /--dry-run submits nothing/], [["ls", "--shout"], /there is no option --shout/],
    [["completion", "fish"], /for bash alone/], [["report", "1", "--json", "--format", "csv"], /--json is --format json/], [["ls", "--token-file", "x", "--data", "y"], /--token-file goes with --url/],
  ];
  for (const [args, why] of cases) {
    const { status, stderr, stdout } = await ablate(args, { env });
    assert.deepEqual([status, stdout, why.test(stderr)], [64, "", true], `${args}: ${status} ${stderr}`);
  }
  assert.equal(asked.length, 0);
  const nowhere = await ablate(["ls"]);
  assert.equal(nowhere.status, 64);
  assert.match(nowhere.stderr, /which daemon\? Give --data DIR/);
});

// With a daemon.

test("what can be asked of a daemon", async (t) => {
  const here = await serve(t), { daemon, get, call } = here, dir = await make("command"), file = join(dir, "spec.json");
  await writeFile(file, JSON.stringify(SPEC));
  // Corpora, from a file and from standard input.
  await writeFile(join(dir, "corpus.txt"), "one\n%\ntwo\n%\none\n");
  assert.match(await fine(daemon, ["put", "small", join(dir, "corpus.txt")]), /^small: 2 documents, 6 B\n/);
  assert.equal(JSON.parse(await fine(daemon, ["put", "piped", "-", "--json"], { input: '{"text": "a"}\n{"text": "b"}\n' })).format, "jsonl");
  assert.match((await ablate(["put", "small", dir], { env: { ABLATE_DATA: daemon.dir } })).stderr, /is a folder/);
  assert.equal((await get("/datasets")).items.length, 2);

  // Dry runs store nothing; a key submits once; a file, standard input, a preset.
  await call("POST", "/queue", { paused: true });
  const plan = await fine(daemon, ["submit", "--dry-run", file]);
  assert.match(plan, /^arm +seed +steps +parameters/);
  assert.match(plan, /2 runs; about .* with the daemon's slots, .*FLOP/);
  assert.match(plan, /fail +power: with 1 seeds? no claim can be made/);
  assert.equal(JSON.parse(await fine(daemon, ["submit", "-n", "--json", file])).dry_run, true);
  assert.equal((await get("/experiments")).items.length, 0);
  assert.equal(await fine(daemon, ["submit", file]), "Submitted short: experiment 1, 2 runs\n");
  for (let i = 0; i < 2; i++) {
    const { id, parent } = JSON.parse(await fine(daemon, ["submit", "-", "--json", "--key", "k", "--parent", "1"], { input: JSON.stringify(SPEC) }));
    assert.deepEqual([id, parent], [2, 1]);
  }
  const orphan = await ablate(["submit", "-", "--parent", "99"], { input: JSON.stringify(SPEC), env: { ABLATE_DATA: daemon.dir } });
  assert.deepEqual([orphan.status, orphan.stderr], [64, "ablate: parent: there is no experiment 99\n"]);
  assert.equal((await ablate(["submit", "-", "--parent", "none"], { input: "{}", env: { ABLATE_DATA: daemon.dir } })).status, 64);
  const unknown = await ablate(["submit", "no-such-preset"], { env: { ABLATE_DATA: daemon.dir } });
  assert.deepEqual([unknown.status, unknown.stdout], [65, ""]);
  assert.match(unknown.stderr, /no-such-preset.*there is no file no-such-preset/);
  assert.equal((await ablate(["submit", "missing.json"], { env: { ABLATE_DATA: daemon.dir } })).status, 66);
  const wrong = await ablate(["submit", "-"], { input: '{"model": {"heads": 7}, "data": {"dataset": "small"}}', env: { ABLATE_DATA: daemon.dir } });
  assert.deepEqual([wrong.status, wrong.stderr], [65, "ablate: heads must divide d_model; 7 does not divide 256 (at /model/heads)\n"]);

  // Looking.
  assert.match(await fine(daemon, ["ls"]), /^id +name +state +done +runs +created \(UTC\)\n 2 +short +queued +0 % +2 /);
  const ls = async (...args) => JSON.parse(await fine(daemon, ["ls", "--json", ...args])).items.map(({ id }) => id);
  assert.deepEqual(await ls("--limit", "1"), [2]);
  assert.deepEqual([await ls("--order-by", "name,id"), await ls("id < 2 or verdict = better")], [[1, 2], [1]]);
  const good = await ablate(["ls", "verdict = good", "--data", daemon.dir]);
  assert.match(good.stderr, /at character 11: `good` is no verdict; known are better, worse/);
  assert.match(await fine(daemon, ["show", "1"]), /^id +1\nname +short\nstate +queued\n/);
  assert.equal(JSON.parse(await fine(daemon, ["show", "run/3", "--json"])).experiment_id, 2);
  assert.match(await fine(daemon, ["show", "run/3"]), /^experiment_id +2$/m);
  assert.match(await fine(daemon, ["runs", "arm = two"]), /^run +experiment +arm +seed +state +step\n +2 +1 +two +1 +queued +0\/20\n +4 /);
  assert.deepEqual(JSON.parse(await fine(daemon, ["runs", "--json", "-e", "2", "--order-by", "-id"])).items.map(({ id }) => id), [4, 3]);
  const filter = await ablate(["runs", "arm ~~ 3"], { env: { ABLATE_DATA: daemon.dir } });
  assert.deepEqual([filter.status, filter.stdout], [64, ""]);

  // Doing.
  assert.equal(await fine(daemon, ["priority", "4", "-5"]), "run 4: moved; it is queued\n");
  assert.equal((await get("/runs/4")).priority, -5);
  assert.equal(await fine(daemon, ["cancel", "run/3", "run/4"]), "run 3: asked to end; it is cancelled\nrun 4: asked to end; it is cancelled\n");
  assert.equal(await fine(daemon, ["retry", "3"]), "run 3: goes on; it is queued\n");
  assert.equal(await fine(daemon, ["cancel", "2"]), "experiment 2: asked to end; it is cancelled\n");
  const some = await ablate(["cancel", "99", "run/1", "77"], { env: { ABLATE_DATA: daemon.dir } });
  assert.equal(some.status, 66);
  assert.equal(some.stdout, "run 1: asked to end; it is cancelled\n");
  assert.match(some.stderr, /no experiment 77[^]*no experiment 99/);
  await fine(daemon, ["retry", "run/1"]);
  await call("POST", "/queue", { paused: false });

  // Following, then what is left of it.
  const watched = await ablate(["watch", "1"], { env: { ABLATE_DATA: daemon.dir } });
  assert.equal(watched.status, 1, watched.stderr); // nothing was learnt
  assert.match(watched.stdout, /100 %, 2 of 2 runs\n {2}one +seed 1, step 20 of 20 .* val\/loss \d\.\d{4}\n {2}two .*\ntwo can't be compared with one .* learned fails/);
  assert.ok(!watched.stdout.includes("\x1b"));
  const lines = (await ablate(["submit", "-", "--watch", "--json"], { input: JSON.stringify(SPEC), env: { ABLATE_DATA: daemon.dir } })).stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines[0].id, 3);
  assert.deepEqual([lines.at(-1).event, lines.at(-1).exit, lines.at(-1).experiment.state], ["end", 1, "finished"]);
  assert.ok(lines.some(({ event, data }) => event === "metrics" && data.series["train/loss"]));
  assert.match(await fine(daemon, ["logs", "1"]), /^attempt 1\n[^]*info +audit/);
  assert.match(await fine(daemon, ["logs", "1", "-f"]), /^attempt 1\n/);
  assert.match(await fine(daemon, ["report", "1"]), /^# short\n/);
  assert.match(await fine(daemon, ["report", "1", "--format", "csv"]), /^arm,valid,metric,n/);
  assert.match(await fine(daemon, ["report", "1", "--table", "claims"]), /^.*verdict/);
  assert.equal(JSON.parse(await fine(daemon, ["report", "1", "--json"])).experiment.id, 1);
  assert.match(await fine(daemon, ["link", "--access", "read"]), /^http:\/\/127\.0\.0\.1:\d+\/#login=[0-9a-f]{64}\n$/);
  assert.match(JSON.parse(await fine(daemon, ["link", "--json"])).link, /#login=/);
  assert.match(await fine(daemon, ["export", "1"], { cwd: dir }), /^experiment-1\.tar: \d/);
  assert.match((await run("tar", ["tf", join(dir, "experiment-1.tar")])).stdout, /short-1\/manifest\.json/);
  await assert.rejects(stat(join(dir, "experiment-1.tar.part")));
  assert.equal((await fine(daemon, ["export", "1", "-o", "-"], { cwd: dir })).includes("short-1/manifest.json"), true);

  // By URL and token; refusals.
  const env = { ABLATE_URL: `http://localhost:${new URL(daemon.base).port}` };
  await writeFile(join(dir, "token"), `${daemon.token}\n`);
  assert.equal((await ablate(["ls", "--token-file", join(dir, "token")], { env })).status, 0);
  assert.equal((await ablate(["ls"], { env: { ...env, ABLATE_TOKEN: daemon.token } })).status, 0);
  for (const [more, status, why] of [[{}, 77, /token/], [{ ABLATE_TOKEN: "wrong" }, 77, /token/], [{ ABLATE_TOKEN: "a b" }, 65, /ABLATE_TOKEN holds no token/]]) {
    const said = await ablate(["ls"], { env: { ...env, ...more } });
    assert.deepEqual([said.status, why.test(said.stderr), said.stderr.includes("wrong\n")], [status, true, false], said.stderr);
  }
  assert.equal((await ablate(["show", "99"], { env: { ABLATE_DATA: daemon.dir } })).status, 66);
  assert.equal(await daemon.stop({ keep: true }), 0);
  const gone = await ablate(["ls"], { env: { ABLATE_DATA: daemon.dir } });
  assert.deepEqual([gone.status, gone.stderr], [75, `ablate: no daemon serves ${daemon.dir}\n`]);
  await remove(dir);
  await remove(daemon.dir);
});

test("a submission whose answer is lost is sent again, and makes one experiment", async (t) => {
  const { daemon, get } = await serve(t), target = new URL(daemon.base);
  let cut = 0;
  const proxy = createServer(async (request, reply) => {
    const body = [];
    for await (const part of request) body.push(part);
    const { authorization, "idempotency-key": key } = request.headers;
    const answer = await fetch(daemon.base + request.url, { method: request.method, body: Buffer.concat(body),
      headers: { Authorization: authorization, "Content-Type": "application/json", ...(key && { "Idempotency-Key": key }) } });
    if (cut++ === 0) request.socket.destroy();
    else reply.writeHead(answer.status, { "Content-Type": answer.headers.get("content-type") }).end(await answer.text());
  });
  await new Promise((resolve) => proxy.listen(0, target.hostname, resolve));
  t.after(() => { proxy.closeAllConnections(); proxy.close(); });
  const { status, stdout, stderr } = await ablate(["submit", "-"], { input: JSON.stringify(SPEC),
    env: { ABLATE_URL: `http://127.0.0.1:${proxy.address().port}`, ABLATE_TOKEN: daemon.token } });
  assert.deepEqual([status, stdout, cut], [0, "Submitted short: experiment 1, 2 runs\n", 2], stderr);
  assert.match(stderr, /trying again/);
  assert.equal((await get("/experiments")).items.length, 1);
  assert.equal(await daemon.stop(), 0);
});

test("watching and following outlive a restart of the daemon at another address; Ctrl-C leaves the runs alone", async (t) => {
  const dir = await make("data"), here = await serve(t, { dir }), { get, call } = here;
  await call("POST", "/experiments", LONG, 201);
  const env = { ABLATE_DATA: dir };
  const watch = begin(["watch", "1", "--json"], { env }), logs = begin(["logs", "-f", "1"], { env }), drawn = begin(["watch", "1"], { env, terminal: true });
  await here.until("they follow", async () => /"event":"metrics"/.test(watch.said()) && /attempt 1/.test(logs.said()) && /step [1-9]/.test(drawn.said()));
  const before = here.daemon.base;
  await here.again();
  assert.notEqual(here.daemon.base, before);
  const step = (await get("/runs/1")).step;
  const last = () => Math.max(...[...watch.said().matchAll(/"train\/loss":\[\[(\d+),/g)].map(([, n]) => Number(n)));
  await here.until("it follows the new daemon", () => last() > step);
  assert.match(watch.complained(), /trying again for up to 600 s/);
  const steps = [...watch.said().matchAll(/^.*"run":1,.*"train\/loss":(\[\[.*?\]\])/gm)].flatMap(([, points]) => JSON.parse(points).map(([n]) => n));
  assert.deepEqual(steps, Array.from(steps, (_, i) => steps[0] + i), "no step is missing, and none comes twice");
  watch.kill("SIGINT");
  const { status, stderr } = await watch.ended;
  assert.equal(status, 130);
  assert.match(stderr, /the runs of experiment 1 train on; ablate watch 1 follows them again, ablate cancel 1 ends them/);
  assert.equal((await get("/experiments/1")).state, "running");
  await fine(here.daemon, ["cancel", "1"]);
  const [log, picture] = await Promise.all([logs.ended, drawn.ended]);
  assert.deepEqual([log.status, picture.status], [0, 3]);
  assert.match(log.stderr, /run 1 has cancelled/);
  assert.match(picture.stdout, /\x1b\[\?7l\[█*░*\] \d+ %, 2 of 2 runs\x1b\[K/);
  assert.equal(await here.daemon.stop({ keep: true }), 0);
  await remove(dir);
});

test("who waits for a daemon that doesn't come gives up when told to", async () => {
  const port = await new Promise((resolve) => { const s = net.createServer().listen(0, "127.0.0.1", () => { const { port } = s.address(); s.close(() => resolve(port)); }); });
  const { status, stderr } = await ablate(["watch", "1", "--patience", "0"], { env: { ABLATE_URL: `http://127.0.0.1:${port}` } });
  assert.equal(status, 75);
  assert.match(stderr, /Couldn't connect/);
});

// With servers that aren't daemons.

const EVIL = "a\x1b]0;title\x07b\x1b[2Jc\x9b31md\x7fe\u202ef\u2066g\r\nh\ti\u2028", SEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const COUNTS = { queued: 0, running: 0, succeeded: 1, failed: 0, cancelled: 0 };
const experiment = { id: 1, name: EVIL, state: "finished", counts: COUNTS, audits: {}, progress: 1, runs: 1, arms: [EVIL], grid: {}, seeds: [1], compare: { metric: "val/loss" },
  notes: EVIL, tags: { [EVIL]: EVIL }, created_at: EVIL, as_of: 5 };
const one = { id: 1, experiment_id: 1, arm: EVIL, grid: { [EVIL]: EVIL }, seed: 1, state: "failed", reason: EVIL, step: 3, steps: 3, started_at: "2026-01-01T00:00:00.000Z", final: { [EVIL]: 1, "val/loss": EVIL }, attempts: [{ attempt: 1, outcome: EVIL, kind: EVIL }], as_of: 5 };

/** An API whose every text is hostile, with so much else of a report. */
const hostile = ({ report = {} } = {}) => (request, reply) => {
  const { pathname } = new URL(request.url, "http://x"), at = pathname.replace("/api/v1", "");
  if (at === "/experiments/1/report")
    return new URL(request.url, "http://x").searchParams.has("format") ? json(reply, EVIL, 200, "text/markdown")
      : json(reply, { verdict: { sentence: EVIL }, remarks: [EVIL], experiment, primary: [], ...report });
  if (at === "/runs/1/metrics") return json(reply, { series: { "val/loss": { points: [[1, 2], [2, "nan"], [3, 1]] } } });
  if (at === "/runs/1/log") return json(reply, EVIL, 200, "text/plain");
  if (at === "/runs") return json(reply, { items: [one], next_page_token: null });
  if (at === "/experiments") return request.method === "GET" ? json(reply, { items: [experiment], next_page_token: null }) : json(reply, { ...experiment, dry_run: true, runs: [one], totals: {}, planned_audits: [{ name: EVIL, status: EVIL, detail: EVIL, arm: EVIL, remedy: EVIL }] });
  if (at.startsWith("/datasets")) return json(reply, { name: EVIL, documents: 1, bytes: 1, notes: [EVIL] });
  if (at === "/experiments/2") return json(reply, { type: "x", title: EVIL, status: 422, detail: EVIL, code: EVIL, pointer: EVIL }, 422, "application/problem+json");
  return json(reply, at.startsWith("/runs/1") ? one : experiment);
};

test("nothing that a server says reaches the terminal as a command to it", async (t) => {
  const { env } = await fake(t, hostile());
  const commands = [["ls"], ["show", "1"], ["show", "run/1"], ["runs"], ["logs", "1"], ["cancel", "1", "run/1"], ["retry", "1"], ["priority", "1", "1"], ["report", "1"], ["watch", "1"],
    ["submit", "demo", "-n"], ["put", "x", "-"], ["show", "2"]];
  for (const args of commands)
    for (const more of [[], ["--json"]]) {
      const { status, stdout, stderr } = await ablate([...args, ...more], { env, input: "text" });
      assert.equal(status, args.join() === "show,2" ? 65 : 0, `${args}: ${stderr}`);
      assert.ok(stdout.length + stderr.length > 5, `${args}`);
      assert.equal(SEEN.exec(stdout + stderr)?.index, undefined, `${args} ${more}: ${JSON.stringify(stdout + stderr)}`);
    }
  // JSON says the same all the same.
  assert.equal(JSON.parse((await ablate(["show", "1", "--json"], { env })).stdout).name, EVIL);
  const { stdout } = await ablate(["watch", "1"], { env, terminal: true });
  const rest = stdout.replace(/\x1b\[(\d+A|\?7[lh]|K)/g, "").replace(/\r?\n/g, "").replaceAll("\r", "");
  assert.equal(SEEN.exec(rest)?.index, undefined, JSON.stringify(rest));
  assert.match(rest, /a\]0;titleb\[2Jc31mdefg h i/);
});

test("watch ends as the experiment did", async (t) => {
  const cases = [[0, {}], [0, { primary: [{ verdict: "undetermined" }] }], [1, { primary: [{ verdict: "better" }, { verdict: "invalid" }] }],
    [2, { primary: [{ verdict: "invalid" }], experiment: { ...experiment, counts: { ...COUNTS, failed: 1 } } }], [3, { experiment: { ...experiment, counts: { ...COUNTS, failed: 1, cancelled: 1 } } }]];
  for (const [status, report] of cases) {
    const { env } = await fake(t, hostile({ report }));
    assert.equal((await ablate(["watch", "1"], { env })).status, status, JSON.stringify(report));
  }
});

test("the token goes to https and to this machine alone, and to nobody by a redirect or a proxy", async (t) => {
  const other = await fake(t, (_, reply) => json(reply, {}));
  const here = await fake(t, (request, reply) => reply.writeHead(302, { Location: `${other.url}/api/v1/experiments` }).end());
  const redirected = await ablate(["ls"], { env: here.env });
  assert.equal(redirected.status, 76);
  assert.match(redirected.stderr, /answers with a redirect \(302, to http:\/\/127\.0\.0\.1:\d+\/api\/v1\/experiments\), which is not followed/);
  assert.equal(here.asked[0].headers.authorization, "Bearer the-token-of-this-test");
  assert.equal(other.asked.length, 0);
  // Not by way of a proxy, nor to who is only called this machine.
  const proxy = { http_proxy: other.url, HTTP_PROXY: other.url, ALL_PROXY: other.url, https_proxy: other.url };
  assert.equal((await ablate(["ls"], { env: { ...here.env, ...proxy } })).status, 76);
  assert.equal(other.asked.length, 0);
  for (const url of ["http://192.0.2.7", "http://example.com", "http://localhost.example", "http://127.0.0.1.example", "http://[::2]", "http://0.0.0.0", "http://[::ffff:127.0.0.1]"]) {
    const said = await ablate(["ls", "--url", url], { env: { ...here.env, ...proxy } });
    assert.deepEqual([said.status, /plain HTTP to this machine alone/.test(said.stderr)], [77, true], `${url}: ${said.stderr}`);
  }
  assert.equal(other.asked.length, 0);
  for (const url of ["ftp://127.0.0.1", "127.0.0.1", "http://me:pw@127.0.0.1", "http://127.0.0.1/%41", "http://127.0.0.1?x=1", "file:///etc/passwd", "http://", "http://[::1%25lo]"]) {
    const said = await ablate(["ls", "--url", url], { env: here.env });
    assert.equal(said.status, 64, `${url}: ${said.stderr}`);
  }
  for (const host of ["localhost", "127.1", "0x7f.1", "127.0.0.1"]) { // all of them this machine
    const before = here.asked.length;
    assert.equal((await ablate(["ls", "--url", `http://${host}:${here.port}/`], { env: here.env })).status, 76, host);
    assert.equal(here.asked.length, before + 1, host);
  }
});

test("replies that are broken, endless or cut off are refused, and say so", async (t) => {
  const endless = (reply, bytes) => { const more = () => { while (reply.write(bytes)); }; reply.on("drain", more).on("close", () => reply.removeAllListeners("drain")); more(); };
  const cases = [
    [76, /doesn't answer as Ablate does/, (_, reply) => json(reply, "<html>")],
    [76, /doesn't answer as Ablate does: no JSON object/, (_, reply) => json(reply, "[]")],
    [76, /doesn't answer as Ablate does/, (_, reply) => json(reply, '{"items": [}')],
    [76, /longer than any reply that was asked for/, (_, reply) => { reply.writeHead(200, { "Content-Type": "application/json" }); endless(reply, "x".repeat(1 << 20)); }],
    [75, /./, (_, reply) => reply.writeHead(200, { "Content-Length": 100 }).write("{", () => reply.destroy())],
    [75, /./, (_, reply) => reply.socket.destroy()],
    [75, /./, (_, reply) => reply.socket.end("SSH-2.0-OpenSSH_9.2\r\n")],
    [70, /answers 500/, (_, reply) => json(reply, "oops", 500)],
    [75, /answers 502/, (_, reply) => json(reply, "{", 502, "application/problem+json")],
    [66, /answers 404/, (_, reply) => json(reply, "[]", 404, "application/problem+json")],
    [76, /its header has no end/, (_, reply) => { reply.socket.write("HTTP/1.1 200 OK\r\n"); endless(reply.socket, `X: ${"y".repeat(8000)}\r\n`.repeat(8)); }],
  ];
  for (const [status, why, answer] of cases) {
    const { env } = await fake(t, answer);
    const said = await ablate(["ls"], { env });
    assert.deepEqual([said.status, said.stdout, why.test(said.stderr)], [status, "", true], `${why}: ${said.status} ${said.stderr}`);
  }
  // One that is slow is waited for.
  const slow = await fake(t, (_, reply) => { reply.writeHead(200); let n = 0; const next = () => n < 13 ? (reply.write('{"items": []}'[n++]), setImmediate(next)) : reply.end(); next(); });
  assert.equal((await ablate(["ls"], { env: slow.env })).status, 0);
  // An event without end, or one that isn't JSON.
  for (const [text, why] of [["data: {\n\n", /an event isn't JSON/], [null, /an event has no end/]]) {
    const events = await fake(t, (request, reply) => {
      if (request.url.includes("/runs")) return json(reply, { items: [{ ...one, state: "running" }], series: {} });
      if (!request.url.includes("/events")) return json(reply, experiment);
      reply.writeHead(200, { "Content-Type": "text/event-stream" });
      return text ? reply.write(text) : endless(reply, "x".repeat(1 << 20));
    });
    const said = await ablate(["watch", "1"], { env: events.env });
    assert.deepEqual([said.status, why.test(said.stderr)], [76, true], said.stderr);
  }
});

test("events that are no longer kept are fetched anew", async (t) => {
  let asked = 0, state = "running";
  const { env, asked: requests } = await fake(t, (request, reply) => {
    if (request.url.includes("/report")) return json(reply, { verdict: { sentence: "It is over." }, experiment });
    if (request.url.includes("/runs")) return json(reply, { items: [{ ...one, state }], series: {} });
    if (!request.url.includes("/events")) return json(reply, { ...experiment, as_of: 7 + asked });
    asked++;
    reply.writeHead(200, { "Content-Type": "text/event-stream" });
    if (asked === 1) return reply.end(": hello\n\nid: 9\nevent: metrics\ndata: {\"run\":1,\"series\":{}}\n\n"); // and it is cut off
    state = "succeeded";
    return reply.write("event: resync\r\ndata: {}\r\n\r\n");
  });
  const { status, stdout } = await ablate(["watch", "1"], { env });
  assert.equal(status, 0);
  assert.match(stdout, /It is over\.\n$/);
  assert.deepEqual(requests.filter(({ url }) => url.includes("/events")).map(({ headers }) => headers["last-event-id"]), ["7", "9"]);
});

test("an export that was cut off goes on where it stopped, if it is still the same", async (t) => {
  const dir = await make("export"), whole = "0123456789".repeat(100);
  let n = 0, tag = '"one"';
  const ranges = [];
  const { env } = await fake(t, (request, reply) => {
    ranges.push(request.headers.range);
    const from = request.headers.range && request.headers["if-range"] === tag ? Number(/bytes=(\d+)-/.exec(request.headers.range)[1]) : 0;
    const head = { ETag: tag, "Content-Length": whole.length - from };
    if (from > 0) head["Content-Range"] = `bytes ${from}-${whole.length - 1}/${whole.length}`;
    reply.writeHead(from > 0 ? 206 : 200, head);
    n++;
    if (n === 3) tag = '"two"';
    if (n <= 3) reply.write(whole.slice(from, from + 250), () => reply.socket.destroy());
    else reply.end(whole.slice(from));
  });
  const { status, stderr } = await ablate(["export", "1", "-o", join(dir, "x")], { env });
  assert.equal(status, 0, stderr);
  assert.equal(await readFile(join(dir, "x"), "utf8"), whole);
  assert.deepEqual(ranges, [undefined, "bytes=250-", "bytes=500-", "bytes=750-"]); // the last was another, and served whole
  await assert.rejects(stat(join(dir, "x.tag")));
  await remove(dir);
});

test("curves and runs are exported by the words that the API has for them", async (t) => {
  const dir = await make("export"), { env, asked } = await fake(t, (_, reply) => reply.writeHead(200).end("run,arm\n"));
  for (const [args, url, file] of [
    [["--what", "curves", "--arm", "a b", "--names", "val/loss,train/loss"], "/export?what=curves&arm=a%20b&names=val%2Floss%2Ctrain%2Floss", "experiment-7-curves.csv"],
    [["--what", "runs", "--format", "jsonl"], "/export?what=runs&format=jsonl", "experiment-7-runs.jsonl"],
    [["--what", "curves", "--format", "tensorboard"], "/export?what=curves&format=tensorboard", "experiment-7-curves.tar"]]) {
    const said = await ablate(["export", "7", ...args], { env, cwd: dir });
    assert.deepEqual([said.status, said.stdout], [0, `${file}: 8 B\n`], said.stderr);
    assert.equal(asked.at(-1).url, `/api/v1/experiments/7${url}`);
    assert.equal(await readFile(join(dir, file), "utf8"), "run,arm\n");
  }
  assert.equal((await ablate(["export", "7", "--arm", "a"], { env })).status, 64);
  assert.equal((await ablate(["export", "7", "--what", "../x"], { env })).status, 64);
  await remove(dir);
});

test("an upload that is refused is told why, however long it is", async (t) => {
  const { env } = await fake(t, (request, reply) => { json(reply, { detail: "too large a corpus", code: "too_large", status: 413 }, 413, "application/problem+json"); request.socket.end(); });
  const dir = await make("upload"), file = join(dir, "large");
  await writeFile(file, "x".repeat(20 << 20));
  const { status, stderr } = await ablate(["put", "x", file], { env });
  assert.deepEqual([status, stderr], [65, "ablate: too large a corpus\n"]);
  await remove(dir);
});

test("the token is no argument and stays out of what is printed", async (t) => {
  const { env } = await fake(t, (_, reply) => json(reply, "no", 401));
  const { stderr, stdout } = await ablate(["ls"], { env });
  assert.ok(!(stderr + stdout).includes(env.ABLATE_TOKEN));
  assert.match((await ablate(["ls", "--token", env.ABLATE_TOKEN], { env })).stderr, /there is no option --token/);
});
