-- Version 8: what is asked of an experiment of many runs takes no longer than it must.

-- What has not ended, found without a look at what has: experiments have thousands of runs.
CREATE INDEX runs_open ON runs (experiment) WHERE state IN ('queued', 'running') OR verify IN ('queued', 'running');
-- What an experiment's runs are counted by, so that counting reads no specifications.
CREATE INDEX runs_counted ON runs (experiment, state, step, steps, started_at, ended_at);
CREATE INDEX audits_by_run ON audits (run) WHERE run IS NOT NULL;
