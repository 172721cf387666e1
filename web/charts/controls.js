// What can be chosen of charts, as the controls of a toolbar; shown.js has it in the address. And what arms and runs
// cost by step, which other axes than steps go by.

import { leaves } from "../base/differences.js";
import { action } from "../base/dom.js";
import { choice, smoothing, toggle } from "../parts/parts.js";
import { Scale, scaleOf, X } from "./axes.js";
import { steps } from "./series.js";

export const TIME = "time/step_s";
const BANDS = [["range", "min\u2013max"], ["sd", "sd"], ["interval", "95\u202f% pointwise"], ["none", "none"]];
/** What readShown() may find. */
export const KNOWN = { axes: X.map(([name]) => name), bands: BANDS.map(([name]) => name) };

/** set(key)(value) changes the state. */
export function controls(state, set, { shared = false, bands = false } = {}) {
  return [
    choice("x", X, state.axis, set("axis")), toggle("log x", state.logX, set("logX")),
    toggle("log y", state.log, set("log")),
    shared ? toggle("same y", state.shared, set("shared"), "One scale for a metric over all grid points") : "",
    smoothing(set("weight"), "Exponential moving average of dense curves; what was measured stays visible behind it",
      state.weight),
    bands ? choice("band", BANDS, state.band, set("band")) : "",
  ];
}

/** A chart's button, as its constructor takes it: alone over the whole screen, or all again. on(): is it; set(on). */
export const fullTool = (on, set) => (chart) => action("Full", async () => {
  const now = !on();
  set(now);
  if (now) await document.documentElement.requestFullscreen?.().catch(() => {}); // else it fills the window alone
  else if (document.fullscreenElement) await document.exitFullscreen();
}, { kind: "quiet", label: `Full screen: ${chart.name}`, title: "Alone over the whole screen, or all again" });

/** Calls left() when the browser has left the full screen by itself. */
export const onLeft = (left, signal) => document.addEventListener("fullscreenchange", () =>
  document.fullscreenElement || left(), { signal });

/** Tokens of so many steps of a specification. */
export const tokensOf = ({ data, train }, count) => (train.batch_tokens || train.batch_size * data.seq_len) * count;

/** FLOPs up to steps, where every step has the same price; null where a dense warm-up has another: the run knows. */
export function flopsOf(spec, { steps: count, flops_per_step: each }) {
  const isWarm = ([path, value]) => (path.endsWith(".dense_warmup_steps") ? value > 0
    : JSON.stringify(value).includes("\"dense_warmup_steps\"")); // of some layers
  return Object.entries(leaves(spec)).some(isWarm) ? null : [[0, 0], [count, count * each]];
}

/** The seconds of several runs, as a scale: their mean, as far as all of them have come. */
export function meanSeconds(times) {
  const scales = times.map((time) => scaleOf("seconds", { time })).filter(Boolean);
  if (scales.length === 0) return undefined;
  const end = Math.min(...times.filter((time) => time.length > 0).map((time) => time.lastStep));
  const knots = steps(times).filter((step) => step <= end).map((step) =>
    [step, scales.reduce((sum, scale) => sum + scale.x(step), 0) / scales.length]);
  return knots.length > 0 ? new Scale([[0, 0], ...knots]) : undefined;
}

/**
 * How a section of charts comes to have the window for itself, and gives it back. By classes: with :has() in the style
 * sheet each change of the document would cost a look at all of it.
 */
export function filling(section, signal) {
  let wanted = false, holder = null;
  const settle = () => {
    const now = wanted && section.isConnected ? section.parentElement : null;
    if (now === holder) return;
    holder?.classList.remove("holds-full");
    now?.classList.add("holds-full");
    holder = now;
    document.body.classList.toggle("filled", holder !== null);
  };
  const seen = new ResizeObserver(settle); // it comes into the document, or leaves it with its tab
  seen.observe(section);
  const fill = (on) => {
    wanted = on;
    section.classList.toggle("full", on);
    settle();
  };
  signal.addEventListener("abort", () => {
    seen.disconnect();
    fill(false);
  });
  return fill;
}
