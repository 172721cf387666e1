// Small parts that several views share: an arm's mark, states, progress, counts, tables.

import { SIGNS, STATUSES } from "./audits.js";
import { action, h, keyed, save, setAttribute, setText, svg } from "../base/dom.js";
import { integer, NONE, percent, plural } from "../base/format.js";
import { colorOf, pathData, shapeOf } from "../base/shapes.js";

/** The mark of the i-th arm, in its colour and shape, on a piece of its line. */
export function swatch(i) {
  return svg(`svg.swatch.arm-${colorOf(i)}`, { viewBox: "0 0 22 12", width: 22, height: 12, "aria-hidden": "true" },
    svg("path.line", { d: "M1 6h20" }), svg("path.mark", { d: pathData(shapeOf(i), 11, 6, 4) }));
}

/** What stands beside an arm that an audit has made worthless. */
export const invalidTag = () =>
  h("span.tag.fail", { title: "An audit that this comparison rests on has failed" }, "invalid");

export const armLabel = (arms, name) => h("span.arm", null, swatch(Math.max(0, arms.indexOf(name))), name);

const STATES = {
  queued: ["\u25cb", "queued"],
  running: ["\u25d0", "running"],
  succeeded: ["\u25cf", "succeeded"],
  finished: ["\u25cf", "finished"],
  failed: ["\u2715", "failed"],
  cancelled: ["\u2298", "cancelled"],
  identical: ["\u25cf", "identical"],
  differs: ["\u2260", "differs"],
  skipped: ["\u2298", "skipped"],
};

const TONES = { lost: "\u2715", flawed: "!" };

/** Whether a run, or a verification, will not change any more by itself. */
export const hasEnded = (state) => state !== "queued" && state !== "running";

/** Whether an experiment has ended. */
export const ended = ({ state }) => state === "finished" || state === "cancelled";

/** Whether a run may be tried again. */
export const mayRetry = (state) => state === "failed" || state === "cancelled";

/** What is to be said beside a run's state. */
export const endingNote = (run) => (run.cancel_requested && run.state === "running" ? "ending" : "");
/** Which audit a run is making, where the daemon tells. */
export const auditingNote = ({ auditing, state }) => (auditing && state === "running" ? `audit ${auditing}` : "");
export const stateNote = (run) =>
  endingNote(run) || auditingNote(run) || (run.attempt > 1 ? `attempt ${run.attempt}` : "");

/** Follows live points of a run: it has come at least to the last one's step. */
export function advance(run, series) {
  for (const points of Object.values(series))
    if (points.length > 0) run.step = Math.max(run.step, points[points.length - 1][0]);
}

/** A state's badge; returns {element, update(state, note, tone)}. */
export function badge() {
  const sign = h("span.sign", { "aria-hidden": "true" }), word = h("span");
  const element = h("span", null, sign, word);
  return {
    element,
    update(state, note, tone = "") {
      setAttribute(element, "class", `state ${state} ${tone}`.trim());
      setText(sign, TONES[tone] ?? STATES[state]?.[0] ?? "?");
      setText(word, (STATES[state]?.[1] ?? state) + (note ? ` \u00b7 ${note}` : ""));
    },
  };
}

export function stateBadge(state, note) {
  const made = badge();
  made.update(state, note);
  return made.element;
}

/**
 * How an experiment stands, as badge().update() takes it: one whose runs have failed isn't done in the sense that
 * people have in mind.
 */
export function outcome({ state, counts }) {
  const failed = counts?.failed ?? 0, all = Object.values(counts ?? {}).reduce((sum, n) => sum + n, 0);
  if (failed === 0) return [state, ""];
  if (state === "finished" && failed === all) return ["finished", "all failed", "lost"];
  return [state, `${integer(failed)} failed`, "flawed"];
}

/**
 * How many findings of audits there are, worst first; returns {element, update(counts)}. With `to`, each leads to what
 * to(status) names.
 */
export function auditCounts(to = null) {
  const tags = STATUSES.map((status) => {
    const number = h("span");
    const sign = h("span", { "aria-hidden": "true" }, SIGNS[status]), word = h("span.hidden", null, ` ${status}`);
    const tag = to ? h(`a.tag.${status}`, { href: to(status) }) : h(`span.tag.${status}`);
    tag.append(sign, " ", number, word);
    tag.hidden = true;
    return { status, number, element: tag };
  });
  const none = h("span.quiet-text", null, NONE);
  return {
    element: h("span.audit-counts", null, none, tags.map(({ element }) => element)),
    update(counts) {
      for (const { status, number, element } of tags) {
        const n = counts?.[status] ?? 0;
        element.hidden = n === 0;
        setText(number, integer(n));
        setAttribute(element, "title", `${plural(n, "audit")}: ${status}`);
      }
      none.hidden = tags.some(({ element }) => !element.hidden);
    },
  };
}

/** A bar with its share in words; update(share, label). */
export function progress(name = "Progress") {
  const bar = h("progress", { max: "1", "aria-label": name }), text = h("span.num");
  return {
    element: h("span.progress", null, bar, text),
    update(share, label) {
      bar.value = share;
      setText(text, label ?? percent(share, share > 0 && share < 0.1 ? 1 : 0));
    },
  };
}

/** The bar of a run in a list; update(run). */
export function stepBar(run) {
  const bar = progress(`Progress of run ${run.id}`);
  return {
    element: bar.element,
    update: ({ step, steps }) => bar.update(steps > 0 ? step / steps : 0, `${integer(step)} of ${integer(steps)}`),
  };
}

/** "12 succeeded, 2 running": the counts that aren't zero. */
export function countsText(counts) {
  const parts = Object.entries(counts ?? {}).filter(([, n]) => n > 0).map(([state, n]) => `${integer(n)} ${state}`);
  return parts.join(", ") || "no runs";
}

export function definition(pairs) {
  return h("dl.facts", null, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value))));
}

/** The heading of a column of numbers. */
export const numeric = (text) => ({ text, number: true });

/** A table with a caption and scoped headings, in a box that scrolls sideways by itself. */
export function table({ caption, headings, hidden = false, name }) {
  const body = h("tbody");
  const element = h("div.scroll", { tabindex: "0", role: "region", "aria-label": caption },
    h(`table${name ? `.${name}` : ""}`, null,
      h(`caption${hidden ? ".hidden" : ""}`, null, h("span", null, caption)),
      h("thead", null, h("tr", null, headings.map((heading) => {
        const { text, number = false, label } = typeof heading === "string" ? { text: heading } : heading;
        const said = text === "" ? h("span.hidden", null, label) : text;
        return h("th", { scope: "col", class: number ? "num" : null, "aria-label": text === "" ? null : label }, said);
      }))), body));
  return { element, body, rows: (key, make) => keyed(body, key, make) };
}

/** A segmented choice among a few values, as radio buttons. */
export function choice(legend, options, value, onchange) {
  const group = `choice-${choice.made++}`;
  const inputs = options.map(([key, label]) => {
    const input = h("input", { type: "radio", name: group, value: key });
    input.checked = key === value;
    input.addEventListener("change", () => onchange(key));
    return h("label", null, input, h("span", null, label));
  });
  return h("fieldset.choice", null, h("legend", null, legend), h("span.segments", null, inputs));
}
choice.made = 0;

export function toggle(label, checked, onchange, title) {
  const input = h("input", { type: "checkbox" });
  input.checked = checked;
  input.addEventListener("change", () => onchange(input.checked));
  return h("label.toggle", { title }, input, label);
}

/** How strongly curves are smoothed; onchange(weight). */
export function smoothing(onchange, title, weight = 0) {
  const limits = { min: "0", max: "0.98", step: "0.02", value: String(weight) };
  const range = h("input", { type: "range", ...limits, "aria-label": "Smoothing" });
  range.addEventListener("input", () => onchange(Number(range.value)));
  return h("label.toggle", { title }, "smooth", range);
}

export function heading(title, ...more) {
  return h("div.heading", null, h("h1", null, title), ...more);
}

export const empty = (...content) => h("p.empty", null, ...content);

/** A specification, to read and to take away. */
export function specification(spec, name) {
  const text = JSON.stringify(spec, null, 2);
  return h("div", null,
    h("div.row", null, action("Specification (JSON)", () => save(name, text, "application/json"))),
    h("pre.whole-spec", { tabindex: "0" }, text));
}
