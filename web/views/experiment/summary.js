// What came out: the verdict, the hypothesis beside every claim, the final values by factor, the notes.

import { h, setText } from "../../base/dom.js";
import { notes } from "../../parts/notes.js";
import { differencesTable, verdictPanel } from "../report.js";
import { factorsSection } from "./factors.js";
import { moreSeeds } from "../seeds.js";
import { studyTable } from "../tables.js";

export function summaryTab(page) {
  const { experiment, runs, view } = page;
  const verdict = verdictPanel(), differences = differencesTable(experiment), study = studyTable(experiment);
  const more = moreSeeds(experiment, runs, { allowed: view.may("submit"), done: () => page.reload() });
  const factors = factorsSection(experiment, view.signal);
  const hypothesis = h("p.hypothesis"), written = notes();
  const asked = h("section.asked", { "aria-labelledby": "hypothesis" },
    h("h2", { id: "hypothesis" }, "Hypothesis"), hypothesis);
  const noted = h("section", { "aria-labelledby": "notes" }, h("h2", { id: "notes" }, "Notes"), written.element);
  const section = (name, title, element) =>
    h("section", { "aria-labelledby": name }, h("h2", { id: name }, title), element);
  const element = h("div.summary", null, verdict.element, more.element,
    h("div.beside", null, asked, section("differences", "Differences", differences.element)),
    factors.element, section("table", "Result", study.element), noted);
  const parts = [verdict, more, differences, study, factors];
  return {
    element,
    update: (report) => parts.forEach((part) => part.update(report)),
    draw() {
      setText(hypothesis, experiment.hypothesis);
      asked.hidden = experiment.hypothesis === "";
      noted.hidden = experiment.notes === "";
      written.update(experiment.notes);
    },
  };
}
