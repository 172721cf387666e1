-- Version 18: which audit a run is making.

-- NULL = none; it may still be there when the attempt has ended, and then means nothing.
ALTER TABLE runs ADD COLUMN auditing TEXT;
