// A real Prometheus, configured as deploy/README.md says, scrapes the daemon; what it has is what the daemon tells, and
// promtool finds nothing to complain of.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { client } from "../e2e/client.mjs";
import { start } from "../e2e/daemon.mjs";
import { make, remove } from "../e2e/folder.mjs";

const GUIDE = readFileSync(fileURLToPath(new URL("../../deploy/README.md", import.meta.url)), "utf8");
let daemon, dir, scraper, ended, said = "", at;
const { call, get, until } = client(() => daemon);

before(async () => {
  [daemon, dir] = await Promise.all([start({ args: ["--slots", "2"] }), make("prometheus")]);
  const [, printed] = /^ *```yaml\n( *scrape_configs:\n[^]*?)^ *```$/m.exec(GUIDE);
  const config = printed.replace("127.0.0.1:8642", `127.0.0.1:${daemon.port}`).replace("/var/lib/ablate", daemon.dir);
  assert.ok(config.includes(daemon.port) && config.includes(`${daemon.dir}/token.read`));
  await writeFile(join(dir, "prometheus.yml"), `  global: { scrape_interval: 1s }\n${config}`);
});
after(async () => {
  scraper?.kill("SIGTERM");
  await ended;
  await daemon?.stop();
  if (dir) await remove(dir);
});

const text = async () => (await daemon.fetch("/metrics")).text();
/** promtool's status and all that it says. */
function promtool(args, input) {
  const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: dir, input, encoding: "utf8" });
  return { status, said: stdout + stderr };
}

test("promtool has nothing to say of the figures, and would say what is wrong", async () => {
  assert.deepEqual(promtool(["check", "metrics"], await text()), { status: 0, said: "" });
  assert.notEqual(promtool(["check", "metrics"], (await text()).replaceAll("ablate_commits_total", "ablate_commits")).said, "");
  assert.equal(promtool(["check", "config", "prometheus.yml"]).status, 0);
});

async function asked(path, query = {}) {
  const { status, data, ...more } = await (await fetch(`${at}/api/v1/${path}?${new URLSearchParams(query)}`)).json();
  assert.equal(status, "success", JSON.stringify(more));
  return data;
}
/** The value of an expression now; undefined while there is none. */
const value = async (query) => {
  const { result } = await asked("query", { query });
  assert.ok(result.length <= 1, JSON.stringify(result));
  return result[0] && Number(result[0].value[1]);
};

test("it is scraped by a token that can only look", async () => {
  scraper = spawn("prometheus", ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"],
    { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
  process.on("exit", () => scraper.kill("SIGKILL"));
  ended = new Promise((resolve) => scraper.once("close", resolve));
  scraper.stderr.on("data", (data) => (said += data));
  at = await until("it listens", () => {
    const port = /msg="Listening on" address=(\S+)/.exec(said)?.[1];
    assert.equal(scraper.exitCode, null, said);
    return port && `http://${port}`;
  });
  await until("it is ready", async () => (await fetch(`${at}/-/ready`)).ok);
  await until("it has scraped", async () => (await asked("targets")).activeTargets.find((target) => target.health !== "unknown"));
  const { activeTargets: [target] } = await asked("targets");
  assert.deepEqual([target.health, target.lastError, target.labels.job], ["up", "", "ablate"]);
});

test("every figure arrives, with its kind and its help", async () => {
  const told = await text(), names = new Set([...told.matchAll(/^(\w+)[{ ]/gm)].map(([, name]) => name));
  assert.ok(names.size > 25);
  const match = { "match[]": '{job="ablate"}' }, own = /^(up|scrape_\w+)$/;
  const had = (await asked("label/__name__/values", match)).filter((name) => !own.test(name));
  assert.deepEqual(had, [...names].sort());
  const metadata = await asked("metadata");
  for (const [, name, kind] of told.matchAll(/^# TYPE (\w+) (\w+)$/gm)) {
    const help = new RegExp(`^# HELP ${name} (.*)$`, "m").exec(told)[1];
    assert.deepEqual(metadata[name], [{ type: kind, help, unit: "" }], name);
  }
});

test("what happens is seen: runs, commits, turns of the loop", async () => {
  assert.equal(await value('ablate_runs{state="succeeded"}'), 0);
  const before = await value("ablate_commits_total");
  const { id } = await call("POST", "/experiments", { data: { dataset: "synthetic:copy", seq_len: 16 }, model: { layers: 1, heads: 2, d_model: 16, d_ff: 16 },
    train: { steps: 20, batch_size: 2, eval_every: 10, eval_windows: 4 }, seeds: [1, 2, 3] }, 201);
  assert.equal((await get(`/experiments/${id}?wait=3600`)).counts.succeeded, 3);
  await until("they have succeeded", async () => (await value('ablate_runs{state="succeeded"}')) === 3);
  assert.equal(await value("sum(ablate_runs)"), 3);
  assert.ok(await value("ablate_commits_total") > before);
  await until("a rate over turns", async () => (await value("rate(ablate_loop_turn_seconds_count[1m])")) > 0);
  const p99 = await value("histogram_quantile(0.99, rate(ablate_loop_turn_seconds_bucket[1m]))");
  assert.ok(p99 > 0 && Number.isFinite(p99), `${p99}`);
  assert.equal(await value('ablate_loop_turn_seconds_bucket{le="+Inf"} - on() ablate_loop_turn_seconds_count'), 0);
});

test("a daemon that ends is seen as down", async () => {
  await daemon.stop({ keep: true });
  await until("it is down", async () => (await value('up{job="ablate"}')) === 0);
});
