#!/usr/bin/python3
"""How long a report takes through HTTP: 600 runs whose compared metric has 1,000 points each.

usage: report.py [--build DIR] [--seeds N ...]

For each number of seeds (8: every sign flip is enumerated; 17 and 40: flips are drawn) it starts a daemon on a
temporary folder, submits an experiment of about 600 runs to a paused queue, writes what training would have stored,
and asks for the report in each format and for the figure, REPEATS times. Prints the median and the greatest time, and the
processor time of the daemon a request.
"""
import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNS, POINTS, REPEATS = 600, 1000, 9
METRICS = {"val/loss": POINTS, "val/accuracy": 10, "test/loss": 1, "time/step_s": 10}


class Daemon:
    def __init__(self, build, folder):
        self.folder = folder
        self.process = subprocess.Popen([os.path.join(build, "ablated"), "--data", folder, "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if line.startswith("Ablate is at "):
                break
        else:
            sys.exit("report.py: the daemon didn't start")
        with open(os.path.join(folder, "address"), encoding="utf8") as file:
            self.base = file.read().strip() + "/api/v1/"
        with open(os.path.join(folder, "token"), encoding="utf8") as file:
            self.token = file.read().strip()

    def ask(self, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers)) as reply:
            return reply.read()

    def processor_ms(self):
        """Processor time so far: what a busy machine doesn't falsify."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def fill(folder):
    """What training would have stored, for every run."""
    db = sqlite3.connect(os.path.join(folder, "ablate.db"))
    draw = random.Random(1)
    runs = db.execute("SELECT id, arm FROM runs").fetchall()
    for name in METRICS:
        db.execute("INSERT OR IGNORE INTO metric_names (name) VALUES (?)", (name,))
    ids = dict(db.execute("SELECT name, id FROM metric_names"))
    db.execute("UPDATE runs SET state = 'succeeded', step = steps, attempt = 1, started_at = created_at, ended_at = created_at")
    for run, arm in runs:
        level = 3 + int(arm[1:]) / 50
        for name, points in METRICS.items():
            values = [level + 2 / (i + 1) + draw.gauss(0, 0.03) for i in range(points)]
            db.executemany("INSERT INTO metrics (run, name, step, value) VALUES (?, ?, ?, ?)",
                           [(run, ids[name], i + 1, value) for i, value in enumerate(values)])
            db.execute("INSERT INTO series VALUES (?, ?, ?, 0, ?, ?, 0, ?, 1, ?, 1, ?)",
                       (run, ids[name], points, points, values[-1], min(values), max(values), sum(values)))
    db.commit()
    db.close()
    return len(runs)


def measure(build, seeds):
    arms = 5
    points = max(1, round(RUNS / (arms * seeds)))
    spec = {"name": "bench", "data": {"dataset": "synthetic:uniform"}, "model": {"layers": 1, "heads": 2, "d_model": 16, "d_ff": 16},
            "train": {"steps": POINTS, "batch_size": 2, "eval_every": 1},
            "arms": {f"a{i}": {} if i == 0 else {"train.weight_decay": i / 10, "train.optimizer": "adamw"} for i in range(arms)},
            "grid": {"data.seq_len": [8 * (i + 1) for i in range(points)]}, "seeds": list(range(1, seeds + 1))}
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(build, folder)
        daemon.ask("queue", {"paused": True})
        made = json.loads(daemon.ask("experiments", spec))
        daemon.stop()
        runs = fill(folder)
        daemon = Daemon(build, folder)
        try:
            for what in ("report?format=json", "report?format=md", "report?format=csv", "figure.svg"):
                took, size, before = [], 0, daemon.processor_ms()
                for _ in range(REPEATS):
                    begun = time.perf_counter()
                    size = len(daemon.ask(f"experiments/{made['id']}/{what}"))
                    took.append(1000 * (time.perf_counter() - begun))
                print(f"| {runs} runs × {POINTS}, {seeds} seeds | {what} | {statistics.median(took):.0f} ms | {max(took):.0f} ms | "
                      f"{(daemon.processor_ms() - before) / REPEATS:.0f} ms | {size / 1024:.0f} KiB |",
                      flush=True)
        finally:
            daemon.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[8, 17, 40])
    args = parser.parse_args()
    print("| experiment | asked for | median | greatest | processor | size |\n|---|---|---|---|---|---|")
    for seeds in args.seeds:
        measure(args.build, seeds)


if __name__ == "__main__":
    main()
