// A program that nobody wrote for us: from a corpus to the report and back, by the types that openapi-typescript makes of
// the OpenAPI document. It must compile under every strict flag of the compiler, and what is wrong must not: each line below
// an expected error is a mistake that the types tell.
//
// Arguments: the daemon's address and its token. It prints a JSON object of what it has seen.

import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Spec = Schemas["Spec"];

const [base, token] = process.argv.slice(2);
if (base === undefined || token === undefined) throw new Error("an address and a token");
const authorize: Middleware = {
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
};
const api = createClient<paths>({ baseUrl: base });
api.use(authorize);

/** What came, or the problem that came in its place, as an exception. */
function had<T>({ data, error }: { data?: T; error?: Schemas["Problem"] }): T {
  if (error !== undefined) throw new Error(`${error.status} ${error.code}: ${error.detail}`);
  if (data === undefined) throw new Error("nothing");
  return data;
}
/** A problem that is wanted. */
function refused({ error }: { error?: Schemas["Problem"] }): Schemas["Problem"] {
  if (error === undefined) throw new Error("it was taken");
  return error;
}
const finite = (value: Schemas["Number"]): number => (typeof value === "number" ? value : Number(value.replace("inf", "Infinity")));

const spec: Spec = {
  name: "typed", tags: { topic: "readers" }, hypothesis: "It makes no difference.",
  data: { dataset: "typed" },
  model: { layers: 1, heads: 2, d_model: 16, d_ff: 16, experts: 1, experts_per_token: 1 },
  train: { steps: 20, batch_size: 2, eval_every: 10, eval_windows: 4 },
  arms: { dense: {}, dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 8 } }, wide: { "model.d_ff": 32 } },
  grid: { "data.seq_len": [8, 16] },
  seeds: [1, 2], compare: { metric: "val/loss", goal: "min", margin: 0.05 },
};
// @ts-expect-error a corpus has to come from somewhere
const nowhere: Spec = { name: "nowhere" };
// @ts-expect-error steps is a number
const worded: Spec = { preset: "demo", train: { steps: "many" } };
// @ts-expect-error there is no such field
const misspelt: Spec = { preset: "demo", train: { stepz: 1 } };
// @ts-expect-error an arm sets paths that there are
const elsewhere: Spec = { preset: "demo", arms: { a: { "model.widths": 1 } } };

/** A corpus as plain text. */
async function store(name: string): Promise<Schemas["Dataset"]> {
  const documents = Array.from({ length: 300 }, (_, i) => `Document ${i} says that ${i} comes after ${i - 1}.`);
  return had(await api.PUT("/api/v1/datasets/{name}", {
    params: { path: { name } }, body: documents.join("\n\n"), bodySerializer: (text) => text, headers: { "Content-Type": "text/plain" },
  }));
}

async function submit(): Promise<{ id: number; planned: number; runs: number; again: boolean }> {
  const dry = had(await api.POST("/api/v1/experiments", { params: { query: { dry_run: 1 } }, body: spec }));
  if (!("dry_run" in dry)) throw new Error("it was no dry run");
  const header = { "Idempotency-Key": "typed" };
  const made = had(await api.POST("/api/v1/experiments", { params: { header }, body: spec }));
  const again = had(await api.POST("/api/v1/experiments", { params: { header }, body: spec }));
  if (!("id" in made) || !("id" in again)) throw new Error("it was a dry run");
  return { id: made.id, planned: dry.planned_audits.length, runs: dry.totals.runs, again: made.id === again.id };
}

/** Follows the events of an experiment from the first on, until it has finished: how many there were of each kind. */
async function follow(id: number): Promise<Record<string, number>> {
  const { data, error } = await api.GET("/api/v1/events", { params: { query: { experiment: String(id), after: 0 } }, parseAs: "stream" });
  if (error !== undefined || !data) throw new Error("no events");
  const kinds: Record<string, number> = {}, decoder = new TextDecoder();
  let text = "";
  for await (const chunk of data as unknown as AsyncIterable<Uint8Array>) {
    const events = (text += decoder.decode(chunk, { stream: true })).split("\n\n");
    text = events.pop() ?? "";
    for (const event of events) {
      const kind = /^event: (\w+)$/m.exec(event)?.[1], about = /^data: (.*)$/m.exec(event)?.[1];
      if (kind === undefined || about === undefined) continue;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      const { experiment } = JSON.parse(about) as { experiment?: Schemas["Experiment"] };
      if (kind === "experiment" && experiment?.state === "finished") return kinds;
    }
  }
  throw new Error("the events ended before the experiment");
}

/** Every run that a filter finds, a page of five at a time. */
async function search(filter: string, order: string): Promise<Schemas["Run"][]> {
  const found: Schemas["Run"][] = [];
  let page_token: string | null | undefined;
  do {
    const page = had(await api.GET("/api/v1/runs", { params: { query: { filter, order, page_size: 5, ...(page_token ? { page_token } : {}) } } }));
    found.push(...page.items);
    page_token = page.next_page_token;
  } while (page_token !== null);
  return found;
}

const stored = await store("typed");
const { id, ...submitted } = await submit();
const at = { params: { path: { id } } };
const events = await follow(id);
const whole = had(await api.GET("/api/v1/experiments/{id}", { params: { path: { id }, query: { wait: 3600 } } }));

const runs = await search(`experiment = ${id} and state = succeeded and grid.data.seq_len >= 16`, "-metrics.val/loss,id");
const losses = runs.map((run) => finite(run.final["val/loss"] ?? "nan"));
const first = runs[0];
if (first === undefined) throw new Error("no run");
const run = had(await api.GET("/api/v1/runs/{id}", { params: { path: { id: first.id } } }));
const curve = had(await api.GET("/api/v1/runs/{id}/metrics", { params: { path: { id: first.id }, query: { names: "train/loss", points: 4 } } })).series["train/loss"];
const count = (curve?.buckets ?? []).reduce((sum, bucket) => sum + finite(bucket[5] ?? 0) + finite(bucket[6] ?? 0), 0); // openapi-fetch knows no tuples
const log = had(await api.GET("/api/v1/runs/{id}/log", { params: { path: { id: first.id } }, parseAs: "text" }));
const artifacts = had(await api.GET("/api/v1/runs/{id}/artifacts", { params: { path: { id: first.id } } })).items;
const bytes: ArrayBuffer = had(await api.GET("/api/v1/runs/{id}/artifacts/{name}", { params: { path: { id: first.id, name: "final.safetensors" } }, parseAs: "arrayBuffer" }));
// @ts-expect-error a run's states are known
const never = first.state === "done";
// @ts-expect-error there is no such parameter
const unasked = () => api.GET("/api/v1/runs", { params: { query: { arm: "dense" } } });
// @ts-expect-error a value that isn't finite is a word
const doubled = (value: Schemas["Number"]): number => value * 2;

const report = had(await api.GET("/api/v1/experiments/{id}/report", at));
if (typeof report === "string") throw new Error("no JSON");
const claims = report.primary.map((claim) => ({ arm: claim.arm, verdict: claim.verdict, n: claim.n, p: claim.p_adjusted, against: claim.against }));
const kept = report.table.map((row) => row.metrics["val/loss"]?.n ?? 0);
const markdown = had(await api.GET("/api/v1/experiments/{id}/report", { params: { path: { id }, query: { format: "md" } }, parseAs: "text" }));
const lines = had(await api.GET("/api/v1/experiments/{id}/export", { params: { path: { id }, query: { format: "jsonl", what: "runs" } }, parseAs: "text" }));
const figure = had(await api.GET("/api/v1/experiments/{id}/figure.svg", { ...at, parseAs: "text" }));
const sums = had(await api.POST("/api/v1/query", { body: { sql: "SELECT arm, count(*) FROM v_runs WHERE experiment = :id GROUP BY arm ORDER BY arm", params: { id } } }));

// What is refused is told by its code, and a mistake in a filter by its place.
const problem = refused(await api.GET("/api/v1/experiments", { params: { query: { filter: "state = done" } } }));
const invalid = refused(await api.POST("/api/v1/experiments", { body: { ...spec, model: { heads: 3 } } }));
const missing = refused(await api.GET("/api/v1/experiments/{id}", { params: { path: { id: 999 } } }));
// @ts-expect-error codes are known
const odd = missing.code === "gone";

const changed = had(await api.PATCH("/api/v1/experiments/{id}", { ...at, body: { notes: "by types", tags: { topic: "seen" } } }));
const more = had(await api.POST("/api/v1/experiments/{id}/seeds", { ...at, body: { seeds: [3] } }));
const ended = had(await api.POST("/api/v1/experiments/{id}/cancel", at));
const last = had(await api.GET("/api/v1/experiments/{id}", { params: { path: { id }, query: { wait: 3600 } } }));
const { response: deleted } = await api.DELETE("/api/v1/experiments/{id}", at);
const trash = had(await api.GET("/api/v1/experiments", { params: { query: { deleted: 1 } } })).items.map((one) => one.id);
const restored = had(await api.POST("/api/v1/experiments/{id}/restore", at));

void [nowhere, worded, misspelt, elsewhere, never, unasked, doubled, odd];
console.log(JSON.stringify({
  documents: stored.documents, submitted, events, state: whole.state, looked: report.looks.seeds, hypothesis: whole.spec?.hypothesis,
  searched: runs.map((one) => [one.arm, one.grid["data.seq_len"]]), sorted: losses.every((loss, i) => i === 0 || (losses[i - 1] ?? NaN) >= loss),
  frozen: run.spec?.data?.seq_len, attempts: run.attempts?.map((one) => one.outcome), count, log: log.length > 0, artifacts: artifacts.map((one) => one.bytes),
  bytes: bytes.byteLength, verdict: report.verdict.status, claims, kept, markdown: markdown.split("\n", 1)[0], lines: lines.trimEnd().split("\n").length,
  figure: figure.slice(0, 5), rows: sums.rows, refused: [problem.code, problem.offset, invalid.pointer, missing.code],
  notes: changed.notes, runs: [more.runs, ended.id === id, last.counts.succeeded + last.counts.cancelled], deleted: deleted.status, trash, restored: restored.deleted_at,
}));
