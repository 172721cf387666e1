/** The API as tests call it. `of`: gives the daemon, which may be another one after a restart. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 600000; // bounds a hang, nothing else

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
    async until(what, is, every = 10) {
      for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(every)) {
        const value = await is();
        if (value) return value;
      }
      throw new Error(`waited in vain: ${what}\n${of().output()}`);
    },
  };
}
