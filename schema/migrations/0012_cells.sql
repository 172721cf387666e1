-- Version 10: runs that repeat one specification are found, whatever their seeds, and in whichever experiment they are.

-- cell: SHA-256 of the specification without seed, artifacts, train.checkpoint_every and train.threads (run_spec_cell), hex.
-- windows: training windows that its corpus gives; NULL = a synthetic task, or a run from before this version.
ALTER TABLE runs ADD COLUMN cell TEXT;
ALTER TABLE runs ADD COLUMN windows INTEGER;
UPDATE runs SET cell = run_spec_cell(spec); -- a function of the daemon's (server/store/runs/store_cells.c)
CREATE INDEX runs_by_cell ON runs (cell, experiment, state, started_at);

-- What stays of a purged experiment, so that nobody chooses among repetitions by deleting some: of each cell of which a run had
-- begun, how many runs ended, and the mean of what was compared over those that measured a finite value.
CREATE TABLE cells_gone (
    cell       TEXT    NOT NULL,
    experiment INTEGER NOT NULL,
    arm        TEXT    NOT NULL,
    runs       INTEGER NOT NULL,
    measured   INTEGER NOT NULL,
    metric     TEXT    NOT NULL,
    mean       REAL,                        -- NULL: none was measured
    PRIMARY KEY (cell, experiment)
) STRICT, WITHOUT ROWID;
CREATE INDEX cells_gone_by_experiment ON cells_gone (experiment);
INSERT INTO cells_gone
SELECT r.cell, r.experiment, min(r.arm), count(*), count(iif(s.last_kind = 0, 1, NULL)), e.metric,
       avg(iif(s.last_kind = 0, s.last, NULL))
FROM experiments e JOIN runs r ON r.experiment = e.id
LEFT JOIN series s ON s.run = r.id AND s.name = (SELECT id FROM metric_names WHERE name = e.metric)
WHERE e.purge_at IS NOT NULL AND r.started_at IS NOT NULL AND r.cell IS NOT NULL GROUP BY r.cell, r.experiment;
