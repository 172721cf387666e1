// One legend for many charts: every arm with its value in the chart that is looked at, under the cursor or the last
// one. A click on an arm shows it alone, another one all again; the boxes choose several. What is searched for can be
// shown alone, too. Arms stand in the experiment's order, or by their value.

import { action, h, keyed, setAttribute, setText } from "../base/dom.js";
import { integer, NONE, plural } from "../base/format.js";
import { invalidTag, swatch, toggle } from "../parts/parts.js";
import { seedsText } from "./chart.js";
import { axis } from "./axes.js";

const SEARCHED = 8; // from so many arms on there is a field to search them by

export class ArmLegend {
  /**
   * arms: names in the experiment's order. state: {only: Set of what is shown or null for all, sort: by value?}, which
   * is changed here; onchange() is told.
   */
  constructor({ arms, state, onchange }) {
    Object.assign(this, { arms, state, onchange, chart: null, invalid: new Set(), values: new Map() });
    this.title = h("span.legend-title");
    this.field = h("input", { type: "search", "aria-label": "Search arms", placeholder: "Search arms" });
    this.field.addEventListener("input", () => this.draw());
    this.field.addEventListener("keydown", (event) => event.key === "Enter" && this.#show(this.#found()));
    this.sorting = toggle("by value", state.sort, (on) => {
      state.sort = on;
      onchange();
      this.draw();
    }, "The best first, else in the experiment\u2019s order");
    this.these = action("Show only these", () => this.#show(this.#found()), { kind: "quiet" });
    this.all = action("Show all", () => this.#show(null), { kind: "quiet" });
    this.none = h("p.empty", { hidden: true }, "No arm is called that.");
    const list = h("ul.arms", { "aria-label": "Arms" });
    this.rows = keyed(list, ({ name }) => name, (arm) => this.#row(arm));
    this.element = h("section.arm-legend", { "aria-label": "Legend" },
      h("div.legend-head", null, this.title, arms.length >= SEARCHED ? this.field : null,
        arms.length > 1 ? this.sorting : null, this.these, this.all), list, this.none);
  }

  #found() {
    const words = this.field.value.trim().toLowerCase();
    return this.arms.filter((name) => name.toLowerCase().includes(words));
  }

  #shown(name) {
    return this.state.only?.has(name) ?? true;
  }

  #show(names) {
    this.state.only = names === null || names.length === this.arms.length ? null : new Set(names);
    this.onchange();
    this.draw();
  }

  /** Shows an arm alone, or all again if it is. */
  solo(name) {
    this.#show(this.state.only?.size === 1 && this.#shown(name) ? null : [name]);
  }

  #row({ name, place }) {
    const box = h("input", { type: "checkbox", "aria-label": `Show ${name}` });
    box.addEventListener("change", () => this.#show(this.arms.filter((one) => (one === name ? box.checked
      : this.#shown(one)))));
    const button = h("button.arm-button", { type: "button", title: "Show it alone" }, swatch(place),
      h("span.arm-name", null, name));
    button.addEventListener("click", () => this.solo(name));
    const value = h("span.value"), n = h("span.n"), bad = h("span.bad"), invalid = invalidTag();
    const element = h("li", null, box, button, invalid, value, n, bad);
    return {
      element,
      update: () => {
        const shown = this.#shown(name), one = this.values.get(name);
        box.checked = shown;
        setAttribute(button, "aria-pressed", String(this.state.only?.size === 1 && shown));
        element.classList.toggle("off", !shown);
        invalid.hidden = !this.invalid.has(name);
        setText(value, one ? this.chart.metric.format(one.value) : NONE);
        setText(n, one && this.chart.group.seeds ? seedsText(one.n, one.begun, one.open) : "");
        setText(bad, one?.nonfinite > 0 ? `${integer(one.nonfinite)} not finite` : "");
      },
    };
  }

  /** Arms that an audit has made worthless. */
  mark(invalid) {
    this.invalid = invalid;
    this.draw();
  }

  /** What a chart reads; `active`: it is the one that is looked at. */
  read(chart, active) {
    if (active) this.chart = chart;
    if (this.chart === chart) this.draw();
  }

  draw() {
    const { chart, state } = this, found = new Set(this.#found()), sign = chart?.metric.goal === "max" ? -1 : 1;
    this.values = new Map(chart?.readings?.map((one) => [one.name, one]));
    const by = (name) => {
      const value = this.values.get(name)?.value;
      return Number.isFinite(value) ? sign * value : Infinity;
    };
    const rows = this.arms.map((name, place) => ({ name, place })).filter(({ name }) => found.has(name));
    if (state.sort) // while the cursor moves nothing else does
      this.order = chart?.at === null || !this.order ? new Map(rows.map(({ name }) => [name, by(name)])) : this.order;
    if (state.sort) rows.sort((a, b) => (this.order.get(a.name) ?? Infinity) - (this.order.get(b.name) ?? Infinity) ||
      a.place - b.place);
    this.rows(rows);
    const x = axis(chart?.axis ?? "step");
    const at = chart?.at ?? null;
    setText(this.title, chart ? `${chart.name}, ${at === null ? "last value" : `${x.title} ${x.format(at)}`}` : "");
    this.sorting.firstChild.checked = state.sort;
    this.none.hidden = rows.length > 0;
    const hidden = state.only ? this.arms.length - state.only.size : 0;
    setText(this.all, `Show all ${plural(this.arms.length, "arm")}`);
    this.all.hidden = hidden === 0;
    this.these.hidden = found.size === this.arms.length || found.size === 0;
  }
}
