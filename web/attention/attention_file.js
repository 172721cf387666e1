// What a run's artifact "attention" holds (schema/experiment.md): of a few windows and each layer, which keys the
// queries chose and the attention that they gave them, cell by cell.

import { getBytes } from "../base/api.js";
import { readSafetensors } from "./safetensors.js";

const NAME = /^attention-(\d+)\.safetensors$/;

/** The steps of which a run has such a file, ascending, out of its artifacts. */
export const stepsOf = (artifacts) => artifacts.map(({ name }) => NAME.exec(name)?.[1]).filter(Boolean).map(Number)
  .sort((a, b) => a - b);

/** A share from the root that a byte stands for. */
const share = (byte) => (byte / 255) ** 2;

class Picture {
  constructor(buffer) {
    const { metadata, arrays } = readSafetensors(buffer);
    this.arrays = arrays;
    this.pool = Number(metadata.pool);
    this.seqLen = Number(metadata.seq_len);
    this.firstWindow = Number(metadata.first_window);
    this.each = metadata.heads === "each";
    [this.windows] = arrays.get("tokens").shape;
    [, this.heads, this.side] = arrays.get("layers.0.mass").shape;
    this.layers = [...arrays.keys()].filter((name) => name.endsWith(".mass")).length;
  }

  tokens(window) {
    return this.arrays.get("tokens").data.subarray(window * this.seqLen, (window + 1) * this.seqLen);
  }

  /**
   * One layer of a window: {side, sees(q, k), mass(q, k), dense(q, k)}, shares of 1. `head` null: the heads' mean, as
   * near as it can be had from rounded shares. A layer that chooses no keys has chose false.
   */
  layer(layer, window, head) {
    const { side } = this, cells = side * side;
    const of = (name) => this.arrays.get(`layers.${layer}.${name}`)?.data;
    const [all, chosen, dense] = ["mass", "sees", "dense"].map(of), heads = this.each ? this.heads : 1;
    const own = (at, h) => share(all[(window * heads + h) * cells + at]);
    const mean = (at) => Array.from({ length: heads }, (_, h) => own(at, h)).reduce((sum, one) => sum + one, 0) / heads;
    const mass = head === null || !this.each ? (q, k) => mean(q * side + k) : (q, k) => own(q * side + k, head);
    const past = (q, k) => (k <= q ? 1 : 0);
    return {
      side, mass, chose: Boolean(chosen),
      sees: chosen ? (q, k) => chosen[window * cells + q * side + k] / 255 : past,
      dense: dense ? (q, k) => share(dense[window * cells + q * side + k]) : (q, k) => mean(q * side + k),
    };
  }
}

/** The picture of a run at a step. */
export async function loadPicture(run, step, signal) {
  return new Picture(await getBytes(`runs/${run}/artifacts/attention-${step}.safetensors`, signal));
}
