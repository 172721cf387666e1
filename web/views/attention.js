// What arms attend to: of a run that keeps the artifact "attention", a map of each layer and head, queries by keys, at
// each evaluation; beside it another run's, or the same run's at another step. Keys that are chosen, keys that aren't,
// and keys that lie in the future, have colours of their own. What is looked at stands in the address.

import { loadPicture, stepsOf } from "../attention/attention_file.js";
import { get } from "../base/api.js";
import { h, setText } from "../base/dom.js";
import { integer, percent } from "../base/format.js";
import { Heatmap, rgb } from "../attention/heatmap.js";
import { choice, empty, toggle } from "../parts/parts.js";
import { tokenText } from "../attention/tokens.js";

const AROUND = 128; // tokens on either side of the query that are shown
const SHOWN = { both: "Chosen against dense", mass: "Attention", sees: "Chosen keys", dense: "Dense attention" };

const LEGEND = [
  ["chosen", "a past key that is chosen"], ["unchosen", "a past key that isn\u2019t"],
  ["future", "a key in the future"],
];

/** The name of a run in a list of them. */
const runName = (run) => `${run.arm}, seed ${run.seed}${Object.keys(run.grid ?? {}).length > 0
  ? `, ${Object.entries(run.grid).map(([path, value]) => `${path.split(".").at(-1)} ${value}`).join(", ")}` : ""}`;

function select(label, options, value, onchange) {
  const element = h("select", { "aria-label": label, onchange: () => onchange(element.value) },
    options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
  return h("label.toggle", null, label, element);
}

/** The run of another arm that stands beside this one at first: the same seed and grid point. */
const beside = (run, runs) => runs.find((one) => one.arm !== run?.arm && one.seed === run?.seed &&
  JSON.stringify(one.grid) === JSON.stringify(run?.grid));

/** One map with its run, its steps and what stands at the cursor. */
class Side {
  constructor(panel, number) {
    Object.assign(this, { panel, number, picture: null, steps: [], step: null, run: null });
    this.map = new Heatmap("", (at) => panel.cursor(at));
    this.slider = h("input", { type: "range", min: "0", max: "0", step: "1", value: "0", "aria-label": "Evaluation",
      oninput: () => panel.slide(this, Number(this.slider.value)) });
    this.said = h("span.num");
    this.problem = h("p.note", { role: "status" });
    this.title = h("h2");
    this.pick = h("span");
    this.element = h("section.attention-side", null, h("div.row", null, this.title, this.pick),
      h("label.toggle", null, "step", this.slider, this.said), this.map.element, this.problem);
  }

  async choose(run, step) {
    const { signal } = this.panel;
    const [{ items }, { spec }] = await Promise.all([get(`runs/${run.id}/artifacts`, {}, signal),
      get(`runs/${run.id}`, {}, signal)]);
    Object.assign(this, { run, steps: stepsOf(items), synthetic: spec.data.dataset.startsWith("synthetic:") });
    this.slider.max = String(Math.max(0, this.steps.length - 1));
    const at = this.steps.indexOf(step);
    await this.load(at < 0 ? this.steps.length - 1 : at);
  }

  async load(at) {
    this.step = this.steps[at] ?? null;
    this.slider.value = String(at);
    setText(this.said, this.step === null ? "" : integer(this.step));
    setText(this.problem, this.step !== null ? "" : "This run has kept nothing of what it attends to.");
    this.map.element.hidden = this.step === null;
    if (this.step === null) return;
    const asked = (this.asked = `${this.run.id} ${this.step}`);
    const picture = await loadPicture(this.run.id, this.step, this.panel.signal);
    if (this.asked === asked) this.picture = picture;
  }

  draw({ layer, head, window, show }) {
    const { picture, map } = this;
    if (!picture) return;
    setText(this.title, runName(this.run));
    const shown = picture.layer(Math.min(layer, picture.layers - 1), Math.min(window, picture.windows - 1),
      head === null || head >= picture.heads ? null : head);
    const [chosen, unchosen, future] = ["--accent", "--ink-3", "--bad"].map(rgb);
    const strength = { mass: shown.mass, dense: shown.dense, sees: shown.sees, both: shown.dense }[show];
    this.shown = shown;
    map.name(`${runName(this.run)}, step ${this.step}, layer ${layer}: ${SHOWN[show]}, queries by keys`);
    map.draw(shown.side, (q, k) => {
      const sees = shown.sees(q, k);
      if (k > q) return [...future, show === "dense" ? 0 : show === "mass" ? Math.sqrt(strength(q, k)) : sees];
      if (show !== "both") return [...chosen, show === "sees" ? sees : Math.sqrt(strength(q, k))];
      const seen = sees > 0, by = Math.sqrt(strength(q, k));
      return [...(seen ? chosen : unchosen), seen ? 0.25 + 0.75 * by : by];
    });
  }

  say(at) {
    if (!this.shown || !at) return "";
    const [q, k] = at.map((one) => Math.min(one, this.shown.side - 1));
    const sees = this.shown.sees(q, k), { pool } = this.picture;
    const seen = pool > 1 ? `${percent(sees)} chosen` : sees > 0 ? "chosen" : "not chosen";
    const when = k > q ? ", in the future" : "", mass = percent(this.shown.mass(q, k), 1);
    const dense = this.shown.chose ? `, dense ${percent(this.shown.dense(q, k), 1)}` : "";
    return `${seen}${when}; attention ${mass}${dense}`;
  }
}

export class AttentionPanel {
  /** runs(): those to choose from; keep(changes): writes them into the address; query: what stands there. */
  constructor({ runs, query, keep, signal }) {
    Object.assign(this, { runs, keep, signal });
    const number = (key) => (query.get(key) === null ? null : Number(query.get(key)));
    this.state = { layer: number("layer") ?? 0, head: number("head"), window: number("window") ?? 0,
      show: query.get("show") in SHOWN ? query.get("show") : "both", together: query.get("apart") !== "1" };
    this.asked = { run: number("run"), step: number("step"), with: number("with"), withStep: number("withstep") };
    this.toolbar = h("div.toolbar");
    this.sides = [new Side(this, 0), new Side(this, 1)];
    this.sides[1].element.hidden = true;
    this.text = h("pre.tokens", { tabindex: "0", "aria-label": "The text at the cursor" });
    this.said = h("p.note", { role: "status" });
    const legend = h("ul.map-legend", null, LEGEND.map(([name, text]) => h("li", null, h(`span.key.${name}`,
      { "aria-hidden": "true" }), text)));
    this.shown = h("div", null, this.toolbar, legend,
      h("div.attention-sides", null, this.sides.map(({ element }) => element)), this.said, this.text);
    this.nothing = empty("No run here keeps what it attends to. Submit with ", h("code", null,
      "\"artifacts\": [\"attention\"]"), ", and each evaluation leaves a map.");
    this.element = h("div.attention", null, this.shown, this.nothing);
    this.shown.hidden = this.nothing.hidden = true;
    addEventListener("ablate:theme", () => this.draw(), { signal });
  }

  /** Loads what the address asks for, once it is looked at. */
  async open() {
    if (this.opened) return;
    this.opened = true;
    const runs = this.runs(), find = (id) => runs.find((run) => run.id === id);
    const first = find(this.asked.run) ?? runs[0];
    if (first) await this.sides[0].choose(first, this.asked.step);
    const other = find(this.asked.with) ?? (this.asked.run === null ? beside(first, runs) : undefined);
    if (other) await this.sides[1].choose(other, this.asked.withStep);
    this.refresh();
  }

  refresh() {
    const some = this.sides[0].picture !== null;
    this.shown.hidden = !some;
    this.nothing.hidden = some;
    this.sides[1].element.hidden = this.sides[1].run === null;
    if (some) this.#drawToolbar();
    this.draw();
  }

  #drawToolbar() {
    const [{ picture }, other] = this.sides, { state } = this, runs = this.runs();
    const count = (n, text) => Array.from({ length: n }, (_, i) => [i, `${text}${i}`]);
    const set = (key, to = Number) => (value) => {
      state[key] = value === "" ? null : to(value);
      this.keep({ [key]: key === "show" && value === "both" ? "" : value });
      this.draw();
    };
    const options = runs.map((run) => [run.id, runName(run)]);
    this.toolbar.replaceChildren(
      select("layer", count(picture.layers, ""), state.layer, set("layer")),
      select("head", [["", "mean"], ...(picture.each ? count(picture.heads, "") : [])], state.head ?? "", set("head")),
      select("window", Array.from({ length: picture.windows }, (_, i) => [i, picture.firstWindow + i]), state.window,
        set("window")),
      choice("Show", Object.entries(SHOWN), state.show, set("show", String)),
      select("beside", [["", "nothing"], ...options], other.run?.id ?? "", (id) => this.compare(id)),
      other.run === null ? "" : toggle("one step for both", state.together, (on) => {
        state.together = on;
        this.keep({ apart: on ? "" : "1" });
      }));
    this.sides[0].pick.replaceChildren(runs.length < 2 ? "" : select("run", options, this.sides[0].run.id,
      (id) => this.choose(this.sides[0], id)));
  }

  async choose(side, id) {
    await side.choose(this.runs().find((run) => run.id === Number(id)), side.step);
    this.keep({ [side.number === 0 ? "run" : "with"]: id });
    this.refresh();
  }

  async compare(id) {
    if (id === "") {
      Object.assign(this.sides[1], { run: null, picture: null, step: null });
      this.keep({ with: "", withstep: "" });
      this.refresh();
      return;
    }
    await this.sides[1].choose(this.runs().find((run) => run.id === Number(id)), this.sides[0].step);
    this.keep({ with: id });
    this.refresh();
  }

  async slide(side, at) {
    const step = side.steps[at], moved = this.sides.filter((one) => one === side || (this.state.together && one.run));
    await Promise.all(moved.map((one) => {
      const place = one === side ? at : one.steps.findLastIndex((other) => other <= step);
      return one.load(Math.max(0, place));
    }));
    this.keep({ step: this.sides[0].step, withstep: this.sides[1].run ? this.sides[1].step : "" });
    this.draw();
  }

  draw() {
    for (const side of this.sides) if (side.run) side.draw(this.state);
    this.cursor(this.at ?? null);
  }

  cursor(at) {
    this.at = at;
    for (const side of this.sides) if (side.shown && String(side.map.at) !== String(at)) side.map.move(at, false);
    const [{ picture }] = this.sides;
    if (!picture) return;
    const said = this.sides.filter(({ run }) => run).map((side) => side.say(at)).filter(Boolean);
    const [q, k] = at ?? [], { pool } = picture;
    const range = (one) => (pool === 1 ? integer(one) : `${integer(one * pool)}\u2013${integer((one + 1) * pool - 1)}`);
    setText(this.said, at ? `Query ${range(q)}, key ${range(k)}: ${said.join(" \u00b7 ")}`
      : "Point at the map, or move in it with the arrow keys, to read what a query sees.");
    this.#drawText(at ?? [picture.side - 1, -1]);
  }

  #drawText([q, k]) {
    const [{ picture, shown, synthetic }] = this.sides, { pool } = picture;
    const tokens = picture.tokens(Math.min(this.state.window, picture.windows - 1));
    const from = Math.max(0, q * pool - AROUND), to = Math.min(tokens.length, (q + 1) * pool + AROUND);
    const spans = [];
    for (let at = from; at < to; at++) {
      const cell = Math.floor(at / pool), sees = shown.sees(q, cell) > 0, classes = [
        cell === q && "query", cell === k && "key", sees && (cell > q ? "future" : "chosen")].filter(Boolean);
      spans.push(h(classes.length > 0 ? `span.${classes.join(".")}` : "span", null,
        tokenText(tokens[at], synthetic)));
    }
    this.text.replaceChildren(...spans);
  }
}
