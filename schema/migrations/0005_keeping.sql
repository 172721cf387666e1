-- Version 5: deletion can be undone or made final, what happened is kept, and what is stored needn't lie in files as well.

-- purge_at: when it was asked to remove the experiment for good; it goes step by step, and is listed nowhere any more.
ALTER TABLE experiments ADD COLUMN purge_at INTEGER;
CREATE INDEX experiments_deleted ON experiments (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX runs_by_dataset ON runs (dataset_digest) WHERE dataset_digest IS NOT NULL;

-- What the attempt's events.ndjson holds: 1 = every event; 0 = log lines alone, the rest being stored here; 2 = every event,
-- some of which could not be stored.
ALTER TABLE attempts ADD COLUMN events_file INTEGER NOT NULL DEFAULT 1;
CREATE INDEX attempts_events_file ON attempts (ended_at) WHERE events_file = 1;

-- What happened to every run and when. Written by triggers, so that no way of changing a state leaves it out; rows of what
-- was purged stay.
CREATE TABLE history (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    experiment INTEGER NOT NULL,
    run        INTEGER,                     -- NULL = the experiment as a whole
    what       TEXT    NOT NULL,
    detail     TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX history_by_experiment ON history (experiment, id);
CREATE INDEX history_by_run ON history (run, id) WHERE run IS NOT NULL;

-- As far as it can be told afterwards.
INSERT INTO history (at, experiment, run, what, detail)
SELECT at, experiment, run, what, detail FROM (
    SELECT created_at AS at, id AS experiment, NULL AS run, 'submitted' AS what, name AS detail FROM experiments
    UNION ALL SELECT deleted_at, id, NULL, 'deleted', name FROM experiments WHERE deleted_at IS NOT NULL
    UNION ALL SELECT a.started_at, r.experiment, r.id, iif(a.kind = 'train', 'running', 'verify running'), 'attempt ' || a.attempt
              FROM attempts a JOIN runs r ON r.id = a.run
    UNION ALL SELECT ended_at, experiment, id, state, reason FROM runs WHERE ended_at IS NOT NULL
) ORDER BY at;

CREATE TRIGGER history_submitted AFTER INSERT ON experiments BEGIN
    INSERT INTO history (at, experiment, what, detail) VALUES (new.created_at, new.id, 'submitted', new.name);
END;
CREATE TRIGGER history_deleted AFTER UPDATE OF deleted_at ON experiments WHEN old.deleted_at IS NOT new.deleted_at BEGIN
    INSERT INTO history (at, experiment, what, detail)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), new.id, iif(new.deleted_at IS NULL, 'restored', 'deleted'), new.name);
END;
CREATE TRIGGER history_purge AFTER UPDATE OF purge_at ON experiments WHEN old.purge_at IS NOT new.purge_at BEGIN
    INSERT INTO history (at, experiment, what, detail) VALUES (new.purge_at, new.id, 'purge asked for', new.name);
END;
CREATE TRIGGER history_purged AFTER DELETE ON experiments BEGIN
    INSERT INTO history (at, experiment, what, detail)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), old.id, 'purged', old.name);
END;
CREATE TRIGGER history_state AFTER UPDATE OF state ON runs WHEN old.state != new.state BEGIN
    INSERT INTO history (at, experiment, run, what, detail)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), new.experiment, new.id,
            CASE WHEN new.state = 'queued' AND old.state = 'running' THEN 'queued again'
                 WHEN new.state = 'queued' THEN 'retry asked for' ELSE new.state END,
            iif(new.state = 'running', 'attempt ' || new.attempt, new.reason));
END;
CREATE TRIGGER history_cancel AFTER UPDATE OF cancel ON runs WHEN new.cancel = 1 AND old.cancel = 0 AND new.state = 'running' BEGIN
    INSERT INTO history (at, experiment, run, what)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), new.experiment, new.id, 'cancel asked for');
END;
CREATE TRIGGER history_priority AFTER UPDATE OF priority ON runs WHEN old.priority != new.priority BEGIN
    INSERT INTO history (at, experiment, run, what, detail)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), new.experiment, new.id, 'priority', new.priority);
END;
CREATE TRIGGER history_verify AFTER UPDATE OF verify ON runs WHEN new.verify IS NOT NULL AND old.verify IS NOT new.verify BEGIN
    INSERT INTO history (at, experiment, run, what, detail)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), new.experiment, new.id, 'verify ' || new.verify,
            iif(new.verify = 'running', 'attempt ' || new.verify_attempt, new.verify_reason));
END;

-- For people.
CREATE VIEW v_history AS
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000.0, 'unixepoch') AS at, experiment, run, what, detail FROM history ORDER BY id;
