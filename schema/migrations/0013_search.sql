-- Version 13: lists are searched by whatever a specification says, by tags and by metrics, without reading a specification.

-- The parts of specifications (data, model, train, and the grid point), each once however many runs have it, and what they say:
-- a row a path. digest: of the part's name and JSON text, hex. uses: runs that have it.
CREATE TABLE parts (
    id     INTEGER PRIMARY KEY,
    digest TEXT    NOT NULL UNIQUE,
    uses   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE params (
    part  INTEGER NOT NULL,
    path  TEXT    NOT NULL,                 -- model.d_model, train.betas[0], grid.train.lr
    value ANY     NOT NULL,                 -- true is 1; of an array or object its JSON text
    PRIMARY KEY (part, path)
) STRICT, WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN part_data INTEGER;  -- NULL: the run's specification can't be read
ALTER TABLE runs ADD COLUMN part_model INTEGER;
ALTER TABLE runs ADD COLUMN part_train INTEGER;
ALTER TABLE runs ADD COLUMN part_grid INTEGER;

CREATE TEMP TABLE texts (part TEXT NOT NULL, text TEXT NOT NULL, digest TEXT, PRIMARY KEY (part, text)) WITHOUT ROWID;
INSERT OR IGNORE INTO texts SELECT 'data', json_extract(spec, '$.data'), NULL FROM runs WHERE json_valid(spec) AND json_type(spec, '$.data') = 'object';
INSERT OR IGNORE INTO texts SELECT 'model', json_extract(spec, '$.model'), NULL FROM runs WHERE json_valid(spec) AND json_type(spec, '$.model') = 'object';
INSERT OR IGNORE INTO texts SELECT 'train', json_extract(spec, '$.train'), NULL FROM runs WHERE json_valid(spec) AND json_type(spec, '$.train') = 'object';
INSERT OR IGNORE INTO texts SELECT 'grid', grid, NULL FROM runs WHERE json_valid(grid) AND json_type(grid) = 'object';
UPDATE texts SET digest = part_digest(part, text); -- a function of the daemon's (server/store/search/store_parts.c)
INSERT INTO parts (digest) SELECT digest FROM texts;
INSERT OR IGNORE INTO params SELECT p.id, t.part || replace(substr(j.fullkey, 2), '"', ''), j.value
FROM texts t JOIN parts p ON p.digest = t.digest JOIN json_tree(t.text) j WHERE j.value IS NOT NULL AND j.parent IS NOT NULL;
DROP TABLE texts;
UPDATE runs SET part_data = (SELECT id FROM parts WHERE digest = part_digest('data', json_extract(spec, '$.data'))),
    part_model = (SELECT id FROM parts WHERE digest = part_digest('model', json_extract(spec, '$.model'))),
    part_train = (SELECT id FROM parts WHERE digest = part_digest('train', json_extract(spec, '$.train'))),
    part_grid = (SELECT id FROM parts WHERE digest = part_digest('grid', grid))
WHERE json_valid(spec);
UPDATE parts SET uses = u.n FROM (
    SELECT id, sum(n) AS n FROM (
        SELECT part_data AS id, count(*) AS n FROM runs GROUP BY 1 UNION ALL SELECT part_model, count(*) FROM runs GROUP BY 1
        UNION ALL SELECT part_train, count(*) FROM runs GROUP BY 1 UNION ALL SELECT part_grid, count(*) FROM runs GROUP BY 1)
    WHERE id IS NOT NULL GROUP BY id) u
WHERE u.id = parts.id;
CREATE INDEX params_by_value ON params (path, value);

CREATE TRIGGER parts_used AFTER INSERT ON runs BEGIN
    UPDATE parts SET uses = uses + 1 WHERE id IN (new.part_data, new.part_model, new.part_train, new.part_grid);
END;
CREATE TRIGGER parts_left AFTER DELETE ON runs BEGIN
    UPDATE parts SET uses = uses - 1 WHERE id IN (old.part_data, old.part_model, old.part_train, old.part_grid);
END;
CREATE TRIGGER parts_unused AFTER UPDATE OF uses ON parts WHEN new.uses <= 0 BEGIN
    DELETE FROM params WHERE part = new.id;
    DELETE FROM parts WHERE id = new.id;
END;

-- The tags of experiments, a row each. number: what the value is if JSON would call it a number.
CREATE TABLE tags (
    experiment INTEGER NOT NULL,
    key        TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    number     REAL,
    PRIMARY KEY (experiment, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX tags_by_value ON tags (key, value, number);
INSERT INTO tags SELECT e.id, t.key, CAST(t.value AS TEXT),
    CASE WHEN json_valid(t.value) AND json_type(t.value) IN ('integer', 'real') THEN CAST(t.value AS REAL) END
FROM experiments e JOIN json_each(e.tags) t WHERE json_valid(e.tags);
CREATE TRIGGER tags_purged AFTER DELETE ON experiments BEGIN
    DELETE FROM tags WHERE experiment = old.id;
END;

-- What is searched of runs, by id and without their specifications; the few of an arm; the series of a metric by its last value.
CREATE INDEX runs_narrow ON runs (id, experiment, state, arm, seed, priority, attempt, created_at, started_at, ended_at,
    part_data, part_model, part_train, part_grid);
CREATE INDEX runs_by_arm ON runs (arm);
CREATE INDEX series_by_name ON series (name, last_kind, last);
-- What an audit says of a run is found by how far it reaches.
DROP INDEX audits_by_experiment;
CREATE INDEX audits_by_experiment ON audits (experiment, name, arm, grid);
