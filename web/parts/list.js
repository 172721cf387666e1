// A list of which only the rows in sight are in the document, so that ten thousand scroll like ten.
//
// It works in a table's body: spacers stand for the rows that aren't there. Rows may differ in height (on narrow
// windows they are cards): one that hasn't been seen is as high as those that have, on average; the browser's scroll
// anchoring keeps still what is looked at when that was wrong. What scrolls may be the window or a box around the
// table. Columns only grow, since a table whose columns follow each row that comes would flicker.
//
// The row that has the focus stays in the document, and so do its neighbours, wherever the list is scrolled to: the Tab
// key goes from row to row. A browser takes the focus from an element that is moved, so the others are put around it.

import { h, perFrame } from "../base/dom.js";
import { TAKES } from "../base/focus.js";

const FIRST_GUESS = 36; // px, of a row
const BEYOND = 400; // px that are drawn above and below what is in sight

const spacer = () => h("tr.spacer", { "aria-hidden": "true" }, h("td"));
const controls = (row) => [...row.querySelectorAll(TAKES)];

/** What of the table has the focus: {id: of the row, as text, place: among its controls}. */
function focusIn(body) {
  const element = body.contains(document.activeElement) ? document.activeElement : null;
  const row = element?.closest("[data-row]");
  return row ? { id: row.dataset.row, place: controls(row).indexOf(element) } : null;
}

function focusOn(body, { id, place }) {
  const row = body.querySelector(`[data-row="${CSS.escape(id)}"]`);
  if (row) controls(row)[place]?.focus({ preventScroll: true });
}

/** Makes these the body's children, in this order; the one at `fixed` (-1: none) isn't moved. */
function arrange(body, children, fixed) {
  const wanted = new Set(children);
  for (const child of [...body.children]) if (!wanted.has(child)) child.remove();
  const start = fixed >= 0 ? fixed : Math.max(0, children.findIndex((child) => child.parentNode === body));
  if (children.length > 0 && children[start].parentNode !== body) body.append(children[start]);
  for (let i = start - 1; i >= 0; i--)
    if (children[i].nextSibling !== children[i + 1]) children[i + 1].before(children[i]);
  for (let i = start + 1; i < children.length; i++)
    if (children[i].previousSibling !== children[i - 1]) children[i - 1].after(children[i]);
}

/**
 * make(item): {element, update(item)}, as keyed() has it. Takes the body over from the list that was there, and the
 * focus to the same control of the same row. Returns {show(items), redraw(), end()}.
 */
export function virtualList({ table, body, key, make, signal: outer }) {
  const stop = new AbortController(), signal = AbortSignal.any([outer, stop.signal]);
  const spacers = [];
  let before = focusIn(body);
  body.replaceChildren();
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
  /** The rows that are to be there, as ranges of places: those in sight, and the focus with its neighbours. */
  function ranges() {
    if (items.length === 0) return { all: [], focused: -1 };
    const sight = inSight(), id = focusIn(body)?.id;
    const focused = id === undefined ? -1 : items.findIndex((item) => String(key(item)) === id);
    if (focused < 0) return { all: [sight], focused };
    const near = [Math.max(0, focused - 1), Math.min(items.length - 1, focused + 1)];
    const [first, second] = near[0] < sight[0] ? [near, sight] : [sight, near];
    const apart = second[0] > first[1] + 1;
    return { all: apart ? [first, second] : [[first[0], Math.max(first[1], second[1])]], focused };
  }
  function rowOf(i) {
    const item = items[i], id = key(item);
    let row = rows.get(id);
    if (!row) {
      rows.set(id, (row = make(item)));
      row.element.dataset.row = id;
    }
    if (row.drawn !== item || row.stale) row.update(item);
    [row.drawn, row.stale] = [item, false];
    row.element.setAttribute("aria-rowindex", i + 2);
    return row.element;
  }

  function draw(again = true) {
    if (signal.aborted || !body.isConnected) return;
    const { all, focused } = ranges(), children = [], wanted = new Set();
    let drawn = 0, spaces = 0, fixed = -1;
    const space = (to) => {
      const height = offsets[to] - offsets[drawn];
      if (height <= 0) return;
      const row = (spacers[spaces++] ??= spacer());
      row.style.height = row.firstChild.style.height = `${height}px`;
      children.push(row);
    };
    for (const [from, to] of all) {
      space(from);
      for (let i = from; i <= to; i++) {
        if (i === focused) fixed = children.length;
        children.push(rowOf(i));
        wanted.add(key(items[i]));
      }
      drawn = to + 1;
    }
    space(items.length);
    arrange(body, children, fixed);
    for (const id of rows.keys()) if (!wanted.has(id)) rows.delete(id);
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
  body.addEventListener("focusin", () => draw(), { signal }); // the next row is there before the next key
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
      if (before !== null) focusOn(body, before);
      before = null;
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
