// A field for the API's filter language that searches as one types, and says in its place what is wrong with it.

import { h } from "../base/dom.js";

const WAIT_MS = 250; // after the last key
const HELP = "GET /api/v1/runs and /experiments take the same; schema/api.md has the grammar";

/**
 * search(text): a promise; a refusal with a context is shown under the field. {element, field, text(), refuse(error)}.
 */
export function filterField({ value, placeholder, search, signal }) {
  const field = h("input", { type: "search", name: "filter", value, autocomplete: "off", spellcheck: "false",
    "aria-label": "Filter", "aria-describedby": "mistake", placeholder, title: HELP });
  const mistake = h("div.mistake", { id: "mistake", role: "alert" });
  let timer, last = value.trim();
  const refuse = (error) => {
    mistake.replaceChildren(...(error ? [h("pre", null, error.context), h("p", null, error.message)] : []));
    if (error) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  };
  const go = async () => {
    clearTimeout(timer);
    const text = field.value.trim();
    if (text === last || signal.aborted) return;
    last = text;
    await search(text);
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(go, WAIT_MS);
  });
  const form = h("form.search", { role: "search" }, field, h("button", { type: "submit" }, "Search"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  signal.addEventListener("abort", () => clearTimeout(timer));
  return { element: h("div", null, form, mistake), field, text: () => field.value.trim(), refuse };
}
