// The corpora: what there is, who uses it, how it begins, what its documents are like; upload, rename, delete. Which
// one is looked at stands in the address. Where the daemon knows no single corpus, users are found by the filter, and
// there is neither preview nor renaming.

import { able } from "../base/able.js";
import { address, get, list, patch, remove } from "../base/api.js";
import { action, command, confirmed, h, setAttribute, toast } from "../base/dom.js";
import { bytes, integer, plural, when } from "../base/format.js";
import { definition, empty, heading, numeric, table } from "../parts/parts.js";
import { uploadForm } from "../parts/upload.js";

const USERS_SHOWN = 20;
const DOCUMENTS = 10; // at a time

/** Experiments on a corpus, the newest first: [{id, name}]. */
async function users(one, signal) {
  let filter = `params.data.dataset = "${one.name.replaceAll("\"", "\"\"")}"`;
  if (await able("get", "datasets/{name}")) {
    const { used_by: ids } = await get(`datasets/${encodeURIComponent(one.name)}`, {}, signal);
    if (ids.length === 0) return [];
    filter = `id in (${ids.slice(0, USERS_SHOWN).join(", ")})`;
  }
  return (await list("experiments", { filter, page_size: USERS_SHOWN }, signal, USERS_SHOWN)).items;
}

/** A bar a class of lengths: how many documents have so many bytes. */
function lengthsTable({ least, greatest, mean, below }) {
  const most = Math.max(1, ...below.map(([, n]) => n));
  const made = table({ caption: `Lengths: ${bytes(least)} to ${bytes(greatest)}, ${bytes(mean)} on average`,
    headings: ["Shorter than", { text: "Documents", number: true }, { text: "", label: "Share" }] });
  made.body.append(...below.map(([end, n]) => h("tr", null, h("th", { scope: "row" }, bytes(end)),
    h("td.num", null, integer(n)), h("td.wide", null,
      h("progress", { max: "1", value: String(n / most), "aria-label": `${integer(n)} documents` })))));
  return made.element;
}

class Page {
  constructor(view) {
    this.view = view;
    this.made = table({ caption: "Corpora", hidden: true, name: "cards",
      headings: ["Name", ...["Documents", "Size", "Dropped copies", "Since"].map(numeric), "Digest",
        ...(view.may("submit") ? [{ text: "", label: "Actions" }] : [])] });
    this.none = h("div", { hidden: true });
    this.detail = h("section.detail", { "aria-label": "The chosen corpus" });
    view.root.append(heading("Datasets"), this.none, this.made.element,
      view.may("submit") ? h("section", { "aria-labelledby": "upload" }, h("h2", { id: "upload" }, "Upload"),
        uploadForm(() => this.load())) : "", this.detail);
    view.moved = () => this.open();
  }

  async load() {
    this.items = (await get("datasets", {}, this.view.signal)).items;
    this.renames = this.items.length > 0 && await able("patch", "datasets/{name}");
    this.made.element.hidden = this.items.length === 0;
    this.none.hidden = this.items.length > 0;
    this.none.replaceChildren(
      empty("No corpus yet. Upload one below, or send Debian\u2019s fortunes, which the presets use; ",
        h("code", null, "synthetic:mqar"), " needs none."),
      command("cat /usr/share/games/fortunes/*.u8 | curl -K DIR/curlrc -X PUT -H 'Content-Type: text/plain' " +
        `--data-binary @- ${location.origin}${address("datasets/fortunes")}`));
    this.made.body.replaceChildren(...this.items.map((one) => this.#row(one)));
    await this.open();
  }

  #row(one) {
    const to = `#/datasets?name=${encodeURIComponent(one.name)}`;
    return h("tr", { "data-name": one.name }, h("th", { scope: "row" }, h("a.name", { href: to }, one.name)),
      h("td.num", { "data-label": "Documents" }, integer(one.documents)),
      h("td.num", { "data-label": "Size" }, bytes(one.bytes)),
      h("td.num", { "data-label": "Dropped" }, integer(one.duplicates)),
      h("td.num", { "data-label": "Since", title: one.created_at }, when(one.created_at)),
      h("td", { "data-label": "Digest" }, h("code", { title: one.digest }, one.digest.slice(0, 16))),
      this.view.may("submit") ? h("td.actions", null, this.renames ? this.#button("Rename", one, "quiet") : "", " ",
        this.view.may("admin") ? this.#button("Delete", one, "quiet danger") : "") : null);
  }

  #button(what, one, kind) {
    return action(what, () => (what === "Rename" ? this.#rename(one) : this.#erase(one)),
      { kind, label: `${what} ${one.name}` });
  }

  async #erase(one) {
    const used = await users(one, this.view.signal);
    const question = `Delete the corpus \u201c${one.name}\u201d? ` + (used.length === 0 ? "No experiment uses it."
      : `${plural(used.length, "experiment")} ran on it (${used.slice(0, 3).map(({ name }) => name).join(", ")}` +
        `${used.length > 3 ? ", \u2026" : ""}): they keep what they measured, but can\u2019t be trained again.`);
    if (!await confirmed(question, "Delete it")) return;
    await remove(`datasets/${encodeURIComponent(one.name)}`); // refused while runs need it
    toast(`\u201c${one.name}\u201d is gone.`);
    await this.load();
  }

  async #rename(one) {
    const name = h("input", { value: one.name, required: true, maxlength: "64" });
    const refused = h("p.problem", { role: "alert", hidden: true });
    const save = action("Rename", async () => {
      try {
        await patch(`datasets/${encodeURIComponent(one.name)}`, { name: name.value });
      } catch (error) {
        refused.textContent = error.message;
        refused.hidden = false;
        return;
      }
      dialog.close();
      await this.load();
    }, { kind: "primary" });
    const dialog = h("dialog", { "aria-label": "Rename the corpus", onclose: () => dialog.remove() }, h("form", {
      onsubmit: (event) => {
        event.preventDefault();
        save.click();
      } }, h("label.field", null, "Name", name), refused,
    h("div.row.end", null, action("Cancel", () => dialog.close()), save)));
    document.body.append(dialog);
    dialog.showModal();
  }

  /** Shows the corpus that the address names. */
  async open() {
    const { view } = this, name = view.query.get("name"), from = Math.max(0, Number(view.query.get("from")) || 0);
    for (const row of this.made.body.children)
      setAttribute(row, "aria-current", row.dataset.name === name ? "true" : null);
    const one = this.items.find((item) => item.name === name);
    if (!one) return this.detail.replaceChildren(...(name === null ? [] : [empty("There is no corpus of that name.")]));
    const used = h("div"), preview = h("div");
    this.detail.replaceChildren(h("h2", null, one.name), definition([["Documents", integer(one.documents)],
      ["Size", bytes(one.bytes)], ["Format", one.format], ["Digest", h("code", null, one.digest)]]), used, preview);
    await Promise.all([this.#users(one, used), this.#preview(one, from, preview)]);
  }

  async #users(one, place) {
    const found = await users(one, this.view.signal);
    place.replaceChildren(h("h3", null, "Who uses it"), found.length === 0 ? empty("No experiment.")
      : h("ul.plain-list", null, found.map(({ id, name }) =>
        h("li", null, h("a", { href: `#/experiments/${id}` }, name), h("span.quiet-text", null, ` experiment ${id}`)))),
    found.length >= USERS_SHOWN ? h("p.note", null, `The newest ${integer(USERS_SHOWN)}.`) : "");
  }

  async #preview(one, from, place) {
    if (!await able("get", "datasets/{name}/preview")) return;
    const path = encodeURIComponent(one.name), { signal } = this.view;
    const found = await get(`datasets/${path}/preview`, { from, documents: DOCUMENTS }, signal);
    const turn = (to, text) => h("a.button", { href: `#/datasets?name=${path}&from=${to}` }, text);
    place.replaceChildren(h("h3", null, "Documents"),
      ...found.items.map(({ document: number, bytes: size, whole, text }) => h("article.document", null,
        h("p.note", null, `Document ${integer(number)}, ${bytes(size)}${whole ? "" : ", its beginning"}`),
        h("pre", { tabindex: "0" }, text))),
      h("div.row", null, from > 0 ? turn(Math.max(0, from - DOCUMENTS), "Before") : "",
        from + DOCUMENTS < one.documents ? turn(from + DOCUMENTS, "More") : ""),
      lengthsTable(found.lengths));
  }
}

export default async function datasets(view) {
  const page = new Page(view);
  await page.load();
}
