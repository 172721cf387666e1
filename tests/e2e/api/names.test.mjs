// Names of any script, wherever they come out again: as they are where text may be anything, escaped where a sign means
// something, and left out where only plain characters may stand.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";
import { fine } from "../terminal.mjs";

const WORKER = join(import.meta.dirname, "../../..", process.env.BUILD ?? "build", "ablate-worker");
const NAME = "密な注意 / <b>α=½</b> “dsa” 👩‍🔬", TAG = "sujet d’étude", VALUE = "شبكة | x";
const ARMS = { "密": {}, 'dünn (k=4) "|*': { "train.lr": 0.002 }, "</text><b>": { "train.lr": 0.003 }, ["𐍈".repeat(64)]: { "train.lr": 0.004 } };
const SPEC = {
  name: NAME, tags: { [TAG]: VALUE }, data: { dataset: "synthetic:copy", vocab: 32, seq_len: 4 }, compare: { baseline: 'dünn (k=4) "|*' },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 }, train: { steps: 2, batch_size: 2, lr: 0.001, eval_every: 1, eval_windows: 4 },
  seeds: [1, 2], arms: ARMS,
};
let daemon, dir, id;
const { call, get, rows } = client(() => daemon);
const text = async (path) => (await daemon.fetch(`/api/v1${path}`)).text();
const q = encodeURIComponent;

before(async () => {
  dir = await make("names");
  daemon = await start({ dir: join(dir, "var"), args: ["--slots", "2"] });
  id = (await call("POST", "/experiments", SPEC, 201)).id;
  assert.equal((await get(`/experiments/${id}?wait=3600`)).state, "finished");
});
after(async () => {
  await daemon?.stop({ keep: true });
  await remove(dir);
});

test("they are stored as they were given, searched in quotes, and changed", async () => {
  const one = await get(`/experiments/${id}`);
  assert.deepEqual([one.name, one.arms, one.tags], [NAME, Object.keys(ARMS), { [TAG]: VALUE }]);
  const quoted = (value) => `"${value.replaceAll('"', '""')}"`;
  for (const arm of Object.keys(ARMS)) {
    assert.equal((await get(`/runs?filter=${q(`arm = ${quoted(arm)} and tags.${quoted(TAG)} = ${quoted(VALUE)}`)}`)).items.length, 2, arm);
    assert.equal((await get(`/experiments?filter=${q(`arms = ${quoted(arm)} and name ~ 注意`.replace("注意", '"注意"'))}`)).items.length, 1, arm);
  }
  const bare = await (await daemon.fetch(`/api/v1/runs?filter=${q("arm = 密")}`)).json();
  assert.match(bare.detail, /at character 7: .*needs quotes/);
  assert.equal((await rows(`SELECT DISTINCT arm FROM v_runs WHERE experiment = ${id}`)).length, 4);
  const refused = await (await daemon.fetch(`/api/v1/experiments/${id}`, { method: "PATCH", headers: { "Content-Type": "application/json" }, body: '{"name":"a\\u202eb"}' })).json();
  assert.deepEqual([refused.status, refused.pointer], [422, "/name"]);
  assert.match(refused.detail, /U\+202E as character 2, which turns the direction of text/);
  assert.equal((await call("PATCH", `/experiments/${id}`, { name: NAME, tags: { [TAG]: VALUE } })).name, NAME);
});

test("a name of before, with spaces around it, can still be read", async () => {
  const old = (await call("POST", "/experiments", { ...SPEC, name: "old", seeds: [1] }, 201)).id;
  await call("POST", `/experiments/${old}/cancel`, undefined, 202);
  execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", `UPDATE experiments SET name = ' ' WHERE id = ${old}`]);
  assert.equal((await get(`/experiments/${old}`)).name, " ");
  assert.equal((await get(`/experiments?filter=${q('name = " "')}`)).items.length, 1);
  assert.equal((await call("PATCH", `/experiments/${old}`, { notes: "x" })).name, " ");
});

test("tables, figures and files", async () => {
  const markdown = await text(`/experiments/${id}/report?format=md`), lines = markdown.split("\n");
  assert.equal(lines[0], `# ${NAME.replace("<b>", "\\<b>").replace("</b>", "\\</b>")}`);
  assert.doesNotMatch(markdown, /[^\\]<[a-z/]/);
  assert.ok(lines.some((line) => line.includes('| dünn (k=4) "\\|\\* |')));
  let head = 0; // every row of a table has as many cells as its head
  for (const line of lines) {
    const cells = line.startsWith("|") ? line.replaceAll(/\\./g, "").split("|").length : 0;
    if (cells && head) assert.equal(cells, head, line);
    head = cells && (head || cells);
  }
  const figure = await text(`/experiments/${id}/figure.svg`);
  assert.ok(figure.includes("密") && figure.replaceAll("&gt;", ">").includes("&lt;/text>&lt;b>") && !figure.includes("</text><b>"));
  execFileSync("python3", ["-c", "import sys, xml.dom.minidom as m; m.parse(sys.stdin)"], { input: figure });
  const csv = await text(`/experiments/${id}/export?what=runs`);
  assert.ok(csv.includes('"dünn (k=4) ""|*"'));
  const arm = await text(`/experiments/${id}/export?arm=${q("密")}&names=val/loss`);
  assert.ok(arm.split("\r\n").slice(1, -1).every((line) => line.split(",")[1] === "密"), arm);
  assert.match(await text("/experiments/1/report?format=csv"), /dünn \(k=4\) ""\|\*/);
});

test("files are called by plain characters", async () => {
  for (const path of [`export?format=tensorboard`, "export", "capsule"]) {
    const reply = await daemon.fetch(`/api/v1/experiments/${id}/${path}`);
    assert.match(reply.headers.get("content-disposition"), /^attachment; filename="[A-Za-z0-9._-]+"$/);
    const body = Buffer.from(await reply.arrayBuffer());
    if (path === "export") continue;
    const names = execFileSync("tar", ["tf", "-"], { input: body, encoding: "utf8" }).split("\n");
    assert.ok(names.every((name) => /^[A-Za-z0-9._/-]*$/.test(name)), names.join("\n"));
    assert.equal(new Set(names).size, names.length);
    if (path !== "capsule") continue;
    const to = await mkdtemp(join(dir, "capsule-"));
    await writeFile(join(to, "c.tar"), body);
    execFileSync("tar", ["xf", "c.tar"], { cwd: to });
    const [folder] = (await readdir(to)).filter((name) => name !== "c.tar");
    assert.equal(JSON.parse(await readFile(join(to, folder, "experiment.json"), "utf8")).name, NAME);
    execFileSync(WORKER, ["verify", join(to, "c.tar")], { stdio: "ignore" });
  }
});

test("the terminal client shows and aligns them", async () => {
  const shown = await fine(daemon, ["runs", `experiment = ${id}`], { env: { LC_ALL: "C.UTF-8" } });
  assert.ok(Object.keys(ARMS).every((arm) => shown.includes(arm)), shown);
  // Wide characters take two columns: the column behind them begins where it begins beside narrow ones.
  const begins = shown.split("\n").filter((line) => /^ *\d+ /.test(line) && !line.includes("𐍈"))
    .map((line) => [...line.slice(0, line.search(/succeeded/))].reduce((width, c) => width + (c === "密" ? 2 : 1), 0));
  assert.equal(new Set(begins).size, 1, shown);
});
