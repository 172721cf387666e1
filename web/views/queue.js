// The queue: what runs, what waits and in which order; pause, cancel, priorities.

import { gate, get, list, post } from "../api.js";
import { action, h, keyed, perFrame, setAttribute, setText, throttled, toast } from "../dom.js";
import { bytes, elapsed, duration, integer, placeOf, plural, queueText } from "../format.js";
import { advance, badge, empty, hasEnded, heading, numeric, stateNote, stepBar, table } from "../parts.js";

const SHOWN = 500;
const limited = gate(3);

/** Links to experiments, by name once it is known: rows of a run carry the id only. */
function experimentLinks(signal) {
  const names = new Map();
  return (id) => {
    const unknown = `Experiment ${id}`, link = h("a", { href: `#/experiments/${id}` }, unknown);
    const ask = () => limited(() => get(`experiments/${id}`, {}, signal)).then(({ name }) => name, () => unknown);
    if (!names.has(id)) names.set(id, ask());
    names.get(id).then((name) => setText(link, name));
    return link;
  };
}

function priority(first) {
  const input = h("input.narrow",
    { type: "number", min: "-1000", max: "1000", step: "1", "aria-label": `Priority of run ${first.id}` });
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

const nameCell = (run) => h("th", { scope: "row" }, h("a", { href: `#/runs/${run.id}` }, `Run ${run.id}`),
  h("span.sub", null, [run.arm, ...placeOf(run)].join(" \u00b7 ")));

const runningRow = (experiment) => (first) => {
  const state = badge(), bar = stepBar(first), since = h("td.num", { "data-label": "For" });
  return {
    element: h("tr", null, nameCell(first),
      h("td", { "data-label": "Experiment" }, experiment(first.experiment_id)),
      h("td", { "data-label": "State" }, state.element), h("td", { "data-label": "Progress" }, bar.element), since,
      h("td.num", { "data-label": "Memory" }, bytes(first.memory_bytes)),
      h("td.actions", null, action("Cancel", () => post(`runs/${first.id}/cancel`)))),
    update(run) {
      state.update(run.state, stateNote(run));
      bar.update(run);
      setText(since, run.started_at ? duration(elapsed(run.started_at)) : "");
    },
  };
};

const queuedRow = (experiment) => (first) => {
  const place = h("td.num.place", { "data-label": "Place" }), rank = priority(first);
  return {
    element: h("tr", null, place, nameCell(first),
      h("td", { "data-label": "Experiment" }, experiment(first.experiment_id)),
      h("td.num", { "data-label": "Memory" }, bytes(first.memory_bytes)),
      h("td.num", { "data-label": "Priority" }, rank),
      h("td.actions", null, action("Cancel", () => post(`runs/${first.id}/cancel`)))),
    update(run) {
      setText(place, integer(run.place));
      if (document.activeElement !== rank) rank.value = run.priority;
    },
  };
};

export default async function queue(view) {
  const runs = new Map();
  let counts = null;

  const summary = h("p.lede", { role: "status" });
  const pause = action("Pause", async () => {
    const answer = await post("queue", { paused: !counts.paused });
    if (answer && "paused" in answer) counts = { ...counts, paused: answer.paused };
    draw();
  });
  const [since, memory, place, rank] = ["For", "Memory", "Place", "Priority"].map(numeric);
  const actions = { text: "", label: "Actions" };
  const running = table({
    caption: "Running", name: "cards", headings: ["Run", "Experiment", "State", "Progress", since, memory, actions],
  });
  const waiting = table({
    caption: "Queued, in the order in which they will be claimed", name: "cards",
    headings: [place, "Run", "Experiment", memory, rank, actions],
  });
  const link = experimentLinks(view.signal);
  const runningRows = keyed(running.body, (run) => run.id, runningRow(link));
  const waitingRows = keyed(waiting.body, (run) => run.id, queuedRow(link));
  const idle = empty("Nothing runs and nothing waits.");
  const beyond = h("p.note");

  const draw = perFrame(() => {
    const all = [...runs.values()];
    const now = all.filter((run) => run.state === "running").sort((a, b) => a.id - b.id);
    const later = all.filter((run) => run.state === "queued").sort((a, b) => b.priority - a.priority || a.id - b.id);
    later.forEach((run, i) => (run.place = i + 1));
    runningRows(now);
    waitingRows(later.slice(0, SHOWN));
    running.element.hidden = now.length === 0;
    waiting.element.hidden = later.length === 0;
    idle.hidden = now.length + later.length > 0;
    beyond.hidden = later.length <= SHOWN;
    setText(beyond, `and ${integer(later.length - SHOWN)} more`);
    setText(summary, queueText(counts) +
      (counts.verifying > 0 ? `, ${plural(counts.verifying, "verification")}` : "") +
      (counts.paused ? ". Paused: what runs goes on, nothing new is started." : "."));
    setText(pause, counts.paused ? "Resume" : "Pause");
    setAttribute(pause, "class", counts.paused ? "primary" : null);
    view.title(counts.paused ? "Queue, paused" : "Queue");
  }, view.signal);

  async function load() {
    const found = await list("runs", { filter: "state = queued or state = running", page_size: 1000 }, view.signal);
    counts = await get("queue", {}, view.signal);
    runs.clear();
    for (const run of found.items) runs.set(run.id, run);
    draw();
    return found.as_of;
  }
  const reload = throttled(load, 2000, view.signal);

  const after = await load();
  view.root.append(heading("Queue", pause), summary, idle, running.element, waiting.element, beyond);
  const clock = setInterval(draw, 1000);
  view.signal.addEventListener("abort", () => clearInterval(clock));
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
