// The study's table (grid × arm), its dynamics (step × arm) and the arms with their audits.

import { h } from "../base/dom.js";
import { factor, gridKey, gridPoint, integer, NONE, number, percent, plain, signed } from "../base/format.js";
import { BESIDE, metric } from "../base/metrics.js";
import { armLabel, empty, ended, invalidTag, numeric, table } from "../parts/parts.js";
import { steps } from "../charts/series.js";
import { toneOf } from "./report.js";

/** A mark at times that something else on the machine disturbed; it says what. */
function mark(row, name) {
  if (!metric(name).clock || row.timing?.clean !== false) return null;
  const why = row.timing.reasons.map(({ detail }) => detail).join("; ");
  return h("abbr.disturbed", { title: why, "aria-label": `disturbed: ${why}` }, "\u2009\u2020");
}

/** Whether a row of the report's table has all that it will have: while runs are to come, its mean is a part's. */
export const complete = (row, report, experiment) =>
  report.verdict.status !== "open" || row.n >= experiment.seeds.length;
const partly = (n, planned) => `${integer(n)} of ${integer(planned)}, not comparable yet`;

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
    const whole = (row) => complete(row, report, experiment), planned = experiment.seeds.length;
    for (const row of [...rows].sort((a, b) => place(a, b, factors, arms, experiment.grid))) {
      const fresh = before === null || gridKey(before.grid) !== gridKey(row.grid);
      const { absolute, relative, paired } = difference(row, rows, report, compare);
      const baseline = row.arm === compare.baseline;
      const invalid = report.arms?.[row.arm]?.valid === false;
      const tone = toneOf(paired?.verdict);
      const base = rows.find((one) => one.arm === compare.baseline && gridKey(one.grid) === gridKey(row.grid));
      const comparable = whole(row) && (!base || whole(base));
      made.body.append(h(`tr${fresh && before ? ".group" : ""}${baseline ? ".baseline" : ""}`, null,
        factors.map((path) => h("td.num", null, h(fresh ? "b" : "span.again", null, plain(row.grid[path])))),
        h("th", { scope: "row" }, armLabel(arms, row.arm), invalid ? invalidTag() : null),
        h("td.num", null, integer(row.n)),
        whole(row) ? h("td.num.strong", null, spread(row.metrics?.[compare.metric], about), mark(row, compare.metric))
          : h("td.num.part", null, partly(row.n, planned)),
        h(`td.num${tone}`, null, baseline ? "baseline" : comparable ? signed(about.format(absolute)) : NONE),
        h(`td.num${tone}`, null, baseline || !comparable ? "" : signed(percent(relative))),
        h("td.num", null, whole(row) ? about.format(number(row.metrics?.[compare.metric]?.best)) : NONE),
        beside.map((name) => (whole(row) ? h("td.num", null, spread(row.metrics?.[name], metric(name)), mark(row, name))
          : h("td.num", null, NONE)))));
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
    const open = !ended(curves.experiment);
    const cell = ({ curve, at: places }, step) => {
      const i = places.get(step);
      if (i === undefined) return h("td.num", null, NONE);
      const said = `${integer(curve.n[i])} of ${integer(curve.runs)} seeds`, part = curve.complete[i] < curve.runs;
      if (part && open) // the mean of the fastest seeds
        return h("td.num.part", { title: `${said}, not comparable yet` }, said.replace(" seeds", ""));
      return h(`td.num${part ? ".part" : ""}`, { title: `mean of ${said}` }, about.format(curve.mean[i] ?? NaN));
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
