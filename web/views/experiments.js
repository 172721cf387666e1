// The list: what there is, how far it is, who leads.

import { gate, get } from "../api.js";
import { action, h, keyed, perFrame, setAttribute, setText, throttled } from "../dom.js";
import { metric, number, plural, when } from "../format.js";
import { armLabel, auditCounts, badge, countsText, empty, heading, progress, table } from "../parts.js";

const PAGE = 50;
const limited = gate(3);

/** The arm that leads by the last value of the compared metric, with that value. */
async function leader(experiment, signal) {
  const { metric: name = "val/loss", goal = "min" } = experiment.compare ?? {};
  const { items } = await limited(() => get("runs", {
    experiment: experiment.id, page_size: 1,
    filter: `metrics.${name} < 1e300`, // leaves out runs that have no value yet
    order_by: (goal === "max" ? "-" : "") + `metrics.${name}`,
  }, signal));
  const value = number(items[0]?.final?.[name]);
  return value === undefined ? null : { arm: items[0].arm, value, metric: metric(name) };
}

function row(view) {
  return (first) => {
    const link = h("a.name", { href: `#/experiments/${first.id}` }), tags = h("span.tags");
    const state = badge(), bar = progress(), audits = auditCounts(), arms = h("td.arms", { "data-label": "Arms" }), runs = h("td", { "data-label": "Runs" });
    const best = h("td", { "data-label": "Best" }), created = h("td.num", { "data-label": "Created" });
    const element = h("tr", null,
      h("th", { scope: "row" }, link, tags),
      h("td", { "data-label": "State" }, state.element), h("td", { "data-label": "Progress" }, bar.element),
      arms, runs, h("td", { "data-label": "Audits" }, audits.element), best, created);
    let seen = null, latest = first;
    const refresh = throttled(async () => {
      if (!(latest.progress > 0)) return;
      const found = await leader(latest, view.signal);
      if (found) best.replaceChildren(armLabel(latest.arms, found.arm), " ", h("span.num", { title: `${found.metric.title}, last value` }, found.metric.format(found.value)));
    }, 3000, view.signal);
    return {
      element,
      update(experiment) {
        latest = experiment;
        setText(link, experiment.name);
        setText(tags, Object.entries(experiment.tags ?? {}).map(([key, value]) => `${key}:${value}`).join(" "));
        state.update(experiment.state);
        bar.update(experiment.progress);
        audits.update(experiment.audits);
        const names = experiment.arms.join("\n");
        if (arms.dataset.names !== names) {
          arms.dataset.names = names;
          const shown = experiment.arms.slice(0, 4);
          arms.replaceChildren(...shown.map((arm) => armLabel(experiment.arms, arm)), experiment.arms.length > 4 ? `+${experiment.arms.length - 4}` : "");
        }
        setText(runs, countsText(experiment.counts));
        setText(created, when(experiment.created_at));
        setAttribute(created, "title", experiment.created_at);
        const mark = JSON.stringify([experiment.progress, experiment.counts]);
        if (mark !== seen) refresh();
        seen = mark;
      },
    };
  };
}

export default async function experiments(view) {
  const known = new Map();
  let next = null;

  const summary = h("p.lede", { role: "status" });
  const list = table({
    caption: "Experiments, newest first", hidden: true, name: "cards",
    headings: ["Experiment", "State", "Progress", "Arms", "Runs", "Audits", "Best so far", { text: "Created", number: true }],
  });
  const rows = keyed(list.body, (item) => item.id, row(view));
  const none = h("div", { hidden: true }, empty("Nothing has been submitted yet. ", h("a", { href: "#/new" }, "Start with a preset"), "."));
  const more = action("Older experiments", () => load(next));

  const draw = perFrame(() => {
    const items = [...known.values()].sort((a, b) => b.id - a.id);
    rows(items);
    none.hidden = items.length > 0;
    list.element.hidden = items.length === 0;
    more.hidden = !next;
  }, view.signal);

  async function load(token) {
    const page = await get("experiments", { page_size: PAGE, page_token: token }, view.signal);
    if (!token) known.clear();
    for (const item of page.items) known.set(item.id, item);
    next = page.next_page_token;
    draw();
    return page.as_of;
  }
  const showQueue = (queue) => setText(summary,
    `${plural(queue.running, "run")} running, ${plural(queue.queued, "run")} queued` + (queue.paused ? "; the queue is paused" : ""));

  const after = await load();
  view.root.append(heading("Experiments", h("a.button.primary", { href: "#/new" }, "New experiment")), summary, none, list.element, more);
  showQueue(await get("queue", {}, view.signal));
  view.follow({ after }, {
    experiment({ experiment, deleted }) {
      if (deleted) known.delete(deleted);
      else known.set(experiment.id, experiment);
      draw();
    },
    queue: ({ queue }) => showQueue(queue),
    resync: () => load(),
  });
}
