// The final value by factor, for the summary.

import { panelPlot, panels, rangeOf } from "../../charts/factors.js";
import { h } from "../../base/dom.js";
import { factor } from "../../base/format.js";
import { metric } from "../../base/metrics.js";
import { armLabel, invalidTag } from "../../parts/parts.js";
import { complete } from "../tables.js";

export function factorsSection(experiment) {
  const { arms, compare } = experiment, about = metric(compare.metric);
  const body = h("div.matrix.metrics"), legend = h("p.factor-legend"), title = h("h2", { id: "factors" });
  const element = h("section", { "aria-labelledby": "factors", hidden: true }, title, legend, body);
  let drawn = "";
  return {
    element,
    update(report) {
      const rows = report.table.filter((row) => complete(row, report, experiment));
      const all = panels(experiment, rows, compare.metric);
      const invalid = arms.filter((arm) => report.arms?.[arm]?.valid === false);
      const absent = arms.filter((arm) => rows.some((row) => row.arm === arm) &&
        !all.some(({ points }) => points.some((point) => point.arm === arm))); // of no finite value
      const stamp = JSON.stringify([all, invalid, absent]);
      element.hidden = all.length === 0 || all.every(({ points }) => points.length < 2);
      if (stamp === drawn || element.hidden) return;
      drawn = stamp;
      const path = all[0].path, range = rangeOf(all), shown = new Set(all.flatMap(({ points }) =>
        points.map(({ arm }) => arm)));
      title.textContent = `${about.title} ${path === null ? "by arm" : `by ${factor(path)}`}`;
      legend.replaceChildren(...arms.filter((arm) => shown.has(arm)).map((arm) =>
        h("span", null, armLabel(arms, arm), invalid.includes(arm) ? invalidTag() : null)),
      h("span.quiet-text", null, "mean over seeds, \u00b1 one standard deviation" +
        (absent.length > 0 ? `; without a finite value: ${absent.join(", ")}` : "")));
      body.replaceChildren(...all.map((panel) => h("figure.chart", null,
        panel.title ? h("figcaption", null, h("span.chart-title", null, panel.title)) : null,
        panelPlot(panel, range, about))));
    },
  };
}
