// The address after the #: a path, and behind a ? what a view keeps of itself, so that a link shows the same.

/** {path, query}; a path that isn't well encoded stays as it is, and leads nowhere. */
export function readAddress(hash = location.hash) {
  const [raw, ...rest] = hash.replace(/^#/, "").split("?");
  let path = raw;
  try {
    path = decodeURI(raw);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  return { path: path || "/", query: new URLSearchParams(rest.join("?")) };
}

const known = ([, value]) => value !== undefined && value !== null && value !== "" && value !== false;

/** "#/runs?filter=…", without what is empty; slashes and commas are read more easily as they are. */
export function link(path, query = {}) {
  const pairs = String(new URLSearchParams(Object.entries(query).filter(known)));
  const plain = pairs.replaceAll("%2F", "/").replaceAll("%2C", ",").replaceAll("%3A", ":");
  return `#${path}${plain === "" ? "" : `?${plain}`}`;
}

/** Writes changes of the view's state into the address of this entry of the history; empty ones leave it. */
export function keepInAddress(changes) {
  const { path, query } = readAddress();
  const next = link(encodeURI(path), { ...Object.fromEntries(query), ...changes });
  if (next !== location.hash) history.replaceState(history.state, "", location.pathname + location.search + next);
}
