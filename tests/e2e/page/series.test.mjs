// The page's arithmetic, without a browser: series, bundles of seeds, JSON pointers, numbers for people.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ArmCurve, armBundle, bundle, column, extent, Series, smooth, smoothingUnit, steps } from "../../../web/charts/series.js";
import { lineOf, locate } from "../../../web/editor/pointer.js";
import { now, told } from "../../../web/base/clock.js";
import { duration, elapsed, gridKey, number, percent, signed } from "../../../web/base/format.js";
import { byPlace, learn, metric } from "../../../web/base/metrics.js";

const of = (points, limit) => {
  const series = new Series(limit);
  series.push(points);
  return series;
};

test("live points repeat without harm and in order", () => {
  const series = of([[1, 3], [2, 2]]);
  series.push([[2, 9], [3, 1]]);
  assert.deepEqual(series.step, [1, 2, 3]);
  assert.deepEqual(series.mean, [3, 2, 1]);
  assert.equal(series.raw, 3);
});

test("points that came live while a fetch was under way are neither lost nor doubled", () => {
  const series = of([[4, 40], [5, 50], [6, 60]]); // came while the answer, a snapshot up to 5, travelled
  series.load({ raw: 5, points: [[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]] });
  assert.deepEqual(series.step, [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(series.mean, [10, 20, 30, 40, 50, 60]);
  assert.equal(series.raw, 6);
  series.load({ raw: 8, buckets: [[1, 4, 10, 40, 25, 4, 0]] });
  assert.deepEqual(series.step, [4, 5, 6]);
  assert.deepEqual(series.first, [1, 5, 6]);
});

test("merging keeps least, greatest, mean, and what isn't finite", () => {
  let seed = 1;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 50; round++) {
    const n = 1 + Math.floor(random() * 900);
    const points = Array.from({ length: n }, (_, i) => [i + 1, random() < 0.1 ? ["nan", "inf", "-inf"][i % 3] : random() * 100 - 50]);
    const series = new Series(16);
    for (let i = 0; i < n;) {
      const k = 1 + Math.floor(random() * 40);
      series.push(points.slice(i, i + k));
      i += k;
    }
    assert.ok(series.length <= 32);
    const finite = points.map(([, value]) => value).filter((value) => typeof value === "number");
    assert.equal(series.raw, n);
    assert.equal(series.nonfinite, n - finite.length);
    assert.equal(series.count.reduce((a, b) => a + b), finite.length);
    assert.equal(series.lastStep, n);
    for (let i = 0; i < series.length; i++) {
      const mine = points.filter(([step]) => step >= series.first[i] && step <= series.step[i]).map(([, value]) => value);
      const good = mine.filter((value) => typeof value === "number");
      assert.equal(series.count[i], good.length);
      assert.equal(series.bad[i], mine.length - good.length);
      if (good.length === 0) {
        assert.equal(series.mean[i], null);
        continue;
      }
      assert.equal(series.min[i], Math.min(...good));
      assert.equal(series.max[i], Math.max(...good));
      assert.ok(Math.abs(series.mean[i] - good.reduce((a, b) => a + b) / good.length) < 1e-9);
    }
  }
});

test("a mean says over how many seeds; where some are missing it is the dashed one", () => {
  const made = bundle([of([[1, 2], [2, 4], [3, 6]]), of([[1, 4], [2, 6]]), of([])], [1, 2, 3]);
  assert.equal(made.begun, 2);
  assert.deepEqual(made.n, [2, 2, 1]);
  assert.deepEqual(made.mean, [3, 5, 6]);
  assert.deepEqual(made.whole, [3, 5, null]);
  assert.deepEqual(made.part, [null, 5, 6]); // joined to the whole at step 2
});

test("values that aren't finite are gaps, are counted, and stay out of the mean", () => {
  const made = bundle([of([[1, 1], [2, "nan"], [3, 3]]), of([[1, 3], [2, 5], [3, "inf"]])], [1, 2, 3]);
  assert.deepEqual(made.mean, [2, 5, 3]);
  assert.deepEqual(made.n, [2, 1, 1]);
  assert.deepEqual(made.seeds, [[1, null, 3], [3, 5, null]]);
  assert.deepEqual([...made.bad].sort(), [2, 3]);
  assert.equal(made.nonfinite, 2);
  assert.equal(bundle([of([[1, "nan"]])], [1]).mean[0], null);
});

test("buckets of different widths are averaged at each other's steps, and banded", () => {
  const a = new Series(), b = new Series();
  a.load({ raw: 20, buckets: [[1, 10, 0, 2, 1, 10, 0], [11, 20, 1, 5, 3, 10, 0]] });
  b.load({ raw: 20, buckets: [[1, 10, 0, 8, 5, 10, 0], [11, 15, 6, 7, 6, 5, 0], [16, 20, 7, 9, 7, 5, 0]] });
  const xs = steps([a, b]);
  assert.deepEqual(xs, [10, 15, 20]);
  const made = bundle([a, b], xs);
  assert.deepEqual(made.mean, [3, 4, 5]);
  assert.deepEqual(made.low, [0, 0.5, 1]);
  assert.deepEqual(made.high, [8, 7, 9]);
  assert.equal(made.raw, 40);
});

const armCurve = () => {
  const curve = new ArmCurve({ arm: "dense", grid: {} });
  curve.apply({ runs: 3, open: 1, from: 0, step: [1, 2, 3, 4], n: [3, 3, 0, 1], complete: [3, 3, 3, 1], mean: [5, 4, null, 2], sd: [1, 0.5, null, null],
    t95_low: [3, 3.5, null, null], t95_high: [7, 4.5, null, null], min: [4, 3.5, null, 2], max: [6, 4.5, null, 2], nonfinite: [0, 0, 3, 0] }, 1);
  return curve;
};

test("an arm's mean is whole where every seed that there is has got that far, and dashed where some are missing", () => {
  const made = armBundle(armCurve(), [], [1, 2, 3, 4]);
  assert.deepEqual([made.begun, made.open, made.n], [3, 1, [3, 3, 3, 1]]);
  assert.deepEqual(made.whole, [5, 4, null, null]);
  assert.deepEqual(made.part, [null, null, null, 2]);
  assert.deepEqual([made.bad, made.nonfinite], [[3], 3]);
  assert.deepEqual([made.low, made.high], [[4, 3.5, null, 2], [6, 4.5, null, 2]]);
  const band = (name) => { const { low, high } = armBundle(armCurve(), [], [1, 2, 3, 4], { band: name }); return [low, high]; };
  assert.deepEqual(band("interval"), [[3, 3.5, null, null], [7, 4.5, null, null]]);
  assert.deepEqual(band("sd"), [[4, 3.5, null, null], [6, 4.5, null, null]]);
  assert.deepEqual(band("none"), [null, null]);
  assert.deepEqual(armBundle(armCurve(), [of([[1, 9], [4, 8]])], [1, 2, 3, 4]).seeds, [[9, undefined, undefined, 8]]);
});

test("what the daemon tells later replaces an arm's curve from its step on", () => {
  const curve = armCurve(), { version } = curve;
  curve.apply({ runs: 3, open: 0, from: 4, step: [4, 5], n: [3, 3], complete: [3, 3], mean: [3, 2], sd: [0, 0], t95_low: [3, 2], t95_high: [3, 2], min: [3, 2], max: [3, 2], nonfinite: [0, 0] }, 1);
  assert.deepEqual([curve.step, curve.mean, curve.first], [[1, 2, 3, 4, 5], [5, 4, null, 3, 2], [1, 2, 3, 4, 5]]);
  assert.deepEqual(armBundle(curve, [], curve.step).whole, [5, 4, null, 3, 2]);
  assert.ok(curve.version > version);
  curve.apply({ runs: 4, open: 1, from: null, step: [] }, 1);
  assert.deepEqual([curve.runs, curve.length], [4, 5]);
});

test("smoothing goes by distance in steps: the same curve at another resolution is smoothed alike", () => {
  const every = (n) => Array.from({ length: 2000 / n }, (_, i) => (i + 1) * n), value = (x) => Math.exp(-x / 300) + 1;
  const at = (xs, x) => smooth(xs.map(value), 0.9, xs, smoothingUnit(2000))[xs.indexOf(x)];
  for (const x of [400, 1000, 2000]) assert.ok(Math.abs(at(every(4), x) - at(every(8), x)) < 0.01, `at ${x}`);
  const gap = [1, 2, 3, 1000]; // what is far behind hardly counts any more
  assert.ok(Math.abs(smooth([9, 9, 9, 1], 0.9, gap, 4)[3] - 1) < 1e-9);
});

test("columns, smoothing, extent", () => {
  assert.deepEqual(column(of([[2, 5]]), [1, 2, 3], [5]), [undefined, 5, undefined]);
  assert.deepEqual(smooth([4, 4, null, 4], 0.9).map((value) => value && +value.toFixed(9)), [4, 4, null, 4]); // no bias at the start
  assert.deepEqual(smooth([0, 1], 0.5), [0, 2 / 3]);
  assert.deepEqual(extent([[1, -2, null], [undefined, 7, 3]], [1, 2, 3], 1, 2, false), [-2, 7]);
  assert.deepEqual(extent([[1, -2, null]], [1, 2, 3], -Infinity, Infinity, true), [1, 1]);
  assert.equal(extent([[null]], [1], 0, 9, false), null);
});

test("a JSON pointer finds its place in the text", () => {
  const text = '{\n  "a/b": [1, {"x": "}]"}, 3],\n  "grid": {"data.seq_len": [64, -1]},\n  "m~n": true }';
  const at = (pointer) => text.slice(...locate(text, pointer));
  assert.equal(at("/grid/data.seq_len/1"), "-1");
  assert.equal(at("/a~1b/1/x"), '"x": "}]"');
  assert.equal(at("/a~1b/2"), "3");
  assert.equal(at("/m~0n"), '"m~n": true');
  assert.equal(at("/grid/nothing"), '"grid": {"data.seq_len": [64, -1]}'); // the nearest that exists
  assert.equal(at(""), text);
  assert.deepEqual(lineOf(text, locate(text, "/grid")[0]), { line: 3, column: 3 });
});

test("numbers for people", () => {
  assert.ok(Number.isNaN(number("nan")));
  assert.equal(number("-inf"), -Infinity);
  assert.equal(number(null), undefined);
  assert.equal(percent(-0.123), "\u221212.3\u202f%");
  assert.equal(signed("0.5"), "+0.5");
  assert.equal(duration(3725), "1\u202fh 2\u202fmin");
  assert.equal(gridKey({ b: 1, a: 2 }), gridKey({ a: 2, b: 1 }));
});

test("times go by the daemon's clock, whatever the browser's says", () => {
  const local = Date.now, hour = 3600e3, iso = (ms) => new Date(ms).toISOString();
  const within = (ms, of) => assert.ok(Math.abs(ms - of) < 2000, `${ms} is not ${of}`);
  try {
    Date.now = () => 1e12; // the browser's, which stands
    told(new Date(1e12).toUTCString());
    assert.equal(now(), 1e12); // as good as the same
    told(new Date(1e12 + hour).toUTCString());
    within(now(), 1e12 + hour);
    within(elapsed(iso(1e12 + hour - 10000)) * 1000, 10000);
    within(elapsed(iso(0), iso(5000)) * 1000, 5000);
    const { ...before } = { at: now() };
    told(new Date(1e12 + hour + 1000).toUTCString()); // no jitter
    assert.equal(now(), before.at);
    told(null); // a reply without one
    assert.equal(now(), before.at);
    told(new Date(1e12).toUTCString());
    assert.equal(now(), 1e12);
  } finally {
    Date.now = local;
  }
});

test("metrics are written as the daemon's table says, and those that it lacks by their name", () => {
  assert.equal(metric("val/loss").title, "val/loss");
  learn([
    { name: "val/loss", title: "Validation loss", unit: "nats a token", format: "decimal", clock: false },
    { name: "train/lr", title: "Learning rate", unit: "", format: "short", clock: false },
    { name: "time/step_s", title: "Time a step", unit: "wall clock", format: "seconds", clock: true },
  ]);
  const { title, clock, format } = metric("val/loss");
  assert.deepEqual([title, clock], ["Validation loss", false]);
  assert.equal(format(NaN), "NaN");
  assert.equal(format(undefined), "\u2013");
  assert.equal(format(2.31256), "2.3126");
  assert.equal(metric("train/lr").format(0.003), "0.003");
  assert.equal(metric("time/step_s").format(0.0583), "58.3\u202fms");
  assert.ok(metric("time/step_s").clock);
  const { title: name, clock: timed, format: plain } = metric("val/other");
  assert.deepEqual([name, timed, plain(2.31256)], ["val/other", false, "2.313"]);
  assert.deepEqual(["val/z", "time/step_s", "val/a", "val/loss", "train/lr"].sort(byPlace),
    ["val/loss", "train/lr", "time/step_s", "val/a", "val/z"]);
});
