// More seeds for an experiment, beside its verdict: how many, and what that makes of the claim.

import { post } from "../base/api.js";
import { action, h, toast } from "../base/dom.js";
import { plural } from "../base/format.js";

const FEW = 8, MOST = 1000;

/** How many to propose: up to the next declared look, else up to what the spread of an open question asks for. */
function proposed({ looks, needed_seeds: needed, verdict }, declared) {
  const next = declared.find((look) => look > looks.seeds) ?? (verdict.status === "undetermined" ? needed : 0);
  const wanted = (next ?? 0) - looks.seeds;
  return Math.min(MOST, wanted > 0 ? wanted : FEW);
}

/** What the claim becomes at so many seeds. */
function consequence(seeds, declared) {
  if (declared.includes(seeds))
    return `The specification declares a look at ${plural(seeds, "seed")}: each claim is tested at 5\u202f%, divided ` +
      `by ${plural(declared.length, "look")}.`;
  return `No look at ${plural(seeds, "seed")} was declared (compare.looks), so the report will give estimate and ` +
    "interval over all of them, and no claim.";
}

function dialogFor(experiment, report, runs, done) {
  const declared = experiment.spec.compare.looks ?? [];
  const few = String(proposed(report, declared));
  const count = h("input", { type: "number", min: "1", max: String(MOST), required: true, value: few });
  const says = h("p.note", { role: "status" });
  const say = () => { says.textContent = consequence(report.looks.seeds + Number(count.value), declared); };
  count.addEventListener("input", say);
  say();
  const dialog = h("dialog", { "aria-label": "More seeds" }, h("form", { method: "dialog" },
    h("label.field", null, "More seeds for every arm", count), says,
    h("div.row.end", null, h("button", { value: "", formnovalidate: true }, "Cancel"),
      h("button.primary", { value: "add" }, "Train them"))));
  dialog.addEventListener("close", async () => {
    dialog.remove();
    if (dialog.returnValue !== "add") return;
    const last = Math.max(...[...runs.values()].map(({ seed }) => seed));
    try {
      await post(`experiments/${experiment.id}/seeds`,
        { seeds: Array.from({ length: Number(count.value) }, (_, i) => last + 1 + i) });
      done();
    } catch (error) {
      toast(error.message, "error");
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** The button, for those who are allowed to submit; `done` is called when runs were added. */
export function moreSeeds(experiment, runs, { allowed, done }) {
  let report = null;
  const element = h("p.row", { hidden: true },
    action("More seeds \u2026", () => dialogFor(experiment, report, runs, done), { kind: "quiet" }));
  return {
    element,
    update(now) {
      report = now;
      element.hidden = !allowed || ["open", "none"].includes(now.verdict.status);
    },
  };
}
