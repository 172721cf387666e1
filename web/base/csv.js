// Tables as CSV (RFC 4180). A text that a spreadsheet would take for a formula has a ' before it, as the daemon's have.

const FORMULA = /^[=+\-@\t\r]/;

function cell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = typeof value === "string" && FORMULA.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll("\"", "\"\"")}"` : safe;
}

/** rows: arrays of values; the first one holds the headings. */
export const csv = (rows) => rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
