/** The API as tests call it. `of`: gives the daemon, which may be another one after a restart. */
import assert from "node:assert/strict";
import { until } from "./until.mjs";

export function client(of, v1 = "/api/v1") {
  /** The reply's JSON, or its text; any status but the expected one fails the test. A body that is text is sent as it is. */
  async function call(method, path, body, status = 200) {
    const json = typeof body !== "string";
    const reply = await of().fetch(v1 + path, { method, body: json ? JSON.stringify(body) : body,
      headers: body && { "Content-Type": json ? "application/json" : "text/plain" } });
    const text = await reply.text();
    assert.equal(reply.status, status, `${method} ${path}: ${text}`);
    return text.startsWith("{") ? JSON.parse(text) : text;
  }
  return {
    call,
    get: (path, status) => call("GET", path, undefined, status),
    /** A corpus of so many documents, of which no two are alike for 33 bytes; what is answered. */
    corpus: (documents) => call("PUT", "/datasets/corpus",
      Array.from({ length: documents }, (_, i) => `document ${i}: ${i * i % 97} ${"and some words to learn ".replaceAll(" ", ` ${i} `).repeat(7)}`)
        .join("\n\n"), 201),
    rows: async (sql) => (await call("POST", "/query", { sql })).rows,
    /** What `is` gives once it gives something. */
    until: (what, is, every) => until(what, is, { every, told: () => of().output() }),
  };
}
