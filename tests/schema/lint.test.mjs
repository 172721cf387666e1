// Two linters have nothing to say of the OpenAPI document, nor of the JSON Schema that it refers to: redocly and spectral,
// each by all of its own recommended rules. A wrong document shows that both can speak.

import spectral from "@stoplight/spectral-core";
import parsers from "@stoplight/spectral-parsers";
import rulesets from "@stoplight/spectral-rulesets";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT } from "./contract.mjs";

const REDOCLY = createRequire(import.meta.url).resolve("@redocly/cli/package.json").replace("package.json", "bin/cli.js");
const QUIET = { REDOCLY_TELEMETRY: "off", REDOCLY_SUPPRESS_UPDATE_NOTICE: "true" };
const DOCUMENT = `${ROOT}schema/openapi.yaml`;

/** Each linter: what it finds in a file, a line a finding. */
const linters = {
  redocly: (path) => new Promise((resolve, reject) => execFile(process.execPath, [REDOCLY, "lint", "--format=json", path],
    { env: { ...process.env, ...QUIET }, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout).problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0].pointer ?? location[0].start?.line}`));
      } catch {
        reject(new Error(`redocly: ${error} ${stdout} ${stderr}`));
      }
    })),
  async spectral(path) {
    const linter = new spectral.Spectral();
    linter.setRuleset({ extends: [rulesets.oas] });
    const found = await linter.run(new spectral.Document(readFileSync(path, "utf8"), parsers.Yaml, path));
    return found.map(({ code, message, path: at }) => `${code}: ${message} ${at.join("/")}`);
  },
};

/** A comma that makes a second key, an array of nobody knows what, an operation that refuses nothing. */
const WRONG = `openapi: 3.1.0
info: { title: Wrong, version: "1" }
paths:
  /a:
    get:
      responses:
        "200": { description: One, and another., content: { application/json: { schema: { type: array } } } }
`;
let wrong;
before(async () => {
  wrong = join(await mkdtemp(join(tmpdir(), "ablate-lint-")), "wrong.yaml");
  await writeFile(wrong, WRONG);
});
after(() => rm(dirname(wrong), { recursive: true, force: true }));

for (const [name, lint] of Object.entries(linters)) {
  test(`${name} has nothing to say`, async () => assert.deepEqual(await lint(DOCUMENT), []));
  test(`${name} speaks of what is wrong`, async () => assert.ok((await lint(wrong)).length >= 3));
}
