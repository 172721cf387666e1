// The curves of an experiment's arms for one question (metrics, a range of steps), and what keeps them current: the
// first answer has everything, later ones, asked with its cursor, only what is new. One request at a time.

import { get } from "../base/api.js";
import { gridKey } from "../base/format.js";
import { ArmCurve } from "./series.js";

export class CurveSet {
  static made = 0;

  /** question: {metric: [names], points, from, to}. */
  constructor(experiment, question, signal) {
    Object.assign(this, { experiment, question, signal });
    this.id = CurveSet.made++;
    this.curves = new Map(); // metric|arm|grid → ArmCurve
    this.widths = new Map(); // metric → steps a cell
    this.whole = false; // an answer has come
  }

  /** Asks what is new; afterwards of() has it. */
  async refresh() {
    const { experiment, question, signal, cursor } = this;
    const answer = await get(`experiments/${experiment}/curves`, { ...question, since: cursor }, signal);
    if (answer.whole) this.curves.clear();
    for (const [metric, { width, curves }] of Object.entries(answer.metrics)) {
      this.widths.set(metric, width);
      for (const told of curves) {
        const key = `${metric}|${told.arm}|${gridKey(told.grid)}`;
        let curve = this.curves.get(key);
        if (!curve) this.curves.set(key, curve = Object.assign(new ArmCurve(told), { id: `${this.id}.${key}` }));
        curve.apply(told, width);
      }
    }
    this.cursor = answer.cursor;
    this.whole = true;
  }

  of(metric, arm, point) {
    return this.curves.get(`${metric}|${arm}|${gridKey(point)}`);
  }

  /** Whether a metric has steps that are not drawn one by one. */
  isBucketed(metric) {
    return (this.widths.get(metric) ?? 1) > 1;
  }
}
