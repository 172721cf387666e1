// A list of experiments that comes a page at a time, newest first.

import { get } from "../base/api.js";
import { action, keyed, perFrame } from "../base/dom.js";

const PAGE = 50;

/**
 * table: where rows go; row(item): as keyed() wants it; none: shown in the place of an empty table; query: beside the
 * page's own. Returns {known: Map id → experiment, draw(), load(): from the start, resolving to as_of, elements}.
 */
export function pages(view, { table, row, none, query = {} }) {
  const known = new Map(), rows = keyed(table.body, (item) => item.id, row);
  let next = null;
  const more = action("Older experiments", () => load(next));
  const draw = perFrame(() => {
    const items = [...known.values()].sort((a, b) => b.id - a.id);
    rows(items);
    none.hidden = items.length > 0;
    table.element.hidden = items.length === 0;
    more.hidden = !next;
  }, view.signal);

  async function load(token) {
    const page = await get("experiments", { ...query, page_size: PAGE, page_token: token }, view.signal);
    if (!token) known.clear();
    for (const item of page.items) known.set(item.id, item);
    next = page.next_page_token;
    draw();
    return page.as_of;
  }
  return { known, draw, load: () => load(), elements: [none, table.element, more] };
}
