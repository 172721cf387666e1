// One mark an arm, drawn alike on canvas and in SVG swatches: colour is never the only difference.

const COLORS = 8; // --arm-0 … in style.css
const SHAPES = ["circle", "square", "triangle", "diamond", "down", "cross", "pentagon", "bar"];

/** Of the i-th arm. After eight arms the colours come again, each with another shape: 64 marks. */
export const colorOf = (i) => i % COLORS;
export const shapeOf = (i) => SHAPES[(i + Math.floor(i / COLORS)) % SHAPES.length];

// Corners on the unit circle's square, y downwards.
const CORNERS = {
  square: [[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]],
  triangle: [[0, -1.1], [1.05, 0.8], [-1.05, 0.8]],
  down: [[0, 1.1], [1.05, -0.8], [-1.05, -0.8]],
  diamond: [[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]],
  cross: [
    [-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4],
    [0.4, 1.1], [-0.4, 1.1], [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4],
  ],
  pentagon: [0, 1, 2, 3, 4].map((i) => [1.1 * Math.sin(i * 1.2566), -1.1 * Math.cos(i * 1.2566)]),
  bar: [[-1.2, -0.5], [1.2, -0.5], [1.2, 0.5], [-1.2, 0.5]],
};

export function tracePath(context, shape, x, y, size) {
  if (shape === "circle") {
    context.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  CORNERS[shape].forEach(([dx, dy], i) => context[i === 0 ? "moveTo" : "lineTo"](x + dx * size, y + dy * size));
  context.closePath();
}

/** The same as the d of an SVG path. */
export function pathData(shape, x, y, size) {
  const half = (width) => `a${size} ${size} 0 1 0 ${width} 0`, corner = (at) => +at.toFixed(2);
  if (shape === "circle") return `M${x - size} ${y}${half(2 * size)}${half(-2 * size)}z`;
  return "M" + CORNERS[shape].map(([dx, dy]) => `${corner(x + dx * size)} ${corner(y + dy * size)}`).join("L") + "z";
}
