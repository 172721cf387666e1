// The report: what can be said, how sure, why not more. The daemon computes all of it and makes every
// sentence; here it is only laid out.

import { address, getText } from "../base/api.js";
import { Chart, tend } from "../charts/chart.js";
import { h, setText } from "../base/dom.js";
import {
  factor, gridKey, gridPoint, integer, NONE, number, percent, plain, signed, significant,
} from "../base/format.js";
import { JUDGED, metric } from "../base/metrics.js";
import { armLabel, empty, numeric, table } from "../parts/parts.js";
import { pairsPlot, reach } from "../charts/pairs.js";
import { paragraphs } from "../base/paragraphs.js";
import { Series } from "../charts/series.js";

const P = (value) => (value < 0.001 ? "< 0.001" : significant(value, 2));
const where = (grid) => gridPoint(grid) || "all";
const bullets = (sentences) => h("ul.sentences", null, sentences.map((one) => h("li", null, one)));

/** The class of a difference. Colour is a claim: only where the daemon makes one. */
export const toneOf = (verdict) => (verdict === "better" || verdict === "worse" ? `.${verdict}` : "");

/** The verdict first, then what to know beside it, then what would change it. */
export function verdictPanel() {
  const said = h("div.said", { role: "status" }), remarks = h("div"), changes = h("div");
  const more = h("details", { hidden: true }, h("summary", null, "What would change this"), changes);
  const element = h("div.verdict", { hidden: true }, said, remarks, more);
  let drawn = null;
  function update(report) {
    const { verdict, remarks: notes, would_change: ways } = report;
    element.hidden = false;
    element.className = `verdict ${verdict.status}`;
    if (verdict.sentence !== drawn) // a screen reader says it again
      said.replaceChildren(...paragraphs(report).map((one) => h("p", null, one)));
    drawn = verdict.sentence;
    remarks.replaceChildren(...(notes.length > 0 ? [bullets(notes)] : []));
    more.hidden = ways.length === 0;
    changes.replaceChildren(bullets(ways));
  }
  return { element, update };
}

/** Differences to the baseline: an arm's mean over the grid, then each grid point. */
export function differencesTable(experiment) {
  const element = h("div");
  const interval = (ends, about) => (ends ? ends.map((end) => about.format(number(end))).join(" \u2026 ") : NONE);
  const margin = experiment.spec.compare.margin;
  function row(claim, primary, place, most) {
    const about = metric(claim.metric), { verdict } = claim, tone = toneOf(verdict);
    return h(`tr${primary ? ".strong" : ""}`, null, h("td", null, place),
      h("th", { scope: "row" }, armLabel(experiment.arms, claim.arm)),
      h("td", { title: claim.sentence }, h(`span.tag${verdict === "invalid" ? ".fail" : ""}`, null, verdict),
        claim.against ? ` ${claim.against}` : ""),
      h("td.num", { title: claim.pairs.note }, integer(claim.n)),
      h(`td.num${tone}`, null, signed(about.format(number(claim.mean_difference)))),
      h(`td.num${tone}`, null, signed(percent(number(claim.relative_difference)))),
      h("td", null, pairsPlot(claim, most, margin, about.format)),
      h("td.num", null, interval(claim.ci95, about)),
      h("td.num", null, P(number(claim.p_adjusted))),
      h("td.num", null, `${integer(claim.agree)} of ${integer(claim.n)}`));
  }
  function update({ primary, comparisons }) {
    if (primary.length === 0) return element.replaceChildren(empty("There is no arm to compare with the baseline."));
    if (primary.every((claim) => claim.n === 0))
      return element.replaceChildren(empty("No seed has a value of both arms yet."));
    const [{ metric: judged, baseline }] = primary;
    const made = table({
      caption: `${metric(judged).title}: differences to ${baseline}, paired by seed; ` +
        "p by sign flips, adjusted over the arms, and over arms and grid points; intervals aren't",
      headings: ["Where", "Arm", "Verdict", { ...numeric("n"), label: "Pairs" },
        ...["Difference", "in %"].map(numeric), "Each pair", ...["95 % interval", "p", "Better in"].map(numeric)],
      name: "differences",
    });
    const several = comparisons.length > primary.length;
    const place = (i) => (several ? "mean over the grid" : where(comparisons[i]?.grid));
    const most = reach([...primary, ...comparisons], margin);
    made.body.append(...primary.map((one, i) => row(one, true, place(i), most)),
      ...(several ? comparisons.map((one) => row(one, false, where(one.grid), most)) : []));
    return element.replaceChildren(made.element);
  }
  return { element, update };
}

/** Every configuration that was tried for `compare.tune`; hidden without. */
export function tuningSection(experiment) {
  const body = h("div");
  const element = h("section", { "aria-labelledby": "tuning", hidden: true },
    h("h2", { id: "tuning" }, "Tuning"), body);
  function update({ tuning, verdict }) {
    element.hidden = !tuning;
    if (!tuning) return;
    const about = metric(tuning.chosen_by);
    const made = table({
      caption: `Chosen for each arm by the mean of ${tuning.chosen_by}; compared by ${tuning.compared}`,
      headings: ["Grid", "Arm", ...[...tuning.paths.map(factor), "Seeds", "Mean", "sd"].map(numeric), ""],
      name: "tuning",
    });
    const partly = ({ n, planned }) => verdict.status === "open" && n < planned; // then nothing has been chosen
    const notes = (one) => [
      partly(one) && "not comparable yet", leads(one) && "chosen",
      leads(one) && one.edge && "at the edge of what was tried",
      one.diverged > 0 && `${integer(one.diverged)} diverged`,
    ].filter(Boolean).join(", ");
    const undecided = new Set(tuning.tried.filter(partly).map(({ arm }) => arm));
    const leads = ({ arm, chosen }) => chosen && !undecided.has(arm);
    made.body.append(...tuning.tried.map((one) => h(`tr${leads(one) ? ".strong" : ""}`, null,
      h("td", null, where(one.grid)), h("th", { scope: "row" }, armLabel(experiment.arms, one.arm)),
      tuning.paths.map((path) => h("td.num", null, plain(one.values[path]))),
      h("td.num", null, `${integer(one.n)} of ${integer(one.planned)}`),
      h("td.num", null, partly(one) ? NONE : about.format(number(one.mean))),
      h("td.num", null, partly(one) ? NONE : about.format(number(one.sd))), h("td", null, notes(one)))));
    body.replaceChildren(made.element);
  }
  return { element, update };
}

const SAID = { missing: "hasn\u2019t run yet", skipped: "skipped", pass: "passed", warn: "warns", fail: "failed" };

/** What a check says, in sentences: what was found, what to do, what passing means. */
export function explained({ name, status, detail, grid, findings, what, invalidates, remedy }, said) {
  const fatal = invalidates && status === "fail";
  return [
    h("p", null, h("b", null, `${name} ${SAID[said] ?? (said === "under way" ? "is under way" : said)}`),
      gridPoint(grid) ? ` at ${gridPoint(grid)}` : "",
      detail ? `: ${detail}` : "", findings > 1 ? ` (the worst of ${integer(findings)} findings)` : "",
      fatal ? h("b", null, " What it concerns is invalid.") : ""),
    remedy && (status === "fail" || status === "warn") ? h("p", null, h("b", null, "What to do: "), remedy) : null,
    what ? h("p.note", null,
      `Passing means: ${what}${invalidates ? " A failure makes the comparison invalid." : ""}`) : null,
  ].filter(Boolean);
}

/** Loss by position, a chart a grid point; hidden until an audit has measured it. */
export function positionsSection(experiment, signal) {
  const body = h("div.matrix"), charts = new Map();
  const element = h("section", { "aria-labelledby": "positions", hidden: true },
    h("h2", { id: "positions" }, "Loss by position"),
    h("p.note", null, "Mean validation loss at each position of the window. " +
      "More context helps slowly; a step down at some position is a leak."), body);
  tend(charts, signal);
  let drawn = "";
  function draw(positions) {
    const points = new Map(positions.map(({ grid }) => [gridKey(grid), grid]));
    for (const [key, grid] of points) {
      if (!charts.has(key)) {
        const group = { sync: `positions-${key}`, seeds: false, zoom: null, onzoom: () => draw(JSON.parse(drawn)) };
        const chart = new Chart({ metric: JUDGED, title: gridPoint(grid) || undefined, axis: "position", group });
        charts.set(key, chart);
        body.append(chart.element);
      }
      const arms = positions.filter((one) => gridKey(one.grid) === key).map((one) => {
        const series = new Series();
        series.push(one.positions.map((position, i) => [position, one.loss[i]]));
        return { name: one.arm, place: Math.max(0, experiment.arms.indexOf(one.arm)), series: [series] };
      }).sort((a, b) => a.place - b.place); // the audits come in an order of their own
      charts.get(key).prepare(arms, { log: false, weight: 0, until: 0 });
    }
    charts.forEach((chart) => chart.paint(chart.wanted, true));
  }
  function update({ positions }) {
    const stamp = JSON.stringify(positions);
    element.hidden = positions.length === 0;
    if (stamp === drawn) return;
    drawn = stamp;
    draw(positions);
  }
  return { element, update };
}

/** The figure as gnuplot draws it, fetched once it is looked at and again when the report has changed. */
export function figureSection(experiment, signal) {
  const image = h("img.figure", {
    alt: "Final loss, accuracy and time a step by grid point, and the loss by step, for each arm; " +
      "its differences to the baseline by seed",
    hidden: true,
  });
  const said = h("p.empty", null, "Not drawn yet.");
  const file = (format) => h("a.button", {
    href: address(`experiments/${experiment.id}/figure.${format}`), download: `experiment-${experiment.id}.${format}`,
  }, `Figure (${format.toUpperCase()})`);
  const element = h("section", { "aria-labelledby": "figure" },
    h("h2", { id: "figure" }, "Figure"), image, said, h("div.row", null, file("svg"), file("png")));
  let stale = false, seen = false, busy = false, stamp = "";
  async function draw() {
    if (!stale || !seen || busy || signal.aborted) return;
    busy = true;
    stale = false;
    try {
      const text = await getText(`experiments/${experiment.id}/figure.svg`, {}, signal);
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
      image.hidden = false;
      said.hidden = true;
    } catch (error) {
      if (signal.aborted) return;
      stale = true;
      setText(said, error.message);
      said.hidden = false;
    }
    setTimeout(() => {
      busy = false;
      draw();
    }, 10000); // a live experiment changes faster than a figure is looked at
  }
  const observer = new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    draw();
  }, { rootMargin: "200px" });
  observer.observe(element);
  signal.addEventListener("abort", () => observer.disconnect());
  function update(report) {
    const now = JSON.stringify([report.table, report.dynamics, report.arms]);
    stale ||= now !== stamp;
    stamp = now;
    draw();
  }
  return { element, update };
}
