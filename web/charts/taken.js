// What one chart shows, to take away: its numbers as CSV, itself as PNG with title and legend, in the theme's colours.

import { csv } from "../base/csv.js";
import { action, save } from "../base/dom.js";
import { colorOf, shapeOf, tracePath } from "../base/shapes.js";
import { axis } from "./axes.js";

const BOUNDS = { range: ["min", "max"], sd: ["mean - sd", "mean + sd"],
  interval: ["pointwise 95 % low", "pointwise 95 % high"] };

/** Rows of what is drawn, a line a point of an arm, then of each single seed; the first row holds the headings. */
export function rowsOf(chart) {
  const { arms, bundles, lines, xs, axis: name, band, weight, where, metric: { name: of }, group: { zoom } } = chart;
  const seeds = lines.some(({ kind, label }) => kind === "seed" && label), bounded = bundles.some(({ low }) => low);
  const { title } = axis(name), smoothed = weight > 0 ? ` (smoothed ${weight})` : "";
  const names = BOUNDS[band] ?? BOUNDS.range;
  const rows = [[title, "arm", "grid point", ...(seeds ? ["seed"] : []), "n", `mean of ${of}${smoothed}`,
    ...(bounded ? names : [])]];
  const inside = (x) => zoom === null || (zoom[0] <= x && x <= zoom[1]);
  const word = (value) => (Number.isNaN(value) || value === null ? "nan" : value);
  arms.forEach((arm, a) => {
    const { mean, n, low, high } = bundles[a];
    xs.forEach((x, i) => {
      if (mean[i] === undefined || !inside(x)) return;
      rows.push([x, arm.name, where, ...(seeds ? [""] : []), n[i], word(mean[i]),
        ...(bounded ? [low?.[i] ?? "", high?.[i] ?? ""] : [])]);
    });
    for (const { kind, label, values } of lines.filter((line) => line.arm === a && line.kind === "seed" && line.label))
      xs.forEach((x, i) => {
        if (kind !== "seed" || values[i] === undefined || !inside(x)) return;
        rows.push([x, arm.name, where, label.replace(/^seed /, ""), 1, word(values[i]), ...(bounded ? ["", ""] : [])]);
      });
  });
  return rows;
}

const EDGE = 12, LINE = 18;

/** The chart on a canvas of its own. */
function painted(chart) {
  const style = getComputedStyle(document.documentElement), css = (name) => style.getPropertyValue(name).trim();
  const from = chart.uplot.ctx.canvas, ratio = devicePixelRatio, width = from.width / ratio;
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const font = (size, weight = "") => `${weight} ${size}px ${css("--font")}`;
  context.font = font(12);
  const entries = chart.readings.map(({ name, place, value }) =>
    ({ place, text: `${name}${chart.group.invalid?.has(name) ? " (invalid)" : ""}  ${chart.metric.format(value)}` }));
  let [x, y] = [EDGE, 0];
  for (const one of entries) { // where each stands, in as many lines as it takes
    const wide = 28 + context.measureText(one.text).width + 18;
    if (x > EDGE && x + wide > width + EDGE) [x, y] = [EDGE, y + LINE];
    Object.assign(one, { x, y });
    x += wide;
  }
  const top = EDGE + 2 * LINE, below = top + from.height / ratio + 8, height = below + y + LINE + EDGE;
  Object.assign(canvas, { width: Math.ceil((width + 2 * EDGE) * ratio), height: Math.ceil(height * ratio) });
  context.scale(ratio, ratio);
  context.fillStyle = css("--paper");
  context.fillRect(0, 0, width + 2 * EDGE, height);
  context.textBaseline = "middle";
  context.fillStyle = css("--ink");
  context.font = font(14, "600");
  context.fillText(chart.name, EDGE, EDGE + 8, width);
  context.fillStyle = css("--ink-3");
  context.font = font(11);
  context.fillText(`x: ${axis(chart.axis).title} \u00b7 ${chart.caption.textContent}`, EDGE, EDGE + 8 + LINE, width);
  context.drawImage(from, EDGE, top, width, from.height / ratio);
  context.font = font(12);
  for (const one of entries) {
    const at = below + one.y + LINE / 2;
    context.fillStyle = context.strokeStyle = css(`--arm-${colorOf(one.place)}`);
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(one.x, at);
    context.lineTo(one.x + 20, at);
    context.stroke();
    context.beginPath();
    tracePath(context, shapeOf(one.place), one.x + 10, at, 4);
    context.fill();
    context.fillStyle = css("--ink");
    context.fillText(one.text, one.x + 26, at, width);
  }
  return canvas;
}

const fileName = (chart) => chart.name.toLowerCase().replace(/[^\p{L}\p{N}.]+/gu, "-").replace(/^-|-$/g, "") || "chart";

/** Buttons of a chart: makers, as its constructor takes them. */
export const TAKEN = [
  (chart) => action("CSV", () => save(`${fileName(chart)}.csv`, csv(rowsOf(chart)), "text/csv"),
    { kind: "quiet", label: `CSV of ${chart.name}`, title: "What is drawn here, as numbers" }),
  (chart) => action("PNG", async () => {
    if (!chart.uplot) throw new Error("There is nothing to draw yet.");
    const blob = await new Promise((resolve) => painted(chart).toBlob(resolve));
    save(`${fileName(chart)}.png`, blob, "image/png");
  }, { kind: "quiet", label: `PNG of ${chart.name}`, title: "What is drawn here, as a picture" }),
];
