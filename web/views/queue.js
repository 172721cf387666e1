// The queue: what runs, what waits and in which order, by run or by experiment; slots, memory and processors; pause,
// cancel, priorities of runs and of whole experiments.

import { prioritize } from "../parts/acts.js";
import { gate, get, list, post } from "../base/api.js";
import { link } from "../base/address.js";
import { action, confirmed, h, keyed, perFrame, setAttribute, setText, throttled, toast } from "../base/dom.js";
import { bytes, elapsed, duration, integer, placeOf, plural, queueText } from "../base/format.js";
import { virtualList } from "../parts/list.js";
import {
  advance, badge, choice, definition, empty, hasEnded, heading, numeric, progress, stateNote, stepBar, table,
} from "../parts/parts.js";

const limited = gate(3);

/** Links to experiments, by name once it is known: rows of a run carry the id only. */
function experimentLinks(signal) {
  const names = new Map();
  return (id) => {
    const unknown = `Experiment ${id}`, to = h("a", { href: `#/experiments/${id}` }, unknown);
    const ask = () => limited(() => get(`experiments/${id}`, {}, signal)).then(({ name }) => name, () => unknown);
    if (!names.has(id)) names.set(id, ask());
    names.get(id).then((name) => setText(to, name));
    return to;
  };
}

const rankInput = (label) =>
  h("input.narrow", { type: "number", min: "-1000", max: "1000", step: "1", "aria-label": label });

function priority(first) {
  const input = rankInput(`Priority of run ${first.id}`);
  input.addEventListener("change", async () => {
    try {
      await post(`runs/${first.id}/priority`, { priority: Number(input.value) });
      toast(`Run ${first.id} has priority ${input.value}.`);
    } catch (error) {
      toast(error.message, "error");
    }
  });
  return input;
}

async function cancelRun({ id }) {
  const question = `Cancel run ${id}? What has been measured stays; the verdict will count it as lost.`;
  if (await confirmed(question, "Cancel the run")) await post(`runs/${id}/cancel`);
}
const cancelButton = (run) => action("Cancel", () => cancelRun(run), { label: `Cancel run ${run.id}` });

const nameCell = (run) => h("th", { scope: "row" }, h("a", { href: `#/runs/${run.id}` }, `Run ${run.id}`),
  h("span.sub", null, [run.arm, ...placeOf(run)].join(" \u00b7 ")));

const runningRow = (view, experiment) => (first) => {
  const state = badge(), bar = stepBar(first), since = h("td.num", { "data-label": "For" });
  return {
    element: h("tr", null, nameCell(first),
      h("td", { "data-label": "Experiment" }, experiment(first.experiment_id)),
      h("td", { "data-label": "State" }, state.element), h("td", { "data-label": "Progress" }, bar.element), since,
      h("td.num", { "data-label": "Memory" }, bytes(first.memory_bytes)),
      view.may("submit") ? h("td.actions", null, cancelButton(first)) : null),
    update(run) {
      state.update(run.state, stateNote(run));
      bar.update(run);
      setText(since, run.started_at ? duration(elapsed(run.started_at)) : "");
    },
  };
};

const queuedRow = (view, experiment) => (first) => {
  const place = h("td.num.place", { "data-label": "Place" });
  const rank = view.may("submit") ? priority(first) : h("span");
  return {
    element: h("tr", null, place, nameCell(first),
      h("td", { "data-label": "Experiment" }, experiment(first.experiment_id)),
      h("td.num", { "data-label": "Memory" }, bytes(first.memory_bytes)),
      h("td.num", { "data-label": "Priority" }, rank),
      view.may("submit") ? h("td.actions", null, cancelButton(first)) : null),
    update(run) {
      setText(place, integer(run.place));
      if (document.activeElement !== rank) {
        rank.value = run.priority;
        if (!view.may("submit")) setText(rank, String(run.priority));
      }
    },
  };
};

/** An experiment's part of the queue: {id, running, queued, done, steps, first: its first place, priority}. */
function experimentRow(view, experiment, runsOf) {
  return ({ id }) => {
    const cell = (label) => h("td.num", { "data-label": label });
    const bar = progress(`Progress of what is left of experiment ${id}`);
    const [place, running, queued] = [cell("Place"), cell("Running"), cell("Queued")];
    const rank = rankInput(`Priority of experiment ${id}`);
    rank.addEventListener("change", async () => {
      const waiting = runsOf(id).filter(({ state }) => state === "queued"), to = Number(rank.value);
      const { refused, why } = await prioritize(id, waiting, to).catch((error) => ({ refused: 1, why: error.message }));
      if (refused > 0) toast(why, "error");
      else toast(`${plural(waiting.length, "run")} of experiment ${id} at priority ${to}.`);
    });
    const cancel = action("Cancel", async () => {
      const question = `Cancel every run of experiment ${id} that hasn\u2019t ended? What has been measured stays.`;
      if (await confirmed(question, "Cancel the runs")) await post(`experiments/${id}/cancel`);
    }, { label: `Cancel experiment ${id}` });
    return {
      element: h("tr", null, place, h("th", { scope: "row" }, experiment(id)), running, queued,
        h("td", { "data-label": "Progress" }, bar.element),
        view.may("submit") ? [h("td.num", { "data-label": "Priority" }, rank), h("td.actions", null, cancel)] : null),
      update(one) {
        setText(place, one.first === Infinity ? "" : integer(one.first));
        setText(running, integer(one.running));
        setText(queued, integer(one.queued));
        bar.update(one.steps > 0 ? one.done / one.steps : 0);
        if (document.activeElement !== rank) rank.value = one.priority ?? "";
        rank.disabled = one.queued === 0 && document.activeElement !== rank;
      },
    };
  };
}

function byExperiment(going, waiting) {
  const found = new Map();
  const of = (id) => found.get(id) ?? found.set(id,
    { id, running: 0, queued: 0, done: 0, steps: 0, first: Infinity, priority: null }).get(id);
  for (const run of [...going, ...waiting]) {
    const one = of(run.experiment_id);
    one[run.state]++;
    one.done += run.step;
    one.steps += run.steps;
    if (run.state !== "queued") continue;
    one.first = Math.min(one.first, run.place);
    one.priority = Math.max(one.priority ?? -Infinity, run.priority);
  }
  const rank = ({ running: n, first }) => (n > 0 ? 0 : first);
  return [...found.values()].sort((a, b) => rank(a) - rank(b) || a.id - b.id);
}

export default async function queue(view) {
  const runs = new Map(), { signal } = view;
  let counts = null, machine = null, by = view.query.get("by") === "experiment" ? "experiment" : "run";

  const summary = h("p.lede", { role: "status" }), resources = h("div");
  const pause = action("Pause", async () => {
    const answer = await post("queue", { paused: !counts.paused });
    if (answer && "paused" in answer) counts = { ...counts, paused: answer.paused };
    draw();
  });
  const [since, memory, place, rank] = ["For", "Memory", "Place", "Priority"].map(numeric);
  const actions = view.may("submit") ? [{ text: "", label: "Actions" }] : [];
  const running = table({
    caption: "Running", name: "cards", headings: ["Run", "Experiment", "State", "Progress", since, memory, ...actions],
  });
  const waiting = table({
    caption: "Queued, in the order in which they will be claimed", name: "cards",
    headings: [place, "Run", "Experiment", memory, rank, ...actions],
  });
  const grouped = table({
    caption: "Experiments with runs that run or wait; a priority is given to all that wait", name: "cards",
    headings: [place, "Experiment", ...["Running", "Queued"].map(numeric), "Progress",
      ...(view.may("submit") ? [rank, ...actions] : [])],
  });
  const named = experimentLinks(signal), runsOf = (id) => [...runs.values()].filter((run) => run.experiment_id === id);
  const runningRows = keyed(running.body, (run) => run.id, runningRow(view, named));
  const waitingList = virtualList({ table: waiting.element.firstChild, body: waiting.body, key: (run) => run.id,
    make: queuedRow(view, named), signal });
  const groupedRows = keyed(grouped.body, ({ id }) => id, experimentRow(view, named, runsOf));
  const idle = empty("Nothing runs and nothing waits.");
  const way = choice("by", [["run", "run"], ["experiment", "experiment"]], by, (chosen) => {
    by = chosen;
    view.keep({ by: by === "run" ? "" : by });
    draw();
  });

  const draw = perFrame(() => {
    const all = [...runs.values()];
    const now = all.filter((run) => run.state === "running").sort((a, b) => a.id - b.id);
    const later = all.filter((run) => run.state === "queued").sort((a, b) => b.priority - a.priority || a.id - b.id);
    later.forEach((run, i) => (run.place = i + 1));
    running.element.hidden = by !== "run" || now.length === 0;
    waiting.element.hidden = by !== "run" || later.length === 0;
    grouped.element.hidden = by !== "experiment" || all.length === 0;
    if (by === "run") {
      runningRows(now);
      waitingList.show(later);
      waitingList.redraw();
    } else groupedRows(byExperiment(now, later));
    idle.hidden = all.length > 0;
    setText(summary, queueText(counts) +
      (counts.verifying > 0 ? `, ${plural(counts.verifying, "verification")}` : "") +
      (counts.paused ? ". Paused: what runs goes on, nothing new is started." : "."));
    const used = now.reduce((sum, run) => sum + run.memory_bytes, 0), slots = machine?.slots;
    const stamp = JSON.stringify([now.length, slots, used]);
    if (slots !== undefined && resources.dataset.stamp !== stamp)
      resources.replaceChildren(definition([
        ["Slots", `${integer(now.length)} of ${integer(slots)} taken`],
        ["Memory", machine.memory_bytes ? `${bytes(used)} of ${bytes(machine.memory_bytes)} taken` : bytes(used)],
        ["Processors", machine.cores !== undefined ? plural(machine.cores, "core") : null],
      ]));
    resources.dataset.stamp = stamp;
    setText(pause, counts.paused ? "Resume" : "Pause");
    setAttribute(pause, "class", counts.paused ? "primary" : null);
    view.title(counts.paused ? "Queue, paused" : "Queue");
  }, signal);

  async function load() {
    const found = await list("runs", { filter: "state = queued or state = running", page_size: 1000 }, signal);
    [counts, machine] = await Promise.all([get("queue", {}, signal), get("version", {}, signal)]);
    runs.clear();
    for (const run of found.items) runs.set(run.id, run);
    draw();
    return found.as_of;
  }
  const reload = throttled(load, 2000, signal);

  const after = await load();
  const all = h("a.button", { href: link("/runs", { filter: "state = queued or state = running" }) }, "As a table");
  view.root.append(heading("Queue", h("div.row.end", null, all, view.may("admin") ? pause : "")), summary, resources,
    h("div.toolbar", null, way), idle, running.element, waiting.element, grouped.element);
  draw();
  const clock = setInterval(draw, 1000);
  signal.addEventListener("abort", () => clearInterval(clock));
  view.follow({ after }, {
    run({ run }) {
      if (hasEnded(run.state)) runs.delete(run.id);
      else runs.set(run.id, run);
      draw();
    },
    metrics({ run, series }) {
      const row = runs.get(run);
      if (!row) return;
      advance(row, series);
      draw();
    },
    experiment: ({ deleted, experiment }) => {
      // Only a new or an ended experiment brings runs that have no event of their own.
      const missing = !deleted && experiment.counts.queued + experiment.counts.running > 0 &&
        ![...runs.values()].some((run) => run.experiment_id === experiment.id);
      if (deleted || missing) reload();
    },
    queue: ({ queue: now }) => {
      counts = now;
      draw();
    },
    resync: reload,
  });
}
