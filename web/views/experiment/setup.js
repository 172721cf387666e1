// What was compared: each arm's differences to the baseline first, what it costs, the tuning, on what it ran, and the
// specification as a whole.

import { get } from "../../base/api.js";
import { h } from "../../base/dom.js";
import { differencesOf } from "../../base/differences.js";
import { integer, number, plain, scaled } from "../../base/format.js";
import { armLabel, countsText, definition, empty, numeric, specification, table } from "../../parts/parts.js";
import { tuningSection } from "../report.js";

/** A row a path that an arm changes, a column an arm; what is as in the baseline is faint. */
function changesTable({ arms, compare, spec }) {
  const rows = differencesOf(spec, arms, compare.baseline);
  if (rows.length === 0) return empty("There is one arm, which changes nothing.");
  const made = table({
    caption: `What each arm sets; what it has in common with ${compare.baseline} is faint`, name: "changes",
    headings: ["Field", ...arms],
  });
  made.body.append(...rows.map(({ path, values }) => h("tr", null, h("th", { scope: "row" }, h("code", null, path)),
    values.map(({ value, same }) => h(`td${same ? ".same" : ""}`, null, h("code", null, value))))));
  const heads = [...made.element.querySelectorAll("thead th")].slice(1);
  heads.forEach((cell, i) => cell.replaceChildren(armLabel(arms, arms[i])));
  return made.element;
}

function costTable(experiment) {
  const made = table({
    caption: "What the arms cost, and how their runs ended", name: "cards",
    headings: ["Arm", ...["Parameters", "FLOPs a step", "Tokens"].map(numeric), "Runs"],
  });
  return {
    element: made.element,
    update(report) {
      made.body.replaceChildren(...experiment.arms.map((name) => {
        const arm = report.arms?.[name] ?? {};
        const tokens = [...new Set(report.table.filter((row) => row.arm === name).map((row) => row.tokens))];
        return h("tr", null, h("th", { scope: "row" }, armLabel(experiment.arms, name)),
          h("td.num", { "data-label": "Parameters" }, integer(number(arm.parameters))),
          h("td.num", { "data-label": "A step" }, scaled(number(arm.flops_per_step), "FLOP")),
          h("td.num", { "data-label": "Tokens" }, tokens.map((one) => scaled(one, "")).join(", ")),
          h("td", { "data-label": "Runs" }, countsText(arm.counts)));
      }));
    },
  };
}

/** On what the runs ran, as the first one that has begun says. */
function environment({ runs, view }) {
  const element = h("div", null, empty("No run has begun."));
  const begun = [...runs.values()].find((run) => run.attempt > 0);
  if (begun)
    get(`runs/${begun.id}`, {}, view.signal).then(({ attempts }) => {
      const found = attempts.findLast((one) => one.environment !== null)?.environment;
      if (found) element.replaceChildren(h("p.note", null, "Of ", h("a", { href: `#/runs/${begun.id}/system` },
        `run ${begun.id}`), "; that all runs had the same one is an audit."),
      definition(Object.entries(found).map(([key, value]) => [key.replaceAll("_", " "), plain(value)])));
    }, () => {});
  return element;
}

export function setupTab(page) {
  const { experiment } = page, cost = costTable(experiment), tuning = tuningSection(experiment);
  const section = (name, title, ...content) =>
    h("section", { "aria-labelledby": name }, h("h2", { id: name }, title), ...content);
  const element = h("div", null,
    section("changes", "What the arms change", changesTable(experiment)),
    section("cost", "Cost", cost.element), tuning.element,
    section("environment", "Environment", environment(page)),
    section("spec", "Specification", specification(experiment.spec, `experiment-${experiment.id}.json`)));
  return {
    element,
    update(report) {
      cost.update(report);
      tuning.update(report);
    },
  };
}
