// Runs and their verifications, for the suites verify of tests/e2e and tests/full: one daemon with one slot, a corpus, and what
// is asked of runs, their files and processes.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before } from "node:test";
import { client } from "./client.mjs";
import { ABLATED, start } from "./daemon.mjs";
import { remove } from "./folder.mjs";

export const WORKER = join(dirname(ABLATED), "ablate-worker");
/** {daemon, dir}: another daemon after a restart. */
export const here = {};

before(async () => {
  here.daemon = await start({ args: ["--slots", "1"] });
  here.dir = here.daemon.dir;
  await corpus(300);
});
after(async () => {
  await here.daemon?.stop({ keep: true });
  await remove(here.dir);
});

export const { call, get, rows, until, corpus } = client(() => here.daemon);
export const verify = (id, status = 202) => call("POST", `/runs/${id}/verify`, undefined, status);
export const cancel = (id, status = 202) => call("POST", `/runs/${id}/cancel`, undefined, status);

/** SQL on the database of a daemon that is away meanwhile. */
export async function tamper(sql) {
  await here.daemon.stop({ keep: true });
  execFileSync("sqlite3", [`${here.dir}/ablate.db`, sql]);
  here.daemon = await start({ dir: here.dir, args: ["--slots", "1"] });
}

export const DSA = { kind: "dsa", top_k: 9, indexer_heads: 2, indexer_dim: 8, dense_warmup_steps: 7 };
/** A run's id; `wide` makes a step long enough to be caught in the middle. */
export async function submit({ attention = { kind: "dense" }, steps = 60, wide = false, artifacts = ["init", "final"] } = {}) {
  const { id } = await call("POST", "/experiments", {
    data: { dataset: "corpus", seq_len: wide ? 64 : 24 },
    model: { layers: 2, heads: 2, d_model: wide ? 96 : 32, d_ff: wide ? 96 : 32, attention },
    train: { steps, batch_size: wide ? 8 : 4, eval_every: 20, eval_windows: 4, checkpoint_every: 20, grad_clip: 1 }, artifacts, seeds: [3],
  }, 201);
  return (await get(`/runs?experiment=${id}`)).items[0].id;
}
export const ended = (id) => until(`run ${id} ends`, async () => {
  const run = await get(`/runs/${id}`);
  return ["succeeded", "failed", "cancelled"].includes(run.state) && run;
});
export async function succeeded(id) {
  const run = await ended(id);
  assert.equal(run.state, "succeeded", run.reason);
  return run;
}
/** The run when its verification is over. */
export const verified = (id) => until(`run ${id} is verified`, async () => {
  const run = await get(`/runs/${id}`);
  return !["queued", "running"].includes(run.verify.state) && run;
});
/** The newest replay audit of a run, other than that of its own middle, which an arm's first run makes. */
export async function audit(id) {
  const { experiment_id } = await get(`/runs/${id}`);
  return (await get(`/experiments/${experiment_id}/report`)).audits.filter(({ name, run, evidence }) => name === "replay" && run === id && evidence.kind !== "middle").at(-1);
}
/** Everything that was stored of a run, but for its verification. */
export async function whole(id) {
  const { verify: _, attempts, as_of, ...run } = await get(`/runs/${id}`);
  return { run, attempts: attempts.filter(({ kind }) => kind === "train"), artifacts: (await get(`/runs/${id}/artifacts`)).items,
    metrics: (await get(`/runs/${id}/metrics`)).series, checkpoints: (await rows(`SELECT * FROM checkpoints WHERE run = ${id}`)),
    files: await Promise.all((await readdir(`${here.dir}/runs/${id}/checkpoints`)).map(async (file) =>
      [file, (await readFile(`${here.dir}/runs/${id}/checkpoints/${file}`)).toString("base64")])) };
}
/** What two runs of one specification share: every value but the clock's. */
export async function bits(id) {
  const { series } = await get(`/runs/${id}/metrics`);
  return [Object.entries(series).filter(([name]) => !/^(time|throughput)\//.test(name)), (await get(`/runs/${id}/artifacts`)).items];
}

/** The processes of a run's newest attempt of a kind. */
export async function processes(id, kind = "train") {
  return until(`a trainer of run ${id}`, async () => {
    const [[pid] = []] = await rows(`SELECT pid FROM attempts WHERE run = ${id} AND kind = '${kind}' ORDER BY attempt DESC LIMIT 1`);
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    return children.trim() !== "" && { keeper: pid, trainer: Number(children.trim().split(" ")[0]) };
  });
}
/** Stops the trainer when steps are stored beyond its second checkpoint, so that a resumed one computes them again. */
export async function caught(id) {
  const { trainer } = await processes(id);
  await until("steps beyond a checkpoint", async () => {
    const { step, steps } = await get(`/runs/${id}`);
    assert.ok(step < steps, "the run was too fast");
    if (step < 42 || step % 20 < 2) return false;
    process.kill(trainer, "SIGSTOP");
    const newest = Math.max(...(await readdir(`${here.dir}/runs/${id}/checkpoints`)).map((name) => Number(/\d+/.exec(name)[0])));
    if (newest >= 40 && newest < (await get(`/runs/${id}`)).step) return true;
    process.kill(trainer, "SIGCONT");
    return false;
  }, 2);
  return trainer;
}
