// The specification with which the form begins, for a first experiment: small, fair, and with enough seeds that it
// ends with a claim. The middle rate is the best for both arms; those around it show that none was favoured.

export const START = {
  name: "dense against sparse",
  hypothesis: "Attending to 4 of 64 keys costs something, even if a trained indexer chooses them.",
  data: { dataset: "fortunes", seq_len: 64, split: "families" },
  model: { layers: 2, heads: 4, d_model: 64, d_ff: 128, dropout: 0, init: "gpt2" },
  train: { steps: 200, warmup_steps: 20, eval_every: 50, eval_tokens: 16384 },
  arms: {
    dense: {},
    dsa: { "model.attention": { kind: "dsa", top_k: 4, indexer_heads: 2, indexer_dim: 16 } },
  },
  grid: { "train.lr": [0.0008, 0.002, 0.005] },
  seeds: [1, 2, 3, 4, 5, 6],
  compare: { metric: "val/loss", baseline: "dense", tune: ["train.lr"] },
};
export const ABOUT = "Two arms, three learning rates to choose from, six seeds: 36 small runs, about two minutes on " +
  "two cores. It ends with a claim.";
