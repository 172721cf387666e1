// The study's table (grid × arm), its dynamics (step × arm) and the arms with their audits.

import { h } from "../dom.js";
import { factor, gridKey, gridPoint, integer, metric, number, percent, plain, scaled, signed, significant } from "../format.js";
import { armLabel, auditBadges, empty, table } from "../parts.js";
import { steps } from "../series.js";

const BESIDE = ["val/accuracy", "test/loss", "time/step_s"]; // shown beside the compared metric
const dash = "\u2013";

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

const P = (value) => (value === undefined ? dash : value < 0.001 ? "< 0.001" : significant(value, 2));

/** update(report) redraws. */
export function studyTable(experiment) {
  const { arms, compare } = experiment, about = metric(compare.metric);
  const factors = Object.keys(experiment.grid ?? {});
  const element = h("div");
  function update(report) {
    const rows = report.table ?? [];
    if (rows.length === 0) return element.replaceChildren(empty("Nothing has been measured yet."));
    const beside = BESIDE.filter((name) => name !== compare.metric && rows.some((row) => row.metrics?.[name]));
    const intervals = report.comparisons?.some((one) => one.ci95), verdicts = report.comparisons?.some((one) => one.verdict && one.verdict !== "undetermined");
    const head = [...factors.map(factor), "Arm", { text: "n", number: true, label: "Seeds that count" },
      { text: about.title, number: true }, { text: "Difference", number: true }, { text: "in %", number: true },
      ...(intervals ? [{ text: "95 % interval", number: true }, { text: "p, adjusted", number: true }] : []),
      ...(verdicts ? ["Verdict"] : []),
      { text: "Best", number: true }, ...beside.map((name) => ({ text: metric(name).title, number: true }))];
    const made = table({ caption: `${about.title}, mean \u00b1 standard deviation over seeds; differences to ${compare.baseline}`, headings: head, name: "study" });
    const { queued, running } = experiment.counts, settled = queued + running === 0;
    let before = null;
    for (const row of [...rows].sort((a, b) => place(a, b, factors, arms, experiment.grid))) {
      const fresh = before === null || gridKey(before.grid) !== gridKey(row.grid);
      const { absolute, relative, paired } = difference(row, rows, report, compare);
      const baseline = row.arm === compare.baseline, better = (compare.goal === "max" ? absolute > 0 : absolute < 0);
      const invalid = report.arms?.[row.arm]?.valid === false;
      // Colour is a claim: none for an invalid arm, and none before every planned run has ended.
      const tone = baseline || invalid || !settled || !absolute ? "" : better ? ".better" : ".worse";
      made.body.append(h(`tr${fresh && before ? ".group" : ""}${baseline ? ".baseline" : ""}`, null,
        factors.map((path) => h("td.num", null, h(fresh ? "b" : "span.again", null, plain(row.grid[path])))),
        h("th", { scope: "row" }, armLabel(arms, row.arm), invalid ? h("span.tag.fail", { title: "An audit that this comparison rests on has failed" }, "invalid") : null),
        h("td.num", null, integer(row.n)),
        h("td.num.strong", null, spread(row.metrics?.[compare.metric], about)),
        h(`td.num${tone}`, null, baseline ? "baseline" : signed(absolute === undefined ? dash : about.format(absolute))),
        h(`td.num${tone}`, null, baseline ? "" : signed(relative === undefined ? dash : percent(relative))),
        intervals ? [h("td.num", null, paired?.ci95 ? paired.ci95.map((end) => about.format(number(end))).join(" \u2026 ") : dash),
          h("td.num", null, P(number(paired?.p_adjusted)))] : null,
        verdicts ? h("td", null, baseline ? "" : paired?.verdict ?? dash) : null,
        h("td.num", null, about.format(number(row.metrics?.[compare.metric]?.best))),
        beside.map((name) => h("td.num", null, spread(row.metrics?.[name], metric(name))))));
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
      h("table.dynamics", null, h("caption", null, `${about.title} by step, mean over seeds`),
        h("thead", null, heads, h("tr", null, h("th.num", { scope: "col" }, "Step"),
          columns.map(({ arm }) => h("th.num", { scope: "col" }, armLabel(arms, arm))))),
        h("tbody", null, rows.map((step) => h("tr", null, h("th.num", { scope: "row" }, integer(step)), at.map((maps) => cell(maps, step))))))));
  }
  return { element, update };
}

/** Arms with their size, cost and audits; then the audits of the experiment as a whole. */
export function armsTable(experiment) {
  const element = h("div"), overall = h("div.audits");
  const made = table({ caption: "Arms: what they cost, and the audits of their validity", headings: ["Arm", { text: "Parameters", number: true }, { text: "FLOPs a step", number: true }, "Audits"] });
  element.append(made.element, overall);
  function update(report) {
    made.body.replaceChildren(...experiment.arms.map((name) => {
      const arm = report.arms?.[name] ?? {};
      return h("tr", null, h("th", { scope: "row" }, armLabel(experiment.arms, name)),
        h("td.num", null, integer(number(arm.parameters))),
        h("td.num", null, scaled(number(arm.flops_per_step), "FLOP")),
        h("td", null, arm.audits?.length > 0 ? h("span.audits", null, auditBadges(arm.audits)) : h("span.quiet-text", null, "none yet")));
    }));
    const whole = (report.audits ?? []).filter((one) => !one.arm);
    overall.replaceChildren(...(whole.length > 0 ? [h("span.quiet-text", null, "The experiment: "), ...auditBadges(whole)] : []));
  }
  return { element, update };
}

