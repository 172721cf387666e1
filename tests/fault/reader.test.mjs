// The write-ahead log: emptied when there is nothing to do; what somebody keeps large by reading for long is said, once,
// waits for nobody, and is emptied when they have left.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { call, folder, has, rows, serve, submit, until } from "./faults.mjs";

const BOUND = 64 << 20, RUNS = 10000; // an experiment's runs
const size = async (daemon) => (await stat(join(daemon.dir, "ablate.db-wal"))).size;
const gauge = async (daemon) => Number(/^ablate_wal_bytes (\S+)$/m.exec(await (await daemon.fetch("/metrics")).text())[1]);
const times = (daemon, pattern) => daemon.output().match(pattern)?.length ?? 0;
const LARGE = /the write-ahead log has [\d.]+ MiB and grows/g, SMALL = /the write-ahead log could be emptied again/g;

test("somebody reads the database for long", { skip: !has("sqlite3") && "sqlite3 is missing" }, async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: join(at, "data"), args: ["--slots", "1"] });
  await call(daemon, "POST", "queue", { paused: true });
  await submit(daemon);
  await until("an idle daemon's log is emptied", async () => await size(daemon) === 0);

  const reader = spawn("sqlite3", ["-readonly", join(daemon.dir, "ablate.db")], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => reader.kill("SIGKILL"));
  const says = () => new Promise((resolve) => reader.stdout.once("data", (text) => resolve(String(text))));
  reader.stdin.write("BEGIN; SELECT count(*) FROM experiments;\n");
  assert.equal(await says(), "1\n");
  let n = 1;
  const more = async () => {
    await submit(daemon, { seeds: Array.from({ length: RUNS }, (_, i) => i) });
    n++;
  };
  while (await size(daemon) <= BOUND) await more();
  await until("it says so", () => times(daemon, LARGE) > 0);
  const before = await gauge(daemon);
  assert.ok(before > BOUND);
  await more();
  await until("nothing waits for the reader", async () => (await gauge(daemon)) > before);
  assert.deepEqual([times(daemon, LARGE), times(daemon, SMALL)], [1, 0]);

  reader.stdin.end("SELECT count(*) FROM experiments;\n"); // still of the moment that it began at
  assert.equal(await says(), "1\n");
  await until("it is emptied when the reader has left", async () => (await gauge(daemon)) === 0);
  await until("and says so", () => times(daemon, SMALL) === 1);
  assert.equal(rows(daemon.dir, "SELECT count(*) AS n FROM experiments")[0].n, n);
  t.diagnostic(`found: the log held ${Math.round(before / 2 ** 20)} MiB while it was read, nothing after; every one of ${n} experiments is there`);
  await daemon.stop();
});
