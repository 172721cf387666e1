// Numbers, times and places as people read them. Values that aren't finite arrive as the strings
// "nan", "inf" and "-inf".

import { now } from "./clock.js";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const MINUS = "\u2212";
export const NONE = "\u2013"; // in the place of a value
const words = { nan: NaN, inf: Infinity, "-inf": -Infinity };

/** A value of the API as a number; undefined when there is none. */
export function number(value) {
  if (value === null || value === undefined) return undefined;
  return typeof value === "string" ? words[value] ?? NaN : value;
}

const minus = (text) => text.replace("-", MINUS);

function special(value) {
  if (value === undefined || value === null) return NONE;
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : MINUS + "\u221e";
  return null;
}

export const integer = (value) => special(value) ?? minus(grouped.format(value));

/** Four significant digits or so; exponents only where they are needed. */
export function significant(value, digits = 4) {
  const odd = special(value);
  if (odd !== null) return odd;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e6 || size < 1e-3) return minus(value.toExponential(2).replace("e+", "e"));
  if (size >= 1000) return integer(value);
  return minus(value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size)))));
}

/** As few digits as four allow: 0.003, 1e-5. */
export const short = (value) => special(value) ?? minus(String(+value.toPrecision(4)).replace("e+", "e"));
export const fixed = (digits) => (value) => special(value) ??
  (Math.abs(value) >= 1000 ? significant(value) : minus(value.toFixed(digits)));
export const percent = (value, digits = 1) => special(value) ?? minus((value * 100).toFixed(digits)) + "\u202f%";

export function signed(text) {
  return text === NONE || text === "NaN" || text.startsWith(MINUS) ? text : "+" + text;
}

export function seconds(value) {
  const odd = special(value);
  if (odd !== null) return odd;
  if (value < 1e-3) return `${significant(value * 1e6, 3)}\u202f\u00b5s`;
  if (value < 1) return `${significant(value * 1e3, 3)}\u202fms`;
  return `${significant(value, 3)}\u202fs`;
}

/** A span for people: 45 s, 12 min, 3 h 20 min, 2 d 4 h. */
export function duration(value) {
  const odd = special(value);
  if (odd !== null) return odd;
  const s = Math.max(0, Math.round(value));
  if (s < 60) return `${s}\u202fs`;
  const minutes = Math.floor(s / 60), hours = Math.floor(s / 3600);
  if (s < 3600) return `${minutes}\u202fmin` + (s < 600 && s % 60 ? ` ${s % 60}\u202fs` : "");
  if (s < 86400) return `${hours}\u202fh` + (minutes % 60 ? ` ${minutes % 60}\u202fmin` : "");
  return `${Math.floor(s / 86400)}\u202fd ${hours % 24}\u202fh`;
}

export function scaled(value, unit, base = 1000) {
  const odd = special(value);
  if (odd !== null) return odd;
  const prefixes = base === 1024 ? ["", "Ki", "Mi", "Gi", "Ti"] : ["", "k", "M", "G", "T", "P", "E"];
  let at = 0;
  for (; Math.abs(value) >= base && at < prefixes.length - 1; at++) value /= base;
  return `${at === 0 ? integer(value) : significant(value, 3)}\u202f${prefixes[at]}${unit}`;
}
export const bytes = (value) => scaled(value, "B", 1024);

/** "2 runs running, 5 runs queued" */
export const queueText = (queue) => `${plural(queue.running, "run")} running, ${plural(queue.queued, "run")} queued`;
export const plural = (n, one, many = one + "s") => `${integer(n)} ${n === 1 ? one : many}`;

/** 14:32 today, else 3 Mar 14:32, with the year when it isn't this one. */
export function when(iso) {
  if (!iso) return NONE;
  const at = new Date(iso), today = new Date(now());
  const time = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === today.toDateString()) return time;
  const year = at.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year }) + " " + time;
}

export const elapsed = (from, to) => (new Date(to ?? now()) - new Date(from)) / 1000;

/** Axis labels: 0.25, 12, 15k, 2M. */
export function tick(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(4)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(4)}k`;
  if (size !== 0 && size < 1e-3) return value.toExponential(0);
  return String(+value.toPrecision(6));
}

// Grid paths in the words of the field.
const FACTORS = {
  "data.seq_len": "L", "train.lr": "lr", "train.batch_size": "B", "model.layers": "layers", "model.d_model": "d",
};
export const factor = (path) => FACTORS[path] ?? path.replace(/^(data|model|train)\./, "");
export const plain = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
export function gridPoint(grid) {
  return Object.entries(grid ?? {}).map(([path, value]) => `${factor(path)}\u2009=\u2009${plain(value)}`).join(", ");
}
/** Where a run stands beside its arm: ["L = 64", "seed 1"]. */
export const placeOf = (run) => [gridPoint(run.grid), `seed ${run.seed}`].filter(Boolean);
/** The same for the same point, whatever the order of its keys. */
export const gridKey = (grid) => JSON.stringify(Object.entries(grid ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
