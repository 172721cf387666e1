-- Version 4: what else used the machine while an attempt ran, as its trainer saw it (schema/wire.md). NULL = not told.

ALTER TABLE attempts ADD COLUMN steal_share REAL; -- time that the host took, of the machine's
ALTER TABLE attempts ADD COLUMN other_cores REAL; -- cores busy with something else, on average
CREATE INDEX attempts_by_time ON attempts (started_at, ended_at);
