// A list of which only the rows in sight are in the document, so that ten thousand scroll like ten.
//
// It works in a table's body: a spacer above and one below stand for the rows that aren't there. Rows may differ in
// height (on narrow windows they are cards): one that hasn't been seen is as high as those that have, on average; the
// browser's scroll anchoring keeps still what is looked at when that was wrong. What scrolls may be the window or a box
// around the table. Columns only grow, since a table whose columns follow each row that comes would flicker.

import { h, perFrame } from "../base/dom.js";

const FIRST_GUESS = 36; // px, of a row
const BEYOND = 400; // px that are drawn above and below what is in sight

/** make(item): {element, update(item)}, as keyed() has it. Returns {show(items), redraw(), end()}. */
export function virtualList({ table, body, key, make, signal: outer }) {
  const stop = new AbortController(), signal = AbortSignal.any([outer, stop.signal]);
  const above = h("tr.spacer", { "aria-hidden": "true" }, h("td")), below = above.cloneNode(true);
  const heights = new Map(), rows = new Map();
  let items = [], offsets = new Float64Array(1);

  const guess = () => {
    let sum = 0;
    for (const height of heights.values()) sum += height;
    return heights.size > 0 ? sum / heights.size : FIRST_GUESS;
  };
  function place() {
    const unseen = guess();
    offsets = new Float64Array(items.length + 1);
    items.forEach((item, i) => (offsets[i + 1] = offsets[i] + (heights.get(key(item)) ?? unseen)));
  }
  /** The last row that begins at or above y. */
  function rowAt(y) {
    let low = 0, high = items.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (offsets[middle] <= y) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }
  function inSight() {
    const box = body.closest("[data-box]")?.getBoundingClientRect(), { top } = body.getBoundingClientRect();
    const from = Math.max(0, box?.top ?? 0) - top, to = Math.min(innerHeight, box?.bottom ?? innerHeight) - top;
    return [rowAt(from - BEYOND), rowAt(to + BEYOND)];
  }
  function space(row, height, add) {
    row.style.height = row.firstChild.style.height = `${Math.max(0, height)}px`;
    if (height <= 0) row.remove();
    else if (row.parentNode !== body) add(row);
  }

  function draw(again = true) {
    if (signal.aborted || !body.isConnected) return;
    const [from, to] = items.length === 0 ? [0, -1] : inSight();
    const wanted = new Set();
    let next = above.parentNode === body ? above.nextSibling : body.firstChild;
    for (let i = from; i <= to; i++) {
      const item = items[i], id = key(item);
      wanted.add(id);
      let row = rows.get(id);
      if (!row) rows.set(id, (row = make(item)));
      if (row.drawn !== item || row.stale) row.update(item);
      [row.drawn, row.stale] = [item, false];
      row.element.setAttribute("aria-rowindex", i + 2);
      if (row.element === next) next = next.nextSibling;
      else body.insertBefore(row.element, next);
    }
    for (const [id, row] of rows)
      if (!wanted.has(id)) {
        row.element.remove();
        rows.delete(id);
      }
    space(above, offsets[from], (row) => body.prepend(row));
    space(below, items.length > 0 ? offsets[items.length] - offsets[to + 1] : 0, (row) => body.append(row));
    if (measure() && again) draw(false);
  }

  function measure() {
    let changed = false;
    for (const [id, { element }] of rows) {
      const { height } = element.getBoundingClientRect();
      if (height > 0 && Math.abs((heights.get(id) ?? 0) - height) > 0.5) {
        heights.set(id, height);
        changed = true;
      }
    }
    if (changed) place();
    return changed;
  }
  const grown = new Map(); // heading → the widest that it was
  function keepWidths() {
    for (const cell of table.querySelectorAll("thead th")) {
      const width = Math.ceil(cell.getBoundingClientRect().width);
      if (width > (grown.get(cell) ?? 0)) grown.set(cell, width);
      cell.style.minWidth = `${grown.get(cell)}px`;
    }
  }

  const soon = perFrame(draw, signal);
  document.addEventListener("scroll", soon, { capture: true, passive: true, signal });
  addEventListener("resize", () => {
    heights.clear();
    grown.clear();
    table.querySelectorAll("thead th").forEach((cell) => (cell.style.minWidth = ""));
    place();
    soon();
  }, { signal });
  // When it first comes into the document, or another tab has been looked at meanwhile.
  const seen = new ResizeObserver(() => soon());
  seen.observe(table);
  signal.addEventListener("abort", () => seen.disconnect());

  return {
    show(given) {
      items = given;
      table.setAttribute("aria-rowcount", items.length + 1);
      place();
      draw();
      if (table.dataset.widths !== undefined) keepWidths();
    },
    /** Draws the rows in sight again, although their items are the same objects. */
    redraw() {
      for (const row of rows.values()) row.stale = true;
      soon();
    },
    /** Another list takes the table. */
    end: () => stop.abort(),
  };
}
