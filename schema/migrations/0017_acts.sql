-- Version 17: what is asked of many runs at once, and the priority of an experiment as a whole.

-- Of a request with an Idempotency-Key: how far it has come, noted in the transactions that do it, so that the same request goes
-- on where it stopped, and does nothing twice.
CREATE TABLE acts (
    key        TEXT    PRIMARY KEY,
    digest     TEXT    NOT NULL,            -- of the body
    created_at INTEGER NOT NULL,
    after      INTEGER NOT NULL,            -- the last run that was looked at
    over       INTEGER NOT NULL,
    changed    INTEGER NOT NULL,
    unchanged  INTEGER NOT NULL,
    refused    TEXT    NOT NULL             -- JSON: [{"id", "reason"}], of the first that didn't change
) STRICT;
CREATE INDEX acts_by_time ON acts (created_at);

-- NULL = that of its specification. The runs have their own.
ALTER TABLE experiments ADD COLUMN priority INTEGER;
