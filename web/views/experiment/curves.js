// The curves of an experiment, and the compared metric step by step. All that the page asks of curves.js is asked here.

import { h } from "../../base/dom.js";
import { Curves } from "../curves.js";
import { dynamicsTable } from "../tables.js";

export function curvesTab({ view, experiment, runs }) {
  const curves = new Curves({ experiment, runs, view, onpoint: () => dynamics.update() });
  const dynamics = dynamicsTable(curves, experiment.compare.metric, view.signal);
  curves.ondraw = () => dynamics.update();
  const element = h("div", null, curves.element, h("section", { "aria-labelledby": "dynamics" },
    h("h2", { id: "dynamics" }, "Dynamics"), dynamics.element));
  curves.ensure();
  // the toolbar stays in sight below the head, however tall that is
  const tall = new ResizeObserver(([{ target }]) =>
    curves.element.style.setProperty("--head", `${target.offsetHeight}px`));
  tall.observe(view.root.querySelector(".head"));
  view.signal.addEventListener("abort", () => tall.disconnect());
  return {
    element,
    moved: (query) => curves.moved(query),
    update: (report) => curves.told(report),
    ran(run, before) {
      if (!before) curves.ensure();
      else if (before.state !== run.state && run.attempt > 0) curves.refresh();
    },
    push: (id, series) => curves.push(id, series),
    reload: () => curves.reload(),
  };
}
