// What a page of curves shows, as its address has it: only what isn't as usual stands there. Pure: no document.

const FLAGS = { log: "log", logX: "logx", seeds: "seeds", sort: "sort" };
const plain = (name) => name.replace(/[%,:]/g, encodeURIComponent);
const list = (names) => [...names].map(plain).join(",");
function names(text) {
  try {
    return text.split(",").map(decodeURIComponent);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return [];
  }
}

/** As a page begins: the metrics that are drawn, and for each factor of several values the one that is shown. */
export const usual = ({ metrics = [], at = {} } = {}) => ({
  axis: "step", log: false, logX: false, shared: true, weight: 0, band: "range", seeds: false, sort: false,
  metrics: new Set(metrics), only: null, zoom: null, full: null, at,
});

/** known: {axes, bands, arms} that there are; what isn't among them is as usual. */
export function readShown(query, before, { axes = [], bands = [], arms = [] } = {}) {
  const state = { ...before, metrics: new Set(before.metrics), at: { ...before.at } };
  const get = (name) => query.get(name) ?? "";
  const one = (name, all, other) => (all.includes(get(name)) ? get(name) : other);
  for (const [key, name] of Object.entries(FLAGS)) state[key] = query.has(name) ? get(name) === "1" : before[key];
  state.axis = one("x", axes, before.axis);
  state.band = one("band", bands, before.band);
  state.shared = get("y") !== "own";
  const weight = Number(get("smooth"));
  state.weight = weight > 0 && weight <= 0.98 ? weight : 0;
  if (query.has("metrics")) state.metrics = new Set(names(get("metrics")).filter(Boolean));
  const only = names(get("arms")).filter((name) => arms.includes(name));
  state.only = only.length > 0 && only.length < arms.length ? new Set(only) : null;
  const zoom = /^(-?[\d.e+-]+)~(-?[\d.e+-]+)$/.exec(get("zoom"))?.slice(1).map(Number);
  state.zoom = zoom && zoom[0] < zoom[1] ? zoom : null;
  state.full = get("full") || null;
  for (const pair of get("at").split(",")) {
    const [path, value] = names(pair.replace(":", ","));
    if (value !== undefined && Object.hasOwn(before.at, path)) state.at[path] = value;
  }
  return state;
}

/** The changes of the address; "" where it needs nothing. */
export function writeShown(state, before) {
  const flag = (key) => (state[key] === before[key] ? "" : state[key] ? "1" : "0");
  const other = (key) => (state[key] === before[key] ? "" : state[key]);
  return {
    ...Object.fromEntries(Object.entries(FLAGS).map(([key, name]) => [name, flag(key)])),
    x: other("axis"), band: other("band"), y: state.shared ? "" : "own", smooth: state.weight || "",
    metrics: list([...state.metrics].sort()) === list([...before.metrics].sort()) ? ""
      : list([...state.metrics].sort()) || ",",
    arms: state.only ? list(state.only) : "",
    zoom: state.zoom ? state.zoom.map((x) => +x.toPrecision(7)).join("~") : "", full: state.full ?? "",
    at: Object.entries(state.at).filter(([path, value]) => value !== before.at[path])
      .map((pair) => pair.map(plain).join(":")).join(","),
  };
}
