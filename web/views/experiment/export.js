// What can be taken away: reports, curves, runs, the capsule, the figure.

import { address } from "../../base/api.js";
import { command, h } from "../../base/dom.js";
import { figureSection } from "../report.js";

export function exportTab({ view, experiment }) {
  const { id } = experiment, report = (format) => address(`experiments/${id}/report`, { format });
  const file = (format, label) =>
    h("a.button", { href: report(format), download: `experiment-${id}.${format}` }, label);
  const taken = (query, label, title) =>
    h("a.button", { href: address(`experiments/${id}/export`, query), download: "", title }, label);
  const capsule = h("a.button", {
    href: address(`experiments/${id}/capsule`), download: "",
    title: "Everything in one archive that ablate-worker verify checks",
  }, "Capsule");
  const figure = figureSection(experiment, view.signal);
  const element = h("div", null,
    h("section", { "aria-labelledby": "take" }, h("h2", { id: "take" }, "Take it with you"),
      h("h3", null, "What came out"),
      h("div.row", null,
        file("md", "Report (Markdown)"), file("csv", "Table (CSV)"), file("json", "Report (JSON)"), capsule),
      h("h3", null, "Every point, every run"),
      h("div.row", null,
        taken({ format: "csv" }, "Curves (CSV)", "Every point of every run, a line each"),
        taken({ format: "jsonl" }, "Curves (JSON lines)", "Every point of every run, an object each"),
        taken({ format: "tensorboard" }, "TensorBoard", "Event files of every run in one archive"),
        taken({ what: "runs", format: "csv" }, "Runs (CSV)", "A line a run: state, parameters, final values"),
        taken({ what: "runs", format: "jsonl" }, "Runs (JSON lines)", "An object a run")),
      h("h3", null, "By curl"),
      command(`curl -K DIR/curlrc '${location.origin}${report("md")}'`),
      command(`curl -K DIR/curlrc -N '${location.origin}${address("events", { experiment: id })}'`)),
    figure.element);
  return { element, update: figure.update };
}
