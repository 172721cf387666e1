// A table of runs, of one experiment or of all: searched and sorted by the daemon, its columns chosen among fields of
// the configuration and metrics, only the rows in sight in the document. What is selected can be cancelled, tried again
// and moved in the queue together; what is shown can be taken away as CSV. Filter, order and columns stand in the
// address.

import { actOnRuns } from "./acts.js";
import { address, list, post } from "../base/api.js";
import { csv } from "../base/csv.js";
import { at, armSpec } from "../base/differences.js";
import { action, confirmed, h, perFrame, save, setText, throttled, toast } from "../base/dom.js";
import { filterField } from "./filter.js";
import { duration, elapsed, factor, gridPoint, integer, number, plain, plural } from "../base/format.js";
import { virtualList } from "./list.js";
import { byPlace, JUDGED, metric } from "../base/metrics.js";
import { armLabel, badge, empty, hasEnded, mayRetry, stateNote, stepBar, toggle } from "./parts.js";

const RELOAD_MS = 3000;
const MOST = 20000; // runs that are listed
const ASK = 20; // so many are cancelled without a question

const took = (run) => (run.started_at ? elapsed(run.started_at, run.ended_at ?? undefined) : undefined);

/** Columns that every table has: {key, title, order: the daemon's field, value(run): for CSV, cell(run), number}. */
function fixedColumns(experiment) {
  const arms = experiment?.arms ?? [];
  return {
    before: [
      { key: "id", title: "Run", order: "id", value: (run) => run.id, head: true,
        cell: (run) => h("a", { href: `#/runs/${run.id}` }, `Run ${run.id}`) },
      ...(experiment ? [] : [{ key: "experiment", title: "Experiment", order: "experiment",
        value: (run) => run.experiment_id,
        cell: (run) => h("a", { href: `#/experiments/${run.experiment_id}` }, `${run.experiment_id}`) }]),
      { key: "arm", title: "Arm", order: "arm", value: (run) => run.arm,
        cell: (run) => (experiment ? armLabel(arms, run.arm) : run.arm) },
    ],
    after: [
      { key: "seed", title: "Seed", order: "seed", number: true, value: (run) => run.seed },
      { key: "state", title: "State", order: "state", value: (run) => run.state, live: () => {
        const state = badge();
        return { element: state.element, update: (run) => state.update(run.state, run.reason || stateNote(run)) };
      } },
      { key: "progress", title: "Progress", order: "step", value: (run) => run.step, live: stepBar },
    ],
    last: [
      { key: "time", title: "Time", order: "started_at", number: true, value: (run) => took(run)?.toFixed(3),
        text: (run) => (took(run) === undefined ? "" : duration(took(run))) },
    ],
  };
}

/** Columns that can be chosen: fields that vary, and metrics. */
function choices(experiment, runs) {
  const found = new Map();
  const spec = experiment?.spec, arms = Object.values(spec?.arms ?? {});
  const paths = new Set([experiment?.grid ?? {}, ...arms, ...runs.map(({ grid }) => grid)].flatMap(Object.keys));
  const specs = new Map((experiment?.arms ?? []).map((arm) => [arm, spec ? armSpec(spec, arm) : {}]));
  for (const path of paths) {
    const value = (run) => run.grid[path] ?? at(specs.get(run.arm) ?? {}, path);
    found.set(path, { key: path, title: factor(path), order: `params.${path}`, number: true, value,
      text: (run) => (value(run) === undefined ? "" : plain(value(run))) });
  }
  const names = new Set([experiment?.compare.metric ?? JUDGED]);
  for (const { final } of runs) for (const name of Object.keys(final ?? {})) names.add(name);
  for (const name of [...names].sort(byPlace)) {
    const about = metric(name);
    found.set(name, { key: name, title: about.title, order: `metrics.${name}`, number: true,
      value: (run) => run.final?.[name], text: (run) => about.format(number(run.final?.[name])) });
  }
  return found;
}

function usual(experiment) {
  if (!experiment) return ["grid", JUDGED];
  const several = Object.entries(experiment.grid ?? {}).filter(([, values]) => values.length > 1);
  return [...several.map(([path]) => path), experiment.compare.metric];
}
const GRID = { key: "grid", title: "Grid", text: (run) => gridPoint(run.grid), value: (run) => gridPoint(run.grid) };

/** {element, update(), draw(), ran(run), reload()}; experiment: null for all runs. */
export function runsTable(view, { experiment = null }) {
  const { signal, query } = view, fixed = fixedColumns(experiment);
  let order = query.get("order") ?? "", shown = query.get("columns")?.split(",") ?? usual(experiment);
  let items = [], columns = [], known = new Map(), asOf = null;
  const selected = new Set();

  const field = filterField({ value: query.get("filter") ?? "", signal,
    placeholder: "state = succeeded and metrics.val/loss < 2.5 and params.model.attention.kind = dsa",
    search: async (text) => {
      view.keep({ filter: text });
      await load();
    } });
  const count = h("span.quiet-text", { role: "status" }), menu = h("div.menu");
  const chooser = h("details.dropdown", null, h("summary", null, "Columns"), menu);
  const close = (event) => {
    if (event.type === "keydown" ? event.key === "Escape" : !chooser.contains(event.target)) chooser.open = false;
  };
  document.addEventListener("click", close, { signal });
  document.addEventListener("keydown", close, { signal });

  const heads = h("tr"), body = h("tbody");
  const caption = h("caption.hidden", null, experiment ? "Runs of the experiment" : "All runs");
  const table = h("table.runs", { "data-widths": "" }, caption, h("thead", null, heads), body);
  const box = h("div.scroll.box", { tabindex: "0", role: "region", "aria-label": "Runs",
    "data-box": experiment ? "runs" : "all-runs" }, table);
  const none = empty("No run passes this filter.");
  let rows = null;

  function row(first) {
    const select = h("input", { type: "checkbox", "aria-label": `Select run ${first.id}` });
    select.addEventListener("change", () => {
      if (select.checked) selected.add(first.id);
      else selected.delete(first.id);
      drawBulk();
    });
    const cells = columns.map((column) => {
      const cell = h(column.head ? "th" : column.number ? "td.num" : "td", column.head ? { scope: "row" } : null);
      const live = column.live?.(first);
      cell.append(live?.element ?? column.cell?.(first) ?? "");
      if (live) return { cell, update: live.update };
      return { cell, update: column.cell ? () => {} : (run) => setText(cell, (column.text ?? column.value)(run)) };
    });
    const named = (what) => ({ kind: "quiet", label: `${what} run ${first.id}` });
    const cancel = action("Cancel", () => cancelThese([first.id], `run ${first.id}`), named("Cancel"));
    const retry = action("Retry", () => post(`runs/${first.id}/retry`), named("Retry"));
    return {
      element: h("tr", null, h("td.select", null, select), cells.map(({ cell }) => cell),
        view.may("submit") ? h("td.actions", null, cancel, retry) : null),
      update(run) {
        select.checked = selected.has(run.id);
        for (const { update } of cells) update(run);
        cancel.hidden = hasEnded(run.state);
        retry.hidden = !mayRetry(run.state);
      },
    };
  }

  const allOf = h("input", { type: "checkbox", "aria-label": "Select all runs that are listed",
    "data-key": "all" });
  allOf.addEventListener("change", () => {
    selected.clear();
    if (allOf.checked) for (const { id } of items) selected.add(id);
    rows?.redraw();
    drawBulk();
  });

  function sortBy(column) {
    order = order === column.order ? `-${column.order}` : order === `-${column.order}` ? "" : column.order;
    view.keep({ order });
    drawHeads();
    load();
  }
  function drawHeads() {
    const sorted = ({ order: by }) => (order === by ? "ascending" : order === `-${by}` ? "descending" : null);
    const focused = heads.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    heads.replaceChildren(h("th.select", { scope: "col" }, allOf), ...columns.map((column) => {
      const way = column.order ? sorted(column) : null;
      const sign = { ascending: " \u2191", descending: " \u2193" }[way] ?? "";
      const title = column.order
        ? h("button.sort", { type: "button", "data-key": column.key, onclick: () => sortBy(column) }, column.title,
          h("span", { "aria-hidden": "true" }, sign)) : column.title;
      return h(`th${column.number ? ".num" : ""}`, { scope: "col", "aria-sort": way }, title);
    }), view.may("submit") ? h("th", { scope: "col" }, h("span.hidden", null, "Actions")) : "");
    if (focused !== null) heads.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }
  function setColumns() {
    const all = choices(experiment, items);
    all.set("grid", GRID);
    const names = [...all.keys()].join(), chosen = shown.map((key) => all.get(key)).filter(Boolean);
    const isMetric = (column) => column.order?.startsWith("metrics.");
    const next = [...fixed.before, ...chosen.filter((one) => !isMetric(one)), ...fixed.after,
      ...chosen.filter(isMetric), ...fixed.last];
    if (menu.dataset.names !== names) {
      menu.dataset.names = names;
      menu.replaceChildren(...[...all.values()].map((one) => toggle(one.title, shown.includes(one.key), (on) => {
        shown = on ? [...shown, one.key] : shown.filter((key) => key !== one.key);
        view.keep({ columns: shown.join(",") });
        setColumns();
      }, one.key)));
    }
    const stamp = next.map(({ key }) => key).join();
    if (stamp === table.dataset.columns) return;
    table.dataset.columns = stamp;
    columns = next;
    drawHeads();
    rows?.end();
    rows = virtualList({ table, body, key: (run) => run.id, make: row, signal });
    rows.show(items);
  }

  const chosen = () => items.filter(({ id }) => selected.has(id));
  async function each(what, ids, said, more) {
    const { changed, refused, why } = await actOnRuns(what, ids, more);
    if (refused > 0) toast(`${plural(refused, "run")} refused: ${why}`, "error");
    if (changed > 0) toast(`${plural(changed, "run")} ${said}.`);
    selected.clear();
    drawBulk();
    await load();
  }
  async function cancelThese(ids, what) {
    const question = `Cancel ${what}? What has been measured stays.`;
    if (await confirmed(question, ids.length === 1 ? "Cancel the run" : "Cancel the runs"))
      await each("cancel", ids, "cancelled");
  }
  const bulkCancel = action("Cancel", async () => {
    const ids = chosen().filter(({ state }) => !hasEnded(state)).map(({ id }) => id);
    await cancelThese(ids, plural(ids.length, "run"));
  }, { label: "Cancel the selected runs" });
  const bulkRetry = action("Retry", async () => {
    const ids = chosen().filter(({ state }) => mayRetry(state)).map(({ id }) => id);
    if (ids.length <= ASK || await confirmed(`Train ${plural(ids.length, "run")} again?`, "Train them"))
      await each("retry", ids, "queued again");
  }, { label: "Retry the selected runs" });
  const rank = h("input.narrow", { type: "number", min: "-1000", max: "1000", step: "1", value: "0",
    "aria-label": "Priority of the selected runs" });
  const bulkRank = action("Set priority", async () => {
    const ids = chosen().filter(({ state }) => state === "queued").map(({ id }) => id);
    await each("priority", ids, `at priority ${rank.value}`, { priority: Number(rank.value) });
  });
  const compare = action("Compare", () => {
    location.hash = `#/compare?with=${chosen().slice(0, 20).map(({ id }) => `r${id}`).join(",")}`;
  }, { label: "Compare the selected runs" });
  const bulkText = h("span", { role: "status" });
  const bulk = h("div.row.bulk", { hidden: true }, bulkText, compare,
    view.may("submit") ? [bulkCancel, bulkRetry, rank, bulkRank] : null);
  function drawBulk() {
    const picked = chosen(), may = (test) => picked.some(({ state }) => test(state));
    bulk.hidden = picked.length === 0;
    setText(bulkText, `${plural(picked.length, "run")} selected`);
    bulkCancel.hidden = !may((state) => !hasEnded(state));
    bulkRetry.hidden = !may(mayRetry);
    bulkRank.hidden = rank.hidden = !may((state) => state === "queued");
    allOf.checked = picked.length > 0 && picked.length === items.length;
    allOf.indeterminate = picked.length > 0 && picked.length < items.length;
  }

  const take = action("CSV", () => {
    const lines = [columns.map(({ key }) => key), ...items.map((run) => columns.map((column) => column.value(run)))];
    save(experiment ? `experiment-${experiment.id}-runs.csv` : "runs.csv", csv(lines), "text/csv");
  }, { title: "What is listed, with the columns that are shown" });

  async function load() {
    try {
      const filter = field.text();
      const found = await list("runs", { experiment: experiment?.id, filter, order, page_size: 1000 }, signal, MOST);
      ({ items } = found);
      asOf ??= found.as_of;
      known = new Map(items.map((run, i) => [run.id, i]));
      for (const id of selected) if (!known.has(id)) selected.delete(id);
      field.refuse(null);
      setText(count, found.more ? `the first ${integer(items.length)} runs` : plural(items.length, "run"));
      none.hidden = items.length > 0;
      box.hidden = items.length === 0;
      setColumns();
      rows.show(items);
      drawBulk();
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (error.context) field.refuse(error);
      else toast(error.message, "error");
    }
  }
  const reload = throttled(load, RELOAD_MS, signal);
  const redraw = perFrame(() => rows?.show(items), signal, 200);

  const element = h("div.runs-view", null, field.element,
    h("div.toolbar", null, count, h("div.row", null, chooser, take)), bulk, none, box);
  none.hidden = true;
  const first = load();
  return {
    element,
    ready: first.then(() => asOf),
    address: () => address("runs", { experiment: experiment?.id, filter: field.text(), order }),
    ran(run) {
      const place = known.get(run.id), before = items[place];
      if (before === undefined) return reload();
      items[place] = run;
      const moved = before.state !== run.state || before.priority !== run.priority;
      if (moved && (field.text() !== "" || order !== "")) reload();
      return redraw();
    },
    push(id, series) {
      const run = items[known.get(id)];
      if (!run) return;
      const step = Math.max(run.step, ...Object.values(series).map((points) => points.at(-1)?.[0] ?? 0));
      items[known.get(id)] = { ...run, step };
      redraw();
    },
    moved() {
      const own = shown.join() === usual(experiment).join() ? "" : shown.join();
      view.keep({ filter: field.text(), order, columns: own });
      redraw();
    },
    reload,
  };
}
