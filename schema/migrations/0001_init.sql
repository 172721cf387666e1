-- Ablate's store, version 1. SQLite >= 3.40, WAL. One connection writes (the daemon's writer thread).
-- Times are milliseconds since 1970-01-01 UTC; JSON columns hold canonical JSON text.

CREATE TABLE datasets (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL UNIQUE,
    digest     TEXT    NOT NULL,            -- SHA-256 of the content, hex; names the folder
    documents  INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,            -- of the documents' text, separators not counted
    duplicates INTEGER NOT NULL DEFAULT 0,  -- documents dropped at import as exact copies
    format     TEXT    NOT NULL,            -- text | jsonl
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE experiments (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT    NOT NULL,
    notes           TEXT    NOT NULL DEFAULT '',
    hypothesis      TEXT    NOT NULL DEFAULT '',
    tags            TEXT    NOT NULL DEFAULT '{}',
    spec            TEXT    NOT NULL,       -- as submitted, preset merged, defaults filled in
    metric          TEXT    NOT NULL,       -- compare.metric and compare.goal of the spec
    goal            TEXT    NOT NULL CHECK (goal IN ('min', 'max')),
    runs_n          INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    deleted_at      INTEGER,
    idempotency_key TEXT    UNIQUE,
    body_digest     TEXT                    -- of the request that carried the key
) STRICT;

CREATE TABLE runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment     INTEGER NOT NULL REFERENCES experiments (id),
    arm            TEXT    NOT NULL,
    grid           TEXT    NOT NULL,        -- {"data.seq_len":64}
    seed           INTEGER NOT NULL,
    state          TEXT    NOT NULL DEFAULT 'queued'
                   CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    reason         TEXT    NOT NULL DEFAULT '',
    cancel         INTEGER NOT NULL DEFAULT 0, -- 1 = asked for
    priority       INTEGER NOT NULL DEFAULT 0,
    exclusive      INTEGER NOT NULL DEFAULT 0,
    attempt        INTEGER NOT NULL DEFAULT 0, -- the newest; 0 = never started
    max_attempts   INTEGER NOT NULL,
    step           INTEGER NOT NULL DEFAULT 0, -- the last one stored
    steps          INTEGER NOT NULL,
    spec           TEXT    NOT NULL,        -- the frozen run spec, canonical JSON
    digest         TEXT    NOT NULL,
    dataset_digest TEXT,                    -- NULL for synthetic tasks
    parameters     INTEGER NOT NULL,
    memory_bytes   INTEGER NOT NULL,        -- estimate
    flops_per_step REAL    NOT NULL,
    created_at     INTEGER NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER
) STRICT;
CREATE INDEX runs_by_experiment ON runs (experiment, id);
CREATE INDEX runs_by_state ON runs (state);
CREATE INDEX runs_queue ON runs (priority DESC, id) WHERE state = 'queued';
CREATE INDEX runs_running ON runs (id) WHERE state = 'running';

CREATE TABLE attempts (
    run         INTEGER NOT NULL REFERENCES runs (id),
    attempt     INTEGER NOT NULL,
    kind        TEXT    NOT NULL DEFAULT 'train' CHECK (kind IN ('train', 'verify')),
    token       TEXT    NOT NULL,           -- SHA-256 of the attempt's token
    pid         INTEGER,                    -- of the keeper
    acked_seq   INTEGER NOT NULL DEFAULT 0, -- events up to here are in the store
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    outcome     TEXT    NOT NULL DEFAULT '',-- finished | failed | signal SIGKILL | exit 70 | out of memory | lost | stopped
    environment TEXT,                       -- JSON of the started event
    PRIMARY KEY (run, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- kind: 0 finite, 1 nan, 2 inf, 3 -inf (value is 0, Inf or -Inf then; v_curves shows the words).
CREATE TABLE metrics (
    run   INTEGER NOT NULL,
    name  INTEGER NOT NULL REFERENCES metric_names (id),
    step  INTEGER NOT NULL,
    value REAL    NOT NULL,
    kind  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, name, step)
) STRICT, WITHOUT ROWID;

-- bucket = floor(step / 16^level), level >= 1. min, max, sum, first and last are over finite values.
CREATE TABLE rollups (
    run        INTEGER NOT NULL,
    name       INTEGER NOT NULL,
    level      INTEGER NOT NULL,
    bucket     INTEGER NOT NULL,
    first_step INTEGER NOT NULL,
    last_step  INTEGER NOT NULL,
    count      INTEGER NOT NULL, -- finite values
    nonfinite  INTEGER NOT NULL,
    min        REAL,
    max        REAL,
    sum        REAL NOT NULL,
    first      REAL,
    last       REAL,
    PRIMARY KEY (run, name, level, bucket)
) STRICT, WITHOUT ROWID;

-- One row a series: how many rows it has, and its first, last, least and greatest finite value with their steps.
CREATE TABLE series (
    run        INTEGER NOT NULL,
    name       INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    nonfinite  INTEGER NOT NULL,
    last_step  INTEGER NOT NULL,
    last       REAL    NOT NULL,
    last_kind  INTEGER NOT NULL,
    min        REAL,
    min_step   INTEGER,
    max        REAL,
    max_step   INTEGER,
    sum        REAL    NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE audits (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    experiment INTEGER NOT NULL,
    run        INTEGER,                      -- the run that produced it, if one did
    arm        TEXT,                         -- NULL = the whole experiment
    grid       TEXT,
    name       TEXT    NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('pass', 'fail', 'warn', 'skipped')),
    detail     TEXT    NOT NULL,
    evidence   TEXT    NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX audits_by_experiment ON audits (experiment, name);

CREATE TABLE checkpoints (
    run        INTEGER NOT NULL,
    step       INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    file       TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,             -- of parameters and moments
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifacts (
    run        INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

-- The feed behind /api/v1/events: one row a run and commit. What a row says is read from the tables when
-- it is sent; data holds only what they don't: a metrics row's ranges, a log line, an audit's id.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL,             -- run | metrics | audit | experiment | queue | log
    experiment INTEGER,
    run        INTEGER,
    data       TEXT
) STRICT;

-- Single values of the daemon: queue_paused, …
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Views for people with `sqlite3 -readonly`.
CREATE VIEW v_curves AS
SELECT m.run, n.name AS metric, m.step,
       CASE m.kind WHEN 0 THEN m.value WHEN 1 THEN 'nan' WHEN 2 THEN 'inf' ELSE '-inf' END AS value
FROM metrics m JOIN metric_names n ON n.id = m.name;

CREATE VIEW v_runs AS
SELECT r.id AS run, e.id AS experiment, e.name, r.arm, r.grid, r.seed, r.state,
       e.metric,
       CASE s.last_kind WHEN 0 THEN s.last WHEN 1 THEN 'nan' WHEN 2 THEN 'inf' WHEN 3 THEN '-inf' END AS final,
       CASE e.goal WHEN 'max' THEN s.max ELSE s.min END AS best,
       round((r.ended_at - r.started_at) / 1000.0, 3) AS seconds
FROM runs r
JOIN experiments e ON e.id = r.experiment
LEFT JOIN series s ON s.run = r.id
     AND s.name = (SELECT id FROM metric_names WHERE name = e.metric)
WHERE e.deleted_at IS NULL;
