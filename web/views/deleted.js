// What was deleted and can be had back, until it is purged: by hand, or by the daemon in its time.

import { post } from "../base/api.js";
import { action, confirmed, h, setAttribute, setText, throttled, toast } from "../base/dom.js";
import { when } from "../base/format.js";
import { pages } from "../parts/pages.js";
import { badge, countsText, empty, heading, numeric, table } from "../parts/parts.js";

const RELOAD_MS = 1000;
const DATES = ["Created", "Deleted", "Purge due"];

function row(view, gone) {
  const restore = (first) => action("Restore", async () => {
    await post(`experiments/${first.id}/restore`);
    toast(`\u201c${first.name}\u201d is back.`);
    gone(first.id);
  });
  const purge = (first) => action("Purge", async () => {
    const question = `Purge \u201c${first.name}\u201d? Its runs, measurements, artifacts and logs are removed. ` +
      "Nothing but a backup brings them back.";
    if (!await confirmed(question, "Purge", { typed: first.name })) return;
    await post(`experiments/${first.id}/purge`);
    toast(`\u201c${first.name}\u201d is being removed for good.`);
    gone(first.id);
  }, { kind: "danger" });
  return (first) => {
    const name = h("span.name"), state = badge(), runs = h("td", { "data-label": "Runs" });
    const [created, deleted, due] = DATES.map((label) => h("td.num", { "data-label": label }));
    const date = (cell, iso, otherwise) => {
      setText(cell, iso ? when(iso) : otherwise);
      setAttribute(cell, "title", iso);
    };
    return {
      element: h("tr", null, h("th", { scope: "row" }, name, h("span.sub", null, ` experiment ${first.id}`)),
        h("td", { "data-label": "State" }, state.element), runs, created, deleted, due,
        view.may("admin") ? h("td.actions", null, restore(first), " ", purge(first)) : null),
      update(experiment) {
        setText(name, experiment.name);
        state.update(experiment.state);
        setText(runs, countsText(experiment.counts));
        date(created, experiment.created_at);
        date(deleted, experiment.deleted_at);
        date(due, experiment.purge_due, "by hand only");
      },
    };
  };
}

export default async function deleted(view) {
  const list = pages(view, {
    table: table({
      caption: "Deleted experiments, newest first", hidden: true, name: "cards",
      headings: ["Experiment", "State", "Runs", ...DATES.map(numeric),
        ...(view.may("admin") ? [{ text: "", label: "Actions" }] : [])],
    }),
    row: row(view, (id) => {
      list.known.delete(id);
      list.draw();
      document.getElementById("main").focus({ preventScroll: true }); // the button that had it goes
    }),
    none: empty("Nothing that was deleted is left."),
    query: { deleted: 1 },
  });
  const reload = throttled(list.load, RELOAD_MS, view.signal);

  const after = await list.load();
  view.root.append(h("p.crumbs", null, h("a", { href: "#/" }, "Experiments"), " / deleted"),
    heading("Deleted experiments"),
    h("p.lede", null, "They come back as they were, until they are purged: by hand, or by the daemon in its time." +
      (view.may("admin") ? "" : " Either takes a log-in with admin access.")),
    ...list.elements);
  view.follow({ after }, {
    experiment({ experiment, deleted: id }) {
      if (id) return reload(); // another one, or one that is being purged
      if (list.known.delete(experiment.id)) list.draw();
    },
    resync: reload,
  });
}
