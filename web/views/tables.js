// The study's table (grid × arm), its dynamics (step × arm) and the arms with their audits.

import { h } from "../dom.js";
import { factor, gridKey, gridPoint, integer, NONE, number, percent, plain, scaled, signed } from "../format.js";
import { BESIDE, metric } from "../metrics.js";
import { armLabel, countsText, empty, invalidTag, numeric, table } from "../parts.js";
import { steps } from "../series.js";
import { checks, toneOf } from "./report.js";

/** A mark at times that something else on the machine disturbed; it says what. */
function mark(row, name) {
  if (!metric(name).clock || row.timing?.clean !== false) return null;
  const why = row.timing.reasons.map(({ detail }) => detail).join("; ");
  return h("abbr.disturbed", { title: why, "aria-label": `disturbed: ${why}` }, "\u2009\u2020");
}

function spread({ mean, sd } = {}, about) {
  const value = number(mean);
  if (value === undefined) return NONE;
  const deviation = number(sd);
  return about.format(value) + (deviation > 0 ? ` \u00b1 ${about.format(deviation)}` : "");
}

/** Difference to the baseline at the same grid point: paired when the report has it, else of the means. */
function difference(row, rows, report, compare) {
  const here = (arm) => (one) => one.arm === arm && gridKey(one.grid) === gridKey(row.grid);
  const paired = report.comparisons?.filter(({ metric: judged }) => judged === compare.metric).find(here(row.arm));
  const mean = (one) => number(one?.metrics?.[compare.metric]?.mean);
  const mine = mean(row), theirs = mean(rows.find(here(compare.baseline)));
  const apart = mine !== undefined && theirs !== undefined ? mine - theirs : undefined;
  const absolute = number(paired?.mean_difference) ?? apart;
  return { absolute, relative: absolute === undefined ? undefined : absolute / Math.abs(theirs), paired };
}

/** update(report) redraws. */
export function studyTable(experiment) {
  const { arms, compare } = experiment, about = metric(compare.metric);
  const factors = Object.keys(experiment.grid ?? {});
  const element = h("div");
  function update(report) {
    const rows = report.table ?? [];
    if (!rows.some((row) => row.metrics?.[compare.metric]))
      return element.replaceChildren(empty("Nothing has been measured yet."));
    const beside = BESIDE.filter((name) => name !== compare.metric && rows.some((row) => row.metrics?.[name]));
    const made = table({
      caption: `${about.title}, mean \u00b1 standard deviation over seeds; differences to ${compare.baseline}`,
      headings: [...factors.map(factor).map(numeric), "Arm", { ...numeric("n"), label: "Seeds that count" },
        ...[about.title, "Difference", "in %", "Best", ...beside.map((name) => metric(name).title)].map(numeric)],
      name: "study",
    });
    let before = null;
    for (const row of [...rows].sort((a, b) => place(a, b, factors, arms, experiment.grid))) {
      const fresh = before === null || gridKey(before.grid) !== gridKey(row.grid);
      const { absolute, relative, paired } = difference(row, rows, report, compare);
      const baseline = row.arm === compare.baseline;
      const invalid = report.arms?.[row.arm]?.valid === false;
      const tone = toneOf(paired?.verdict);
      made.body.append(h(`tr${fresh && before ? ".group" : ""}${baseline ? ".baseline" : ""}`, null,
        factors.map((path) => h("td.num", null, h(fresh ? "b" : "span.again", null, plain(row.grid[path])))),
        h("th", { scope: "row" }, armLabel(arms, row.arm), invalid ? invalidTag() : null),
        h("td.num", null, integer(row.n)),
        h("td.num.strong", null, spread(row.metrics?.[compare.metric], about), mark(row, compare.metric)),
        h(`td.num${tone}`, null, baseline ? "baseline" : signed(about.format(absolute))),
        h(`td.num${tone}`, null, baseline ? "" : signed(percent(relative))),
        h("td.num", null, about.format(number(row.metrics?.[compare.metric]?.best))),
        beside.map((name) => h("td.num", null, spread(row.metrics?.[name], metric(name)), mark(row, name)))));
      before = row;
    }
    return element.replaceChildren(made.element);
  }
  return { element, update };
}

function place(a, b, factors, arms, grid) {
  for (const path of factors) {
    const values = grid[path].map(plain), at = (row) => values.indexOf(plain(row.grid[path])), by = at(a) - at(b);
    if (by !== 0) return by;
  }
  return arms.indexOf(a.arm) - arms.indexOf(b.arm);
}

/** A metric by evaluation step, a column an arm; what curves.js shows is what stands here. */
export function dynamicsTable(curves, name, signal) {
  const element = h("div"), about = metric(name);
  let drawn = "";
  function update() {
    if (signal.aborted) return;
    const { arms } = curves.experiment, points = curves.points();
    const columns = points.flatMap((point) =>
      arms.map((arm) => ({ point, arm, curve: curves.of(arm, point, name) })));
    const stamp = JSON.stringify([points, columns.map(({ curve }) => [curve?.id, curve?.version])]);
    if (stamp === drawn) return;
    drawn = stamp;
    const rows = steps(columns.flatMap(({ curve }) => curve ?? []));
    if (rows.length === 0) {
      element.replaceChildren(empty("No evaluation yet."));
      return;
    }
    const at = columns.map(({ curve }) => ({ curve, at: new Map(curve?.step.map((step, i) => [step, i])) }));
    const cell = ({ curve, at: places }, step) => {
      const i = places.get(step);
      if (i === undefined) return h("td.num", null, NONE);
      return h(`td.num${curve.complete[i] < curve.runs ? ".part" : ""}`,
        { title: `mean of ${integer(curve.n[i])} of ${integer(curve.runs)} seeds` },
        about.format(curve.mean[i] ?? NaN));
    };
    const heads = points.length > 1 || gridPoint(points[0]) ? h("tr", null, h("td"), points.map((point) =>
      h("th.num", { scope: "colgroup", colspan: arms.length }, gridPoint(point)))) : null;
    const row = (step) => h("tr", null,
      h("th.num", { scope: "row" }, integer(step)), at.map((maps) => cell(maps, step)));
    const region = { tabindex: "0", role: "region", "aria-label": `${about.title} by step` };
    element.replaceChildren(h("div.scroll.tall", region,
      h("table.dynamics", null, h("caption", null, h("span", null, `${about.title} by step, mean over seeds`)),
        h("thead", null, heads, h("tr", null, h("th.num", { scope: "col" }, "Step"),
          columns.map(({ arm }) => h("th.num", { scope: "col" }, armLabel(arms, arm))))),
        h("tbody", null, rows.map(row)))));
  }
  return { element, update };
}

/** Arms with their size, cost and audits; then the audits of the experiment as a whole. */
export function armsTable(experiment) {
  const element = h("div"), overall = h("div.audits");
  const made = table({
    caption: "Arms: what they cost, how their runs ended, and the audits of their validity", name: "cards",
    headings: ["Arm", ...["Parameters", "FLOPs a step", "Tokens"].map(numeric), "Runs", "Audits"],
  });
  element.append(made.element, overall);
  let drawn = "";
  function update(report) {
    const stamp = JSON.stringify([report.arms, report.checks]);
    if (stamp === drawn) return; // an explanation that is open stays open
    drawn = stamp;
    made.body.replaceChildren(...experiment.arms.map((name) => {
      const arm = report.arms?.[name] ?? {};
      const tokens = [...new Set(report.table.filter((row) => row.arm === name).map((row) => row.tokens))];
      return h("tr", null,
        h("th", { scope: "row" }, armLabel(experiment.arms, name), arm.valid === false ? invalidTag() : null),
        h("td.num", { "data-label": "Parameters" }, integer(number(arm.parameters))),
        h("td.num", { "data-label": "A step" }, scaled(number(arm.flops_per_step), "FLOP")),
        h("td.num", { "data-label": "Tokens" }, tokens.map((one) => scaled(one, "")).join(", ")),
        h("td", { "data-label": "Runs" }, countsText(arm.counts)),
        h("td.whole", { "data-label": "Audits" }, checks(arm.audits ?? [])));
    }));
    overall.replaceChildren(h("span.quiet-text", null, "The experiment: "), checks(report.checks));
  }
  return { element, update };
}
