-- Version 19: experiments are found by their verdict, which is stored when it can be drawn.

-- That of the report as a whole (verdict.status): open while runs are, NULL when it is yet to be drawn, of an experiment that has many
-- runs or ended under an earlier version.
ALTER TABLE experiments ADD COLUMN verdict TEXT DEFAULT 'open';
UPDATE experiments SET verdict = NULL WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.experiment = experiments.id AND r.state IN ('queued', 'running'));
-- How often one with many runs has ended or changed: what is drawn beside the writer is of one of these times.
ALTER TABLE experiments ADD COLUMN verdict_due INTEGER NOT NULL DEFAULT 0;
CREATE INDEX experiments_unjudged ON experiments (id) WHERE verdict IS NULL;
-- That of each arm's primary claim.
CREATE TABLE verdicts (
    experiment INTEGER NOT NULL,
    arm        TEXT    NOT NULL,
    verdict    TEXT    NOT NULL,
    PRIMARY KEY (experiment, arm)
) STRICT, WITHOUT ROWID;

-- Seeds that are added, and a run that is tried again, open it anew.
CREATE TRIGGER verdicts_added AFTER INSERT ON runs BEGIN
    UPDATE experiments SET verdict = 'open' WHERE id = new.experiment AND verdict IS NOT 'open';
    DELETE FROM verdicts WHERE experiment = new.experiment;
END;
CREATE TRIGGER verdicts_opened AFTER UPDATE OF state ON runs
WHEN new.state IN ('queued', 'running') AND old.state NOT IN ('queued', 'running') BEGIN
    UPDATE experiments SET verdict = 'open' WHERE id = new.experiment;
    DELETE FROM verdicts WHERE experiment = new.experiment;
END;
CREATE TRIGGER verdicts_purged AFTER DELETE ON experiments BEGIN
    DELETE FROM verdicts WHERE experiment = old.id;
END;
