// What charts make of curves before anything is drawn: other axes than steps, what an address keeps, what is nearest to
// the pointer, what CSV has. Pure modules, without a browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { link, readAddress } from "../../../web/base/address.js";
import { csv } from "../../../web/base/csv.js";
import { axis, logTicks, onScale, Scale, scaleOf } from "../../../web/charts/axes.js";
import { ArmCurve, armBundle, nearest, Series, steps } from "../../../web/charts/series.js";
import { readShown, usual, writeShown } from "../../../web/charts/shown.js";
import { rowsOf } from "../../../web/charts/taken.js";

function curve(arm, at, values) {
  const made = new ArmCurve({ arm, grid: {} });
  made.apply({ runs: 2, open: 0, from: 0, step: at, n: at.map(() => 2), complete: at.map(() => 2), mean: values, sd: at.map(() => 0.5),
    t95_low: values, t95_high: values, min: values.map((value) => value - 1), max: values.map((value) => value + 1), nonfinite: at.map(() => 0) }, 1);
  return made;
}

test("a step's tokens, FLOPs and seconds: each arm has its own, and back", () => {
  const tokens = scaleOf("tokens", { tokens: 32000, steps: 1000 });
  assert.deepEqual([tokens.x(0), tokens.x(250), tokens.step(8000)], [0, 8000, 250]);
  const flops = scaleOf("flops", { flops: [[0, 0], [10, 100], [30, 140]] }); // a warm-up costs more
  assert.deepEqual([0, 5, 10, 20, 30, 40].map((step) => flops.x(step)), [0, 50, 100, 120, 140, 160]);
  assert.deepEqual([50, 120, 160].map((x) => flops.step(x)), [5, 20, 40]);
  // cells of several steps, one without a value, one that is alone
  const seconds = scaleOf("seconds", { time: { step: [4, 8, 12, 13], mean: [0.5, null, 2, 1] } });
  assert.deepEqual([2, 4, 8, 12, 13, 14].map((step) => seconds.x(step)), [1, 2, 10, 18, 19, 20]);
  assert.equal(scaleOf("step", {}), null);
  for (const unknown of [["tokens", { steps: 10 }], ["flops", { flops: null }], ["seconds", { time: undefined }], ["seconds", { time: new Series() }]])
    assert.equal(scaleOf(...unknown), undefined, unknown[0]);
});

test("arms that differ in tokens a step stand at their own x; smoothing stays one of steps", () => {
  const [a, b] = [curve("a", [10, 20, 30], [5, 4, 1]), curve("b", [10, 20, 30], [5, 4, 1])];
  const drawn = [onScale(a, new Scale([[0, 0], [10, 100]])), onScale(b, new Scale([[0, 0], [10, 250]]))];
  const xs = steps(drawn);
  assert.deepEqual(xs, [100, 200, 250, 300, 500, 750]);
  const by = (one, at, weight) => armBundle(one, [], at, { weight, unit: 10 }).mean.filter((value) => value !== undefined);
  assert.deepEqual(by(drawn[1], xs, 0), [5, 4, 1]);
  assert.deepEqual(by(drawn[1], xs, 0.7), by(b, [10, 20, 30], 0.7));
  assert.equal(onScale(a, null), a);
});

test("what a page of curves shows goes into the address and out again; what is as usual doesn't stand there", () => {
  const before = usual({ metrics: ["val/loss"], at: { "data.seq_len": "all", "train.lr": "0.1" } });
  const known = { axes: ["step", "tokens"], bands: ["range", "sd"], arms: ["a, b", "c%", "d"] };
  const through = (state) => readShown(readAddress(link("/experiments/7/curves", writeShown(state, before))).query, before, known);
  assert.deepEqual(through(before), before);
  assert.ok(Object.values(writeShown(before, before)).every((text) => text === ""));
  const state = { ...before, axis: "tokens", log: true, logX: true, shared: false, weight: 0.42, band: "sd", seeds: true, sort: true,
    metrics: new Set(["train/loss", "val/loss"]), only: new Set(["a, b", "c%"]), zoom: [0.5, 1e12], full: "val/loss|[[\"data.seq_len\",64]]",
    at: { "data.seq_len": "64", "train.lr": "0.1" } };
  assert.deepEqual(through(state), state);
  assert.deepEqual(through({ ...before, metrics: new Set() }).metrics, new Set());
  const odd = new URLSearchParams("x=cubits&band=blue&smooth=7&arms=gone,%25zz&zoom=9~1&at=model.heads:3&log=maybe");
  assert.deepEqual(readShown(odd, before, known), before); // what isn't there, or can't be read, is as usual
});

test("the pointer finds the nearest line, between its values too, a seed by its name, else the band", () => {
  const xs = [0, 10, 20], lines = [
    { arm: 0, kind: "high", values: [9, 9, 9] }, { arm: 0, kind: "low", values: [5, 5, 5] },
    { arm: 0, kind: "mean", values: [6, undefined, 8] }, { arm: 1, kind: "seed", label: "seed 3", values: [1, 1, 3] }];
  const at = (place, x, y) => nearest(lines, xs, place, x, { y, most: 0.4, px: (value) => -value });
  assert.deepEqual(at(1, 9, -6.8), { arm: 0, kind: "mean", label: undefined, i: 0, value: 6 });
  assert.deepEqual(at(1, 14, -1.9), { arm: 1, kind: "seed", label: "seed 3", i: 1, value: 1 });
  assert.equal(at(1, 10, -8.5).kind, "band");
  assert.equal(at(1, 10, -4), null);
});

test("CSV has what is drawn: the zoomed range, smoothed means, bands, seeds; names are no formulas", () => {
  const arm = curve("=1+1", [1, 2, 3], [5, 4, 3]), xs = [1, 2, 3], seed = Object.assign(new Series(), { label: "seed 7" });
  seed.push([[2, 4.5], [3, "nan"]]);
  const chart = (band, seeds, zoom) => {
    const made = armBundle(arm, seeds, xs, { band });
    return { arms: [{ name: arm.arm }], bundles: [made], lines: made.seeds.map((values, i) => ({ arm: 0, kind: "seed", values, label: made.labels[i] })),
      xs, axis: "tokens", band, weight: 0, group: { zoom }, where: "L = 8", metric: { name: "val/loss" } };
  };
  assert.equal(csv(rowsOf(chart("range", [], [1.5, 9]))), "tokens,arm,grid point,n,mean of val/loss,min,max\r\n2,'=1+1,L = 8,2,4,3,5\r\n3,'=1+1,L = 8,2,3,2,4\r\n");
  assert.deepEqual(rowsOf(chart("none", [seed], null)), [["tokens", "arm", "grid point", "seed", "n", "mean of val/loss"],
    [1, "=1+1", "L = 8", "", 2, 5], [2, "=1+1", "L = 8", "", 2, 4], [3, "=1+1", "L = 8", "", 2, 3],
    [2, "=1+1", "L = 8", "7", 1, 4.5], [3, "=1+1", "L = 8", "7", 1, "nan"]]);
});

test("words and marks of axes", () => {
  assert.deepEqual(["step", "tokens", "flops", "seconds", "seconds"].map((name, i) => axis(name).format([1500, 1500, 2.5e12, 0.25, 7200][i])),
    ["1,500", "1,500", "2.50\u202fTFLOP", "250\u202fms", "2\u202fh"]);
  assert.deepEqual([0, 20e6, 2.5e6, 1e11, 100].map(axis("tokens").tick), ["0", "20\u202fM", "2.50\u202fM", "100\u202fG", "100"]);
  assert.deepEqual(logTicks(1, 100), [1, 2, 5, 10, 20, 50, 100]);
  assert.deepEqual(logTicks(10, 1e6), [10, 100, 1000, 1e4, 1e5, 1e6]);
});
