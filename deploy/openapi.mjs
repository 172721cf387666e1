// Prints schema/openapi.yaml as the JSON document that the daemon serves. What it says of specifications by reference to
// experiment.schema.json stands in the document itself, as Spec and a schema for each of $defs (SpecData, SpecAttentionDsa):
// many programs that make clients follow no reference to another file, and openapi-typescript takes $defs for a member.
//
// Usage: node deploy/openapi.mjs OPENAPI.yaml EXPERIMENT.SCHEMA.json
import { readFileSync } from "node:fs";
import { parse } from "../web/node_modules/yaml/dist/index.js";

const [document, specification] = process.argv.slice(2).map((path) => readFileSync(path, "utf8"));
const api = parse(document), { $schema: _, $defs, ...spec } = JSON.parse(specification);

const named = (key) => `Spec${key.split("_").map((word) => word[0].toUpperCase() + word.slice(1)).join("")}`;
const within = (ref) => ref.replace(/^(experiment\.schema\.json)?(#\/\$defs\/(\w+))?(?=\/|$)/, (all, file, at, key) =>
  at ? `#/components/schemas/${named(key)}` : file ? "#/components/schemas/Spec" : all);
const follow = (node) => node === null || typeof node !== "object" ? node
  : Array.isArray(node) ? node.map(follow)
  : Object.fromEntries(Object.entries(node).map(([key, value]) => [key, key === "$ref" && typeof value === "string" ? within(value) : follow(value)]));

const schemas = [["Spec", spec], ...Object.entries($defs).map(([key, schema]) => [named(key), schema])];
for (const [name, schema] of schemas) {
  if (name in api.components.schemas) throw new Error(`${name} is a schema of both`);
  api.components.schemas[name] = schema;
}
process.stdout.write(JSON.stringify(follow(api)) + "\n");
