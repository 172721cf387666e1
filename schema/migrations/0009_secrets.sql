-- Version 9: whoever may query the database finds no secret in it. A worker's token is derived from a key of the data folder's
-- (server/tokens.h); attempts.token is empty, but for an attempt that an earlier version began: its digest stays until it ends.
UPDATE attempts SET token = '' WHERE ended_at IS NOT NULL;
