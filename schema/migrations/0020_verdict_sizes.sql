-- Version 20: lists show what came of every arm: beside its verdict by how much, and whether it is valid.

-- A row an arm, of which those without a primary claim (the baseline) have no verdict. difference: arm - baseline as a share of the
-- baseline's magnitude, NULL where it isn't finite; valid: 0, 1, NULL while audits are owed. Drawn anew, as in version 19.
DROP TABLE verdicts;
CREATE TABLE verdicts (
    experiment INTEGER NOT NULL,
    arm        TEXT    NOT NULL,
    verdict    TEXT,
    difference REAL,
    valid      INTEGER,
    PRIMARY KEY (experiment, arm)
) STRICT, WITHOUT ROWID;
UPDATE experiments SET verdict = NULL WHERE verdict <> 'open';

-- Thousands of runs that are tried again open their experiment once.
DROP TRIGGER verdicts_opened;
CREATE TRIGGER verdicts_opened AFTER UPDATE OF state ON runs
WHEN new.state IN ('queued', 'running') AND old.state NOT IN ('queued', 'running') BEGIN
    UPDATE experiments SET verdict = 'open' WHERE id = new.experiment AND verdict IS NOT 'open';
    DELETE FROM verdicts WHERE experiment = new.experiment;
END;
