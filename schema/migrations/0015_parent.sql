-- Version 15: which experiment a specification was cloned from.

-- A plain number, which stays when the parent is deleted and purged; NULL = none was told.
ALTER TABLE experiments ADD COLUMN parent INTEGER;
CREATE INDEX experiments_parent ON experiments (parent) WHERE parent IS NOT NULL;
