// What the schema says of the place in a specification where the cursor is. Pure: no document.
//
// The text is read tolerantly up to the cursor, so that help is there while a line is being written.

const text = (value) => JSON.stringify(value);

/**
 * Where an offset stands in a JSON text: {path: [names and numbers], key: the name that it stands in, or null:
 * {typed: as far as the offset, from, to: where the name stands}}.
 */
export function pathAt(json, offset) {
  const stack = []; // {object, key, index}
  let string = null, key = null;
  for (let i = 0; i < Math.min(offset, json.length); i++) {
    const c = json[i], top = stack[stack.length - 1];
    if (string !== null) {
      if (c === "\\") i++;
      else if (c === "\"") {
        if (top?.object && !top.valued) top.key = json.slice(string + 1, i);
        string = null;
      }
    } else if (c === "\"") string = i;
    else if (c === "{" || c === "[") stack.push({ object: c === "{", key: null, valued: false, index: 0 });
    else if (c === "}" || c === "]") stack.pop();
    else if (c === ":" && top) top.valued = true;
    else if (c === "," && top) {
      Object.assign(top, { key: null, valued: false });
      top.index++;
    }
  }
  const last = stack[stack.length - 1];
  if (string !== null && last?.object && !last.valued) {
    const from = string + 1, end = json.indexOf("\"", from), whole = json.slice(from, Math.max(end, from));
    const to = end > 0 && !whole.includes("\n") ? end : offset; // if it ends on its line
    last.key = json.slice(from, to);
    key = { typed: json.slice(from, offset), from, to };
  }
  const path = stack.map(({ object, key: name, index }) => (object ? name : index)).filter((name) => name !== null);
  return { path, key };
}

const get = (schema, ref) => ref.replace(/^#\//, "").split("/").reduce((node, name) => node?.[name], schema);

/** A node with what its references and the branches that its value takes add to it. */
function resolve(schema, node, value) {
  let found = { ...node };
  for (let depth = 0; found.$ref && depth < 8; depth++) {
    const { $ref, ...own } = found;
    found = { ...get(schema, $ref), ...own };
  }
  for (const branch of found.allOf ?? []) {
    if (branch.$ref || branch.properties) found = merge(found, resolve(schema, branch, value));
    const [kind, test] = Object.entries(branch.if?.properties ?? {})[0] ?? [];
    if (kind === undefined) continue;
    const own = value?.[kind] ?? found.properties?.[kind]?.default;
    const applies = "const" in test ? own === test.const : test.enum?.includes(own);
    if (applies && branch.then) found = merge(found, resolve(schema, branch.then, value));
  }
  return found;
}
const merge = (a, b) => ({ ...a, ...b, description: a.description ?? b.description,
  properties: { ...a.properties, ...b.properties } });

function child(schema, node, name) {
  if (typeof name === "number") return node.items ?? node.prefixItems?.[name] ?? null;
  if (node.properties?.[name]) return node.properties[name];
  return typeof node.additionalProperties === "object" ? node.additionalProperties : null;
}

/** Walks from a node along a path; value is what the specification has there, as far as it can be read. */
function walk(schema, path, spec) {
  let node = resolve(schema, schema, spec), value = spec;
  for (const name of path) {
    const next = child(schema, node, name);
    if (next === null) return null;
    value = value?.[name];
    node = resolve(schema, next, value);
  }
  return node;
}

/** A range or a list of what may stand there, in words. */
export function allowed(node) {
  if (node.enum) return node.enum.map(text).join(", ");
  if (node.const !== undefined) return text(node.const);
  const kinds = [node.type ?? []].flat().join(" or ");
  const { minimum: low, exclusiveMinimum: above, maximum: high, exclusiveMaximum: below } = node;
  const from = low !== undefined ? `${low} \u2264` : above !== undefined ? `${above} <` : "";
  const to = high !== undefined ? `\u2264 ${high}` : below !== undefined ? `< ${below}` : "";
  const range = from || to ? [from, "x", to].filter(Boolean).join(" ") : "";
  return [kinds, range].filter(Boolean).join(", ");
}

/**
 * {path, node: null where the schema knows nothing, members: [{name, node}] of the object that the place is in or is,
 * key: as pathAt has it}.
 */
export function helpAt(schema, json, offset, spec) {
  const { path, key } = pathAt(json, offset), node = walk(schema, path, spec);
  const around = node?.properties && key === null ? node : walk(schema, path.slice(0, -1), spec);
  const members = Object.entries(around?.properties ?? {})
    .map(([name, one]) => ({ name, node: resolve(schema, one, undefined) }));
  return { path, node, members, key };
}

/** A specification without the members that are as the schema's defaults are, for people to read. */
export function withoutDefaults(schema, spec, node = schema, value = spec) {
  const here = resolve(schema, node, value), found = {};
  for (const [name, inner] of Object.entries(value)) {
    const next = child(schema, here, name), own = next ? resolve(schema, next, inner) : {};
    if (text(inner) === text(own.default)) continue;
    const object = typeof inner === "object" && inner !== null && !Array.isArray(inner) && own.properties;
    const left = object ? withoutDefaults(schema, spec, next, inner) : inner;
    if (!object || Object.keys(left).length > 0) found[name] = left;
  }
  return found;
}
