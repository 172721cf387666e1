// Tokens as one reads them: bytes of a corpus as text, ids of a task as numbers.

const DOCUMENT_END = 256;

/** The text of a token; of a task (synthetic:…) its id. */
export function tokenText(id, synthetic) {
  if (synthetic) return `${id} `;
  if (id === DOCUMENT_END) return "\u25ae";
  if (id === 10) return "\u23ce";
  if (id === 32) return "\u2423";
  return id > 32 && id < 127 ? String.fromCharCode(id) : "\u00b7";
}
