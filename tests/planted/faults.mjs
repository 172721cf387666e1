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
];
