-- Version 16: which experiments use a corpus is found without looking at each of their runs.

DROP INDEX runs_by_dataset;
CREATE INDEX runs_by_dataset ON runs (dataset_digest, experiment) WHERE dataset_digest IS NOT NULL;
