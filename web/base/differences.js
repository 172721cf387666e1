// In what specifications differ. Pure: no document.

import { plain } from "./format.js";

/** Leaves of a nested object by their path: {"model.d_model": 256, …}; arrays are values. */
export function leaves(value, path = "", found = {}) {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    for (const [name, inner] of Object.entries(value)) leaves(inner, path === "" ? name : `${path}.${name}`, found);
  else if (path !== "") found[path] = value;
  return found;
}

const text = (value) => (value === undefined ? "" : plain(value));

/** Paths at which objects aren't all alike: [{path, values: [text]}]; "" where one has nothing. */
export function differing(objects) {
  const all = objects.map((one) => leaves(one));
  const paths = [...new Set(all.flatMap(Object.keys))];
  return paths.map((path) => ({ path, values: all.map((one) => text(one[path])) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}

/** What the specification has at a dotted path. */
export const at = (spec, path) => path.split(".").reduce((value, name) => value?.[name], spec);

/** What an arm's runs have: the specification with the arm's overrides at their paths. */
export function armSpec(spec, arm) {
  const { arms, grid, seeds, ...rest } = structuredClone(spec);
  for (const [path, value] of Object.entries(arms?.[arm] ?? {})) {
    const names = path.split("."), last = names.pop();
    const inner = names.reduce((box, name) => (box[name] ??= {}), rest);
    inner[last] = value;
  }
  return rest;
}

/** A row a path that some arm sets: [{path, values: [{value, same}]}], same as in the baseline. */
export function differencesOf(spec, arms, baseline) {
  const specs = arms.map((arm) => {
    const { name, notes, hypothesis, tags, compare, ...rest } = armSpec(spec, arm);
    return rest;
  });
  const base = arms.indexOf(baseline);
  return differing(specs).map(({ path, values }) =>
    ({ path, values: values.map((value, i) => ({ value, same: i !== base && value === values[base] })) }));
}
