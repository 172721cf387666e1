// What the tests of the schema share: the schema, compiled, and the daemon's own decoder as a function.

import Ajv2020 from "ajv/dist/2020.js";
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const DECODE = `${ROOT}${process.env.BUILD ?? "build"}/tests/schema/decode`;

export const read = (path) => JSON.parse(readFileSync(`${ROOT}${path}`, "utf8"));
/** The JSON files of a folder: [[name, content], …]. */
export const readAll = (folder) => readdirSync(`${ROOT}${folder}`).filter((name) => name.endsWith(".json")).sort()
  .map((name) => [basename(name, ".json"), read(`${folder}/${name}`)]);

export const schema = read("schema/experiment.schema.json");
export const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false, allErrors: false });
export const validate = ajv.compile(schema);
/** What the schema has against a spec; "" = nothing. */
export const schemaSays = (spec) => validate(spec) ? "" : ajv.errorsText(validate.errors);

function run(args, input) {
  const { status, stdout, stderr, error } = spawnSync(DECODE, args, { input, encoding: "utf8", maxBuffer: 1 << 28 });
  if (error || status !== 0) throw new Error(`${DECODE}: ${error ?? status}\n${stderr}`);
  return stdout;
}

/** What the daemon's decoder answers to each spec: {runs, spec} or {code, pointer, message}. */
export const decode = (specs) => run([], specs.map((spec) => JSON.stringify(spec) + "\n").join(""))
  .split("\n").slice(0, -1).map((line) => JSON.parse(line));

/** What the codec of the workers' protocol answers to each message. */
export const decodeWire = (messages) => run(["--wire"], messages.map((message) => JSON.stringify(message) + "\n").join(""))
  .split("\n").slice(0, -1).map((line) => JSON.parse(line));

/** The decoder's field tables, by name. */
export const tables = () => new Map(JSON.parse(run(["--tables"])).map(({ table, rows }) => [table, rows]));

/** A place of the schema with its $refs followed; what stands beside a $ref wins. */
export function resolve(node) {
  if (node.$ref === undefined) return node;
  const { $ref, ...beside } = node;
  const target = $ref.slice(2).split("/").reduce((at, key) => at[key], schema);
  return { ...resolve(target), ...beside };
}
