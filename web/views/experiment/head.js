// The head of an experiment: what it is, how far it is, what can be said of each arm, what the audits say, and what can
// be done with it. It stays in sight over the tabs.

import { actOnRuns } from "../../parts/acts.js";
import { link } from "../../base/address.js";
import { patch, post, remove } from "../../base/api.js";
import { SIGNS } from "../../parts/audits.js";
import { action, confirmed, h, keyed, rove, setText, toast } from "../../base/dom.js";
import { duration, elapsed, number, percent, placeOf, plural, signed, when } from "../../base/format.js";
import { auditCounts, badge, countsText, outcome, progress, swatch } from "../../parts/parts.js";

const REASONS_SHOWN = 3;
const CHIPS_SHOWN = 5;
const NAMES_SHOWN = 3;
const STRIP_LARGE = 200; // from so many runs on their squares are smaller
const STRIP_MOST = 2000; // and from so many on there are none: the tab of runs has them

/**
 * What became of the runs that failed: a sentence for each reason, the most frequent first, with the way to one of
 * them.
 */
function failures(runs) {
  const by = new Map();
  for (const run of runs) if (run.state === "failed") by.set(run.reason, [...(by.get(run.reason) ?? []), run]);
  const most = [...by].sort(([, a], [, b]) => b.length - a.length).slice(0, REASONS_SHOWN);
  return most.map(([reason, [first, ...more]]) => h("p", null,
    h("a", { href: `#/runs/${first.id}` }, `Run ${first.id}`),
    more.length > 0 ? ` and ${plural(more.length, "other")}` : "", ` failed${reason ? `: ${reason}` : ""}.`));
}

/** Name and notes, editable in place of a page of their own. A refusal is told in the dialog, which keeps all of it. */
function editor(experiment, done) {
  const name = h("input", { value: experiment.name, required: true, maxlength: "64" });
  const notes = h("textarea", { rows: "8" }, experiment.notes);
  const refused = h("p.problem", { role: "alert", hidden: true });
  const save = action("Save", async () => {
    if (!form.reportValidity()) return;
    const changed = { name: name.value, notes: notes.value };
    try {
      await patch(`experiments/${experiment.id}`, changed);
    } catch (error) {
      setText(refused, error.message);
      refused.hidden = false;
      return;
    }
    done(changed);
    dialog.close();
  }, { kind: "primary" });
  const form = h("form", { onsubmit: (event) => {
    event.preventDefault();
    save.click();
  } },
  h("label.field", null, "Name", name), h("label.field", null, "Notes, in Markdown", notes), refused,
  h("div.row.end", null, action("Cancel", () => dialog.close()), save));
  const dialog = h("dialog", { "aria-label": "Edit name and notes", onclose: () => dialog.remove() }, form);
  document.body.append(dialog);
  dialog.showModal();
}

/** The runs' squares, each in the colour of its state and a link to it. */
function strip() {
  const element = h("ul.strip", { "aria-label": "Runs by state" });
  const stop = rove(element);
  const rows = keyed(element, (run) => run.id, (first) => {
    const to = h("a", { href: `#/runs/${first.id}`, tabindex: "-1" });
    return {
      element: h("li", null, to),
      update: (run) => {
        to.className = `cell ${run.state}`;
        const label = `Run ${run.id}: ${[run.arm, ...placeOf(run), run.state].join(", ")}`;
        to.title = label;
        to.setAttribute("aria-label", label);
      },
    };
  });
  return {
    element,
    update(runs) {
      element.hidden = runs.length < 2 || runs.length > STRIP_MOST;
      element.classList.toggle("many", runs.length > STRIP_LARGE);
      rows(element.hidden ? [] : runs);
      stop();
    },
  };
}

/** A chip for what is claimed of an arm; it leads to where that is explained. */
function chip(page, { arm, verdict, relative_difference: apart, n }) {
  const by = number(apart), tone = ["better", "worse", "invalid"].includes(verdict) ? `.${verdict}` : "";
  const size = Number.isFinite(by) && verdict !== "invalid" ? signed(percent(by)) : "";
  return h(`a.chip${tone}`, { href: verdict === "invalid" ? link(`${page.to("validity").slice(1)}`, { arm }) :
    page.to("summary"), title: `${plural(n, "pair")} with the baseline` },
  swatch(Math.max(0, page.experiment.arms.indexOf(arm))), h("span.chip-name", null, arm), h("b", null, verdict),
  size ? h("span.num", null, size) : null);
}

/** What audits found wrong, by name; how many there are of each status stands beside it. */
function wrong(page, report) {
  const all = [...report.checks, ...Object.values(report.arms).flatMap(({ audits }) => audits)];
  const names = (status) => [...new Set(all.filter((one) => one.status === status).map(({ name }) => name))];
  const failed = names("fail");
  return failed.slice(0, NAMES_SHOWN).map((name) =>
    h("a.tag.fail", { href: link(page.to("validity").slice(1), { audit: name }) },
      h("span", { "aria-hidden": "true" }, SIGNS.fail), ` ${name}`, h("span.hidden", null, " failed")));
}

/** {elements, update(report), draw()}; the tabs are the head's last line. */
export function head(page, tabs) {
  const { experiment, runs, view } = page, { id } = experiment;
  const title = h("h1"), state = badge(), bar = progress("Steps done, over all runs");
  const counts = h("span.counts", { role: "status" }), left = h("span.quiet-text");
  const audits = auditCounts((status) => link(page.to("validity").slice(1), { status }));
  const chips = h("span.chips", { role: "group", "aria-label": "Verdict" }, h("span.chip", null, "\u2026"));
  const named = h("span.chips");
  const failed = h("div.problem", { hidden: true });
  const squares = strip();

  const cancel = action("Cancel", async () => {
    const question = "Cancel every run that hasn\u2019t ended? What has been measured stays.";
    if (await confirmed(question, "Cancel the runs")) await post(`experiments/${id}/cancel`);
  }, { label: "Cancel the experiment" });
  const retry = action("Retry failed", async () => {
    const again = [...runs.values()].filter((run) => run.state === "failed");
    const { changed, refused, why } = await actOnRuns("retry", again.map((run) => run.id));
    if (refused > 0) toast(`${plural(refused, "run")} refused: ${why}`, "error");
    if (changed > 0) toast(`${plural(changed, "run")} queued again.`);
  });
  const erase = action("Delete", async () => {
    const question = `Delete \u201c${experiment.name}\u201d with all its runs and measurements? ` +
      "It can be restored until it is purged.";
    if (!await confirmed(question, "Delete")) return;
    await remove(`experiments/${id}`);
    location.hash = "#/";
  }, { kind: "danger", label: "Delete the experiment" });
  const edit = action("Edit", () => editor(experiment, (changed) => {
    Object.assign(experiment, changed);
    page.draw();
  }));
  const others = [
    h("a.button", { href: link("/new", { clone: id }) }, "Clone"),
    h("a.button", { href: link("/compare", { with: `e${id}` }) }, "Compare"),
    h("a.button", { href: page.to("export") }, "Export"),
  ];

  const elements = [
    h("p.crumbs", null, h("a", { href: "#/" }, "Experiments"), ` / ${id}`),
    h("div.head", null,
      h("div.heading", null, title, state.element, bar.element,
        h("div.row.end", null, others, edit, retry, cancel, erase)),
      h("div.status", null, chips, named, h("span.audit-links", null, "Audits ", audits.element), counts, left), tabs),
    squares.element, failed,
  ];

  return {
    elements,
    update(report) {
      const shown = report.primary.slice(0, CHIPS_SHOWN), rest = report.primary.length - shown.length;
      const open = report.verdict.status === "open";
      chips.replaceChildren(...(open ? [h("span.chip", null, "no verdict before all runs have ended")]
        : shown.map((claim) => chip(page, claim))),
      !open && rest > 0 ? h("a", { href: page.to("summary") }, `and ${plural(rest, "other arm")}`) : "");
      named.replaceChildren(...wrong(page, report));
    },
    /** Returns the share of all steps that is done. */
    draw() {
      const all = [...runs.values()];
      const states = Object.fromEntries(Object.keys(experiment.counts)
        .map((one) => [one, all.filter((run) => run.state === one).length]));
      const done = all.reduce((sum, run) => sum + run.step, 0), total = all.reduce((sum, run) => sum + run.steps, 0);
      const share = total > 0 ? done / total : 0;
      setText(title, experiment.name);
      state.update(...outcome({ ...experiment, counts: states }));
      bar.update(share);
      setText(counts, countsText(states));
      audits.update(experiment.audits);
      const spent = experiment.started_at ? elapsed(experiment.started_at, experiment.ended_at ?? undefined) : 0;
      const rest = experiment.state === "running" && share > 0.02
        ? `, about ${duration((spent / share) * (1 - share))} left` : "";
      setText(left, `${plural(all.length, "run")}, submitted ${when(experiment.created_at)}` +
        (spent > 0 ? `, ${duration(spent)}${rest}` : ""));
      cancel.hidden = states.queued + states.running === 0;
      retry.hidden = failed.hidden = states.failed === 0;
      const stamp = all.filter((run) => run.state === "failed").map((run) => run.id).join();
      if (stamp !== failed.dataset.runs) failed.replaceChildren(...failures(all));
      failed.dataset.runs = stamp;
      erase.hidden = states.running > 0 || !view.may("admin");
      squares.update(all);
      return share;
    },
  };
}
