-- What runs tell of themselves so that they can be compared, and a place for each finding of the daemon's own.

CREATE TABLE facts (
    run      INTEGER PRIMARY KEY REFERENCES runs (id),
    init     TEXT,                         -- {tensor: "shape:digest"} of the initial weights, JSON
    consumed TEXT,                         -- SHA-256 of the token ids trained on, hex
    eval     TEXT                          -- … and of those evaluated on
) STRICT;

-- An audit without a run is the daemon's; it is replaced when it is found anew.
CREATE UNIQUE INDEX audits_of_daemon ON audits (experiment, name, coalesce(arm, ''), coalesce(grid, ''))
WHERE run IS NULL;
