// The list: what there is, how far it is, what came out. All experiments are listed, of which only those in sight are
// in the document.

import { link as to } from "../base/address.js";
import { address, get, list } from "../base/api.js";
import { command, h, perFrame, setAttribute, setText, throttled } from "../base/dom.js";
import { filterField } from "../parts/filter.js";
import { integer, percent, plural, queueText, signed, when } from "../base/format.js";
import { virtualList } from "../parts/list.js";
import {
  armLabel, auditCounts, badge, countsText, empty, ended, heading, numeric, outcome, progress, table,
} from "../parts/parts.js";

const ARMS_SHOWN = 3;
const MOST = 20000;
const quoted = (text) => `"${text.replaceAll("\"", "\"\"")}"`;
const tagged = (key, value) => to("/", { filter: `tags.${quoted(key)} = ${quoted(value)}` });
const word = (verdict) => h(`b.${verdict}`, null, verdict);

/** The arms, a line each, with what came of it once that is known; of many arms, how many of each verdict. */
function armLines({ arms, verdict: found }) {
  const came = (arm) => found?.arms[arm] ?? {};
  const lines = arms.slice(0, ARMS_SHOWN).map((arm) => {
    const { verdict, valid, relative_difference: by } = came(arm);
    const said = verdict ?? (valid === false ? "invalid" : null);
    const size = said && said !== "invalid" && Number.isFinite(by) ? ` ${signed(percent(by))}` : "";
    return h("span.listed", null, armLabel(arms, arm), " ", said ? word(said) : "", size);
  });
  const rest = arms.slice(ARMS_SHOWN);
  if (rest.length === 0) return lines;
  const by = Map.groupBy(rest.filter((arm) => came(arm).verdict), (arm) => came(arm).verdict);
  return [...lines, h("span.quiet-text", { title: rest.join(", ") }, `and ${integer(rest.length)} more`,
    [...by].map(([verdict, own]) => [", ", integer(own.length), " ", word(verdict)]))];
}

function row(first) {
  const link = h("a.name", { href: `#/experiments/${first.id}` }), tags = h("span.tags");
  const state = badge(), bar = progress(`Progress of experiment ${first.id}`);
  const audits = auditCounts((status) => `#/experiments/${first.id}/validity?status=${status}`);
  const arms = h("td.verdict-cell", { "data-label": "Arms" }), runs = h("td", { "data-label": "Runs" });
  const created = h("td.num", { "data-label": "Created" });
  const element = h("tr", null,
    h("th", { scope: "row" }, link, tags),
    h("td", { "data-label": "State" }, state.element), h("td", { "data-label": "Progress" }, bar.element),
    arms, runs, h("td", { "data-label": "Audits" }, audits.element), created);
  let drawn = "";
  function drawArms(experiment) {
    const stamp = JSON.stringify([experiment.arms, experiment.verdict]);
    if (stamp !== drawn) arms.replaceChildren(...armLines(experiment));
    drawn = stamp;
  }
  return {
    element,
    update(experiment) {
      setText(link, experiment.name);
      const pairs = Object.entries(experiment.tags ?? {}), stamp = JSON.stringify(pairs);
      const tag = ([key, value]) => [h("a", { href: tagged(key, value) }, `${key}:${value}`), " "];
      if (tags.dataset.stamp !== stamp) tags.replaceChildren(...pairs.flatMap(tag));
      tags.dataset.stamp = stamp;
      state.update(...outcome(experiment));
      const { succeeded, failed } = experiment.counts;
      if (ended(experiment) && failed > 0)
        bar.update(succeeded / experiment.runs, `${integer(succeeded)} of ${integer(experiment.runs)}`);
      else bar.update(experiment.progress);
      audits.update(experiment.audits);
      setText(runs, countsText(experiment.counts));
      setText(created, when(experiment.created_at));
      setAttribute(created, "title", experiment.created_at);
      drawArms(experiment);
    },
  };
}

const nothingYet = () => [
  empty("Nothing has been submitted yet. An experiment compares arms over seeds and ends with a verdict: ",
    h("a", { href: "#/new" }, "begin with the smallest comparison or a preset"), ", or POST a specification:"),
  command(`curl -K DIR/curlrc --json '{"preset": "mqar-small"}' ${location.origin}${address("experiments")}`),
];

export default async function experiments(view) {
  const { signal } = view, known = new Map();
  const summary = h("p.lede", { role: "status" }), count = h("p.note", { role: "status" });
  const made = table({
    caption: "Experiments, newest first", hidden: true, name: "cards",
    headings: ["Experiment", "State", "Progress", "Arms and verdict", "Runs", "Audits", numeric("Created")],
  });
  const found = virtualList({ table: made.element.firstChild, body: made.body, key: ({ id }) => id, make: row,
    signal });
  const none = h("div", { hidden: true });
  const field = filterField({ value: view.query.get("filter") ?? "", signal,
    placeholder: "state = finished and arms = dsa and not tags.topic = old",
    search: (text) => {
      view.keep({ filter: text });
      return load();
    } });
  const draw = perFrame(() => {
    const items = [...known.values()].sort((a, b) => b.id - a.id), filter = field.text();
    none.hidden = items.length > 0;
    made.element.hidden = items.length === 0;
    if (items.length === 0)
      none.replaceChildren(...(filter !== "" ? [empty("No experiment passes this filter.")] : nothingYet()));
    setText(count, items.length > 0 ? plural(items.length, "experiment") : "");
    found.show(items);
  }, signal);

  async function load() {
    try {
      const { items, as_of: asOf } = await list("experiments", { filter: field.text(), page_size: 200 }, signal, MOST);
      field.refuse(null);
      known.clear();
      for (const item of items) known.set(item.id, item);
      draw();
      return asOf;
    } catch (error) {
      if (!error.context) throw error;
      field.refuse(error);
      return undefined;
    }
  }
  const again = throttled(load, 3000, signal);
  const showQueue = (queue) => setText(summary, queueText(queue) + (queue.paused ? "; the queue is paused" : ""));

  view.root.append(heading("Experiments", h("div.row.end", null, h("a.button", { href: "#/deleted" }, "Deleted"),
    h("a.button.primary", { href: "#/new" }, "New experiment"))), summary, field.element, count, none, made.element);
  made.element.hidden = true;
  const queue = await get("queue", {}, signal);
  showQueue(queue);
  const after = await load() ?? queue.as_of;
  view.follow({ after }, {
    experiment({ experiment, deleted }) {
      if (deleted) known.delete(deleted);
      else if (field.text() === "" || known.has(experiment.id)) known.set(experiment.id, experiment);
      else return again(); // whether it passes now is the daemon's to say
      return draw();
    },
    queue: ({ queue: now }) => showQueue(now),
    resync: load,
  });
}
