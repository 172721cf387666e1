// A square of cells on a canvas, queries from top to bottom, keys from left to right, with a cursor that follows the
// pointer and the arrow keys.

import { h } from "../base/dom.js";

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** [r, g, b] of a colour of the style sheet. */
export function rgb(name) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  context.fillStyle = css(name);
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.subarray(0, 3)];
}

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** oncursor([query, key]), or null when it has left. */
export class Heatmap {
  constructor(label, oncursor) {
    Object.assign(this, { oncursor, side: 1, at: null });
    this.canvas = h("canvas", { width: "1", height: "1" });
    this.mark = h("canvas.mark", { width: "1", height: "1", "aria-hidden": "true" });
    this.element = h("div.heatmap", { tabindex: "0", role: "application", "aria-roledescription": "map of attention",
      "aria-label": label }, this.canvas, this.mark);
    this.element.addEventListener("pointermove", (event) => this.#point(event));
    this.element.addEventListener("pointerleave", () => this.move(null));
    this.element.addEventListener("keydown", (event) => this.#press(event));
  }

  name(label) {
    this.element.setAttribute("aria-label", label);
  }

  /** cell(query, key): [r, g, b, strength], the strength from 0 (paper) to 1. */
  draw(side, cell) {
    const paper = rgb("--paper"), context = this.canvas.getContext("2d");
    this.side = this.canvas.width = this.canvas.height = side;
    const image = context.createImageData(side, side);
    for (let q = 0, at = 0; q < side; q++)
      for (let k = 0; k < side; k++, at += 4) {
        const [r, g, b, strength] = cell(q, k);
        [r, g, b].forEach((value, i) => (image.data[at + i] = paper[i] + (value - paper[i]) * strength));
        image.data[at + 3] = 255;
      }
    context.putImageData(image, 0, 0);
    if (this.at) this.move(this.at.map((one) => Math.min(one, side - 1)));
  }

  /** Puts the cursor there; without a word to oncursor, when it is told from there. */
  move(at, tell = true) {
    this.at = at;
    const size = 512, { mark, side } = this, context = mark.getContext("2d");
    mark.width = mark.height = size;
    if (at) {
      const [q, k] = at, cell = size / side;
      context.strokeStyle = css("--ink");
      context.globalAlpha = 0.45;
      context.strokeRect(0, q * cell, size, cell);
      context.strokeRect(k * cell, 0, cell, size);
    }
    if (tell) this.oncursor(at);
  }

  #point({ offsetX, offsetY }) {
    const { side } = this, { clientWidth, clientHeight } = this.canvas;
    const place = (offset, size) => Math.max(0, Math.min(side - 1, Math.floor((offset / size) * side)));
    this.move([place(offsetY, clientHeight), place(offsetX, clientWidth)]);
  }

  #press(event) {
    const step = MOVES[event.key], last = this.side - 1;
    if (!step) return;
    event.preventDefault();
    const from = this.at ?? [last, 0], size = event.shiftKey ? 8 : 1;
    this.move(from.map((one, i) => Math.max(0, Math.min(last, one + step[i] * size))));
  }
}
