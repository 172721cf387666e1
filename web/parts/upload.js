// Sending a corpus. One of the same name is replaced only by whoever has said so.

import { get, put } from "../base/api.js";
import { action, confirmed, h, toast } from "../base/dom.js";
import { bytes, plural } from "../base/format.js";

const named = (path) => path.replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9 ._-]/g, "-").slice(0, 64);

/** The form; done(name) is called when there is a corpus more. */
export function uploadForm(done) {
  const file = h("input", { type: "file", accept: ".txt,.jsonl,.ndjson,text/plain", "aria-label": "File" });
  const name = h("input", { type: "text", placeholder: "name", "aria-label": "Name of the corpus", maxlength: "64" });
  file.addEventListener("change", () => {
    if (name.value === "" && file.files[0]) name.value = named(file.files[0].name);
  });
  const send = action("Upload", async () => {
    const chosen = file.files[0], as = name.value.trim();
    if (!chosen || as === "") throw new Error("Choose a file and a name.");
    const { items } = await get("datasets");
    const there = items.find((one) => one.name === as);
    const question = there && `There is a corpus \u201c${as}\u201d already (${plural(there.documents, "document")}, ` +
      `${bytes(there.bytes)}). Replace it? Runs that were submitted keep theirs.`;
    if (there && !await confirmed(question, "Replace it")) return;
    const lines = /\.(jsonl|ndjson)$/.test(chosen.name);
    const headers = { "Content-Type": lines ? "application/x-ndjson" : "text/plain",
      ...(!there && { "If-None-Match": "*" }) }; // somebody else may be faster
    const made = await put(`datasets/${encodeURIComponent(as)}`, chosen, { headers });
    toast(`${as}: ${plural(made.documents, "document")}, ${bytes(made.bytes)}.`);
    for (const note of made.notes ?? []) toast(note);
    await done(as);
  });
  return h("div.upload", null,
    h("p.note", null, "Plain text, documents separated by blank lines or by lines of ", h("code", null, "%"),
      "; or JSON lines with a ", h("code", null, "text"), " field."),
    h("div.row", null, file, name, send));
}
