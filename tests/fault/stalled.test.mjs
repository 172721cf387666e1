// A loop that stands still: its thread alone is stopped, as a call that never returns would. The rest of the daemon sees
// it, says so in the log and to whoever connects, and tells of it afterwards; a run trains on and loses nothing.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { ask } from "../e2e/raw.mjs";
import { call, curves, ended, figures, folder, has, LONG, root, serve, submit, until } from "./faults.mjs";

const FREEZE = fileURLToPath(new URL("programs/freeze.py", import.meta.url));
const SPEC = { ...LONG, seeds: [1] };

test("a loop that stands still is seen, told of, and gets on as if nothing had been", { skip: (!has("python3") && "no python3") || (!root && "not root") }, async (t) => {
  const at = await folder(t), daemon = await serve(t, { dir: `${at}/data`, args: ["--slots", "1"] });
  const health = () => ask(daemon.port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const { id } = await submit(daemon, SPEC);
  await until("it trains", async () => (await call(daemon, "GET", "runs/1")).step > 0);

  const freezer = spawn("python3", [FREEZE, String(daemon.pid)], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => freezer.kill("SIGKILL"));
  await once(freezer.stdout, "data");
  const still = await health(), queue = await ask(daemon.port, `GET /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${daemon.token}\r\n\r\n`);
  for (const reply of [still, queue]) {
    assert.equal(reply.status, 503);
    const { live, ready, reasons: [reason], code, status } = reply.json();
    assert.deepEqual({ live, ready, code, status }, { live: false, ready: false, code: "unavailable", status: 503 });
    assert.match(reason, /^loop_stalled: the daemon has been standing still for \d+ s$/);
  }
  assert.match(daemon.output(), /level=error msg="the loop stands still: for 3\.\d s/);
  freezer.stdin.end();
  await once(freezer, "exit");

  const { stalls, ready } = await until("it turns again", async () => {
    const reply = await health();
    return reply.status === 200 && reply.json().stalls.last !== null && reply.json();
  });
  assert.ok(ready && stalls.n === 1 && stalls.last.seconds >= 3, JSON.stringify(stalls));
  assert.equal((await figures(daemon)).ablate_loop_stalls_total, 1);
  assert.match(daemon.output(), /level=warn msg="the loop turns again, after \d/);
  assert.equal((await ended(daemon, id)).counts.succeeded, 1);
  const again = await submit(daemon, SPEC);
  await ended(daemon, again.id);
  assert.deepEqual(await curves(daemon, id), await curves(daemon, again.id));
  t.diagnostic(`found: stood still for ${stalls.last.seconds} s, 503 meanwhile; curves as undisturbed`);
  assert.equal(await daemon.stop(), 0);
});
