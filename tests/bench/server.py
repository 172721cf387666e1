#!/usr/bin/python3
"""`make bench-server`: what the daemon bears, each figure beside its target and what peers publish.

usage: server.py [--build DIR] [--csv FILE] [PART ...]
       parts: cold submit crowd curve rate flood readers query export filter connections slow attacks turns (default: all)

Every part starts a daemon of its own on loopback and a temporary folder. Load comes from tests/bench/load.c, metrics from
tests/bench/flood.c in the worker's place. Load and daemon share the machine's cores. The table goes to standard output,
every figure to the CSV file.
"""
import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from machine import ROOT, Watch, arguments

SPEC = {"data": {"dataset": "synthetic:copy", "seq_len": 16}, "model": {"layers": 1, "heads": 2, "d_model": 16, "d_ff": 16},
        "train": {"steps": 10_000_000, "batch_size": 2}, "artifacts": []}
STARTS = 15
PATIENCE_S = 120
# What others say of themselves; on machines of theirs.
MLFLOW, LIGHT = "MLflow's server", "a light server with its API"
PEERS = {"cold start": f"{MLFLOW} 7,500 ms, {LIGHT} 53 ms", "idle": f"{MLFLOW} 3 GB (4 workers), {LIGHT} 28 MiB",
         "submit": f"{MLFLOW} 784 runs/s, {LIGHT} 1,450", "metrics": f"{MLFLOW} 8,008 rows/s, {LIGHT} 24,533"}
NO_STREAM = "none streams; those with a page poll every 1–10 s"


class Daemon:
    """A daemon on a folder of its own, whose worker is `flood`; ends with the block."""

    def __init__(self, bench, *args, flood=None):
        self.dir = tempfile.mkdtemp(prefix="ablate-bench-")
        env = dict(os.environ, FLOOD_DIR=self.dir, FLOOD=flood or "1 1 1000 1")
        command = [os.path.join(bench.build, "ablated"), "--data", self.dir, "--listen", "127.0.0.1:0", "--log-level", "error",
                   "--worker", os.path.join(bench.build, "tests/bench/flood"), *args]
        begun = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        first = self.process.stdout.readline()
        if not first.startswith("Ablate is at "):
            sys.exit(f"server.py: the daemon didn't start: {first}")
        self.base = first.split()[-1]
        self.port = self.base.rsplit(":", 1)[1]
        self.healthy()
        self.started_ms = 1000 * (time.perf_counter() - begun)
        with open(os.path.join(self.dir, "token"), encoding="ascii") as file:
            self.token = file.read().strip()

    def healthy(self):
        with urllib.request.urlopen(self.base + "/healthz", timeout=PATIENCE_S) as reply:
            reply.read()

    def ask(self, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers)) as reply:
            text = reply.read().decode()
        return json.loads(text) if text.startswith("{") else text

    def api(self, path, body=None):
        return self.ask("/api/v1/" + path, body)

    def refused(self, path, body):
        try:
            self.api(path, body)
        except urllib.error.HTTPError as error:
            error.read()

    def memory_mib(self, what="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(what)) / 1024

    def processor_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connections(self):
        return int(re.search(r"^ablate_connections (\d+)", self.ask("/metrics"), re.M)[1])

    def turns(self):
        """Of the loop: all, those that computed for more than 5 ms, the longest in seconds."""
        text = self.ask("/metrics")
        figure = lambda name: float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])
        every = figure("ablate_loop_turn_seconds_count")
        return {"all": every, "long": figure("ablate_loop_long_turns_total"), "waited": every - figure('ablate_loop_turn_seconds_bucket{le="0.005"}'), "longest": figure("ablate_loop_turn_longest_seconds"),
                "computed": figure("ablate_loop_turn_longest_cpu_seconds")}

    def runs(self, n):
        """Submits n runs for the flood to play."""
        return self.api("experiments", dict(SPEC, name="flood", seeds=list(range(1, n + 1))))["id"]

    def played(self, n):
        """What the flood's n workers measured, once all have ended."""
        deadline = time.time() + PATIENCE_S
        while time.time() < deadline:
            found = [os.path.join(self.dir, f"{run}.json") for run in range(1, n + 1)]
            if all(os.path.exists(path) and os.path.getsize(path) > 0 for path in found):
                return [json.load(open(path, encoding="ascii")) for path in found]
            time.sleep(0.1)
        sys.exit("server.py: the flood doesn't end")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class Bench:
    """Collects figures: prints a line each, remembers them in the CSV file."""

    def __init__(self, build, csv_file):
        self.build = build
        self.csv = csv.writer(csv_file)
        self.csv.writerow(["figure", "value", "unit", "target", "met", "load"])

    def tell(self, figure, value, unit, most=None, least=None, peers="", digits=1):
        met = "" if most is None and least is None else ("yes" if (most is None or value <= most) and (least is None or value >= least) else "NO")
        target = f"≤ {most:,}" if most is not None else f"≥ {least:,}" if least is not None else ""
        self.csv.writerow([figure, f"{value:.3f}", unit, target, met, f"{os.getloadavg()[0]:.2f}"])
        print(f"| {figure} | {value:,.{digits}f} {unit} | {target} | {met} | {peers} |", flush=True)

    def command(self, *args):
        return [os.path.join(self.build, "tests/bench/load"), *(str(arg) for arg in args)]

    def load(self, *args):
        done = subprocess.run(self.command(*args), capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0 or done.stderr:
            print(f"server.py: load {args[0]}: {done.stderr.strip()}", file=sys.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    @contextlib.contextmanager
    def beside(self, daemon, path, body):
        """PATCHes while the block lasts, fifty a second; yields what they measured, once it has ended."""
        facts = {}
        with subprocess.Popen(self.command("storm", daemon.port, daemon.token, 4, PATIENCE_S, 50, "PATCH", path, body), stdout=subprocess.PIPE,
                              text=True) as probe:
            time.sleep(0.2)
            yield facts
            time.sleep(0.2)
            probe.terminate()
            facts.update(json.loads(probe.communicate()[0]))

    @contextlib.contextmanager
    def held(self, *args):
        """A load that lasts while the block does, and has said that it is there."""
        with subprocess.Popen(self.command(*args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            child.stdout.readline()
            yield child
            child.stdin.close()
            child.terminate()  # those that don't listen
            child.wait(PATIENCE_S)


def cold(bench):
    """From exec to the first answer, and what an idle daemon holds."""
    took = []
    for _ in range(STARTS):
        with Daemon(bench) as daemon:
            took.append(daemon.started_ms)
            memory = daemon.memory_mib()
    bench.tell(f"cold start to the first answer, median of {STARTS}", statistics.median(took), "ms", most=50, peers=PEERS["cold start"])
    bench.tell("cold start, slowest", max(took), "ms")
    bench.tell("idle, resident", memory, "MiB", most=15, peers=PEERS["idle"])


def submit(bench):
    """Experiments of one run each over many connections, and one of many runs."""
    with Daemon(bench) as daemon:
        daemon.api("queue", {"paused": True})
        body = json.dumps(dict(SPEC, name="storm"))
        before = daemon.processor_s()
        facts = bench.load("storm", daemon.port, daemon.token, 64, 8, 0, "POST", "/api/v1/experiments", body)
        spent = daemon.processor_s() - before
        bench.tell("submit, an experiment a run, 64 connections", facts["n"] / facts["seconds"], "runs/s", least=2000, peers=PEERS["submit"], digits=0)
        bench.tell("its requests, median", facts["p50_ms"], "ms")
        bench.tell("its requests, p99", facts["p99_ms"], "ms")
        bench.tell("processor time of the daemon a run", 1000 * spent / facts["n"], "ms", digits=2)
        bench.tell("refused or lost", facts["failed"] + facts["lost"], "", most=0, digits=0)
        stored = daemon.api("queue")["queued"]
        bench.tell("acknowledged and not stored", facts["n"] - facts["failed"] - stored, "", most=0, digits=0)
        rates = []
        for i in range(5):
            begun = time.perf_counter()
            daemon.api("experiments", dict(SPEC, name=f"wide {i}", arms={f"a{k}": {} for k in range(40)}, seeds=list(range(1, 51))))
            rates.append(2000 / (time.perf_counter() - begun))
        bench.tell("submit, an experiment of 2,000 runs, median of 5", statistics.median(rates), "runs/s", least=2000, digits=0)
        bench.tell("resident afterwards", daemon.memory_mib(), "MiB")


def purged(daemon):
    """Waits until nothing of a purge is left to do."""
    while daemon.api("query", {"sql": "SELECT count(*) FROM experiments WHERE purge_at IS NOT NULL"})["rows"][0][0] > 0:
        time.sleep(0.05)


def crowd(bench):
    """What is done to an experiment of 10,000 queued runs, and how long another's PATCH waits meanwhile; a page follows the events."""
    n = 10_000
    with Daemon(bench) as daemon, bench.held("readers", daemon.port, daemon.token, 1, 0, 2 * PATIENCE_S, "/api/v1/events"):
        daemon.api("queue", {"paused": True})
        daemon.api("experiments", dict(SPEC, name="crowd", arms={f"a{k}": {} for k in range(40)}, seeds=list(range(1, n // 40 + 1))))
        daemon.api("experiments", dict(SPEC, name="beside"))
        connections, each = 16, lambda method, path, body: bench.load("each", daemon.port, daemon.token, 16, n, method, path, *body)
        one = lambda method, path: bench.load("each", daemon.port, daemon.token, 1, 1, method, path)
        deeds = {f"cancel {n:,} queued runs": (lambda: one("POST", "/api/v1/experiments/1/cancel"), 1),
                 f"{n:,} retries, {connections} connections": (lambda: each("POST", "/api/v1/runs/{n}/retry", []), None),
                 f"{n:,} priorities, {connections} connections": (lambda: each("POST", "/api/v1/runs/{n}/priority", ['{"priority": 3}']), None),
                 f"delete {n:,} queued runs": (lambda: one("DELETE", "/api/v1/experiments/1"), 1),
                 f"restore {n:,} runs": (lambda: one("POST", "/api/v1/experiments/1/restore"), 1),
                 f"{n:,} retries of runs one by one, then cancels": (
                     lambda: (each("POST", "/api/v1/runs/{n}/retry", []), each("POST", "/api/v1/runs/{n}/cancel", []))[1], None),
                 f"purge {n:,} runs": (lambda: (one("DELETE", "/api/v1/experiments/1"), one("POST", "/api/v1/experiments/1/purge"), purged(daemon))[1], None)}
        for name, (deed, most) in deeds.items():
            with bench.beside(daemon, "/api/v1/experiments/2", '{"notes": "beside"}') as waits:
                begun = time.perf_counter()
                facts = deed()
                took = time.perf_counter() - begun
            bench.tell(name, took, "s", most=most, digits=2)
            bench.tell("its requests failed or lost", facts["failed"] + facts["lost"], "", most=0, digits=0)
            bench.tell("beside it: a PATCH's longest wait", waits["max_ms"], "ms", most=100)


def curve(bench):
    """A curve of a million points, as the page asks for it."""
    steps, seconds = 1000, 0
    with Daemon(bench, "--slots", "1", flood=f"2 {steps} 0 8") as daemon:
        daemon.runs(1)
        while daemon.api("runs/1")["step"] < 1_000_000 and seconds < PATIENCE_S:
            seconds += 1
            time.sleep(1)
            if os.path.exists(os.path.join(daemon.dir, "1.json")):
                break
        points = daemon.api("runs/1")["step"]
        facts = bench.load("storm", daemon.port, daemon.token, 1, 4, 20, "GET", "/api/v1/runs/1/metrics?names=bench/1&from=1&to=1000000&points=1000")
        bench.tell(f"a curve of {min(points, 10**6):,} points, median", facts["p50_ms"], "ms", most=20)
        bench.tell("the curve, p99", facts["p99_ms"], "ms")


def rate(bench):
    """As many points as the daemon takes, from the sockets to COMMIT."""
    workers = 4
    with Daemon(bench, "--slots", str(workers), flood="10 100 0 10") as daemon:
        daemon.runs(workers)
        before = daemon.processor_s()
        facts = daemon.played(workers)
        spent = daemon.processor_s() - before
        points = sum(f["points"] for f in facts)
        bench.tell(f"metrics, {workers} workers, socket to COMMIT", points / max(f["seconds"] for f in facts), "points/s", least=200_000,
                   peers=PEERS["metrics"], digits=0)
        bench.tell("processor time of the daemon a point", 1e6 * spent / points, "µs", digits=2)
        bench.tell("resident, peak", daemon.memory_mib("VmHWM"), "MiB")


def flood(bench):
    """200,000 points a second for a minute, while the API is asked twenty times a second."""
    workers, seconds, per_event = 4, 60, 5000
    asked = ",".join(f"/api/v1/{path}" for path in ("runs/1", "runs?experiment=1", "experiments/1", "runs/2/metrics?names=bench/1&points=1000", "queue"))
    with Daemon(bench, "--slots", str(workers), flood=f"10 {per_event // 10} {1000 * workers * per_event // 200_000} {seconds}") as daemon:
        daemon.runs(workers)
        time.sleep(2)
        half = 0.0
        with subprocess.Popen(bench.command("storm", daemon.port, daemon.token, 8, seconds - 5, 20, "GET", asked), stdout=subprocess.PIPE,
                              text=True) as probe:
            time.sleep(seconds / 2 - 2)
            half = daemon.memory_mib("VmHWM")
            api = json.loads(probe.communicate()[0])
        peak = daemon.memory_mib("VmHWM")
        facts = daemon.played(workers)
        points = sum(f["points"] for f in facts)
        stored = sum(row[0] for row in daemon.api("query", {"sql": "SELECT count + nonfinite FROM series"})["rows"])
        bench.tell(f"flood of {seconds} s: points stored", points / max(f["seconds"] for f in facts), "points/s", least=198_000, peers=PEERS["metrics"], digits=0)
        bench.tell("flood: from sending to acknowledgement, p99", max(f["p99_ms"] for f in facts), "ms")
        bench.tell("flood: the API's answers, median", api["p50_ms"], "ms")
        bench.tell("flood: the API's answers, p99", api["p99_ms"], "ms", most=50)
        bench.tell("flood: requests failed or lost", api["failed"] + api["lost"], "", most=0, digits=0)
        bench.tell("flood: points sent and not stored", points - stored, "", most=0, digits=0)
        bench.tell("flood: resident, peak of the first half", half, "MiB")
        bench.tell("flood: resident, peak", peak, "MiB", most=128)


def readers(bench):
    """A thousand more that follow the events, beside a hundred that never read."""
    reading, stalled, seconds = 1000, 100, 12
    with Daemon(bench, "--slots", "1", flood=f"2 1 100 {seconds + 6}") as daemon:
        daemon.runs(1)
        begun = daemon.memory_mib()
        facts = bench.load("readers", daemon.port, daemon.token, reading + stalled, stalled, seconds, "/api/v1/events?run=1")
        bench.tell(f"{reading:,} readers of the events ({stalled} more never read): point to reader, median", facts["p50_ms"], "ms", peers=NO_STREAM)
        bench.tell("point to reader, p99", facts["p99_ms"], "ms", most=100)
        bench.tell("points a reader got, of about ten a second", facts["n"] / reading, "points", least=seconds * 8, digits=0)
        bench.tell("readers refused or dropped", facts["failed"] + facts["lost"], "", most=0, digits=0)
        bench.tell("resident, a reader", 1024 * (daemon.memory_mib("VmHWM") - begun) / (reading + stalled), "KiB")


QUERIES = {"a simple SELECT": "SELECT 1", "10,000 rows": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i, i * 0.1 FROM n",
           "16 MiB": "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT zeroblob(100000) FROM n"}


def query(bench):
    """SQL from outside, each in a process of its own: from asking to its answer; and what others notice of it."""
    with Daemon(bench) as daemon:
        for name, sql in QUERIES.items():
            times = []
            for _ in range(50):
                begun = time.perf_counter()
                daemon.api("query", {"sql": sql, "limit": 10000})
                times.append(1000 * (time.perf_counter() - begun))
            bench.tell(f"query, {name}: answered, median", statistics.median(times), "ms")
        daemon.api("queue", {"paused": True})
        daemon.api("experiments", dict(SPEC, name="beside"))
        with bench.beside(daemon, "/api/v1/experiments/1", '{"notes": "beside"}') as facts:
            for _ in range(20):
                daemon.api("query", {"sql": QUERIES["16 MiB"], "limit": 10000})
        bench.tell("beside large ones: a PATCH, p99", facts["p99_ms"], "ms", most=50)
        bench.tell("resident, peak", daemon.memory_mib("VmHWM"), "MiB", most=128)


KINDS = ("dense", "dsa", "window", "random_topk")
MEASURED = ("val/loss", "train/loss", "val/accuracy", "test/loss", "test/accuracy", "dsa/kl", "dsa/recall", "train/grad_norm", "train/balance",
            "moe/imbalance", "train/lr", "time/step_s", "throughput/tokens_per_s")
# What is submitted has one seed; twenty-four copies make twenty-five of them. Then runs get what they would have measured, by their id; one in
# fifty diverged.
FINISHED = """
INSERT INTO runs (experiment, arm, grid, seed, max_attempts, steps, spec, digest, parameters, memory_bytes, flops_per_step, created_at, cell,
                  part_data, part_model, part_train, part_grid)
    SELECT experiment, arm, grid, seed + value, max_attempts, steps, json_set(spec, '$.seed', seed + value), digest, parameters, memory_bytes, flops_per_step,
           created_at, cell, part_data, part_model, part_train, part_grid FROM runs CROSS JOIN json_each('[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24]');
UPDATE runs SET state = CASE WHEN id % 40 = 0 THEN 'queued' WHEN id % 13 = 0 THEN 'failed' WHEN id % 57 = 0 THEN 'cancelled' ELSE 'succeeded' END,
    attempt = 1, step = steps, created_at = 1767225600000 + 60000 * id, started_at = 1767225600000 + 90000 * id;
UPDATE runs SET ended_at = started_at + 1000 * (id % 977), reason = iif(state = 'failed', 'signal SIGKILL', '') WHERE state <> 'queued';
INSERT OR IGNORE INTO metric_names (name) SELECT value FROM json_each(?);
INSERT INTO series (run, name, count, nonfinite, last_step, last, last_kind, min, min_step, max, max_step, sum)
    SELECT r.id, n.id, 100, 0, 100, 1 + (r.id * 7919 + n.id * 104729) % 99991 / 20000.0, r.id % 50 = 0, 1, 100, 6, 1, 300
    FROM runs r CROSS JOIN metric_names n WHERE r.state <> 'queued';
INSERT INTO audits (experiment, run, arm, grid, name, status, detail, created_at)
    SELECT experiment, id, arm, grid, 'finite', iif(id % 97 = 0, 'fail', 'pass'), '', 1 FROM runs WHERE state <> 'queued';
"""


def searchable(daemon, n):
    """n runs, 2,000 an experiment: some are submitted, the rest is written into the store, with what they would have measured."""
    daemon.api("queue", {"paused": True})
    for i in range(n // 2000):
        arms = {f"{kind} {size}": {"model.attention": {"kind": kind, **({} if kind == "dense" else {"window": 4} if kind == "window" else {"top_k": 4})},
                                   "model.d_ff": size} for kind in KINDS for size in (16, 32)}
        daemon.api("experiments", dict(SPEC, name=f"study {i}", tags={"topic": KINDS[i % 4], "layers": str(i % 8), "batch": f"b{i}"},
                                       train={"steps": 1000 + i, "batch_size": 2, "eval_every": 100}, arms=arms,
                                       grid={"train.lr": [0.001, 0.003, 0.01, 0.03, 0.1], "data.seq_len": [16, 32]}, seeds=[1]))
    with contextlib.closing(sqlite3.connect(os.path.join(daemon.dir, "ablate.db"), timeout=PATIENCE_S)) as db:
        for statement in FINISHED.split(";"):
            db.execute(statement, [json.dumps(MEASURED)] if "?" in statement else [])
        db.commit()


# Filter and order; those of the first list are the common ones, which have a target.
COMMON = (("", ""), ("", "-id"), ("", "-created_at"), ("state = failed", ""), ("state = queued or state = running", ""), ("state = running", ""),
          ("arm = \"dsa 16\"", ""), ("arm = nobody", ""), ("experiment = 7", ""), ("experiment = 7 and state = failed", "-metrics.val/loss"),
          ("tags.topic = dsa", ""), ("not tags.topic = dsa", "-id"), ("tags.layers = 4", ""), ("tags.layers > 6", ""), ("tags.batch = b7", ""), ("tags.batch = b7", "metrics.val/loss"),
          ("params.model.attention.kind = dsa", ""), ("params.model.d_ff > 16", ""), ("params.train.steps = 1007", ""), ("params.train.lr < 0.0001", ""),
          ("grid.train.lr >= 0.01", "-id"), ("metrics.val/loss < 3", ""), ("metrics.val/loss < 1.001", ""), ("metrics.val/loss < 0", ""),
          ("", "metrics.val/loss"), ("", "-metrics.val/loss"), ("metrics.val/loss < 3", "metrics.val/loss"), ("metrics.val/loss < 3", "-metrics.val/loss,created_at,id"),
          ("state = failed and metrics.val/loss < 3", "metrics.val/loss"), ("arm = \"dsa 16\" and state = succeeded", "metrics.val/loss"),
          ("created_at >= 2026-02-01 and created_at < 2026-02-02", ""), ("created_at > 2026-03-01", "created_at"), ("created_at < 2020-01-01", ""),
          ("state = failed and arm = \"dsa 16\" and params.train.lr = 0.001", ""), ("state = succeeded and arm = nobody", "-created_at"))
RARE = (("metrics.val/loss = nan", ""), ("audits.finite = fail", ""), ("name ~ \"study 3\"", ""), ("reason ~ SIGKILL and seed = 99", ""),
        ("metrics.val/loss < 3 and params.train.lr < 0.0001", "metrics.val/loss"), ("metrics.val/loss < 3 and metrics.train/loss > 6", "metrics.val/loss"),
        ("step < 5", ""), ("params.artifacts ~ final", ""), ("", "-metrics.val/loss.mean"), ("", "-params.train.lr,-metrics.val/loss"))
SEARCHED = 100_000


def filter_shapes(bench, daemon, n, shapes, most):
    """The median of the slowest, and the processor time that the daemon spent on the most expensive, in ms."""
    slowest = dearest = 0.0
    for text, order in shapes:
        path = "runs?" + urllib.parse.urlencode({"page_size": 50, "filter": text, "order": order})
        times, before = [], daemon.processor_s()
        for _ in range(9):
            begun = time.perf_counter()
            daemon.api(path)
            times.append(1000 * (time.perf_counter() - begun))
        slowest = max(slowest, statistics.median(times))
        dearest = max(dearest, 1000 * (daemon.processor_s() - before) / 9)
        bench.tell(f"{n:,} runs: `{text or '(all)'}`{f', by `{order}`' if order else ''}, median", statistics.median(times), "ms", most=most)
    return slowest, dearest


def filters(bench):
    """Pages of fifty of many runs, by what people search them for."""
    with Daemon(bench) as daemon:
        searchable(daemon, SEARCHED)
        slowest, dearest = filter_shapes(bench, daemon, SEARCHED, COMMON, 50)
        bench.tell("the slowest of the common searches, median", slowest, "ms", most=50)
        bench.tell("processor time of the daemon for the most expensive", dearest, "ms", most=50)
        filter_shapes(bench, daemon, SEARCHED, RARE, None)
        times = []
        for text in ("state = finished", "tags.layers = 4", "arms = \"dsa 16\"", "params.train.steps > 1040", "counts.failed > 100"):
            begun = time.perf_counter()
            daemon.api("experiments?" + urllib.parse.urlencode({"filter": text, "order": "-created_at"}))
            times.append(1000 * (time.perf_counter() - begun))
        bench.tell(f"{SEARCHED // 2000} experiments of them, the slowest of five searches", max(times), "ms", most=200)


def points(daemon, experiment, names, each):
    """Gives every run of an experiment that waits `names` series of `each` points, past the daemon, which has nothing else to do."""
    with contextlib.closing(sqlite3.connect(os.path.join(daemon.dir, "ablate.db"), isolation_level=None, timeout=PATIENCE_S)) as base:
        for run, in base.execute("SELECT id FROM runs WHERE experiment = ?", (experiment,)).fetchall():
            base.execute("BEGIN IMMEDIATE")
            for i in range(names):
                base.execute("INSERT OR IGNORE INTO metric_names (name) VALUES (?)", (f"bench/{i}",))
                name, = base.execute("SELECT id FROM metric_names WHERE name = ?", (f"bench/{i}",)).fetchone()
                base.execute("WITH RECURSIVE n (i, x) AS (SELECT 1, 0.7548776662466927 UNION ALL SELECT i + 1, x + 0.7548776662466927 - (x > 3) * 3 FROM n WHERE i < ?) "
                             "INSERT INTO metrics SELECT ?, ?, i, x, 0 FROM n", (each, run, name))
                base.execute("INSERT INTO series SELECT run, name, count(*), 0, max(step), 1, 0, 1, 1, 1, 1, 1 FROM metrics WHERE run = ? AND name = ?", (run, name))
            base.execute("COMMIT")
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def export(bench):
    """Ten million points taken away; the client reads as fast as they come, and does nothing with them."""
    runs, names, each = 10, 10, 100_000
    n = runs * names * each
    with Daemon(bench) as daemon:
        daemon.api("queue", {"paused": True})
        points(daemon, daemon.api("experiments", dict(SPEC, name="export", seeds=list(range(1, runs + 1))))["id"], names, each)
        daemon.api("experiments/1/export?what=runs")
        for form in ("csv", "jsonl", "tensorboard"):
            resident, spent, begun = daemon.memory_mib(), daemon.processor_s(), time.perf_counter()
            size, whole = 0, b""
            with socket.create_connection(("127.0.0.1", int(daemon.port))) as client:
                client.sendall(f"GET /api/v1/experiments/1/export?format={form} HTTP/1.1\r\nHost: localhost\r\n"
                               f"Authorization: Bearer {daemon.token}\r\nConnection: close\r\n\r\n".encode())
                while part := client.recv(1 << 20):
                    size, whole = size + len(part), (whole + part)[-5:]
            took, name = time.perf_counter() - begun, f"export of {n:,} points, {form}"
            bench.tell(name, took, "s", most=20, digits=2)
            bench.tell("its size", size / 1e6, "MB", digits=0)
            bench.tell("cut off", 0 if whole == b"0\r\n\r\n" else 1, "", most=0, digits=0)
            bench.tell("processor time of the daemon", daemon.processor_s() - spent, "s", digits=2)
            bench.tell("resident, growth to the peak", daemon.memory_mib("VmHWM") - resident, "MiB", most=16)
            bench.tell("the most that a turn of the loop computed", 1000 * daemon.turns()["computed"], "ms", most=5)


def connections(bench):
    """Ten thousand that say nothing, and what an eleventh thousand would meet."""
    idle = 10_000
    with Daemon(bench) as daemon:
        before = daemon.memory_mib()
        with bench.held("idle", daemon.port, idle):
            facts = bench.load("storm", daemon.port, daemon.token, 8, 8, 50, "GET", "/api/v1/queue,/api/v1/experiments,/healthz")
            bench.tell("idle connections held", daemon.connections() - 1, "", least=idle, digits=0)
            bench.tell("beside them: the API's answers, p99", facts["p99_ms"], "ms", most=50)
            bench.tell("requests failed or lost", facts["failed"] + facts["lost"], "", most=0, digits=0)
            bench.tell("resident, a connection", 1024 * (daemon.memory_mib() - before) / idle, "KiB")
    with Daemon(bench, "--connections", "50") as daemon:
        with bench.held("idle", daemon.port, 60):
            begun = time.perf_counter()
            daemon.healthy()  # waits in the kernel's queue until those that say nothing are closed
            bench.tell("at the limit, ten waiting before it: answered after", time.perf_counter() - begun, "s", most=PATIENCE_S)


SLOW = {"header (slowloris)": ["-H"], "body": ["-B", "-s", "8192"], "read": ["-X", "-w", "1", "-y", "2", "-n", "5", "-z", "1", "-k", "3"]}


def slow(bench):
    """Debian's slowhttptest: 1,000 connections that are slow on purpose, while the API is asked."""
    if shutil.which("slowhttptest") is None:
        print("server.py: slowhttptest is not installed, left out", file=sys.stderr)
        return
    for name, options in SLOW.items():
        with Daemon(bench) as daemon:
            path = "/" if name == "read" else "/api/v1/experiments"
            command = ["slowhttptest", *options, "-c", "1000", "-r", "250", "-i", "5", "-l", "20", "-p", "3", "-u", daemon.base + path]
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as attack:
                time.sleep(4)
                facts = bench.load("storm", daemon.port, daemon.token, 8, 12, 50, "GET", "/api/v1/queue,/api/v1/experiments,/healthz")
                attack.wait(PATIENCE_S)
            bench.tell(f"slow {name}, 1,000 connections: the API's answers, p99", facts["p99_ms"], "ms", most=50)
            bench.tell("requests failed or lost", facts["failed"] + facts["lost"], "", most=0, digits=0)
            bench.tell("resident, peak", daemon.memory_mib("VmHWM"), "MiB", most=128)


def chunk_line(port):
    """A chunk's size that never ends: microhttpd's buffer is full of it."""
    head = b"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(head + b"0" * 33000)
        while one.recv(65536):
            pass


def pipeline(port):
    """Requests without end on one connection, whose replies are read by another thread."""
    with socket.create_connection(("127.0.0.1", port)) as one:
        threading.Thread(target=lambda: [None for _ in iter(lambda: one.recv(1 << 20), b"")], daemon=True).start()
        while True:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)


def attacks(bench):
    """What one client does to have the loop for itself, while the API is asked and a run is stored."""
    for attack in (chunk_line, pipeline):
        with Daemon(bench, "--slots", "1", flood="2 10 100 10") as daemon:
            stop = threading.Event()

            def lasting():
                while not stop.is_set():
                    with contextlib.suppress(OSError):
                        attack(int(daemon.port))

            threading.Thread(target=lasting, daemon=True).start()
            daemon.runs(1)
            facts = bench.load("storm", daemon.port, daemon.token, 8, 8, 50, "GET", "/api/v1/queue,/api/v1/experiments,/healthz")
            name = attack.__name__.replace("_", " ")
            bench.tell(f"beside a {name} attack: the API's answers, p99", facts["p99_ms"], "ms", most=50)
            bench.tell("requests failed or lost", facts["failed"] + facts["lost"], "", most=0, digits=0)
            bench.tell("steps stored meanwhile", daemon.api("runs/1")["step"], "", least=1, digits=0)
            stop.set()


@contextlib.contextmanager
def paced(bench):
    """A loop that does nearly nothing while the block lasts; yields what it measured, once it has ended."""
    facts = {}
    with subprocess.Popen([os.path.join(bench.build, "tests/bench/pacer")], stdout=subprocess.PIPE, text=True) as pacer:
        pacer.stdout.readline()
        yield facts
        pacer.terminate()
        facts.update(json.loads(pacer.communicate()[0]))


def turns(bench):
    """What is heavy to answer or to start: no turn of the loop may take long over it. Beside it a loop that does nothing shows what the machine takes."""
    notes = "\x01" * 65536
    with Daemon(bench) as daemon, paced(bench) as nothing:
        wide = dict(SPEC, arms={f"a{k}": {} for k in range(40)}, seeds=list(range(1, 251)))
        asked = {
            "100 runs started": lambda: (daemon.runs(100), daemon.played(100), daemon.api("queue", {"paused": True})),
            "100 queries": lambda: [daemon.api("query", {"sql": "SELECT * FROM v_runs"}) for _ in range(100)],
            "200 experiments with notes": lambda: [daemon.api("experiments", dict(SPEC, name=f"{i}", notes=notes)) for i in range(200)],
            "a page of them": lambda: daemon.api("experiments?page_size=1000"),
            "a spec of 10,000 seeds": lambda: daemon.api("experiments?dry_run=1", dict(SPEC, name="seeds", notes="x" * 65536, seeds=list(range(10**9, 10**9 + 10_000)))),
            "10,000 runs tried": lambda: daemon.api("experiments?dry_run=1", dict(wide, name="tried")),
            "10,000 runs": lambda: daemon.api("experiments", dict(wide, name="wide")),
            "a refused specification of 60,000 keys": lambda: daemon.refused("experiments", {f"k{i}": i for i in range(60_000)}),
            "a page of runs": lambda: daemon.api("runs?page_size=1000"),
            "a report of 10,000 runs": lambda: daemon.api("experiments/202/report"),
            "10,000 runs cancelled": lambda: daemon.api("experiments/202/cancel", {}),
        }
        for name, ask in asked.items():
            before = daemon.turns()
            begun = time.perf_counter()
            ask()
            took = 1000 * (time.perf_counter() - begun)
            after = daemon.turns()
            bench.tell(f"{name}: {took:,.0f} ms; turns that computed for more than 5 ms", after["long"] - before["long"], f"of {after['all'] - before['all']:.0f}",
                       most=0, digits=0)
        text = daemon.ask("/metrics")
        bench.tell("the most that a turn computed", 1000 * after["computed"], "ms", most=5)
        bench.tell("the longest turn by the clock", 1000 * after["longest"], "ms")
        bench.tell("turns longer than 5 ms by the clock", after["waited"], f"of {after['all']:.0f}", digits=0)
        parts = re.findall(r'^ablate_loop_part_longest_seconds\{part="(.*?)"\} (\S+)$', text, re.M)
        for part, longest in sorted(parts, key=lambda row: -float(row[1]))[:8]:
            bench.tell(f"its longest part {part}", 1000 * float(longest), "ms")
    bench.tell("beside it, a loop that does nothing: turns that computed for more than 5 ms", nothing["long"], f"of {nothing['turns']}", digits=0)
    bench.tell("the most that a turn computed", nothing["computed_ms"], "ms")
    bench.tell("the longest turn by the clock", nothing["longest_ms"], "ms")


PARTS = {"cold": cold, "submit": submit, "crowd": crowd, "curve": curve, "rate": rate, "flood": flood, "readers": readers, "query": query, "export": export, "filter": filters, "connections": connections, "slow": slow,
         "attacks": attacks, "turns": turns}


def main():
    a = arguments(__doc__, PARTS, "bench-server.csv")
    watch = Watch()
    watch.begin()
    print("\n| figure | measured | target | met | peers, as they publish it |\n|---|---|---|---|---|", flush=True)
    with open(a.csv, "w", encoding="utf-8", newline="") as file:
        bench = Bench(a.build, file)
        for name in a.part or PARTS:
            PARTS[name](bench)
    watch.end(a.csv)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the daemon ends, too
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
