// A log to read: a search that leaves the lines that hold it, and following its end, as long as it is looked at there.

import { plainText, segments } from "./ansi.js";
import { action, h, perFrame, save, setText } from "../base/dom.js";
import { integer, plural } from "../base/format.js";
import { toggle } from "./parts.js";

const MOST = 5000; // lines that are shown
const NEAR = 30; // px from the end

const drawLine = (line) => h("span.line", null, segments(line).map(({ text, color, bold }) =>
  (color || bold ? h(`span${color ? `.ansi-${color}` : ""}${bold ? ".bold" : ""}`, null, text) : text)), "\n");

/** {element, set(text), add(line), moved(query)}; keep(changes) writes into the address. */
export function logView({ signal, query, keep, name }) {
  const pre = h("pre.log", { tabindex: "0", role: "log", "aria-label": "Log, newest line last", "data-box": "log" });
  const field = h("input", { type: "search", "aria-label": "Search in the log", placeholder: "Search in the log",
    value: query.get("search") ?? "" });
  const count = h("span.quiet-text", { role: "status" });
  let lines = [], drawn = 0, sought = null, follow = query.get("follow") !== "no";

  const matches = (line) => sought === "" || plainText(line).toLowerCase().includes(sought);
  const end = () => {
    if (follow) pre.scrollTop = pre.scrollHeight;
  };
  function draw(whole = false) {
    const now = field.value.trim().toLowerCase();
    if (whole || now !== sought) {
      sought = now;
      drawn = 0;
      pre.replaceChildren();
    }
    const fresh = lines.slice(drawn).filter(matches).slice(-MOST);
    drawn = lines.length;
    pre.append(...fresh.map(drawLine));
    while (pre.childElementCount > MOST) pre.firstChild.remove();
    const shown = pre.childElementCount;
    setText(count, sought === "" ? (lines.length > MOST ? `the last ${integer(shown)} of ` : "") +
      plural(lines.length, "line") : `${integer(shown)} of ${plural(lines.length, "line")}`);
    if (shown === 0) pre.replaceChildren(lines.length > 0 ? "No line holds that." : "Nothing has been logged.");
    end();
  }
  const soon = perFrame(draw, signal, 100);
  field.addEventListener("input", () => {
    keep({ search: field.value.trim() });
    soon();
  });
  const following = toggle("follow", follow, (on) => {
    follow = on;
    keep({ follow: on ? "" : "no" });
    end();
  }, "Stay at the end while lines come");
  pre.addEventListener("scroll", () => {
    const near = pre.scrollHeight - pre.scrollTop - pre.clientHeight < NEAR;
    if (near === follow || pre.scrollHeight <= pre.clientHeight) return;
    follow = near;
    following.firstChild.checked = near;
  }, { passive: true });
  const take = action("Take the log", () => save(name, `${lines.map(plainText).join("\n")}\n`));
  return {
    element: h("div", null, h("div.toolbar", null, field, count, h("div.row", null, following, take)), pre),
    set(text) {
      lines = text.split("\n").filter((line) => line !== "");
      draw(true);
    },
    add(line) {
      if (lines.length === 0) pre.replaceChildren();
      lines.push(line);
      soon();
    },
    moved: end,
  };
}
