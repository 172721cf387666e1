// The final value by factor, drawn: a panel for each combination of the other factors, in it a mark an arm at each
// value of the first factor, with a whisker of one standard deviation, joined by lines. Without a factor the arms
// themselves stand side by side. What isn't complete isn't drawn.

import { svg } from "../base/dom.js";
import { factor, gridKey, gridPoint, number, plain } from "../base/format.js";
import { colorOf, pathData, shapeOf } from "../base/shapes.js";

const WIDTH = 420;
const MARGIN = { left: 58, right: 14, top: 12 };
const TALL = 174; // what is drawn in
const PANELS = 6;

/** Numbers that lie far apart stand by their logarithm. */
function scaleOf(values, from, to) {
  const numbers = values.map(Number), logs = numbers.every((value) => value > 0);
  const numeric = values.length > 1 && !values.includes("") && numbers.every(Number.isFinite); // "": arms side by side
  if (!numeric) return (i) => from + ((i + 0.5) / values.length) * (to - from);
  const of = logs && Math.max(...numbers) / Math.min(...numbers) > 8 ? Math.log : (value) => value;
  const [low, high] = [of(Math.min(...numbers)), of(Math.max(...numbers))], inset = 24;
  return (i) => from + inset + ((of(numbers[i]) - low) / (high - low || 1)) * (to - from - 2 * inset);
}

/** A few round numbers in [low, high]. */
function ticks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((one) => one * power >= rough) * power, found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(+at.toPrecision(10));
  return found;
}

/** The rows of the report's table that can be drawn, by panel: [{title, values, path, points}]. */
export function panels({ arms, grid }, table, name) {
  const several = Object.entries(grid ?? {}).filter(([, values]) => values.length > 1);
  const [path, values] = several[0] ?? [null, arms];
  const by = new Map();
  for (const row of table) {
    const mean = number(row.metrics?.[name]?.mean);
    if (!Number.isFinite(mean)) continue;
    const rest = Object.fromEntries(Object.entries(row.grid).filter(([key]) => key !== path));
    const key = gridKey(rest), sd = number(row.metrics[name].sd);
    const x = path === null ? arms.indexOf(row.arm) : values.findIndex((one) => plain(one) === plain(row.grid[path]));
    if (x < 0) continue;
    if (!by.has(key)) by.set(key, { title: path === null ? "" : gridPoint(rest), values, path, points: [] });
    by.get(key).points.push({ arm: row.arm, place: Math.max(0, arms.indexOf(row.arm)), x, mean, sd, n: row.n });
  }
  return [...by.values()].slice(0, PANELS);
}

/** An SVG of one panel; all panels share the range of y. */
export function panelPlot({ values, path, points, title }, [low, high], about) {
  const x = scaleOf(path === null ? values.map(() => "") : values, MARGIN.left, WIDTH - MARGIN.right);
  const y = (value) => +(MARGIN.top + ((high - value) / (high - low || 1)) * TALL).toFixed(1);
  const byArm = Map.groupBy(points, ({ arm }) => arm);
  const said = [...byArm].map(([arm, own]) => `${arm}: ${own.map(({ x: i, mean }) =>
    (path === null ? "" : `${plain(values[i])} `) + about.format(mean)).join(", ")}`).join("; ");
  const many = byArm.size, spread = Math.min(4, 24 / Math.max(1, many)); // arms stand beside each other
  const place = ({ x: i, place: at }) => +(x(i) + (path === null ? 0 : (at - (many - 1) / 2) * spread)).toFixed(1);
  const edge = MARGIN.top + TALL, height = edge + (path === null ? 6 : 34); // arms are named by the legend
  const spelled = (one) => [one.arm, path === null ? "" : `${factor(path)}\u2009=\u2009${plain(values[one.x])}`,
    about.format(one.mean) + (one.sd > 0 ? ` \u00b1 ${about.format(one.sd)}` : ""), `n\u2009=\u2009${one.n}`]
    .filter(Boolean).join(", ");
  return svg("svg.factors", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img",
    "aria-label": `${about.title} ${path === null ? "by arm" : `by ${factor(path)}`}` +
      `${title ? `, ${title}` : ""}: ${said}` },
  ticks(low, high).map((value) => [
    svg("path.grid", { d: `M${MARGIN.left} ${y(value)}H${WIDTH - MARGIN.right}` }),
    svg("text.tick.y", { x: MARGIN.left - 6, y: y(value) + 4 }, about.tick(value))]),
  path === null ? null : values.map((value, i) => svg("text.tick", { x: x(i), y: edge + 16 }, plain(value))),
  path === null ? null
    : svg("text.tick.factor", { x: (MARGIN.left + WIDTH - MARGIN.right) / 2, y: height - 3 }, factor(path)),
  [...byArm.values()].map((own) => {
    const sorted = own.sort((a, b) => place(a) - place(b)), { place: at } = own[0];
    return svg(`g.arm-${colorOf(at)}`, null,
      path !== null && svg("path.join", { d: `M${sorted.map((one) => `${place(one)} ${y(one.mean)}`).join("L")}` }),
      sorted.map((one) => [
        one.sd > 0 && svg("path.whisker", { d: `M${place(one)} ${y(one.mean - one.sd)}V${y(one.mean + one.sd)}` }),
        svg("path.dot", { d: pathData(shapeOf(at), place(one), y(one.mean), 4.5) },
          svg("title", null, spelled(one)))]));
  }));
}

/** The range of y that holds every mean with its whisker. */
export function rangeOf(all) {
  const ends = all.flatMap(({ points }) => points.flatMap(({ mean, sd }) => [mean - (sd || 0), mean + (sd || 0)]));
  const [low, high] = [Math.min(...ends), Math.max(...ends)], pad = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - pad, high + pad];
}
