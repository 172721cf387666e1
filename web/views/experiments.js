// The list: what there is, how far it is, who leads.

import { address, gate, get } from "../api.js";
import { command, h, setAttribute, setText, throttled } from "../dom.js";
import { integer, number, queueText, when } from "../format.js";
import { metric } from "../metrics.js";
import { pages } from "../pages.js";
import {
  armLabel, auditCounts, badge, countsText, empty, heading, invalidTag, numeric, progress, table,
} from "../parts.js";

const ARMS_SHOWN = 4;
const limited = gate(3);

/** The arms whose comparison a failed audit makes worthless; the baseline when none is left, or nothing to compare. */
async function invalidArms(experiment, signal) {
  if (!(experiment.audits?.fail > 0)) return [];
  const { arms, checks, primary } = await limited(() =>
    get(`experiments/${experiment.id}/report`, { format: "json" }, signal));
  const claims = new Map(primary.map(({ arm, verdict }) => [arm, verdict === "invalid"]));
  const rest = claims.size > 0 ? [...claims.values()].every(Boolean)
    : checks.some(({ invalidates, status }) => invalidates && status === "fail");
  return experiment.arms.filter((arm) => arms[arm]?.valid === false || (claims.get(arm) ?? rest));
}

/** A filter of runs without some of the arms. */
function butThese(arms) {
  return arms.length === 0 ? "" : ` and arm not in (${arms.map((arm) => `"${arm}"`).join(", ")})`;
}

/** The arm that leads by the last value of the compared metric, with that value; arms in `without` can't. */
async function leader(experiment, without, signal) {
  const { metric: name, goal } = experiment.compare;
  const { items } = await limited(() => get("runs", {
    experiment: experiment.id, page_size: 1,
    // A run that has no value yet is left out.
    filter: `metrics.${name} > -inf and metrics.${name} < inf${butThese(without)}`,
    order: (goal === "max" ? "-" : "") + `metrics.${name}`,
  }, signal));
  const value = number(items[0]?.final?.[name]);
  return value === undefined ? null : { arm: items[0].arm, value, metric: metric(name) };
}

function row(view) {
  return (first) => {
    const link = h("a.name", { href: `#/experiments/${first.id}` }), tags = h("span.tags");
    const state = badge(), bar = progress(), audits = auditCounts();
    const arms = h("td", { "data-label": "Arms" }), runs = h("td", { "data-label": "Runs" });
    const best = h("td.best", { "data-label": "Best so far" }), created = h("td.num", { "data-label": "Created" });
    const element = h("tr", null,
      h("th", { scope: "row" }, link, tags),
      h("td", { "data-label": "State" }, state.element), h("td", { "data-label": "Progress" }, bar.element),
      arms, runs, h("td", { "data-label": "Audits" }, audits.element), best, created);
    let seen = null, latest = first, invalid = [];
    const showArms = () => {
      const stamp = JSON.stringify([latest.arms, invalid]);
      if (arms.dataset.stamp === stamp) return;
      arms.dataset.stamp = stamp;
      const shown = latest.arms.slice(0, ARMS_SHOWN), rest = latest.arms.slice(ARMS_SHOWN);
      arms.replaceChildren(...shown.map((arm) =>
        h("span.listed", null, armLabel(latest.arms, arm), invalid.includes(arm) ? invalidTag() : null)),
      rest.length > 0 ? h("span.quiet-text", { title: rest.join(", ") }, `and ${integer(rest.length)} more`) : "");
    };
    const refresh = throttled(async () => {
      if (!(latest.progress > 0)) return;
      invalid = await invalidArms(latest, view.signal);
      showArms();
      if (invalid.length === latest.arms.length) return best.replaceChildren(invalidTag());
      const found = await leader(latest, invalid, view.signal);
      best.replaceChildren(...(found ? [armLabel(latest.arms, found.arm), " ",
        h("b.num", null, found.metric.format(found.value)), h("span.sub", null, found.metric.title)] : []));
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
        showArms();
        setText(runs, countsText(experiment.counts));
        setText(created, when(experiment.created_at));
        setAttribute(created, "title", experiment.created_at);
        const mark = JSON.stringify([experiment.progress, experiment.counts, experiment.audits]);
        if (mark !== seen) refresh();
        seen = mark;
      },
    };
  };
}

/** The filter that the address has; the field changes the address, and the daemon says what is wrong with it. */
function search(filter) {
  const field = h("input", { type: "search", name: "filter", value: filter, autocomplete: "off", spellcheck: "false",
    "aria-label": "Filter", placeholder: "state = finished and arms = dsa and not tags.topic = old" });
  const form = h("form.search", { role: "search" }, field, h("button", { type: "submit" }, "Search"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    location.hash = text === "" ? "#/" : `#/?${new URLSearchParams({ filter: text })}`;
  });
  return form;
}

const nothingYet = () => [
  empty("Nothing has been submitted yet. An experiment compares arms over seeds and ends with a verdict: ",
    h("a", { href: "#/new" }, "begin with the smallest comparison or a preset"), ", or POST a specification:"),
  command(`curl -K DIR/curlrc --json '{"preset": "mqar-small"}' ${location.origin}${address("experiments")}`),
];

function mistake({ message, context }) {
  return h("div.mistake", { role: "alert" }, h("pre", null, context), h("p", null, message));
}

export default async function experiments(view) {
  const filter = new URLSearchParams(location.hash.split("?").slice(1).join("?")).get("filter") ?? "";
  const summary = h("p.lede", { role: "status" });
  const list = pages(view, {
    table: table({
      caption: "Experiments, newest first", hidden: true, name: "cards",
      headings: ["Experiment", "State", "Progress", "Arms", "Runs", "Audits", "Best so far", numeric("Created")],
    }),
    row: row(view),
    query: { filter },
    none: h("div", { hidden: true }, filter !== "" ? empty("No experiment passes this filter.") : nothingYet()),
  });
  const again = throttled(list.load, 3000, view.signal);
  const showQueue = (queue) => setText(summary, queueText(queue) + (queue.paused ? "; the queue is paused" : ""));

  view.root.append(heading("Experiments", h("div.row.end", null, h("a.button", { href: "#/deleted" }, "Deleted"),
    h("a.button.primary", { href: "#/new" }, "New experiment"))), summary, search(filter));
  let after;
  try {
    after = await list.load();
  } catch (error) {
    if (!error.context) throw error;
    return view.root.append(mistake(error));
  }
  view.root.append(...list.elements);
  showQueue(await get("queue", {}, view.signal));
  view.follow({ after }, {
    experiment({ experiment, deleted }) {
      if (deleted) list.known.delete(deleted);
      else if (filter === "" || list.known.has(experiment.id)) list.known.set(experiment.id, experiment);
      else return again(); // whether it passes now is the daemon's to say
      return list.draw();
    },
    queue: ({ queue }) => showQueue(queue),
    resync: list.load,
  });
}
