-- Version 2: what an attempt computes again is compared with what is stored; runs can be verified.

-- stored: 1 = rows of the run come from this attempt. compared: values that it computed again. difference: the first
-- of them that wasn't the stored one, bit by bit: {"step":17,"metric":"train/loss","stored":2.5,"got":2.25}; NULL = none.
ALTER TABLE attempts ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN compared INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN difference TEXT;
UPDATE attempts SET stored = 1 WHERE environment IS NOT NULL;

-- A run's newest verification; verify is NULL when none was ever asked for. The run's own state isn't touched by it.
ALTER TABLE runs ADD COLUMN verify TEXT
      CHECK (verify IN ('queued', 'running', 'identical', 'differs', 'failed', 'skipped'));
ALTER TABLE runs ADD COLUMN verify_attempt INTEGER NOT NULL DEFAULT 0; -- 0 = not started
ALTER TABLE runs ADD COLUMN verify_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN verify_cancel INTEGER NOT NULL DEFAULT 0;  -- 1 = asked for
CREATE INDEX runs_verify_queue ON runs (priority DESC, id) WHERE verify = 'queued';
CREATE INDEX runs_verifying ON runs (id) WHERE verify = 'running';
