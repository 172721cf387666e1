// The OpenAPI document as data: its operations, and its schemas compiled with nothing let through that isn't named.

import Ajv2020 from "ajv/dist/2020.js";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { ROOT, schema as spec } from "./contract.mjs";

const ID = "https://ablate.invalid/openapi.yaml";
export const api = parse(readFileSync(`${ROOT}schema/openapi.yaml`, "utf8"));

const METHODS = ["get", "post", "put", "patch", "delete"];
/** Every operation: {name, method, path, op}. */
export const operations = () => Object.entries(api.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method])
  .map((method) => ({ name: item[method].operationId, method: method.toUpperCase(), path, op: item[method] })));

/** A node, or what its $ref names. */
export const follow = (node) => node?.$ref?.startsWith("#/") ? node.$ref.slice(2).split("/").reduce((at, key) => at[key], api) : node;

/** The schema of an answer; undefined when the document doesn't name it. */
export function schemaOf(method, path, status, type) {
  const { responses } = api.paths[path][method.toLowerCase()];
  return follow(responses[status] ?? responses.default)?.content?.[type]?.schema;
}

/** An object that names its properties has no others. */
function close(node) {
  if (Array.isArray(node)) return node.map(close);
  if (node === null || typeof node !== "object") return node;
  const closed = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, ["example", "examples"].includes(key) ? value : close(value)]));
  if (closed.type === "object" && closed.properties && closed.additionalProperties === undefined) closed.additionalProperties = false;
  return closed;
}

const ajv = new Ajv2020({ strict: false, formats: { binary: true } });
ajv.addSchema(spec, "https://ablate.invalid/experiment.schema.json");
ajv.addSchema({ $id: ID, components: close(api.components) });

/** A validator of one of the document's schemas. */
export function strictly(schema) {
  const absolute = (node) => node === null || typeof node !== "object" ? node
    : Array.isArray(node) ? node.map(absolute)
    : Object.fromEntries(Object.entries(node).map(([key, value]) =>
      [key, key === "$ref" && typeof value === "string" ? new URL(value, ID).href : absolute(value)]));
  return ajv.compile(absolute(close(schema)));
}

/** Checks an answer, of which the document must name the type and the form; what it says. */
export function checked(method, path, status, headers, text) {
  const where = `${method} ${path}: ${status} ${text.slice(0, 600)}`, type = (headers.get("content-type") ?? "").split(";")[0];
  const schema = schemaOf(method, path, status, type);
  if (status !== 204) assert.ok(schema, `${where}\nundocumented: ${type}`);
  if (!/[/+]json$/.test(type)) return text;
  const check = strictly(schema), value = JSON.parse(text);
  assert.ok(check(value), `${where}\n${JSON.stringify(check.errors, null, 1)}`);
  return value;
}

/** The examples of a parameter or of a content: [[name, value], …]. */
export const examples = (of) => [...of.example === undefined ? [] : [["example", of.example]], ...Object.entries(of.examples ?? {}).map(([name, { value }]) => [name, value])];
