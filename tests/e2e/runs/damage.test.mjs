// What lies on the disk is changed behind the daemon's back: artifacts, a corpus, an attempt's log. Each is noticed
// and named; nothing passes for what it isn't.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { appendFile, readFile, truncate, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { client } from "../client.mjs";
import { start } from "../daemon.mjs";
import { remove } from "../folder.mjs";

let daemon, dir, dataset;
const { call, get, until, corpus } = client(() => daemon);

before(async () => {
  daemon = await start({ args: ["--slots", "1"] });
  dir = daemon.dir;
  dataset = join(dir, "datasets", (await corpus(300)).digest);
});
after(async () => {
  await daemon?.stop({ keep: true });
  await remove(dir);
});

const ended = (id) => until(`run ${id} ends`, async () => {
  const run = await get(`/runs/${id}`);
  return !["queued", "running"].includes(run.state) && !["queued", "running"].includes(run.verify?.state) && run;
});

/** A run's id. It is its experiment's second, and comes first: so it makes no audits, which would take longer than all else. */
async function submit({ steps = 20, wide = false, before = () => {} } = {}) {
  await call("POST", "/queue", { paused: true });
  const { id: experiment } = await call("POST", "/experiments", { max_attempts: 1,
    data: { dataset: "corpus", seq_len: wide ? 64 : 24 }, model: { layers: 2, heads: 2, d_model: wide ? 96 : 32, d_ff: wide ? 96 : 32 },
    train: { steps, batch_size: wide ? 8 : 4, eval_windows: 4 }, artifacts: ["init", "batches", "final"], seeds: [1, 3] }, 201);
  const [first, { id }] = (await get(`/runs?experiment=${experiment}`)).items;
  await call("POST", `/runs/${id}/priority`, { priority: 1 });
  await before();
  await call("POST", "/queue", { paused: false });
  await until(`run ${id} begins`, async () => (await get(`/runs/${id}`)).state !== "queued");
  await call("POST", `/runs/${first.id}/cancel`, undefined, 202);
  return id;
}
async function succeeded(id) {
  const run = await ended(id);
  assert.equal(run.state, "succeeded", run.reason);
  return run;
}
const sha256 = (bytes) => createHash("sha256").update(bytes).digest();

test("an artifact comes with its digest; a damaged one doesn't come, and its run doesn't verify", async () => {
  const id = await submit();
  await succeeded(id);
  const path = `/api/v1/runs/${id}/artifacts/final.safetensors`, file = `${dir}/runs/${id}/artifacts/final.safetensors`;
  const stored = (await get(`/runs/${id}/artifacts`)).items.find(({ name }) => name === "final.safetensors").sha256;
  const reply = await daemon.fetch(path), bytes = Buffer.from(await reply.arrayBuffer());
  assert.equal(sha256(bytes).toString("hex"), stored);
  assert.equal(reply.headers.get("repr-digest"), `sha-256=:${sha256(bytes).toString("base64")}:`);
  assert.equal(reply.headers.get("etag"), `"${stored}"`);
  const again = await daemon.fetch(path, { headers: { "If-None-Match": reply.headers.get("etag") } });
  assert.deepEqual([again.status, await again.text()], [304, ""]);

  const verify = async () => {
    await call("POST", `/runs/${id}/verify`, undefined, 202);
    return ended(id);
  };
  assert.equal((await verify()).verify.state, "identical");
  const other = Buffer.from(bytes);
  other[other.length - 9] ^= 1;
  for (const [damage, got, said] of [
    [() => writeFile(file, other), sha256(other).toString("hex"), /has the digest/],
    [() => truncate(file, bytes.length - 1), sha256(other.subarray(0, -1)).toString("hex"), /its file has \d+ bytes, \d+ were stored/],
  ]) {
    await damage();
    const problem = await get(`/runs/${id}/artifacts/final.safetensors`, 500);
    assert.equal(problem.code, "bad_data");
    assert.match(problem.detail, said);
    const run = await verify();
    assert.equal(run.state, "succeeded");
    assert.equal(run.verify.state, "differs", run.verify.reason);
    assert.deepEqual(run.verify.first_difference, { step: 20, metric: "final.safetensors", stored, got, file: true });
    assert.match(run.verify.reason, /trained nothing: artifact final\.safetensors isn't what was stored/);
    assert.equal(run.attempts.at(-1).outcome, "differs: final.safetensors");
  }
  await unlink(file);
  assert.equal((await get(`/runs/${id}/artifacts/final.safetensors`, 404)).code, "not_found");
  assert.equal((await verify()).verify.first_difference.got, "no file");
  const { audits } = await get(`/experiments/${(await get(`/runs/${id}`)).experiment_id}/report`);
  assert.ok(audits.some(({ name, status, detail }) => name === "replay" && status === "fail" && /isn't what was stored/.test(detail)));
  await writeFile(file, bytes); // put back, all is well
  assert.equal((await verify()).verify.state, "identical");
});

for (const file of ["text", "index"])
  test(`a corpus whose ${file} was changed trains nothing`, async () => {
    const path = join(dataset, file), sound = await readFile(path), bad = Buffer.from(sound);
    bad[file === "text" ? 100 : 8] ^= 1; // the end of the second document moves by a byte
    const id = await submit({ before: () => writeFile(path, bad) });
    const { state, reason, step } = await ended(id);
    await writeFile(path, sound);
    assert.deepEqual([state, step], ["failed", 0]);
    assert.match(reason, /bad_data: the corpus in .* is damaged, or another: its content has the digest/);
    await succeeded(await submit());
  });

/** A run whose worker and daemon were killed while it trained; its log is changed before another daemon comes. */
async function tampered(change) {
  const id = await submit({ wide: true, steps: 100000 });
  await until("steps", async () => (await get(`/runs/${id}`)).step > 3);
  const [[pid]] = (await call("POST", "/query", { sql: `SELECT pid FROM attempts WHERE run = ${id}` })).rows;
  const trainer = Number((await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim());
  daemon.kill("SIGKILL");
  await daemon.ended;
  process.kill(trainer, "SIGKILL");
  process.kill(pid, "SIGKILL");
  for (const one of [pid, trainer]) await until("its end", () => readFile(`/proc/${one}/cmdline`, "utf8").then((text) => text === "", () => true));
  await change(`${dir}/runs/${id}/attempts/1/events.ndjson`);
  daemon = await start({ dir, args: ["--slots", "1"] });
  const run = await ended(id);
  assert.equal(run.state, "failed");
  assert.equal((await get(`/runs/${id}/metrics?names=train/loss`)).series["train/loss"].points[0][0], 1); // what was stored stays
  return run.reason;
}

for (const [what, change, reason] of [
  ["a line that is none", (path) => appendFile(path, "{]\n"), /its events can't be read to their end: line \d+: /],
  ["a line of another kind", (path) => appendFile(path, '{"type":"welcome","acked":1}\n'), /can't be read to their end: line \d+: a welcome message/],
  ["a line out of turn", (path) => appendFile(path, '{"type":"metrics","seq":99999,"names":["train/loss"],"rows":[[1,0]]}\n'), /line \d+: event 99999 came after/],
  ["fewer lines than are stored", (path) => truncate(path, 10), /it has fewer lines than the \d+ that are stored/],
  ["no file", (path) => unlink(path), /the file is gone; \d+ lines of it are stored/],
])
  test(`an attempt's log with ${what}: the attempt fails and says so`, async () => assert.match(await tampered(change), reason));

test("an attempt's log that ends within a line: what is whole counts", async () =>
  assert.doesNotMatch(await tampered((path) => appendFile(path, '{"type":"metrics","seq":')), /can't be read/));

test("a run whose folder fills with files is ended, and says why", async () => {
  const id = await submit({ steps: 1e7 });
  await until(`run ${id} trains`, async () => (await get(`/runs/${id}`)).step > 0);
  for (let i = 0; i <= 1000; i++) await writeFile(`${dir}/runs/${id}/artifacts/${i}`, "");
  const { state, reason } = await ended(id);
  assert.equal(state, "failed");
  assert.match(reason, /^ended by its keeper: it had made more than 1000 files, or \d+ MiB, in the run's folder$/);
});
