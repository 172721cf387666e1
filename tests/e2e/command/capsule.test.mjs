// The capsule: what the daemon writes, tar(1) and sha256sum(1) read; what `ablate-worker verify` accepts, and what it
// refuses when anything is changed: a byte, a file, a path, an entry's kind, a value under a manifest made anew.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { ABLATED, start } from "../daemon.mjs";
import { make, remove } from "../folder.mjs";
import { until } from "../until.mjs";

const V1 = "/api/v1", BLOCK = 512;
const WORKER = join(dirname(ABLATED), "ablate-worker");
let daemon, dir, corpus, id, archive, runs;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const submit = async (spec) => {
  const reply = await daemon.fetch(`${V1}/experiments`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(spec) });
  assert.equal(reply.status, 201, await reply.clone().text());
  return (await reply.json()).id;
};
const get = async (path) => (await daemon.fetch(V1 + path)).json();
const finished = async (experiment) => assert.equal((await get(`/experiments/${experiment}?wait=3600`)).state, "finished");
async function fetchCapsule(experiment) {
  const reply = await daemon.fetch(`${V1}/experiments/${experiment}/capsule`);
  assert.equal(reply.status, 200);
  return { headers: reply.headers, bytes: Buffer.from(await reply.arrayBuffer()) };
}

/** Runs verify on bytes: {status, out, err}. */
async function verify(bytes, ...args) {
  const path = join(dir, "capsule.tar");
  await writeFile(path, bytes);
  try {
    const { stdout, stderr } = await promisify(execFile)(WORKER, ["verify", path, ...args], { env: { ...process.env, TMPDIR: dir } });
    return { status: 0, out: stdout, err: stderr };
  } catch (error) {
    assert.equal(typeof error.code, "number", `${error} ${error.signal}`); // neither a crash nor the time limit
    return { status: error.code, out: error.stdout, err: error.stderr };
  }
}
async function refused(bytes, why, ...args) {
  const { status, out, err } = await verify(bytes, ...args);
  assert.equal(status, 65, `${why}: ${out}${err}`);
  assert.match(err, why);
}

/** The archive's entries, [{path, content}], and an archive of such: this test's own idea of ustar. */
function unpack(bytes) {
  const entries = [];
  for (let at = 0; bytes[at] !== 0;) {
    const name = bytes.toString("latin1", at, at + 100).replace(/\0.*$/s, ""), size = parseInt(bytes.toString("latin1", at + 124, at + 135), 8);
    entries.push({ path: name, content: bytes.subarray(at + BLOCK, at + BLOCK + size), at });
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return entries;
}
function header({ path, content, type = "0", link = "" }) {
  const h = Buffer.alloc(BLOCK);
  h.write(path, 0); h.write("0000644\0" + "0000000\0".repeat(2), 100);
  h.write(content.length.toString(8).padStart(11, "0") + "\0" + "0".repeat(11) + "\0" + " ".repeat(8) + type + link, 124);
  h.write("ustar\0" + "00", 257); h.write("0000000\0".repeat(2), 329);
  h.write(h.reduce((sum, byte) => sum + byte).toString(8).padStart(6, "0") + "\0 ", 148);
  return h;
}
const pack = (entries) => Buffer.concat([...entries.flatMap((entry) =>
  [header(entry), entry.content, Buffer.alloc((BLOCK - entry.content.length % BLOCK) % BLOCK)]), Buffer.alloc(2 * BLOCK)]);

/** Another content for some paths, with the sums and the manifest made anew, as somebody who cheats would. */
function forge(changes) {
  const entries = unpack(archive).map(({ path, content }) => ({ path, content }));
  const folder = entries[0].path.split("/")[0], below = ({ path }) => path.slice(folder.length + 1);
  for (const entry of entries) if (changes[below(entry)]) entry.content = Buffer.from(changes[below(entry)](entry.content.toString()));
  const files = entries.slice(0, -2).map((entry) => ({ path: below(entry), bytes: entry.content.length, sha256: sha256(entry.content) }));
  const sums = files.map((file) => `${file.sha256}  ${file.path}\n`).join("");
  entries.at(-2).content = Buffer.from(sums);
  const manifest = { ...JSON.parse(entries.at(-1).content), files, digest: sha256(sums) };
  entries.at(-1).content = Buffer.from(JSON.stringify((changes.manifest ?? ((same) => same))(manifest)));
  return pack(entries);
}

before(async () => {
  dir = await make("capsule");
  daemon = await start({ dir: join(dir, "var"), args: ["--slots", "2"] });
  const text = Array.from({ length: 300 }, (_, i) => `document ${i}: ${`and ${i} some ${i} words ${i} to learn `.repeat(6)}`).join("\n\n");
  await daemon.fetch(`${V1}/datasets/corpus`, { method: "PUT", body: text, headers: { "Content-Type": "text/plain" } });
  corpus = `${daemon.dir}/datasets/${(await get("/datasets")).items[0].digest}`;
  id = await submit({
    name: ".dense against sparse", hypothesis: "sparse is as good",
    data: { dataset: "corpus", seq_len: 24 }, model: { layers: 2, heads: 2, d_model: 32, d_ff: 32 },
    train: { steps: 40, batch_size: 4, eval_every: 20, eval_windows: 4, checkpoint_every: 20 }, seeds: [3], artifacts: ["init", "final", "batches"],
    arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 9, indexer_heads: 2, indexer_dim: 8 } } },
  });
  await finished(id);
  archive = (await fetchCapsule(id)).bytes;
  runs = (await get(`/runs?experiment=${id}`)).items;
});
after(async () => {
  await daemon?.stop({ keep: true });
  await remove(dir);
});

test("an archive that tar and sha256sum read, named by its digest, the same bytes again", async () => {
  const { headers, bytes } = await fetchCapsule(id);
  assert.ok(bytes.equals(archive));
  assert.equal(headers.get("content-type"), "application/x-tar");
  const name = `_dense-against-sparse-${id}`;
  assert.equal(headers.get("content-disposition"), `attachment; filename="${name}.tar"`);
  await writeFile(join(dir, "a.tar"), bytes);
  const listing = execFileSync("tar", ["tvf", "a.tar"], { cwd: dir, encoding: "utf8" });
  assert.deepEqual(listing.trim().split("\n").map((line) => line.split(" ").at(-1).slice(name.length + 1)), ["README.txt", "report.md", "report.csv",
    "experiment.json", "audits.json", "report.json", ...runs.flatMap((run) => ["spec.json", "run.json", "metrics.csv"].map((file) => `runs/${run.id}/${file}`)),
    "datasets.json", "SHA256SUMS", "manifest.json"]);
  execFileSync("tar", ["xf", "a.tar"], { cwd: dir });
  execFileSync("sha256sum", ["--strict", "-c", "SHA256SUMS"], { cwd: join(dir, name) });
  const digest = sha256(await readFile(join(dir, name, "SHA256SUMS")));
  assert.equal(headers.get("capsule-digest"), digest);
  assert.equal(headers.get("etag"), `"${digest}"`);
  const again = await daemon.fetch(`${V1}/experiments/${id}/capsule`, { headers: { "If-None-Match": `"${digest}"` } });
  assert.deepEqual([again.status, (await again.arrayBuffer()).byteLength], [304, 0]);
  const head = await daemon.fetch(`${V1}/experiments/${id}/capsule`, { method: "HEAD" });
  assert.equal(Number(head.headers.get("content-length")), bytes.length);
  assert.deepEqual(await readdir(`${daemon.dir}/tmp`), []);
  assert.equal((await daemon.fetch(`${V1}/experiments/99/capsule`)).status, 404);
});

test("it holds what the daemon holds, every value to the bit", async () => {
  const at = Object.fromEntries(unpack(archive).map(({ path, content }) => [path.replace(/^[^/]+\//, ""), content.toString()]));
  const json = (path) => JSON.parse(at[path]);
  const { as_of: _, ...report } = await get(`/experiments/${id}/report`);
  assert.deepEqual(json("report.json"), report);
  assert.deepEqual(json("audits.json"), report.audits);
  assert.equal(at["report.md"], await (await daemon.fetch(`${V1}/experiments/${id}/report?format=md`)).text());
  assert.equal(json("experiment.json").hypothesis, "sparse is as good");
  const [{ digest, name, documents }] = json("datasets.json");
  assert.deepEqual([corpus.endsWith(digest), name, documents], [true, "corpus", 300]);
  for (const run of runs) {
    const { spec, attempts } = await get(`/runs/${run.id}`);
    assert.deepEqual(json(`runs/${run.id}/spec.json`), spec);
    const stored = json(`runs/${run.id}/run.json`);
    assert.deepEqual(stored.attempts, attempts);
    assert.deepEqual(stored.artifacts, (await get(`/runs/${run.id}/artifacts`)).items);
    assert.deepEqual(stored.checkpoints.map(({ step }) => step), [20, 40]);
    const { series } = await get(`/runs/${run.id}/metrics`);
    assert.deepEqual(at[`runs/${run.id}/metrics.csv`].trim().split("\n").slice(1).map((line) => line.split(",")).map(([metric, step, value]) => [metric, Number(step), Number(value)]),
      Object.entries(series).sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([metric, { points }]) => points.map(([step, value]) => [metric, step, value])));
  }
});

test("sound, and this test's own archiver agrees", async () => {
  assert.ok(pack(unpack(archive)).equals(archive));
  assert.ok((await verify(forge({}))).status === 0);
  const { status, out, err } = await verify(archive);
  assert.equal(status, 0, err);
  assert.match(out, new RegExp(`^_dense-against-sparse-${id}: experiment ${id}, "\\.dense against sparse", finished\nsound: 15 files with the manifest's digests; ${runs.length} runs [^]*\ndigest [0-9a-f]{64}\n$`));
});

test("one byte anywhere is found, and the file named", async () => {
  for (const { path, content, at } of unpack(archive)) {
    const bytes = Buffer.from(archive), name = path.replace(/^[^/]+\//, "");
    bytes[at + BLOCK + Math.floor(content.length / 2)] ^= 1;
    await refused(bytes, new RegExp(`error msg="${name === "manifest.json" ? "" : name.replaceAll(".", "\\.")}`));
  }
  for (let at = 7; at < archive.length; at += 997) {
    const bytes = Buffer.from(archive);
    bytes[at] ^= 1;
    await refused(bytes, /error/);
  }
});

test("a file less, a file more, another order, a file twice", async () => {
  const entries = unpack(archive), spec = entries.findIndex(({ path }) => path.endsWith("spec.json"));
  for (const at of [0, spec, entries.length - 3]) // the first, one in the middle, the last that is listed
    await refused(pack(entries.toSpliced(at, 1)), new RegExp(`${entries[at].path.replace(/^[^/]+\//, "")} is in the manifest, and not in the archive`));
  await refused(pack(entries.toSpliced(-1, 1)), /doesn't end with a manifest/);
  await refused(pack(entries.toSpliced(-2, 1)), /SHA256SUMS|in the manifest/);
  const more = { path: entries[0].path.replace("README.txt", "more.txt"), content: Buffer.from("x") };
  for (const at of [0, spec, entries.length - 2]) await refused(pack(entries.toSpliced(at, 0, more)), /more\.txt is in the archive, and not in the manifest/);
  await refused(pack([...entries, more]), /doesn't end with a manifest/);
  await refused(pack([entries[1], entries[0], ...entries.slice(2)]), /at its place|in the manifest/);
  await refused(pack(entries.toSpliced(3, 0, entries[2])), /twice/);
  // Named by the manifest as well, it is still nothing that a capsule has.
  const folder = entries[0].path.split("/")[0];
  const file = { path: "runs/1/run.json.bak", bytes: 1, sha256: sha256("x") };
  const sums = Buffer.from(entries.at(-2).content + `${file.sha256}  ${file.path}\n`);
  const manifest = JSON.parse(entries.at(-1).content);
  await refused(pack([...entries.slice(0, -2), { path: `${folder}/${file.path}`, content: Buffer.from("x") }, { path: entries.at(-2).path, content: sums },
    { path: entries.at(-1).path, content: Buffer.from(JSON.stringify({ ...manifest, files: [...manifest.files, file], digest: sha256(sums) })) }]), /run\.json\.bak is nothing that a capsule has/);
});

test("no path leads out, no entry is anything but a plain file, nothing is cut off", async () => {
  const entries = unpack(archive), folder = entries[0].path.split("/")[0];
  const evil = (path, more) => pack([{ path, content: Buffer.alloc(0), ...more }, ...entries]);
  for (const path of ["../x", `${folder}/../../x`, "/etc/x", `${folder}//x`, `${folder}/./x`, "x\u001b[2J/y", ""]) await refused(evil(path), /a path that it may not/);
  await refused(evil("x"), /isn't where a capsule has its files/);
  await refused(evil("other/x"), /lies outside the folder/);
  for (const type of ["1", "2", "5", "x"]) await refused(evil(`${folder}/x`, { type, link: "/etc/passwd" }), /no plain file/);
  for (const length of [0, 1, 511, 512, 1024, archive.length >> 1, archive.length - 1, archive.length - 512, archive.length - 1024])
    await refused(archive.subarray(0, length), /cut off|no archive|no manifest|ends? with|isn't as it was written/);
  await refused(Buffer.concat([archive, Buffer.alloc(BLOCK)]), /follows the end/);
  const huge = Buffer.from(archive);
  header({ path: entries[0].path, content: { length: 0o77777777777 } }).copy(huge);
  await refused(huge, /cut off/);
  assert.equal((await verify(archive, "--run", "x")).status, 64);
  assert.equal((await verify(archive, "--dataset", corpus)).status, 64);
  assert.equal((await verify(archive, "--run", "9999", "--dataset", corpus)).status, 66);
});

test("what contradicts itself is refused under a manifest made anew", async () => {
  const [run] = runs, edit = (change) => (text) => JSON.stringify(change(JSON.parse(text)));
  const cases = [
    [{ [`runs/${run.id}/spec.json`]: edit((spec) => ({ ...spec, seed: 4 })) }, /the run's digest is/],
    [{ [`runs/${run.id}/spec.json`]: () => "{}" }, /spec\.json: /],
    [{ [`runs/${run.id}/run.json`]: edit((one) => ({ ...one, digest: sha256("x") })) }, /the run's digest is/],
    [{ [`runs/${run.id}/run.json`]: edit((one) => ({ ...one, id: 77 })) }, /isn't what is known/],
    [{ [`runs/${run.id}/run.json`]: edit((one) => ({ ...one, dataset: sha256("x") })) }, /another corpus/],
    [{ [`runs/${run.id}/run.json`]: edit((one) => ({ ...one, final: { ...one.final, "val/loss": 1 } })) }, /last val\/loss isn't the final one/],
    [{ [`runs/${run.id}/run.json`]: edit((one) => ({ ...one, final: { ...one.final, "val/x": 1 } })) }, /final values of other metrics/],
    [{ [`runs/${run.id}/metrics.csv`]: (text) => text.replace("metric,", "metrics,") }, /other columns/],
    [{ [`runs/${run.id}/metrics.csv`]: (text) => text.replace(/\n(train\/loss,1,.*)\n(.*)\n/, "\n$2\n$1\n") }, /isn't in order/],
    [{ [`runs/${run.id}/metrics.csv`]: (text) => text.replace(/,.*\n$/, ",x,y\n") }, /is no row/],
    [{ [`runs/${run.id}/metrics.csv`]: (text) => text.slice(0, -1) }, /within a line/],
    [{ "audits.json": () => "[]" }, /audits\.json and report\.json disagree/],
    [{ "report.json": () => "[1" }, /report\.json: /],
    [{ "report.json": edit(({ verdict: _, ...rest }) => rest) }, /has no .*verdict/],
    [{ "experiment.json": edit((one) => ({ ...one, runs: 3 })) }, /has 3 runs, the capsule 2/],
    [{ "experiment.json": edit((one) => ({ ...one, state: "running" })) }, /disagree on .*state/],
    [{ "README.txt": (text) => text.replace(/ablated .*\n/, "ablated 0\n") }, /disagree on the version/],
    [{ manifest: (one) => ({ ...one, partial: true }) }, /partial/],
    [{ manifest: (one) => ({ ...one, format: 2 }) }, /format/],
    [{ manifest: (one) => ({ ...one, more: 1 }) }, /more/],
    [{ manifest: (one) => ({ ...one, digest: sha256("x") }) }, /isn't that of its list/],
  ];
  for (const [changes, why] of cases) await refused(forge(changes), why);
});

test("trained again from the capsule: identical, with one thread and with two", async () => {
  for (const [i, run] of runs.entries()) {
    const { status, out, err } = await verify(archive, "--run", String(run.id), "--dataset", corpus, "--threads", String(i + 1));
    assert.equal(status, 0, err);
    assert.match(out, new RegExp(`\nrun ${run.id}: ${run.arm}, seed 3: training 40 steps again\nrun ${run.id}: identical: values \\d{3}, checkpoints 2, artifacts 2\n$`));
  }
  assert.deepEqual((await readdir(dir)).filter((name) => name.startsWith("ablate-rerun")), []);
  const out = join(dir, "kept");
  assert.equal((await verify(archive, "--run", String(runs[0].id), "--dataset", corpus, "--out", out)).status, 0);
  assert.deepEqual((await readdir(join(out, "checkpoints"))).length > 0, true);
});

test("a value, a checkpoint, an artifact, the tokens: the first difference is named", async () => {
  const [run] = runs, metrics = `runs/${run.id}/metrics.csv`, json = `runs/${run.id}/run.json`;
  const edit = (change) => (text) => { const one = JSON.parse(text); change(one); return JSON.stringify(one); };
  const again = ["--run", String(run.id), "--dataset", corpus];
  const value = (metric, step) => new RegExp(`^${metric},${step},(.*)$`, "m");
  const text = unpack(archive).find(({ path }) => path.endsWith(metrics)).content.toString();
  const loss = Number(value("train/loss", 17).exec(text)[1]), other = loss * (1 + 3e-16);
  assert.ok(other !== loss);
  const to = (metric, step, word) => (from) => from.replace(value(metric, step), `${metric},${step},${word}`);
  const both = { [metrics]: (from) => to("val/loss", 20, "nan")(to("train/loss", 17, other)(from)) };
  await refused(forge(both), new RegExp(`run ${run.id}: the first difference is train/loss at step 17: ${other} is stored, ${loss} came out`), ...again);
  await refused(forge({ [metrics]: to("val/loss", 20, "nan") }), /val\/loss at step 20: nan is stored, /, ...again);
  await refused(forge({ [metrics]: (from) => from.replace(/^train\/loss,5,.*\n/m, "") }), /train\/loss at step 5: nothing is stored, /, ...again);
  await refused(forge({ [metrics]: (from) => from.replace(/^val\/loss,20,/m, "val/loss,19,3\nval/loss,20,") }), /val\/loss at step 19: 3 is stored, nothing came out/, ...again);
  assert.equal((await verify(forge({ [metrics]: to("time/step_s", 5, "9") }), ...again)).status, 0); // a clock's
  await refused(forge({ [json]: edit((one) => { one.checkpoints[0].sha256 = sha256("x"); }) }), /checkpoint at step 20: /, ...again);
  await refused(forge({ [json]: edit((one) => { one.artifacts.find(({ name }) => name === "final.safetensors").sha256 = sha256("x"); }) }), /final\.safetensors at step 40: /, ...again);
  await refused(forge({ [json]: edit((one) => { one.consumed_sha256 = sha256("x"); }) }), /consumed_sha256 at step 40: /, ...again);
  await refused(forge({ [json]: edit((one) => { one.initial_weights["embed.weight"] = "1x1:0"; }) }), /initial embed\.weight at step 0: 1x1:0 is stored/, ...again);
  const elsewhere = forge({ [json]: edit((one) => { Object.assign(one.attempts[0].environment, { blas_core: "Haswell", digest: sha256("x") }); }) });
  const { status, out } = await verify(elsewhere, ...again);
  assert.equal(status, 0);
  assert.match(out, /it was trained with another BLAS core, so that a difference may come from that\n/);
});

test("another corpus is refused, a missing one asked for", async () => {
  await daemon.fetch(`${V1}/datasets/other`, { method: "PUT", body: Array.from({ length: 300 }, (_, i) => `other ${i} ${`words ${i} `.repeat(15)}`).join("\n\n"), headers: { "Content-Type": "text/plain" } });
  const { digest } = (await get("/datasets")).items.find(({ name }) => name === "other");
  await refused(archive, /is another one: its digest is/, "--run", String(runs[0].id), "--dataset", `${daemon.dir}/datasets/${digest}`);
  const { status, err } = await verify(archive, "--run", String(runs[0].id));
  assert.deepEqual([status, /needs --dataset DIR with the corpus/.test(err)], [64, true]);
});

test("values that aren't finite are words; a synthetic task needs no corpus", async () => {
  const experiment = await submit({ name: "diverges", data: { dataset: "synthetic:copy", seq_len: 16, vocab: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 },
    train: { steps: 30, batch_size: 4, eval_every: 10, eval_windows: 4, lr: 1 }, seeds: [1] });
  await finished(experiment);
  const [{ id: run }] = (await get(`/runs?experiment=${experiment}`)).items;
  await daemon.stop({ keep: true });
  execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, `UPDATE metrics SET kind = 1, value = 0 WHERE run = ${run} AND step = 7 AND name = (SELECT id FROM metric_names WHERE name = 'train/loss')`]);
  daemon = await start({ dir: daemon.dir, args: ["--slots", "2"] });
  const { bytes } = await fetchCapsule(experiment);
  assert.match(bytes.toString("latin1"), /\ntrain\/loss,7,nan\n/);
  await refused(bytes, /train\/loss at step 7: nan is stored, /, "--run", String(run));
});

test("of an experiment that goes on: partial, sound, and comparable as far as it has come", async () => {
  const experiment = await submit({ name: "long", data: { dataset: "synthetic:copy", seq_len: 64, vocab: 64 }, model: { layers: 2, heads: 2, d_model: 96, d_ff: 96 },
    train: { steps: 100000, batch_size: 8, eval_every: 20, eval_windows: 4, checkpoint_every: 50 }, seeds: [1, 2, 3] });
  const list = async () => (await get(`/runs?experiment=${experiment}`)).items;
  await until("the first run is at step 60", async () => (await list())[0].step > 60);
  const running = await verify((await fetchCapsule(experiment)).bytes);
  assert.equal(running.status, 0, running.err);
  assert.match(running.out, /"long", running \(partial\)\n/);
  await daemon.fetch(`${V1}/experiments/${experiment}/cancel`, { method: "POST" });
  await until("none runs", async () => (await list()).every(({ state }) => state !== "running"));
  const [first, , last] = await list(), { bytes } = await fetchCapsule(experiment);
  const again = await verify(bytes, "--run", String(first.id));
  assert.equal(again.status, 0, again.err);
  assert.match(again.out, new RegExp(`training ${first.step} steps again\n[^]*identical: `));
  assert.equal((await verify(bytes, "--run", String(last.id))).status, 69); // it never began
});
