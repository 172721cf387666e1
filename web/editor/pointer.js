// Where a JSON pointer (RFC 6901) leads inside a JSON text: the range of characters of that value, so
// that an editor can show what a problem document complains about. Tolerant: it reads a text that the
// daemon has parsed, and gives the nearest enclosing value when the pointer leads nowhere.

const SPACE = /[\s]/;

function skipSpace(text, i) {
  while (i < text.length && SPACE.test(text[i])) i++;
  return i;
}

function skipString(text, i) {
  for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === "\\") i++;
  return i + 1;
}

function skipValue(text, i) {
  i = skipSpace(text, i);
  if (text[i] === '"') return skipString(text, i);
  if (text[i] !== "{" && text[i] !== "[") {
    while (i < text.length && !/[\s,\]}]/.test(text[i])) i++;
    return i;
  }
  for (let depth = 0; i < text.length; i++) {
    if (text[i] === '"') i = skipString(text, i) - 1;
    else if (text[i] === "{" || text[i] === "[") depth++;
    else if ((text[i] === "}" || text[i] === "]") && --depth === 0) return i + 1;
  }
  return i;
}

/** The member `name` of the container at i: [start of its key or value, start of its value], or null. */
function member(text, i, name) {
  const object = text[i] === "{";
  let at = skipSpace(text, i + 1);
  for (let index = 0; at < text.length && text[at] !== "}" && text[at] !== "]"; index++) {
    const start = at;
    let key = String(index);
    if (object) {
      at = skipString(text, at);
      try {
        key = JSON.parse(text.slice(start, at));
      } catch {
        return null;
      }
      at = skipSpace(text, at) + 1; // the colon
    }
    const value = skipSpace(text, at);
    if (key === name) return [start, value];
    at = skipSpace(text, skipValue(text, value));
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
  return null;
}

/** [from, to) of the member that the pointer names, its key included. */
export function locate(text, pointer) {
  const parts = pointer.split("/").slice(1).map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  let start = skipSpace(text, 0), value = start;
  for (const part of parts) {
    const found = text[value] === "{" || text[value] === "[" ? member(text, value, part) : null;
    if (found === null) break;
    [start, value] = found;
  }
  return [start, skipValue(text, value)];
}

/** 1-based line and column of an offset. */
export function lineOf(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before[before.length - 1].length + 1 };
}
