// The daemon's route table, as the daemon has it: {method, path, access, body, args}; args: the query parameters that a row
// knows, null where it takes any.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const DECODE = fileURLToPath(new URL(`../../${process.env.BUILD ?? "build"}/tests/schema/decode`, import.meta.url));
export const routes = JSON.parse(execFileSync(DECODE, ["--routes"], { encoding: "utf8" }))
  .map((row) => ({ ...row, args: row.args?.replaceAll("...", "").split(", ").filter(Boolean) ?? null }));
