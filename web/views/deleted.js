// What was deleted and can be had back, until it is purged: by hand, or by the daemon in its time.

import { get, post } from "../api.js";
import { action, confirmed, h, keyed, perFrame, setAttribute, setText, throttled, toast } from "../dom.js";
import { when } from "../format.js";
import { badge, countsText, empty, heading, table } from "../parts.js";

const PAGE = 50;
const RELOAD_MS = 1000;

function row(view, gone) {
  const restore = (first) => action("Restore", async () => {
    await post(`experiments/${first.id}/restore`);
    toast(`\u201c${first.name}\u201d is back.`);
    gone(first.id);
  });
  const purge = (first) => action("Purge", async () => {
    if (!await confirmed(`Purge \u201c${first.name}\u201d? Its runs, measurements, artifacts and logs are removed. Nothing but a backup brings them back.`,
      "Purge", { typed: first.name })) return;
    await post(`experiments/${first.id}/purge`);
    toast(`\u201c${first.name}\u201d is being removed for good.`);
    gone(first.id);
  }, { kind: "danger" });
  return (first) => {
    const name = h("span.name"), state = badge(), runs = h("td", { "data-label": "Runs" });
    const created = h("td.num", { "data-label": "Created" }), deleted = h("td.num", { "data-label": "Deleted" }), due = h("td.num", { "data-label": "Purge due" });
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
  const known = new Map();
  let next = null;

  const list = table({
    caption: "Deleted experiments, newest first", hidden: true, name: "cards",
    headings: ["Experiment", "State", "Runs", ...["Created", "Deleted", "Purge due"].map((text) => ({ text, number: true })),
      ...(view.may("admin") ? [{ text: "", label: "Actions" }] : [])],
  });
  const rows = keyed(list.body, (item) => item.id, row(view, (id) => {
    known.delete(id);
    draw();
    document.getElementById("main").focus({ preventScroll: true }); // the button that had it goes
  }));
  const none = empty("Nothing that was deleted is left.");
  const more = action("Older experiments", () => load(next));

  const draw = perFrame(() => {
    const items = [...known.values()].sort((a, b) => b.id - a.id);
    rows(items);
    none.hidden = items.length > 0;
    list.element.hidden = items.length === 0;
    more.hidden = !next;
  }, view.signal);

  async function load(token) {
    const page = await get("experiments", { deleted: 1, page_size: PAGE, page_token: token }, view.signal);
    if (!token) known.clear();
    for (const item of page.items) known.set(item.id, item);
    next = page.next_page_token;
    draw();
    return page.as_of;
  }
  const reload = throttled(() => load(), RELOAD_MS, view.signal);

  const after = await load();
  view.root.append(h("p.crumbs", null, h("a", { href: "#/" }, "Experiments"), " / deleted"), heading("Deleted experiments"),
    h("p.lede", null, "They come back as they were, until they are purged: by hand, or by the daemon in its time." +
      (view.may("admin") ? "" : " Either takes a log-in with admin access.")),
    none, list.element, more);
  view.follow({ after }, {
    experiment({ experiment, deleted: id }) {
      if (id) return reload(); // another one, or one that is being purged
      if (known.delete(experiment.id)) draw();
    },
    resync: reload,
  });
}
