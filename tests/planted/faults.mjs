// The faults that the planted build of the worker can be asked for, each with the audit that must catch it.
//
// A row: `fault`, the name in the worker's planted("…"); `audit`, which must say `status` (fail, unless the row says warn);
// `kinds`, whom it touches: names of KINDS. Where a fault shows only with some field of the specification, `with` sets it
// (paths as in an experiment's arm). One row a line.

/** Attentions at T = 16, by the name that a row's `kinds` and the tests' names say. */
export const KINDS = {
  dense: { kind: "dense" },
  dsa: { kind: "dsa", top_k: 5, indexer_heads: 2, indexer_dim: 8, indexer_norm: true, indexer_rope: true },
  window: { kind: "window", window: 4, sink: 1 },
  random: { kind: "random_topk", top_k: 5 },
  oracle: { kind: "oracle_topk", top_k: 5 },
  strided: { kind: "strided", stride: 4, window: 3 },
};
export const ALL = Object.keys(KINDS);

/** The kinds that leave keys out. */
const CHOOSING = ALL.filter((kind) => kind !== "dense");
/** Random tokens, of which there are as many as wanted, in sequences of the kernel flash; and of several of its tiles. */
const LONG = { "data": { dataset: "synthetic:uniform", seq_len: 600 }, "train.steps": 2 };
const LONGEST = { ...LONG, "data": { dataset: "synthetic:uniform", seq_len: 1500 }, "train.batch_size": 1, "train.micro_batch_size": 0, "model.layers": 1 };

export const FAULTS = [
  { fault: "eval_dropout", audit: "evaluation", kinds: ALL },
  { fault: "eval_noise", audit: "evaluation", kinds: ALL },
  { fault: "eval_mask", audit: "evaluation", kinds: ALL },
  { fault: "eval_train", audit: "evaluation", kinds: ALL },
  { fault: "eval_train", audit: "split_overlap", kinds: ALL },
  { fault: "test_train", audit: "evaluation", kinds: ALL },
  { fault: "eval_early", audit: "evaluation", kinds: ALL },
  { fault: "micro_scale", audit: "update", kinds: ALL },
  { fault: "twice_lr", audit: "update", kinds: ALL },
  { fault: "twice_decay", audit: "update", kinds: ALL },
  { fault: "update_left_out", audit: "update", kinds: ALL },
  { fault: "one_tensor", audit: "gradient", kinds: ALL },
  { fault: "kl_attached", audit: "detached", kinds: ["dsa"] },
  { fault: "kl_sign", audit: "gradient", kinds: ["dsa"] },
  { fault: "kl_sign", audit: "indexer_learns", status: "warn", kinds: ["dsa"], with: { "train.steps": 60 } },
  { fault: "kl_reversed", audit: "gradient", kinds: ["dsa"], with: { "model.init": "torch" } },
  { fault: "twice_dq", audit: "dense_equivalence", kinds: CHOOSING },
  { fault: "flash_mask", audit: "dense_equivalence", kinds: CHOOSING, with: LONG },
  { fault: "warmup_ahead", audit: "causality", kinds: ["dsa"], with: { "model.attention": { ...KINDS.dsa, dense_warmup_steps: 4 } } },
  { fault: "no_rest", audit: "update", kinds: ["dsa"], with: { "model.attention": { ...KINDS.dsa, dense_warmup_steps: 5, indexer_only_steps: 3 } } },
  { fault: "leak_511", audit: "causality", kinds: ALL, with: LONGEST },
  { fault: "leak_1023", audit: "causality", kinds: ALL, with: LONGEST },
];
