#!/usr/bin/python3
"""The reference's own ties, in TAP: computed again in float32, as whichever core BLAS takes the machine for, the goldens
that hang on ties are what they were. tests/run starts it on each core where PyTorch is installed."""
import json
import os
import sys

import numpy as np
import torch

from data import read_documents
from make_goldens import CORPORA, FOLDER, GOLDENS, TOLERANCE, compute, spec_of


def worst(name):
    """The greatest difference from the golden by what is allowed, over logits and losses."""
    with open(os.path.join(FOLDER, name + ".json"), encoding="ascii") as f:
        golden = json.load(f)
    documents = read_documents(os.path.join(FOLDER, CORPORA.get(name, "corpus") + ".txt"))
    again = compute(spec_of(GOLDENS[name]), documents, torch.float32)
    pairs = [(again["logits"][mode].ravel(), golden[f"logits {mode}"]["max"] * 1e-6 * np.array(golden[f"logits {mode}"]["e6"]))
             for mode in again["logits"]]
    pairs += [(np.array([now["loss"]]), np.array([then["loss"]])) for now, then in zip(again["steps"], golden["steps"])]
    return max(float(np.abs(now - then).max() / np.abs(then).max()) for now, then in pairs) / TOLERANCE


def main():
    torch.set_num_threads(1)
    names = [name for name in GOLDENS if name.startswith("ties-")]
    print(f"1..{len(names)}")
    failed = 0
    for i, name in enumerate(names, 1):
        off = worst(name)
        failed += not off <= 1
        print(f"{'ok' if off <= 1 else 'not ok'} {i} - {name}: {off:.2f} of what is allowed", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
