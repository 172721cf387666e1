// Runs of the planted build's `ablate-worker train … --audits`, with a fault of the table or without one, and what their
// audits say. Models and corpus are as small as leaves every audit something to see.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { ABLATED } from "../e2e/daemon.mjs";
import { make, remove } from "../e2e/folder.mjs";
import { FAULTS, KINDS } from "./faults.mjs";

export const SHIPPED = join(dirname(ABLATED), "ablate-worker");
export const PLANTED = join(dirname(ABLATED), "planted", "ablate-worker");

let folder, count = 0;

/** Random documents of few letters, of which no two share 33 bytes in a row. */
function documents(n, bytes) {
  let state = 1;
  const below = (k) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % 65521 % k;
  return Array.from({ length: n }, () => Buffer.from(Array.from({ length: bytes }, () => 97 + below(3) + below(4))));
}

/** Stores a corpus (common/corpus/corpus.h). */
async function store(name, all) {
  const ends = Buffer.alloc(8 * all.length);
  all.reduce((end, text, i) => (ends.writeBigUInt64LE(BigInt(end + text.length), 8 * i), end + text.length), 0);
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, "text"), Buffer.concat(all));
  await writeFile(join(folder, name, "index"), ends);
}

/** Makes the corpora that draw.mjs describes; to be called before any run. */
export async function prepare() {
  folder = await make("planted");
  const all = documents(80, 100);
  await store("corpus", all);
  await store("copies", all.map((text, i) => i < 60 ? text : Buffer.concat([all[i - 20 - i % 3].subarray(i % 40), Buffer.from(`copy ${i}`)])));
}
export const cleanUp = () => remove(folder);

const spec = (kind, seed, fields) => {
  const of = {
    data: { dataset: "corpus", seq_len: 16 },
    model: { layers: 2, heads: 2, d_model: 24, d_ff: 32, experts: 3, experts_per_token: 2, dropout: 0.2, router_noise: 0.3, init: "gpt2", attention: KINDS[kind] },
    train: { steps: 8, batch_size: 4, micro_batch_size: 2, optimizer: "adamw", lr: 0.003, weight_decay: 0.1, grad_clip: 1, schedule: "cosine", warmup_steps: 2,
      eval_every: 4, eval_windows: 10, checkpoint_every: 8 },
    seed,
  };
  for (const [path, value] of Object.entries(fields)) {
    const [section, field] = path.split(".");
    if (field === undefined) of[section] = value;
    else of[section][field] = value;
  }
  return of;
};

/** The audits that a run of this specification makes of itself: [{name, status, detail, evidence}]. `fault`: "" for none;
 *  `audit`: that one alone; `threads`: 0 leaves them to the specification. Rejects with what the worker said if it refuses. */
export async function trained(of, { fault = "", audit, threads = 1, worker = PLANTED } = {}) {
  const out = join(folder, String(++count)), file = `${out}.json`;
  const corpus = join(folder, of.data.dataset.startsWith("synthetic:") ? "corpus" : of.data.dataset);
  await writeFile(file, JSON.stringify(of));
  const { stdout } = await promisify(execFile)(worker, ["train", file, "--dataset", corpus, "--out", out, ...threads ? ["--threads", String(threads)] : [], ...audit ? ["--audit", audit] : ["--audits"]],
    { env: { ...process.env, ABLATE_PLANTED: fault }, maxBuffer: 1 << 26 });
  await rm(out, { recursive: true });
  const events = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.equal(events.at(-1).type, "finished", `the last that was said: ${JSON.stringify(events.at(-1))}`);
  return events.filter(({ type }) => type === "audit");
}

/** The same of one of KINDS, with these fields. */
export const audited = ({ kind, seed, fields = {}, ...how }) => trained(spec(kind, seed, fields), how);

/** Fails unless every audit of a run without a fault passes; `audit`: that one alone is made. */
export async function sound(kind, seed, fields, audit) {
  for (const { name, status, detail } of await audited({ kind, seed, fields, audit }))
    assert.equal(status, "pass", `${name} of ${kind}, seed ${seed}: ${detail}`);
}

/** Fails unless the row's audit catches its fault. */
export async function caught({ fault, audit, status = "fail", with: fields }, kind, seed) {
  const said = await audited({ fault, kind, seed, fields, audit });
  assert.ok(said.some((one) => one.status === status),
    `${audit} must ${status} of ${kind} with ${fault}, seed ${seed}; it said ${JSON.stringify(said.map((one) => [one.status, one.detail]))}`);
}

/** What `with` the rows ask for, each once, with the audit that a run without a fault has to pass with it, too. */
export const settings = (kind) => [...new Set(FAULTS.filter((row) => row.kinds.includes(kind) && row.with !== undefined).map((row) => JSON.stringify([row.with, row.audit])))]
  .map((text) => JSON.parse(text));
