// An experiment of any size, with what training would have stored written by SQL: two thousand trainings take days.

import { execFileSync } from "node:child_process";

const V1 = "/api/v1";
const DATA = { dataset: "synthetic:copy", seq_len: 16 }, MODEL = { layers: 1, heads: 2, d_model: 16, d_ff: 16 };

export async function ask(daemon, path, body) {
  const reply = await daemon.fetch(V1 + path, body === undefined ? {}
    : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

/** Submits it to a queue that waits; its id. */
export async function submit(daemon, { name, arms, seeds, steps, every }) {
  await ask(daemon, "/queue", { paused: true });
  const { id } = await ask(daemon, "/experiments", {
    name, data: DATA, model: MODEL, train: { steps, batch_size: 2, eval_every: every }, artifacts: [],
    arms: Object.fromEntries(Array.from({ length: arms }, (_, i) => [`arm ${i}`, { "train.eps": 1e-8 * (i + 1) }])),
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
  });
  return id;
}

/** Every run of it has ended, with a series for each metric: {name: a value every so many steps}. */
export function ended(daemon, id, steps, metrics) {
  const runs = `SELECT id, CAST(substr(arm, 5) AS REAL) AS arm, seed FROM runs WHERE experiment = ${id}`;
  const series = Object.entries(metrics).map(([name, every]) => `
    INSERT OR IGNORE INTO metric_names (name) VALUES ('${name}');
    WITH RECURSIVE at (step) AS (SELECT ${every} UNION ALL SELECT step + ${every} FROM at WHERE step + ${every} <= ${steps}), r AS MATERIALIZED (${runs})
    INSERT INTO metrics SELECT r.id, (SELECT id FROM metric_names WHERE name = '${name}'), step,
      2 + arm / 50 + 3 * exp(-step / 200.0) + 0.05 * sin(step * (1 + r.seed * 0.61) + arm), 0 FROM r CROSS JOIN at;`).join("");
  const level = (l) => `INSERT INTO rollups SELECT run, name, ${l}, step >> ${4 * l}, min(step), max(step), count(*), 0, min(value), max(value), sum(value), avg(value), avg(value)
    FROM metrics WHERE run IN (SELECT id FROM runs WHERE experiment = ${id}) GROUP BY run, name, step >> ${4 * l};`;
  execFileSync("sqlite3", [`${daemon.dir}/ablate.db`, ".timeout 60000", `BEGIN IMMEDIATE;
    UPDATE runs SET state = 'succeeded', step = steps, attempt = 1, started_at = created_at, ended_at = created_at WHERE experiment = ${id};
    ${series} ${level(1)} ${level(2)} ${level(3)}
    INSERT INTO series SELECT run, name, count(*), 0, max(step), max(iif(step = last, value, NULL)), 0, min(value), 1, max(value), 1, sum(value)
      FROM (SELECT *, max(step) OVER (PARTITION BY run, name) AS last FROM metrics WHERE run IN (SELECT id FROM runs WHERE experiment = ${id})) GROUP BY run, name; COMMIT`]);
}
