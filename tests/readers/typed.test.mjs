// A client that nobody here wrote: openapi-typescript makes types of the document as the daemon serves it, program.ts uses
// them by openapi-fetch, the compiler takes it under every strict flag, and it goes from a corpus to the report.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { start } from "../e2e/daemon.mjs";
import { make, remove } from "../e2e/folder.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
let daemon, dir;
/** A program of node's, in the test's folder: what it prints. One that fails fails the test with it. */
const node = async (...args) => (await promisify(execFile)(process.execPath, args, { cwd: dir, maxBuffer: 1 << 26 })
  .catch((error) => assert.fail(`${args.join(" ")}\n${error.stdout}${error.stderr}`))).stdout;
const installed = (path) => join(HERE, "node_modules", path);

before(async () => {
  daemon = await start({ args: ["--slots", "2"] });
  dir = await make("typed");
  await symlink(installed(""), join(dir, "node_modules"));
  for (const name of ["program.ts", "tsconfig.json", "package.json"]) await copyFile(join(HERE, name), join(dir, name));
});
after(async () => {
  await daemon?.stop();
  if (dir) await remove(dir);
});

test("types are made of the served document, which says all by itself", async () => {
  const served = await (await fetch(`${daemon.base}/api/v1/openapi.json`)).text();
  assert.deepEqual([...served.matchAll(/"\$ref":"([^"]*)"/g)].map(([, ref]) => ref).filter((ref) => !ref.startsWith("#/components/")), []);
  await node(installed("openapi-typescript/bin/cli.js"), `${daemon.base}/api/v1/openapi.json`, "--default-non-nullable=false", "-o", "api.d.ts");
});

test("the program compiles strictly", () => node(installed("typescript/bin/tsc"), "-p", "."));

test("from a corpus to the report", async () => {
  const { claims, events, searched, artifacts, bytes, ...seen } = JSON.parse(await node("program.js", daemon.base, daemon.token));
  assert.deepEqual(seen, {
    documents: 300, submitted: { planned: seen.submitted.planned, runs: 12, again: true }, state: "finished", looked: 2, hypothesis: "It makes no difference.",
    sorted: true, frozen: 16, attempts: ["finished"], count: 20, log: true, verdict: "invalid", kept: [2, 2, 2, 2, 2, 2],
    markdown: "# typed", lines: 12, figure: "<?xml",
    rows: [["dense", 4], ["dsa", 4], ["wide", 4]], refused: ["bad_parameter", 8, "/model/heads", "not_found"], notes: "by types", runs: [18, true, 18],
    deleted: 204, trash: [1], restored: null,
  });
  assert.ok(seen.submitted.planned > 3);
  const claim = { verdict: "invalid", n: 2, p: null, against: "learned" }; // in 20 steps
  assert.deepEqual(claims, [{ arm: "dsa", ...claim }, { arm: "wide", ...claim }]);
  assert.ok(events.run >= 36 && events.metrics > 0 && events.audit > 0 && events.experiment > 0, JSON.stringify(events));
  assert.deepEqual([...searched].sort(), [["dense", 16], ["dense", 16], ["dsa", 16], ["dsa", 16], ["wide", 16], ["wide", 16]]);
  assert.deepEqual(artifacts, [bytes]);
});
