-- Version 6: the checkpoints of runs that have ended are not kept for ever.

-- 1 = the run's checkpoints/ may hold some: set when an attempt begins, 0 when they have been removed. Rows of table
-- checkpoints stay: whoever trains the run again is compared with their digests.
ALTER TABLE runs ADD COLUMN checkpoints INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET checkpoints = 1 WHERE attempt > 0;
CREATE INDEX runs_checkpoints ON runs (ended_at) WHERE checkpoints = 1;

CREATE TRIGGER history_checkpoints AFTER UPDATE OF checkpoints ON runs WHEN old.checkpoints = 1 AND new.checkpoints = 0
    AND EXISTS (SELECT 1 FROM checkpoints WHERE run = new.id) BEGIN
    INSERT INTO history (at, experiment, run, what)
    VALUES (CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), new.experiment, new.id, 'checkpoints removed');
END;
