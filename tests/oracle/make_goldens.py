#!/usr/bin/python3
"""Writes tests/golden/*.json: small runs of every arm as the reference computes them.

usage: make_goldens.py [NAME …]          only the named ones; the initial values are always written

The goldens hold what the formulas say: computed in float64, from float32 weights, masks and tables. Each run is
computed in float32 as well, and refused if the two differ by more than a part of what the test allows: then a
choice of the run (an expert, a selected key) hangs on rounding, and another seed is called for.

An array that the test compares by a share of its greatest magnitude is stored as whole millionths of that:
{"max": m, "e6": […]}, value = m·e6/10⁶. It keeps the files small and loses a tenth of the tolerance.
"""
import copy
import json
import os
import sys

import numpy as np
import torch

from data import read_documents
from model import initial_values
from trial import Trial

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
STEPS = 5
BATCHES = 20  # steps whose batches are written: in the short corpus they cross epochs
TOLERANCE = 2.5e-6  # float32 against float64, half of what the test allows
MOVED_TOLERANCE = 2.5e-5  # of how far a tensor moves: Adam's first steps take rounding of a tiny gradient for its sign

# By this split_seed no evaluated window starts with the same letter twice. One that does has two keys that are equal
# but for rounding from the second layer on, and which of them is selected tells nothing of an implementation.
BASE = {
    "data": {"dataset": "golden", "tokenizer": "byte", "documents": 0, "tokens": 0, "seq_len": 12,
             "split": "documents", "val_fraction": 0.1, "test_fraction": 0.1, "split_seed": 8, "vocab": 0, "pairs": 0},
    "model": {"layers": 2, "heads": 2, "d_model": 16, "d_ff": 24, "experts": 4, "experts_per_token": 2,
              "router_noise": 0.1, "balance_weight": 0.01, "dropout": 0.1, "activation": "silu", "init": "torch",
              "tied": True, "attention": {"kind": "dense"}},
    "train": {"steps": STEPS, "batch_size": 3, "batch_tokens": 0, "micro_batch_size": 0, "optimizer": "adam",
              "lr": 0.003, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "grad_clip": 0, "schedule": "constant",
              "warmup_steps": 0, "min_lr_ratio": 0.1, "eval_every": 1, "eval_windows": 0, "eval_tokens": 0,
              "checkpoint_every": STEPS, "threads": 0},
    "seed": 42,
    "artifacts": [],
}

DSA = {"kind": "dsa", "top_k": 5, "indexer_heads": 2, "indexer_dim": 8, "indexer_training": "kl",
       "kl_weight": 1, "dense_warmup_steps": 0, "indexer_rope": False, "indexer_norm": False, "selection": "causal"}


def attention(**changes):
    return {"model.attention": {**DSA, **changes}}


# One layer of one expert, and nothing drawn.
PLAIN = {"model.layers": 1, "model.experts": 1, "model.experts_per_token": 1, "model.dropout": 0, "model.router_noise": 0}

# name → what it sets, by path. Some values are chosen to tell readings apart:
# * the base's init is PyTorch's: at this size GPT-2's leaves attention so even that an error in it would hardly show,
#   and an indexer nothing to learn;
# * where gradients are clipped eps is large: with a small one Adam forgets their scale;
# * dense-few-tokens cuts a document, crosses epochs within a batch, and its test fraction is half a token more than
#   its first document, so that rounding up takes one more.
GOLDENS = {
    "dense-plain": {"model.dropout": 0, "model.router_noise": 0},
    "dense-torch": {},
    "dense-gpt2": {"model.init": "gpt2"},
    "dense-one-expert": {"model.init": "gpt2", "model.experts": 1, "model.experts_per_token": 1},
    "dense-untied": {"model.tied": False},
    "dense-swiglu": {"model.activation": "swiglu"},
    "dense-swiglu-one-expert": {"model.activation": "swiglu", "model.init": "gpt2", "model.experts": 1,
                                "model.experts_per_token": 1},
    "dense-windows-split": {"data.split": "windows", "data.split_seed": 3, "data.tokens": 1500,
                            "train.eval_windows": 7},
    "dense-few-tokens": {"data.documents": 9, "data.tokens": 780, "data.val_fraction": 0.2, "data.test_fraction": 0.13012,
                         "data.split_seed": 1},
    "dense-sgd": {"train.optimizer": "sgd", "train.momentum": 0.8, "train.lr": 0.05, "train.weight_decay": 0.5},
    "dense-adamw-cosine-clip": {"train.optimizer": "adamw", "train.betas": [0.9, 0.95], "train.weight_decay": 5,
                                "train.lr": 0.01, "train.schedule": "cosine", "train.warmup_steps": 2,
                                "train.grad_clip": 0.25, "train.eps": 0.001, "model.tied": False},
    "dsa-causal-kl": attention(),
    "dsa-micro-batches": {**attention(), "train.batch_size": 4, "train.micro_batch_size": 2},
    "dsa-causal-frozen": attention(indexer_training="frozen"),
    "dsa-published-frozen": attention(indexer_training="frozen", selection="published"),
    "dsa-published-kl": attention(selection="published"),
    "dsa-dense-warmup": attention(dense_warmup_steps=2),
    "dsa-indexer-only": {**attention(dense_warmup_steps=4, indexer_only_steps=2), "train.optimizer": "adamw",
                         "train.weight_decay": 5, "train.eps": 0.001},
    "dsa-rope-norm-linear-clip": {**attention(indexer_rope=True, indexer_norm=True, kl_weight=3),
                                  "train.schedule": "linear", "train.warmup_steps": 1, "train.grad_clip": 0.02,
                                  "train.eps": 0.001},
    "layers": {"model.layers": 4, "model.attention_layers": [
        {"layers": [1, 2], "attention": {**DSA, "indexer_norm": True, "indexer_rope": True, "kl_weight": 2}},
        {"layers": [3, 3], "attention": {"kind": "window", "window": 4, "sink": 1}}]},
    "layers-warm-ups-micro-batches": {
        **attention(dense_warmup_steps=3), "model.layers": 3, "model.activation": "swiglu",
        "model.attention_layers": [
            {"layers": [0, 0], "attention": {**DSA, "top_k": 7, "indexer_heads": 3, "indexer_dim": 12,
                                             "indexer_training": "frozen", "selection": "published"}},
            {"layers": [2, 2], "attention": {**DSA, "top_k": 3, "indexer_heads": 1, "indexer_dim": 4, "kl_weight": 0.5,
                                             "dense_warmup_steps": 1}}],
        "train.batch_size": 4, "train.micro_batch_size": 2},
    "window": {"model.attention": {"kind": "window", "window": 4, "sink": 2}},
    "strided": {"model.attention": {"kind": "strided", "stride": 3, "window": 2}},
    "random-topk": {"model.attention": {"kind": "random_topk", "top_k": 5}},
    "random-topk-micro-batches": {"model.attention": {"kind": "random_topk", "top_k": 5}, "train.micro_batch_size": 1},
    "oracle-topk": {"model.attention": {"kind": "oracle_topk", "top_k": 5}},
    # In the first layer the same letter is the same key: these hang on ties, from the smallest case to a long one.
    "ties-smallest": {**attention(top_k=3), **PLAIN, "data.seq_len": 6, "data.split_seed": 3, "train.batch_size": 1,
                      "train.lr": 0.001, "seed": 2},
    "ties-repeated-bytes": {**attention(), **PLAIN, "data.seq_len": 128, "data.split_seed": 1},
    "ties-norm-experts": {**attention(indexer_norm=True, top_k=4), "model.layers": 1, "data.seq_len": 48},
}
CORPORA = {"ties-smallest": "ties"}  # others: corpus

# Between them these have every parameter's name of two layers, so that one file serves the goldens of an init. A golden
# of more layers or of another seed has a file of its own.
INITIAL = {**{init: {"model.init": init, "model.tied": False, "model.activation": "swiglu", **attention(indexer_norm=True)}
              for init in ("gpt2", "torch")},
           **{name: GOLDENS[name] for name in ("layers", "layers-warm-ups-micro-batches", "ties-smallest")}}


def spec_of(changes):
    spec = copy.deepcopy(BASE)
    for path, value in changes.items():
        *sections, key = path.split(".")
        at = spec
        for section in sections:
            at = at[section]
        at[key] = value
    return spec


def compute(spec, documents, dtype):
    """What a golden holds, arrays as float64."""
    trial = Trial(spec, documents, dtype)
    initial = {name: p.detach().clone() for name, p in trial.model.parameters.items()}
    first = trial.data.batch(1)
    with torch.no_grad():
        inputs = torch.from_numpy(first[:, :-1])
        logits = {"training": trial.model.forward(inputs, 1, done=1)[0][0],
                  "evaluation": trial.model.forward(inputs, 0, done=1)[0][0]}
    steps, evaluations, gradients = [], [], {}
    for step in range(1, STEPS + 1):
        if step == 1:
            trial.losses(first, 1)[0].backward()
            gradients = {name: g.clone() for name, g in trial.optimizer.gradients().items()}
        steps.append(trial.step(step))
        evaluations.append(trial.evaluate("val", step))
    moved = {name: (p.detach() - initial[name]).norm().item() for name, p in trial.model.parameters.items()}
    return {
        "windows": {part: len(windows) for part, windows in trial.data.windows.items()},
        "batches": [trial.data.batch(step).tolist() for step in range(1, BATCHES + 1)],
        "logits": {mode: x.double().numpy() for mode, x in logits.items()},
        "gradients": {name: g.double().numpy() for name, g in gradients.items()},
        "steps": steps,
        "evaluations": evaluations,
        "test": trial.evaluate("test", STEPS),
        "moved": moved,
    }


def arrays_of(golden):
    """Everything that rounding may touch: (tolerance, name, array)."""
    for group in "logits", "gradients":
        for name, array in golden[group].items():
            yield TOLERANCE, f"{group} {name}", array
    for group in "steps", "evaluations":
        for i, values in enumerate(golden[group], 1):
            for name, value in values.items():
                yield TOLERANCE, f"{name} of step {i}", np.array([value])
    for name, value in golden["test"].items():
        yield TOLERANCE, f"test {name}", np.array([value])
    for name, value in golden["moved"].items():
        yield MOVED_TOLERANCE, f"moved {name}", np.array([value])


def check(name, golden, rough):
    """The float32 run must agree with the float64 run. Returns the greatest difference by its tolerance."""
    worst = 0, ""
    for (tolerance, what, exact), (_, _, other) in zip(arrays_of(golden), arrays_of(rough)):
        scale = np.abs(exact).max()
        if scale > 0:
            worst = max(worst, (float(np.abs(other - exact).max() / scale / tolerance), what))
    if worst[0] > 1:
        sys.exit(f"{name}: float32 and float64 differ by {worst[0]:.2f} of what is allowed, at {worst[1]}")
    return worst


def millionths(array):
    scale = float(np.abs(array).max())
    return {"max": scale, "e6": np.rint(array.ravel() * (1e6 / scale) if scale else array.ravel()).astype(int).tolist()}


def write(name, entries):
    """An entry a line."""
    path = os.path.join(FOLDER, name + ".json")
    dump = lambda value: json.dumps(value, separators=(",", ":"))
    with open(path, "w", encoding="ascii") as f:
        f.write("{\n" + ",\n".join(f"{dump(key)}:{dump(value)}" for key, value in entries) + "\n}\n")


def write_initial(name):
    """Shortest digits that give back the float32."""
    values = initial_values(spec_of(INITIAL[name]))
    write("initial-" + name, [(name, [float(str(x)) for x in value.ravel()]) for name, value in values.items()])


def write_golden(name, changes):
    spec, corpus = spec_of(changes), CORPORA.get(name, "corpus")
    documents = read_documents(os.path.join(FOLDER, corpus + ".txt"))
    golden = compute(spec, documents, torch.float64)
    worst = check(name, golden, compute(spec, documents, torch.float32))
    entries = [("spec", spec)] + [("corpus", corpus)] * (name in CORPORA)
    entries += [("initial", "initial-" + (name if name in INITIAL else spec["model"]["init"]))]
    for key, value in golden.items():
        if key in ("logits", "gradients"):
            entries += [(f"{key} {what}", millionths(array)) for what, array in value.items()]
        else:
            entries.append((key, value))
    write(name, entries)
    print(f"{name}: float32 within {worst[0]:.2f} of what is allowed ({worst[1]})")


def main():
    torch.set_num_threads(1)
    for name in INITIAL:
        write_initial(name)
    for name in sys.argv[1:] or GOLDENS:
        write_golden(name, GOLDENS[name])


if __name__ == "__main__":
    main()
