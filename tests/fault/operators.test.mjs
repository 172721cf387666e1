// What operators are told: /metrics in Prometheus' format, /healthz, the log's lines, the history of every run.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { call, ended, has, rows, serve, submit, until } from "./faults.mjs";

/** {name: {type, help, samples}} of a text in format 0.0.4; refuses what Prometheus would. */
function parse(text) {
  assert.ok(text.endsWith("\n"));
  const families = {};
  let now = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const about = line.match(/^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/);
    if (about) {
      const [, kind, name, rest] = about;
      if (kind === "HELP") assert.ok(!(name in families), `${name} stands once`);
      now = families[name] ??= { name, samples: [] };
      now[kind] = rest;
      continue;
    }
    const sample = line.match(/^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$/);
    const part = now?.TYPE === "histogram" ? /_(bucket|sum|count)$/ : /$/;
    assert.ok(sample && sample[1].replace(part, "") === now?.name, line);
    assert.ok(Number.isFinite(Number(sample[3])), line);
    now.samples.push([sample[1] === now.name ? sample[2] ?? "" : line.slice(0, line.lastIndexOf(" ")), Number(sample[3])]);
  }
  for (const { name, HELP, TYPE, samples } of Object.values(families)) {
    assert.ok(HELP && /^(gauge|counter|histogram)$/.test(TYPE) && samples.length > 0, name);
    assert.equal(name.endsWith("_total"), TYPE === "counter", `${name} is a ${TYPE}`);
    assert.equal(new Set(samples.map(([labels]) => labels)).size, samples.length, name);
  }
  return families;
}

test("figures, health, history and log", async (t) => {
  const daemon = await serve(t, { args: ["--log-level", "debug", "--slots", "1"] });
  await call(daemon, "POST", "queue", { paused: true });
  const { id } = await submit(daemon, { steps: 20 });
  const [one, two] = (await call(daemon, "GET", `runs?experiment=${id}`)).items.map((run) => run.id);
  await call(daemon, "POST", `runs/${two}/priority`, { priority: 3 });
  await call(daemon, "POST", `runs/${two}/cancel`, undefined, 202);
  await call(daemon, "POST", `runs/${two}/retry`, undefined, 200);
  await call(daemon, "POST", "queue", { paused: false });
  await ended(daemon, id);
  await call(daemon, "POST", `runs/${one}/verify`, undefined, 202);
  await until("it is verified", async () => (await call(daemon, "GET", `runs/${one}`)).verify.state === "identical");

  const text = await (await daemon.fetch("/metrics")).text(), families = parse(text);
  const value = (name, labels = "") => families[name].samples.find(([found]) => found === labels)[1];
  assert.equal(value("ablate_runs", 'state="succeeded"'), 2);
  assert.equal(value("ablate_disk_state", 'state="ample"'), 1);
  for (const name of ["ablate_commits_total", "ablate_disk_free_bytes", "ablate_database_bytes", "ablate_events_total", "process_open_fds", "process_resident_memory_bytes"])
    assert.ok(value(name) > 0, name);
  if (has("promtool")) {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    assert.equal(status, 0, stdout + stderr);
  }
  assert.deepEqual(await (await fetch(`${daemon.base}/healthz`)).json(), { live: true, ready: true, reasons: [], stalls: { n: 0, last: null } });

  const said = (run) => rows(daemon.dir, `SELECT what || iif(detail = '', '', ': ' || detail) AS said FROM v_history WHERE run = ${run}`).map((row) => row.said);
  assert.deepEqual(said(one).slice(0, 4), ["running: attempt 1", "succeeded", "verify queued", "verify running: attempt 2"]);
  assert.match(said(one)[4], /^verify identical: /);
  assert.deepEqual(said(two), ["priority: 3", "cancelled: cancelled", "retry asked for", "running: attempt 1", "succeeded"]);
  const { rows: asked } = await call(daemon, "POST", "query", { sql: "SELECT at, what FROM v_history WHERE experiment = 1 AND run IS NULL" });
  assert.match(asked[0][0], /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.equal(asked[0][1], "submitted");

  assert.equal(await daemon.stop(), 0);
  const lines = daemon.output().split("\n").filter((line) => /^ts=/.test(line));
  assert.ok(lines.length > 10);
  for (const line of lines) assert.match(line, /^ts=\S+Z level=(debug|info|warn|error) msg="(?:[^"\\]|\\.)*"( \w+=(\d+|"(?:[^"\\]|\\.)*"))*$/);
  assert.ok(!daemon.output().includes(daemon.token), "no secret in it");
});
