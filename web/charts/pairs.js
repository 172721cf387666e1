// Every pair's difference on one line, so that nobody has to take a mean on trust: a dot a seed, 0 as a hairline,
// what lies within the margin as a band, the mean as a stroke. Dots are translucent; what diverged stands at the end.

import { svg } from "../base/dom.js";
import { NONE, number, plural, signed } from "../base/format.js";

const [WIDTH, HEIGHT, EDGE] = [168, 20, 6];

/** The line's end for claims that are to share one: the greatest finite difference, or the margin. */
export function reach(claims, margin) {
  const sizes = claims.flatMap(({ differences }) => differences.map(([, d]) => Math.abs(number(d))));
  return sizes.filter(Number.isFinite).reduce((most, size) => Math.max(most, size), margin) || 1;
}

/** An SVG of a claim's differences; `format` writes a difference for those who can't see it. */
export function pairsPlot({ differences, mean_difference: mean }, most, margin, format) {
  if (differences.length === 0) return NONE;
  const middle = WIDTH / 2, half = middle - EDGE, y = HEIGHT / 2;
  const x = (value) => +(middle + half * Math.max(-1, Math.min(1, value / most))).toFixed(1);
  const values = differences.map(([, d]) => number(d)), at = number(mean);
  const said = differences.map(([seed], i) => `seed ${seed}: ${signed(format(values[i]))}`).join(", ");
  return svg("svg.pairs", { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": `${plural(values.length, "pair")}: ${said}` },
  svg("title", null, said),
  svg("rect.within", { x: x(-margin), y: 2, width: +(x(margin) - x(-margin)).toFixed(1), height: HEIGHT - 4 }),
  svg("path.zero", { d: `M${middle} 1V${HEIGHT - 1}` }),
  values.map((value) => svg("circle", { cx: x(value), cy: y, r: 3 })),
  Number.isFinite(at) && svg("path.mean", { d: `M${x(at)} 2V${HEIGHT - 2}` }));
}
