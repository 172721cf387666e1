// The study's table (grid × arm), its dynamics (step × arm) and the arms with their audits.

import { h } from "../dom.js";
import { factor, gridKey, gridPoint, integer, metric, number, percent, plain, scaled, signed } from "../format.js";
import { armLabel, countsText, empty, invalidTag, table } from "../parts.js";
import { steps } from "../series.js";
import { checks } from "./report.js";

const BESIDE = ["val/accuracy", "test/loss", "time/step_s"]; // shown beside the compared metric
const dash = "\u2013";

const CLOCK = /^(time|throughput)\//;

/** A mark at times that something else on the machine disturbed; it says what. */
function mark(row, name) {
  if (!CLOCK.test(name) || row.timing?.clean !== false) return null;
  const why = row.timing.reasons.map(({ detail }) => detail).join("; ");
  return h("abbr.disturbed", { title: why, "aria-label": `disturbed: ${why}` }, "\u2009\u2020");
}

function spread({ mean, sd } = {}, about) {
  const value = number(mean);
  if (value === undefined) return dash;
  const deviation = number(sd);
  return about.format(value) + (deviation > 0 ? ` \u00b1 ${about.format(deviation)}` : "");
}

/** Difference to the baseline at the same grid point: paired when the report has it, else of the means. */
function difference(row, rows, report, compare) {
  const paired = report.comparisons?.find((one) => one.arm === row.arm && one.metric === compare.metric && gridKey(one.grid) === gridKey(row.grid));
  const base = rows.find((other) => other.arm === compare.baseline && gridKey(other.grid) === gridKey(row.grid));
  const mine = number(row.metrics?.[compare.metric]?.mean), theirs = number(base?.metrics?.[compare.metric]?.mean);
  const absolute = number(paired?.mean_difference) ?? (mine !== undefined && theirs !== undefined ? mine - theirs : undefined);
  return { absolute, relative: absolute === undefined ? undefined : absolute / Math.abs(theirs), paired };
}

/** update(report) redraws. */
export function studyTable(experiment) {
  const { arms, compare } = experiment, about = metric(compare.metric);
  const factors = Object.keys(experiment.grid ?? {});
  const element = h("div");
  function update(report) {
    const rows = report.table ?? [];
    if (!rows.some((row) => row.metrics?.[compare.metric])) return element.replaceChildren(empty("Nothing has been measured yet."));
    const beside = BESIDE.filter((name) => name !== compare.metric && rows.some((row) => row.metrics?.[name]));
    const head = [...factors.map((path) => ({ text: factor(path), number: true })), "Arm", { text: "n", number: true, label: "Seeds that count" },
      { text: about.title, number: true }, { text: "Difference", number: true }, { text: "in %", number: true },
      { text: "Best", number: true }, ...beside.map((name) => ({ text: metric(name).title, number: true }))];
    const made = table({ caption: `${about.title}, mean \u00b1 standard deviation over seeds; differences to ${compare.baseline}`, headings: head, name: "study" });
    let before = null;
    for (const row of [...rows].sort((a, b) => place(a, b, factors, arms, experiment.grid))) {
      const fresh = before === null || gridKey(before.grid) !== gridKey(row.grid);
      const { absolute, relative, paired } = difference(row, rows, report, compare);
      const baseline = row.arm === compare.baseline;
      const invalid = report.arms?.[row.arm]?.valid === false;
      // Colour is a claim: only where the daemon makes one.
      const tone = paired?.verdict === "better" || paired?.verdict === "worse" ? `.${paired.verdict}` : "";
      made.body.append(h(`tr${fresh && before ? ".group" : ""}${baseline ? ".baseline" : ""}`, null,
        factors.map((path) => h("td.num", null, h(fresh ? "b" : "span.again", null, plain(row.grid[path])))),
        h("th", { scope: "row" }, armLabel(arms, row.arm), invalid ? invalidTag() : null),
        h("td.num", null, integer(row.n)),
        h("td.num.strong", null, spread(row.metrics?.[compare.metric], about), mark(row, compare.metric)),
        h(`td.num${tone}`, null, baseline ? "baseline" : signed(absolute === undefined ? dash : about.format(absolute))),
        h(`td.num${tone}`, null, baseline ? "" : signed(relative === undefined ? dash : percent(relative))),
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
    const values = grid[path].map(plain), by = values.indexOf(plain(a.grid[path])) - values.indexOf(plain(b.grid[path]));
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
    const columns = points.flatMap((point) => arms.map((arm) => ({ point, arm, series: curves.of(arm, point, name) })));
    const stamp = JSON.stringify([points, columns.map((one) => one.series.map((series) => series.version))]);
    if (stamp === drawn) return;
    drawn = stamp;
    const rows = steps(columns.flatMap((one) => one.series)).filter((step) => Number.isFinite(step));
    if (rows.length === 0) {
      element.replaceChildren(empty("No evaluation yet."));
      return;
    }
    const at = columns.map(({ series }) => series.map((one) => new Map(one.step.map((step, i) => [step, one.mean[i] ?? NaN]))));
    const cell = (maps, step) => {
      const values = maps.map((map) => map.get(step)).filter((value) => value !== undefined);
      if (values.length === 0) return h("td.num", null, dash);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length, begun = maps.filter((map) => map.size > 0).length;
      return h("td.num", { title: `mean of ${integer(values.length)} of ${integer(begun)} seeds`, class: `num${values.length < begun ? " part" : ""}` }, about.format(mean));
    };
    const heads = points.length > 1 || gridPoint(points[0]) ? h("tr", null, h("td"), points.map((point) =>
      h("th.num", { scope: "colgroup", colspan: arms.length }, gridPoint(point)))) : null;
    element.replaceChildren(h("div.scroll.tall", { tabindex: "0", role: "region", "aria-label": `${about.title} by step` },
      h("table.dynamics", null, h("caption", null, h("span", null, `${about.title} by step, mean over seeds`)),
        h("thead", null, heads, h("tr", null, h("th.num", { scope: "col" }, "Step"),
          columns.map(({ arm }) => h("th.num", { scope: "col" }, armLabel(arms, arm))))),
        h("tbody", null, rows.map((step) => h("tr", null, h("th.num", { scope: "row" }, integer(step)), at.map((maps) => cell(maps, step))))))));
  }
  return { element, update };
}

/** Arms with their size, cost and audits; then the audits of the experiment as a whole. */
export function armsTable(experiment) {
  const element = h("div"), overall = h("div.audits");
  const made = table({ caption: "Arms: what they cost, how their runs ended, and the audits of their validity", name: "cards",
    headings: ["Arm", { text: "Parameters", number: true }, { text: "FLOPs a step", number: true }, { text: "Tokens", number: true }, "Runs", "Audits"] });
  element.append(made.element, overall);
  let drawn = "";
  function update(report) {
    const stamp = JSON.stringify([report.arms, report.checks]);
    if (stamp === drawn) return; // an explanation that is open stays open
    drawn = stamp;
    made.body.replaceChildren(...experiment.arms.map((name) => {
      const arm = report.arms?.[name] ?? {}, tokens = [...new Set(report.table.filter((row) => row.arm === name).map((row) => row.tokens))];
      return h("tr", null, h("th", { scope: "row" }, armLabel(experiment.arms, name), arm.valid === false ? invalidTag() : null),
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
