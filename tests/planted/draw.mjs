// Random specifications that are legal, one a seed, over everything that a run's specification can say.
//
// What there is to draw comes from the decoder's own tables (`decode --tables`): a new kind, choice or switch is drawn from
// then on. A new number needs a row of DRAWS, since its range in the table says what is allowed, not what a run of a second
// can take; without one nothing is drawn at all. `unknown` names those, and rows of fields that are gone.
//
// The sections are drawn in the order data, train, model; a draw may look at what was drawn before it. A value that is
// undefined is left out of the specification.

import { tables } from "../schema/contract.mjs";

const TABLES = tables();
const MOST = Number.MAX_SAFE_INTEGER;
export const SECTIONS = ["data", "train", "model"];
export const KINDS = TABLES.get("attention_dense")[0].choices;

/** Beside the tasks: documents of which no two have 33 bytes in common, and some of which most have near copies. */
export const CORPORA = ["corpus", "copies"];
const TASKS = ["synthetic:uniform", "synthetic:copy", "synthetic:mqar"];

/** mulberry32: numbers in [0, 1) that depend on the seed alone. */
export function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6D2B79F5) >>> 0;
    let x = Math.imul(state ^ state >>> 15, state | 1);
    x ^= x + Math.imul(x ^ x >>> 7, x | 61);
    return ((x ^ x >>> 14) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return {
    chance: (p) => next() < p,
    pick: (...values) => values[below(values.length)],
    whole: (from, to) => from + below(to - from + 1),
    log: (from, to) => Number((from * (to / from) ** next()).toPrecision(3)),
  };
}

const some = (...values) => (r) => r.pick(...values);
const stored = ({ data }) => CORPORA.includes(data.dataset);
const ofCorpus = (drawn) => (r, spec) => stored(spec) ? drawn(r, spec) : undefined;
const long = ({ data }) => data.seq_len > 512;
/** Steps that there are at least, since `flops` says nothing of how many. */
const steps = ({ train }) => train.steps ?? 1;
const topK = (r, { data }) => r.chance(0.5) ? 0 : r.pick(1, 2, r.whole(1, data.seq_len), r.whole(1, Math.ceil(data.seq_len / 4)), data.seq_len);

/** A path's draw, from the generator, the specification so far and, of an attention, its fields so far. */
export const DRAWS = {
  "data.dataset": (r) => r.pick(...TASKS, r.pick(...CORPORA)),
  "data.documents": ofCorpus((r) => r.pick(0, 0, r.whole(40, 80))),
  "data.tokens": ofCorpus((r) => r.pick(0, 0, r.whole(3000, 9000))),
  // An audit trains a model of its own on 512 tokens a step, fewer below T = 16: most are short.
  "data.seq_len": (r, { data }) => CORPORA.includes(data.dataset) ? r.pick(r.whole(2, 8), r.whole(2, 8), r.whole(2, 48))
    : data.dataset === "synthetic:mqar" ? r.pick(r.whole(4, 8), r.whole(4, 8), r.whole(4, 66))
    : r.chance(0.03) ? r.pick(513, 600, 1024, 1100) : r.chance(0.05) ? r.whole(100, 512) : r.pick(2, r.whole(2, 4), r.whole(4, 8), r.whole(4, 8), r.whole(4, 12), r.whole(4, 80)),
  "data.val_fraction": ofCorpus(some(0.05, 0.1, 0.3)),
  "data.test_fraction": ofCorpus(some(0.05, 0.1, 0.3)),
  "data.split_seed": some(0, 1, MOST),
  "data.vocab": (r, spec) => stored(spec) ? undefined
    : spec.data.dataset === "synthetic:mqar" ? r.pick(0, 12, 64, 300) : r.pick(0, 2, 3, r.whole(4, 64), 257, 1000),
  "data.pairs": (r, { data }) => data.dataset === "synthetic:mqar"
    ? r.pick(0, 1, r.whole(1, Math.min(Math.floor(data.seq_len / 4), (data.vocab || 8192) / 2 - 1))) : undefined,

  "train.steps": (r, spec) => long(spec) ? r.whole(1, 3) : r.chance(0.12) ? undefined : r.pick(1, 2, 3, 8, r.whole(4, 30), 60),
  "train.flops": (r, { train }) => train.steps === undefined ? r.log(1e6, 1e8) : 0,
  "train.batch_size": (r, spec) => long(spec) ? r.whole(1, 2) : r.pick(1, 2, 3, 4, 6, 8),
  "train.batch_tokens": (r, { data, train }) => r.chance(0.15) ? train.batch_size * data.seq_len : 0,
  "train.micro_batch_size": (r, { train }) => r.pick(0, 0, ...[1, 2, 3, 4].filter((n) => train.batch_size % n === 0)),
  "train.lr": (r, { train }) => train.optimizer === "sgd" ? r.log(1e-3, 0.3) : r.pick(r.log(1e-4, 1e-2), r.log(1e-4, 0.1)),
  "train.betas": some([0.9, 0.999], [0.9, 0.95], [0, 0], [0.5, 0.9], [0, 0.99], [0.99, 0.9999]),
  "train.eps": some(1e-8, 1e-8, 1e-12, 1e-3, 1, 1e-30, 1e-300), // where squares of gradients underflow, and less than float32 has
  "train.momentum": (r, { train }) => train.optimizer === "sgd" ? r.pick(0, 0.5, 0.9, 0.99) : undefined,
  "train.weight_decay": (r, { train }) => train.optimizer === "adam" ? 0 : r.pick(0, 0.01, 0.1, 1, train.lr < 0.05 ? 10 : 0),
  "train.grad_clip": some(0, 0, 1, 0.01, 1e6),
  "train.warmup_steps": (r, spec) => r.pick(0, r.whole(0, steps(spec)), steps(spec)),
  "train.min_lr_ratio": some(0, 0.1, 1),
  "train.eval_every": (r, { train }) => train.steps === undefined ? 100 : r.pick(1 + Math.floor(train.steps / 4), 200),
  "train.eval_windows": (r, { data }) => r.pick(data.seq_len <= 16 ? 0 : 7, 1, 2, 5, 20),
  "train.eval_tokens": (r, { data }) => r.chance(0.15) ? r.whole(1, 9) * data.seq_len : 0,
  "train.checkpoint_every": (r, { train }) => train.steps === undefined ? 50 : r.pick(1 + Math.floor(train.steps / 3), 200),
  "train.threads": some(1, 1, 1, 2, 3),

  "model.layers": (r, spec) => long(spec) ? r.whole(1, 2) : r.pick(1, 2, 2, 3),
  "model.heads": some(1, 2, 3, 4),
  "model.d_model": (r, { model: { heads } }) => heads * r.pick(...[2, 4, 8, 16, 22].filter((size) => heads * size >= 8)),
  "model.d_ff": some(1, 8, 32, 50),
  "model.experts": some(1, 2, 3, 4, 8),
  "model.experts_per_token": (r, { model }) => r.whole(1, model.experts),
  "model.router_noise": some(0, 0.1, 0.1, 1, 100),
  "model.balance_weight": some(0, 0.01, 0.01, 1, 1000),
  "model.dropout": some(0, 0, 0.1, 0.3, 0.9, 0.999),
  "model.attention": attention,
  "model.attention_layers": (r, spec) => {
    const ranges = [];
    for (let first = 0; first < spec.model.layers && r.chance(0.15); first = ranges.at(-1).layers[1] + 1) {
      first = r.whole(first, spec.model.layers - 1);
      ranges.push({ layers: [first, r.whole(first, spec.model.layers - 1)], attention: attention(r, spec) });
    }
    return ranges;
  },

  "attention.kind": undefined, // attention() draws it
  "attention.top_k": topK,
  "attention.top_k_ratio": (r, spec, { top_k: given }) => given === 0 ? r.pick(1e-3, 0.125, 0.25, 0.29, 0.5, 1) : undefined,
  "attention.indexer_heads": some(1, 1, 2, 3, 4),
  "attention.indexer_dim": (r) => r.pick(1, 4, 8, 8, 16, r.whole(1, 12)),
  "attention.kl_weight": some(0, 1e-3, 1, 1, 30, 1e6),
  "attention.dense_warmup_steps": (r, spec) => r.pick(0, r.whole(0, steps(spec)), steps(spec)),
  // All layers that have such steps must agree, and a frozen indexer has none.
  "attention.indexer_only_steps": (r, { model }, { indexer_training: training, dense_warmup_steps: most }) =>
    training === "kl" && model.attention === undefined && r.chance(0.4) ? r.whole(0, most) : 0,
  "attention.indexer_rope": (r, spec, { indexer_dim: dim }) => dim % 4 === 0 && r.chance(0.5),
  "attention.window": (r, { data }) => r.pick(1, r.whole(1, data.seq_len), r.whole(1, Math.ceil(data.seq_len / 4))),
  "attention.sink": (r, { data }) => r.pick(0, 0, r.whole(0, Math.min(4, data.seq_len)), r.whole(0, data.seq_len)),
  "attention.stride": (r, { data }) => r.pick(1, data.seq_len, r.whole(1, data.seq_len), r.whole(1, Math.min(5, data.seq_len))),
};
/** Numbers and the like; choices and switches are drawn by themselves. */
const EASY = {
  enum: (r, { choices }) => r.pick(...choices),
  boolean: (r) => r.pick(false, true),
};
const OWN = { "data.split": ofCorpus((r) => r.pick(...TABLES.get("data").find(({ key }) => key === "split").choices)) };

/** Every field that can be drawn: [the path that DRAWS knows it by, its row, the kind that it belongs to]. */
export function* fields() {
  for (const section of SECTIONS) for (const row of TABLES.get(section)) yield [`${section}.${row.key}`, row];
  for (const kind of KINDS) for (const row of TABLES.get(`attention_${kind}`)) yield [`attention.${row.key}`, row, kind];
}

/** What DRAWS lacks, and what it has too much. */
export function unknown() {
  const known = [...fields()];
  return [
    ...known.filter(([path, { type }]) => !(path in DRAWS) && !(type in EASY)).map(([path]) => `${path} isn't drawn`),
    ...[...Object.keys(DRAWS), ...Object.keys(OWN)].filter((path) => !known.some(([one]) => one === path)).map((path) => `${path} is no field`),
  ];
}

function value(path, row, ...known) {
  const [r] = known, drawn = OWN[path] ?? DRAWS[path];
  if (drawn === undefined && !(row.type in EASY)) throw new Error(`tests/planted/draw.mjs doesn't draw ${path}`);
  return drawn ? drawn(...known) : EASY[row.type](r, row);
}

function attention(r, spec) {
  const drawn = { kind: r.pick(...KINDS) };
  for (const row of TABLES.get(`attention_${drawn.kind}`).filter(({ key }) => key !== "kind")) drawn[row.key] = value(`attention.${row.key}`, row, r, spec, drawn);
  return drawn;
}

/** The specification of a seed, as `ablate-worker train` takes it. */
export function draw(seed) {
  const r = random(seed);
  const spec = { seed: r.pick(0, 42, r.whole(0, 1e6), MOST), artifacts: ["init", "batches", "final", "gradients"].filter(() => r.chance(0.2)) };
  for (const section of SECTIONS) {
    spec[section] = {};
    for (const row of TABLES.get(section)) spec[section][row.key] = value(`${section}.${row.key}`, row, r, spec);
  }
  return JSON.parse(JSON.stringify(spec));
}

/** The same as an experiment of one run, as the daemon takes it. */
export const asExperiment = ({ seed, ...rest }) => ({ ...rest, seeds: [seed] });

/** The attentions that some layer of it has. */
export function attentions({ model }) {
  const layers = Array(model.layers).fill(model.attention);
  for (const { layers: [first, last], attention: one } of model.attention_layers) layers.fill(one, first, last + 1);
  return [...new Set(layers)];
}
