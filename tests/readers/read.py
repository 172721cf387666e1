#!/usr/bin/python3
"""Reads what was taken away, and the database, by Debian's pandas; prints what it has as JSON.

Usage: read.py DIR DATABASE    (DIR: curves.csv, runs.csv, hostile.csv, report.csv, claims.csv, curves.jsonl, runs.jsonl)
"""

import json
import math
import sqlite3
import sys

import pandas as pd

directory, database = sys.argv[1:]


def plain(value):
    """A cell as JSON has it: what isn't finite by its word, what isn't there as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return value
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def told(frame):
    """Columns with their types, and rows."""
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    return {"kinds": kinds, "rows": [[plain(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]}


def csv(name, **options):
    # What it takes for a double otherwise can be the next one. It doesn't change what is read as a number.
    return pd.read_csv(f"{directory}/{name}.csv", float_precision="round_trip", **options)


curves = csv("curves")
# What isn't finite stands in a column of its own: one line makes one column of both.
curves["both"] = curves["value"].fillna(curves["value_word"].astype("float64"))
lines = pd.read_json(f"{directory}/curves.jsonl", lines=True, precise_float=True)
connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
print(json.dumps({
    "curves": told(curves),
    "mean": curves.groupby(["arm", "grid.data.seq_len", "step", "name"])["value"].mean().size,
    "runs": told(csv("runs", parse_dates=["created_at", "started_at", "ended_at"])),
    "hostile": told(csv("hostile", keep_default_na=False)[["reason", "arm"]]),
    "report": told(csv("report")),
    "claims": told(csv("claims")),
    "lines": told(lines),
    "run_lines": told(pd.read_json(f"{directory}/runs.jsonl", lines=True, convert_dates=["created_at", "started_at", "ended_at"])[["id", "arm", "created_at", "seed"]]),
    "v_curves": told(pd.read_sql("SELECT * FROM v_curves ORDER BY run, metric, step", connection)),
    "v_runs": told(pd.read_sql("SELECT * FROM v_runs ORDER BY run", connection)),
}, default=str))
