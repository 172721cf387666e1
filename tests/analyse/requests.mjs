// What the load asks for: rows of [status, method, path, body, headers], answered at any time, only of what has ended, or
// never. `e` and `r` are an experiment and one of its runs. A status may be a list.

const V1 = "/api/v1";
const JSON_TYPE = { "Content-Type": "application/json" }, TEXT = { "Content-Type": "text/plain" };
const sql = (status, text, more = {}) => [status, "POST", `${V1}/query`, JSON.stringify({ sql: text, ...more }), JSON_TYPE];
const filter = (text) => encodeURIComponent(text);

export const spec = (more = {}) => ({
  name: "loaded", data: { dataset: "corpus", seq_len: 16 },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 2, experts_per_token: 1 },
  train: { steps: 40, batch_size: 2, eval_every: 10, eval_windows: 4, checkpoint_every: 20 },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 8 } } }, seeds: [1, 2], ...more,
});

/** Three to five hundred documents, never the same for two numbers. */
export const corpus = (which, separator = "\n%\n") => Array.from({ length: 300 + which % 200 }, (_, i) =>
  `${which}: document ${i} says that ${i} comes after ${i - 1}, and ${i * i % 97} ${"after some words to learn ".repeat(i % 5)}`).join(separator);

export const anytime = (e, r) => [
  ...["/", "/app.js", "/style.css", "/lib/uPlot.js", "/views/run.js", "/healthz", "/metrics", `${V1}/version`, `${V1}/openapi.json`, `${V1}/experiment.schema.json`, `${V1}/session`, `${V1}/queue`,
    `${V1}/datasets`, `${V1}/presets`, `${V1}/presets/demo`, `${V1}/metrics`,
    `${V1}/experiments`, `${V1}/experiments?page_size=1`, `${V1}/experiments?deleted=1`, `${V1}/experiments/${e}`, `${V1}/experiments/${e}?wait=1`,
    `${V1}/experiments/${e}/report`, `${V1}/experiments/${e}/report?format=md`, `${V1}/experiments/${e}/report?format=csv`,
    `${V1}/experiments/${e}/report?format=csv&table=claims`,
    `${V1}/runs`, `${V1}/runs?experiment=${e}`, `${V1}/runs?page_size=2&order_by=-id`, `${V1}/runs?order_by=metrics.val/loss`,
    `${V1}/runs?filter=${filter('arm = "dsa" and (seed = 1 or not state = "failed")')}`,
    `${V1}/runs?filter=${filter('metrics.train/loss < 10 and tags.topic != "old" and arm ~ "de"')}`,
    `${V1}/runs?filter=${filter('params.model.d_model >= 8 and not audits.finite = fail and created_at > 2020-01-01T00:00:00Z')}&order=-metrics.val/loss,created_at,id`,
    `${V1}/experiments?filter=${filter('state in (running, finished) and arms = dense and not tags.topic = x')}&order=state,-created_at`,
    `${V1}/runs/${r}`, `${V1}/runs/${r}/log`, `${V1}/runs/${r}/artifacts`,
    `${V1}/runs/${r}/metrics`, `${V1}/runs/${r}/metrics?points=3`, `${V1}/runs/${r}/metrics?names=train/loss,val/loss&from=2&to=30&points=5`,
    `${V1}/experiments/${e}/curves?metric=train/loss&metric=val/loss`, `${V1}/experiments/${e}/curves?metric=train/loss&points=3&from=2&to=30&arm=dsa`,
  ].map((path) => [200, "GET", path]),
  [200, "HEAD", `${V1}/runs`], [204, "OPTIONS", `${V1}/experiments`],
  [200, "POST", `${V1}/experiments?dry_run=1`, JSON.stringify(spec({ grid: { "data.seq_len": [8, 16], "train.lr": [0.1, 0.01] } })), JSON_TYPE],
  // A query waits for its turn, and has its time; under an analyser both are short.
  ...["SELECT arm, count(*), avg(final), count(final_word) FROM v_runs GROUP BY arm", `SELECT * FROM v_curves WHERE run = ${r} ORDER BY value DESC`, "SELECT 2.5, 'x', NULL, x'ff00', 9e999"]
    .map((text) => sql([200, 422, 429], text, { limit: 50 })),
  sql([200, 422, 429], "SELECT ?, ?2, ?3, ?4", { params: [1, 2.5, "x", null] }), sql([200, 422, 429], "SELECT * FROM v_runs WHERE run = :run", { params: { run: r } }),
];

/** So many figures and capsules are made at a time, and no more. */
export const ended = (e, r) => [`experiments/${e}/figure.svg`, `experiments/${e}/figure.png`, `experiments/${e}/capsule`, ...["", "?format=jsonl", "?what=runs", "?what=runs&format=jsonl&arm=dsa", "?format=tensorboard"].map((query) => `experiments/${e}/export${query}`),
  `runs/${r}/artifacts/final.safetensors`, `runs/${r}/artifacts/batches.jsonl`].map((path) => [[200, 429], "GET", `${V1}/${path}`]);

const submit = (status, body) => [status, "POST", `${V1}/experiments`, typeof body === "string" ? body : JSON.stringify(body), JSON_TYPE];

export const refused = (e, r) => [
  submit(400, "{nope"), submit(400, '{"name": "x"'), submit(400, '{"name":"a","name":"b"}'), submit(400, `${'{"a":'.repeat(200)}1${"}".repeat(200)}`),
  submit(422, "[1]"), submit(422, {}), submit(422, spec({ modle: {} })), submit(422, spec({ priority: "high" })), submit(422, spec({ data: { dataset: "nowhere" } })),
  submit(422, spec({ model: { heads: 3 } })), submit(422, spec({ arms: { dsa: { "model.attention": { kind: "dsa", top_k: 17 } } } })),
  submit(422, spec({ seeds: Array.from({ length: 64 }, (_, i) => i), grid: { "train.lr": Array.from({ length: 64 }, (_, i) => (i + 1) / 100), "data.seq_len": [2, 4, 8, 16] } })),
  submit(422, { preset: "none" }), submit(422, spec({ model: { layers: 64, d_model: 8192, heads: 8 } })), submit(413, " ".repeat(1 << 21)),
  [415, "POST", `${V1}/experiments`, "{}", TEXT], [400, "POST", `${V1}/experiments?dry_run=yes`, JSON.stringify(spec()), JSON_TYPE],
  ...["runs?filter=arm%20%3D", "runs?filter=nope%3D1", "runs?filter=state%3Ddone", "experiments?filter=state%3Ddone", "runs?order=id&order_by=id", "runs?order_by=nope", "runs?page_token=zzz", "runs?page_size=0", "events?run=x", "events?after=-1",
    "experiments/1?wait=x", `experiments/${e}/report?format=pdf`, `experiments/${e}/export?what=all`, `experiments/${e}/export?arm=none`, `runs/${r}/metrics?from=5&to=4`, `experiments/${e}/curves`, `experiments/${e}/curves?metric=val/loss&since=x`, "presets/..%2fx"].map((path) => [400, "GET", `${V1}/${path}`]),
  ...["nothing", "runs/99999", "runs/0", "runs/x", "experiments/99999", "experiments/99999/report", "experiments/99999/capsule", "experiments/99999/export", "experiments/99999/figure.svg",
    "runs/99999/metrics", `runs/${r}/artifacts/none`, "presets/none"].map((path) => [404, "GET", `${V1}/${path}`]),
  [404, "DELETE", `${V1}/datasets/none`], [404, "DELETE", `${V1}/experiments/99999`], [404, "POST", `${V1}/runs/99999/verify`],
  [405, "PUT", `${V1}/experiments`, "{}", JSON_TYPE], [405, "POST", "/app.js"],
  [401, "GET", `${V1}/runs`, undefined, { Authorization: "Bearer none" }], [401, "POST", `${V1}/session`, '{"code":"1-2-3"}', JSON_TYPE],
  [409, "POST", `${V1}/runs/${r}/cancel`], [409, "POST", `${V1}/runs/${r}/retry`], [409, "POST", `${V1}/experiments/${e}/purge`],
  [422, "POST", `${V1}/runs/${r}/priority`, '{"priority":1001}', JSON_TYPE], [422, "PATCH", `${V1}/experiments/${e}`, '{"spec":{}}', JSON_TYPE],
  [422, "POST", `${V1}/queue`, '{"paused":1}', JSON_TYPE],
  sql([422, 429], "DELETE FROM runs"), sql([422, 429], "SELECT 1; SELECT 2"), sql([422, 429], "PRAGMA journal_mode"), sql([422, 429], "SELECT ?"), sql([422, 429], "SELECT ?", { params: { a: 1 } }), sql([422, 429], "SELECT :a", { params: { b: [] } }), sql([422, 429], "SELEC 1"), sql([422, 429], "SELECT zeroblob(100000000)"),
  sql([422, 429], `SELECT ${"(".repeat(500)}1${")".repeat(500)}`),
  [422, "PUT", `${V1}/datasets/bad`, "", TEXT], [422, "PUT", `${V1}/datasets/bad`, "a\0b", TEXT], [400, "PUT", `${V1}/datasets/bad`, Buffer.from([97, 0xff]), TEXT],
  [400, "PUT", `${V1}/datasets/bad`, '{"text":"a"}\n{"text":\n', { "Content-Type": "application/x-ndjson" }], [415, "PUT", `${V1}/datasets/bad`, "a", { "Content-Type": "text/csv" }],
];

/** By hand: what no client library would send, and the statuses that it may get; "" is a connection that ends. */
export const raw = [
  ["GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", [421]],
  ["GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", [400]],
  ["POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", [400]],
  ["POST /api/v1/queue HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", [400]],
  [`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20000)}\r\n\r\n`, [431]],
  [`GET /${"x".repeat(40000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, [414, 431]],
  ["GET /..%2f..%2ftoken HTTP/1.1\r\nHost: localhost\r\n\r\n", [400, 404]],
  ["\x16\x03\x01\r\n\r\n", [400, ""]],
];
