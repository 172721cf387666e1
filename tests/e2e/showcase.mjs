// One of everything to look at: a grid of three arms of which an audit finds one invalid and one diverges, thirty arms,
// a failed run, a queue that waits, what was deleted. For the tests of how the page looks, and for looking at it:
//   node showcase.mjs [DIR]     starts a daemon with all of it, prints a log-in link, ends with Ctrl-C

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { link } from "./browser.mjs";
import { start } from "./daemon.mjs";
import { until } from "./until.mjs";

const CORPUS = Array.from({ length: 400 }, (_, i) => `Document ${i} says that ${i} times ${i} is ${i * i}.\n`).join("%\n");
const SMALL = {
  data: { dataset: "squares", seq_len: 16 },
  model: { layers: 1, heads: 2, d_model: 32, d_ff: 32, experts: 2, experts_per_token: 1, dropout: 0 },
  train: { steps: 40, batch_size: 4, eval_every: 10, eval_windows: 8, checkpoint_every: 40 },
};
const EVERYTHING = {
  ...SMALL, name: "one of everything", notes: "Notes.\nIn two lines.", hypothesis: "None of the arms is better.", tags: { topic: "look" },
  arms: {
    dense: {},
    "dsa-with-a-long-name-as-published": {
      "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 8, indexer_training: "frozen", selection: "published" },
    },
    diverges: { "train.optimizer": "adamw", "train.lr": 10, "train.weight_decay": 1 },
  },
  grid: { "data.seq_len": [8, 16] }, seeds: [1, 2], artifacts: ["final", "attention"],
};
const MANY = { ...SMALL, name: "thirty arms", arms: Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`arm ${i}`, { "train.eps": 1e-8 * (i + 1) }])), seeds: [1] };

/** Requests to the API of a daemon: GET, or POST with a body. */
export const client = (daemon) => async (path, body) => {
  const reply = await daemon.fetch(`/api/v1/${path}`, body === undefined ? {}
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  assert.ok(reply.ok, `${path}: ${reply.status} ${await reply.clone().text()}`);
  return reply.json();
};

/** Kills the trainer of a run that would train for ever, which fails it. */
async function failing(daemon, json) {
  const { id } = await json("experiments", { ...SMALL, name: "fails", train: { ...SMALL.train, steps: 1e6, eval_every: 1e6, checkpoint_every: 1e6 }, max_attempts: 1 });
  return until("it fails", async () => {
    const { stdout } = await promisify(execFile)("sqlite3", ["-readonly", `${daemon.dir}/ablate.db`,
      `SELECT pid FROM attempts JOIN runs ON runs.id = attempts.run WHERE experiment = ${id} AND pid IS NOT NULL AND step > 0`]).catch(() => ({ stdout: "" }));
    const keeper = stdout.trim();
    const children = keeper && await readFile(`/proc/${keeper}/task/${keeper}/children`, "utf8").catch(() => "");
    if (children?.trim()) process.kill(Number(children.trim().split(" ")[0]), "SIGKILL");
    return (await json(`experiments/${id}`)).state === "finished" && id;
  }, { every: 50 });
}

/** Fills an empty daemon; returns ids by name: the experiments, and runs that diverged and failed. */
export async function fill(daemon) {
  const json = client(daemon), made = {};
  await daemon.fetch("/api/v1/datasets/squares", { method: "PUT", headers: { "Content-Type": "text/plain" }, body: CORPUS });
  made.experiment = (await json("experiments", EVERYTHING)).id;
  made.fails = await failing(daemon, json);
  await json(`experiments/${made.experiment}?wait=120`);
  await json("queue", { paused: true });
  made.many = (await json("experiments", MANY)).id; // waits, too: its audits would take longer than all the rest
  made.waits = (await json("experiments", { ...EVERYTHING, name: "waits" })).id;
  for (const name of ["deleted", "deleted-with-as-long-a-name-as-there-is-and-nowhere-to-break-it"]) {
    made.deleted = (await json("experiments", { ...SMALL, name, tags: { topic: "look" } })).id;
    await daemon.fetch(`/api/v1/experiments/${made.deleted}`, { method: "DELETE" });
  }
  const run = async (filter) => (await json(`runs?${new URLSearchParams({ filter, page_size: "1" })}`)).items[0].id;
  made.diverged = await run(`experiment = ${made.experiment} and arm = "diverges"`);
  made.failed = await run("state = failed");
  return made;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const daemon = await start({ args: ["--slots", "2"], dir: process.argv[2] });
  console.log(JSON.stringify(await fill(daemon)));
  console.log(await link(daemon));
  process.on("SIGINT", async () => process.exit(await daemon.stop()));
}
