-- Version 14: who is to be told that an experiment has ended, so that a death of the daemon neither loses nor repeats it.

-- A row for each end (that of its last run) and channel; made in the transaction in which the run ends.
CREATE TABLE notices (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- a webhook says it, so that whoever is told twice can tell
    experiment INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    channel    TEXT    NOT NULL CHECK (channel IN ('command', 'webhook')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER,                           -- when to try (again); NULL = it is over
    outcome    TEXT    NOT NULL DEFAULT '',       -- of the last attempt: told, or why not
    UNIQUE (experiment, ended_at, channel)
) STRICT;
CREATE INDEX notices_due ON notices (channel, next_at, id) WHERE next_at IS NOT NULL;
