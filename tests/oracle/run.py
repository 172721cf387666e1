#!/usr/bin/python3
"""Trains a run spec by the reference and prints its losses, a JSON object a line.

usage: run.py SPEC.json CORPUS [--steps N] [--threads N] [--double]
SPEC.json: a fully resolved run spec, as a run's spec.json. CORPUS: a text (documents separated by lines of a
lone %, or by blank lines) or the folder of a stored corpus. --steps ends early.
"""
import argparse
import json

import torch

from data import read_documents
from trial import Trial


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec")
    parser.add_argument("corpus")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--double", action="store_true", help="the model's arithmetic in float64")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with open(args.spec, encoding="utf-8") as f:
        spec = json.load(f)
    trial = Trial(spec, read_documents(args.corpus), torch.float64 if args.double else torch.float32)

    def say(**event):
        print(json.dumps(event), flush=True)

    say(windows={part: len(windows) for part, windows in trial.data.windows.items()})
    last = spec["train"]["steps"]
    for step in range(1, (args.steps or last) + 1):
        say(step=step, train=trial.step(step))
        if step % spec["train"]["eval_every"] == 0 or step == last:
            say(step=step, val=trial.evaluate("val", step))
    if step == last:
        say(step=step, test=trial.evaluate("test", step))


if __name__ == "__main__":
    main()
