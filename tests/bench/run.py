#!/usr/bin/python3
"""`make bench`: what the trainer reaches, as ratios of two sides that are measured in turns in one run.

usage: run.py [--build DIR] [--csv FILE] [PART ...]      parts: share torch threads sparse audits (default: all but
audits, so that it stays within a quarter of an hour)

Each figure is the median of a short process's steps after it has warmed up, begun anew and measured as A B A B. The tables go to standard
output, every single measurement to the CSV file. A busy machine makes figures worthless: the load before and the
stolen time during the run are told, and warned of.
"""
import csv
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

from machine import CORES, ROOT, Watch, arguments

STEPS = ((1 << 19, 9), (1 << 20, 3))  # steps measured each time, by the logits of a window; FEW above
FEW = 2
DENSE = {"kind": "dense"}
STUDY_DSA = {"kind": "dsa"}  # K = L/2, indexer 4×64, trained
PUBLISHED = {"kind": "dsa", "indexer_training": "frozen", "selection": "published"}
STUDY_STEPS, AUDITED_STEPS = 1000, 24  # AUDITED_STEPS: enough for the audit replay, which trains ten of them again
INDEXERS = {"2×16": {"indexer_heads": 2, "indexer_dim": 16}, "4×64": {"indexer_heads": 4, "indexer_dim": 64}}


class Bench:
    """Runs either side, remembers every measurement."""

    def __init__(self, build, csv_file):
        self.program = os.path.join(build, "tests", "bench", "bench")
        self.worker = os.path.join(build, "ablate-worker")
        self.csv = csv.writer(csv_file)
        self.csv.writerow(["part", "side", "arm", "seq_len", "vocab", "batch", "threads", "median_s", "flops", "peak_bytes"])

    def _run(self, command):
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command[:3])} …: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def _note(self, part, side, arm, seq_len, vocab, batch, threads, facts):
        facts["median"] = facts["median_s"] if "median_s" in facts else statistics.median(facts["seconds"])
        self.csv.writerow([part, side, arm, seq_len, vocab, batch, threads, f"{facts['median']:.5f}",
                           facts.get("flops", ""), facts.get("peak_bytes", "")])
        return facts

    def sgemm(self, part, threads=CORES, what="sgemm"):
        facts = self._run([self.program, what, "--threads", str(threads), "--steps", "9"])
        self._note(part, what, "", "", "", "", threads, facts)
        return facts["flops"] / facts["median"]

    def ours(self, part, attention, seq_len, vocab=257, batch=16, threads=CORES, what="step", steps=None, dropout=0.1):
        steps = steps or steps_for(seq_len, vocab)
        spec = {"data": {"dataset": "synthetic:uniform", "vocab": vocab, "seq_len": seq_len},
                "model": {"attention": attention, "dropout": dropout}, "train": {"batch_size": batch}, "seed": 1}
        facts = self._run([self.program, what, json.dumps(spec), "--threads", str(threads), "--steps", str(steps)])
        return self._note(part, f"ablate {what}", attention["kind"], seq_len, vocab, batch, threads, facts)

    def torch(self, part, attention, seq_len, vocab, threads):
        facts = self._run(["/usr/bin/python3", "tests/bench/torch_step.py", "--arm", attention["kind"], "--seq-len", str(seq_len),
                           "--vocab", str(vocab), "--threads", str(threads), "--steps", str(steps_for(seq_len, vocab)),
                           "--warm-up", str(min(2, steps_for(seq_len, vocab) - 1))])
        return self._note(part, "pytorch", attention["kind"], seq_len, vocab, 16, threads, facts)

    def audited(self, part, attention, seq_len):
        """A short run of the study's model that audits itself: seconds of each audit, and of a step."""
        spec = {"data": {"dataset": "synthetic:uniform", "vocab": 257, "seq_len": seq_len},
                "model": {"attention": attention, "dropout": 0.1, "router_noise": 0.1},
                "train": {"steps": AUDITED_STEPS, "batch_size": 16, "eval_windows": 16}, "seed": 42}
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "spec.json")
            with open(file, "w", encoding="utf-8") as out:
                json.dump(spec, out)
            done = subprocess.run([self.worker, "train", file, "--out", folder, "--audits", "--threads", str(CORES)],
                                  capture_output=True, text=True, cwd=ROOT)
        if done.returncode != 0:
            sys.exit(f"bench: ablate-worker train: {done.stderr.strip()}")
        audits, steps = {}, []
        for event in map(json.loads, done.stdout.splitlines()):
            told = re.fullmatch(r"audit (\w+): .*\(([\d.]+) s\)", event.get("message", ""), re.DOTALL)
            if told:
                audits[told[1]] = audits.get(told[1], 0) + float(told[2])
            if event["type"] == "metrics":
                steps += [row[1 + event["names"].index("time/step_s")] for row in event["rows"]]
        for name, seconds in audits.items():
            self._note(part, name, attention["kind"], seq_len, 257, 16, CORES, {"median_s": seconds})
        return audits, self._note(part, "ablate step", attention["kind"], seq_len, 257, 16, CORES, {"seconds": steps[1:]})["median"]


def steps_for(seq_len, vocab):
    return next((steps for logits, steps in STEPS if seq_len * vocab < logits), FEW)


def table(title, head, rows):
    """Prints rows as they come; the first column is wide."""
    print(f"\n{title}\n")
    print("  ".join(f"{h:>{w}}" for h, w in head), flush=True)
    for row in rows:
        print("  ".join(f"{cell:>{w}}" for cell, (_, w) in zip(row, head)), flush=True)


def share(bench):
    """The share of the machine's own sgemm rate that a whole step reaches."""
    def rows():
        for vocab, target in ((257, 65), (4096, 65), (49152, 75)):
            for seq_len in (64, 128, 256):
                for attention in (DENSE, STUDY_DSA):
                    rates, shares, peak = [bench.sgemm("share")], [], 0
                    for _ in range(2):
                        facts = bench.ours("share", attention, seq_len, vocab)
                        rates.append(bench.sgemm("share"))
                        shares.append(facts["flops"] / facts["median"] / statistics.mean(rates[-2:]))
                        peak = facts["peak_bytes"]
                    best = statistics.mean(shares)
                    yield (vocab, seq_len, attention["kind"], f"{facts['median']:.3f}", f"{statistics.mean(rates) / 1e9:.0f}",
                           f"{100 * best:.0f} %", f"{target} %", f"{peak / 2**20:.0f}")
    table(f"A step's share of the sgemm rate (1024³, {CORES} threads); B = 16, the study's model",
          (("V", 6), ("L", 4), ("arm", 6), ("s/step", 7), ("GFLOP/s", 7), ("share", 6), ("target", 6), ("peak MiB", 8)), rows())
    turns = [(bench.sgemm("share"), bench.sgemm("share", what="dots")) for _ in range(2)]
    print(f"what decides (worker/ops/dots.h), 1024³: {100 * statistics.mean(ours / theirs for theirs, ours in turns):.0f} % of the sgemm rate")


def torch(bench):
    """Seconds a step against PyTorch, at its default and its best thread setting."""
    def rows():
        for vocab, target in ((4096, 1.7), (49152, 2.0)):
            for seq_len in (64, 128, 256):
                for attention in (DENSE, STUDY_DSA):
                    first = bench.ours("torch", attention, seq_len, vocab)["median"]
                    default = bench.torch("torch", attention, seq_len, vocab, 0)
                    theirs = {0: default["median"]} | {threads: bench.torch("torch", attention, seq_len, vocab, threads)["median"]
                                                       for threads in sorted({1, CORES} - {default["threads"]})}
                    ours = statistics.mean([first, bench.ours("torch", attention, seq_len, vocab)["median"]])
                    best = min(theirs, key=theirs.get)
                    yield (vocab, seq_len, attention["kind"], f"{ours:.3f}", f"{theirs[0]:.3f}", f"{theirs[best]:.3f}", best or "default",
                           f"{theirs[0] / ours:.2f}×", f"{theirs[best] / ours:.2f}×", f"{target}×")
    table("Seconds a step against PyTorch, the same model; B = 16",
          (("V", 6), ("L", 4), ("arm", 6), ("Ablate", 7), ("default", 8), ("best", 7), ("threads", 7), ("ratio", 6), ("to best", 8), ("target", 6)), rows())


def threads(bench):
    """One thread against two, and two runs side by side against one with two threads."""
    def rows():
        for attention in (DENSE, STUDY_DSA):
            one = bench.ours("threads", attention, 128, threads=1)["median"]
            two = bench.ours("threads", attention, 128, threads=2)["median"]
            spec = {"data": {"dataset": "synthetic:uniform", "vocab": 257, "seq_len": 128}, "model": {"attention": attention},
                    "train": {"batch_size": 16}, "seed": 1}
            pair = [subprocess.Popen([bench.program, "step", json.dumps(spec), "--threads", "1", "--steps", "9"],
                                     stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
            beside = statistics.mean(statistics.median(json.loads(p.communicate()[0])["seconds"]) for p in pair)
            yield (attention["kind"], f"{one:.3f}", f"{two:.3f}", f"{one / two:.2f}×", f"{beside:.3f}", f"{two / (beside / 2):.2f}×")
    table("Threads; L = 128, V = 257, B = 16", (("arm", 6), ("1 thread", 8), ("2 threads", 9), ("speed-up", 8), ("two beside", 10), ("two runs against one", 20)), rows())


def sparse(bench):
    """Dense against DSA by length: the attention layer and the whole step."""
    crossings = {}

    def rows():
        for seq_len in (256, 512, 1024, 2048, 4096, 8192):
            batch = max(1, 4096 // seq_len)
            layer = bench.ours("sparse", DENSE, seq_len, batch=batch, what="attention", dropout=0)["median"]
            dense = bench.ours("sparse", DENSE, seq_len, batch=batch, steps=2, dropout=0)
            for keys in sorted({seq_len // 8, 256} if seq_len > 256 else {seq_len // 8}):
                for name, indexer in INDEXERS.items():
                    attention = dict(indexer, kind="dsa", top_k=keys)
                    own = bench.ours("sparse", attention, seq_len, batch=batch, what="attention", dropout=0)["median"]
                    step = bench.ours("sparse", attention, seq_len, batch=batch, steps=2, dropout=0)
                    crossings.setdefault((name, "L/8" if keys == seq_len // 8 else keys), []).append((seq_len, dense["median"] / step["median"]))
                    yield (seq_len, batch, keys, name, f"{layer:.3f}", f"{own:.3f}", f"{layer / own:.2f}×", f"{dense['median']:.3f}",
                           f"{step['median']:.3f}", f"{dense['median'] / step['median']:.2f}×", f"{dense['peak_bytes'] / 2**20:.0f}",
                           f"{step['peak_bytes'] / 2**20:.0f}")
    table("Dense against DSA, 4096 tokens a step (L from 8192 on); V = 257, no dropout; above 1× DSA is faster",
          (("L", 5), ("B", 3), ("K", 5), ("indexer", 7), ("layer: dense", 12), ("dsa", 6), ("ratio", 6), ("step: dense", 11), ("dsa", 6), ("ratio", 6),
           ("MiB dense", 9), ("dsa", 5)), rows())
    for (name, keys), points in crossings.items():
        wins = [seq_len for i, (seq_len, _) in enumerate(points) if all(ratio > 1 for _, ratio in points[i:])]
        print(f"indexer {name}, K = {keys}: DSA's step wins " + (f"from L = {wins[0]} on" if wins else f"at no length up to {points[-1][0]}"))


def audits(bench):
    """What audits cost an experiment of the study's size: two arms, three lengths, 1000 steps, one seed."""
    spent = trained = 0

    def rows():
        nonlocal spent, trained
        for name, attention in (("classic", DENSE), ("sparse", PUBLISHED)):
            for seq_len in (64, 128, 256):
                seconds, step = bench.audited("audits", attention, seq_len)
                if seq_len > 64:
                    for one in ("replay", "update"):  # made by an arm's first run alone
                        seconds.pop(one)
                own, whole = sum(seconds.values()), STUDY_STEPS * step
                spent, trained = spent + own, trained + whole
                yield (name, seq_len, *(f"{seconds[audit]:.1f}" if audit in seconds else "–" for audit in columns), f"{own:.1f}",
                       f"{whole:.0f}", f"{100 * own / whole:.1f} %")
    columns = ("causality", "entropy_floor", "dense_equivalence", "gradient", "detached", "evaluation", "update", "replay")
    table(f"Seconds of audits against {STUDY_STEPS} steps; V = 257, B = 16",
          (("arm", 8), ("L", 4), *((audit, len(audit)) for audit in columns), ("audits", 6), ("training", 8), ("share", 6)), rows())
    print(f"an experiment of the study's size: {spent:.0f} s of audits, {trained:.0f} s of steps: {100 * spent / trained:.1f} %")


PARTS = {"share": share, "torch": torch, "threads": threads, "sparse": sparse, "audits": audits}


def main():
    a = arguments(__doc__, PARTS, "bench.csv")
    watch = Watch()
    with open(a.csv, "w", encoding="utf-8", newline="") as file:
        bench = Bench(a.build, file)
        probe = bench.ours("start", DENSE, 64, steps=1)
        watch.begin(f"OpenBLAS core {probe['blas_core']}, code path {probe['code_path']}; ")
        for name in a.part or [part for part in PARTS if part != "audits"]:
            PARTS[name](bench)
    watch.end(a.csv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
