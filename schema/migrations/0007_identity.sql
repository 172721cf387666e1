-- Version 7: the database knows which one it is, so that nothing of another one is taken for its own.

-- One row. id: 128 random bits, hex; another one in a restored copy. made_at: runs from before it may have folders that don't
-- carry it (server/runs/owner.h).
CREATE TABLE identity (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    id      TEXT    NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
INSERT INTO identity VALUES (1, lower(hex(randomblob(16))), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
