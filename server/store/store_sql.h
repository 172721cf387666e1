/* Every statement of the store, by name. RUN_COLUMNS (RUN_COLUMNS_N of them) and EXPERIMENT_COLUMNS
 * are read by run_from() and experiment_from() in the same order. */
#ifndef ABLATE_SERVER_STORE_SQL_H
#define ABLATE_SERVER_STORE_SQL_H

enum { RUN_COLUMNS_N = 29 };
#define RUN_COLUMNS                                                                                \
    "r.id, r.experiment, r.arm, r.grid, r.seed, r.state, r.reason, r.cancel, r.priority, "         \
    "r.exclusive, r.attempt, "                                                                     \
    "r.max_attempts, r.step, r.steps, r.digest, r.dataset_digest, r.parameters, r.memory_bytes, "  \
    "r.flops_per_step, "                                                                           \
    "r.created_at, r.started_at, r.ended_at, "                                                     \
    "r.verify, r.verify_attempt, r.verify_reason, r.verify_cancel, " VERIFY_ATTEMPT(               \
        "compared") ", " VERIFY_ATTEMPT("difference") ", r.auditing"
/* Of the attempt that verifies; not looked for where there is none. */
#define VERIFY_ATTEMPT(column)                                                                     \
    "CASE WHEN r.verify_attempt > 0 THEN (SELECT va." column                                       \
    " FROM attempts va WHERE va.run = r.id AND va.attempt = r.verify_attempt) END AS "             \
    "verify_" column
#define EXPERIMENT_COLUMNS                                                                           \
    "e.id, e.name, e.notes, e.hypothesis, e.tags, e.spec, e.runs_n, e.created_at, e.deleted_at, "    \
    "c.queued, c.running, c.succeeded, c.failed, c.cancelled, c.done, c.total, c.started, c.ended, " \
    "e.parent, coalesce(e.priority, json_extract(e.spec, '$.priority'), 0), " EXPERIMENT_VERDICT
/* JSON text; NULL while it is yet to be drawn. */
#define EXPERIMENT_VERDICT                                                                         \
    "iif(e.verdict IS NULL, NULL, json_object('status', e.verdict, 'arms', (SELECT "               \
    "json_group_object(x.arm, json_object('verdict', x.verdict, 'relative_difference', "           \
    "x.difference, 'valid', json(CASE x.valid WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE 'null' " \
    "END))) FROM verdicts x WHERE x.experiment = e.id)))"
/* The runs of one experiment, counted: one row, also when there are none. */
#define EXPERIMENT_COUNTS                                                                          \
    "(SELECT r.experiment AS id, sum(r.state = 'queued') AS queued, sum(r.state = 'running') AS "  \
    "running, "                                                                                    \
    "sum(r.state = 'succeeded') AS succeeded, sum(r.state = 'failed') AS failed, sum(r.state = "   \
    "'cancelled') AS "                                                                             \
    "cancelled, sum(CASE WHEN r.state IN ('queued', 'running') THEN r.step ELSE r.steps END) AS "  \
    "done, sum(r.steps) AS "                                                                       \
    "total, min(r.started_at) AS started, max(r.ended_at) AS ended FROM runs r WHERE "

#define NEXT_ATTEMPT                                                                               \
    "(SELECT 1 + coalesce(max(na.attempt), 0) FROM attempts na WHERE na.run = runs.id)"

/* A deleted experiment's runs are cancelled a part at a time: none is begun meanwhile. */
#define NOT_DELETED "experiment NOT IN (SELECT id FROM experiments WHERE deleted_at IS NOT NULL)"

#define SQL_TABLE(X)                                                                                               \
    X(BEGIN, "BEGIN")                                                                                              \
    X(BEGIN_IMMEDIATE, "BEGIN IMMEDIATE")                                                                          \
    X(COMMIT, "COMMIT")                                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                                        \
    X(SAVEPOINT, "SAVEPOINT job")                                                                                  \
    X(ROLLBACK_TO, "ROLLBACK TO job")                                                                              \
    X(RELEASE, "RELEASE job")                                                                                      \
    X(IDENTITY, "SELECT id, made_at FROM identity")                                                                \
    X(AS_OF, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")                                              \
    X(SETTING_GET, "SELECT value FROM settings WHERE key = ?")                                                     \
    X(SETTING_PUT,                                                                                                 \
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")                 \
    /* store_copy.c: path, recorded digest, may miss, is a folder. A checkpoint may make room for  \
     * a newer one while the copy is made. Of a run that has not ended the folder holds artifacts  \
     * that the store doesn't know yet. */               \
    X(FILES,                                                                                                       \
      "SELECT 'datasets/' || digest, '', 0, 1 FROM (SELECT digest FROM datasets UNION "                            \
      "SELECT dataset_digest FROM runs WHERE dataset_digest IS NOT NULL) "                                         \
      "UNION ALL SELECT 'runs/' || id || '/spec.json', '', 1, 0 FROM runs "                                        \
      "UNION ALL SELECT 'runs/' || a.run || '/attempts/' || a.attempt || '/' || f.column1, '', "                   \
      "1, "                                                                                                        \
      "0 FROM attempts a CROSS JOIN (VALUES ('events.ndjson'), ('log.txt'), ('exit.json')) f "                     \
      "UNION ALL SELECT 'runs/' || run || '/artifacts/' || name, sha256, 0, 0 FROM artifacts "                     \
      "UNION ALL SELECT 'runs/' || id || '/artifacts', '', 1, 1 FROM runs WHERE state IN "                         \
      "('queued', 'running') "                                                                                     \
      "UNION ALL SELECT 'runs/' || run || '/' || file, '', 1, 0 FROM checkpoints")                                 \
    /* datasets */                                                                                                 \
    X(DATASET_PUT,                                                                                                 \
      "INSERT INTO datasets (name, digest, documents, bytes, duplicates, format, created_at) "                     \
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, "                   \
      "documents = excluded.documents, bytes = excluded.bytes, duplicates = excluded.duplicates, "                 \
      "format = excluded.format, created_at = excluded.created_at")                                                \
    X(DATASET_GET,                                                                                                 \
      "SELECT id, name, digest, documents, bytes, duplicates, format, created_at FROM datasets "                   \
      "WHERE name = ?1 OR 'sha256:' || digest = ?1 ORDER BY name = ?1 DESC, id LIMIT 1")                           \
    X(DATASET_LIST,                                                                                                \
      "SELECT id, name, digest, documents, bytes, duplicates, format, created_at FROM datasets "                   \
      "ORDER BY name")                                                                                             \
    X(DATASET_USERS, "SELECT count(*) FROM runs WHERE dataset_digest = (SELECT digest FROM "                       \
                     "datasets WHERE name = ?1) "                                                                  \
                     "AND (state IN ('queued', 'running') OR verify IN ('queued', 'running')) "                    \
                     "AND NOT EXISTS (SELECT 1 FROM datasets "                                                     \
                     "o WHERE o.name != ?1 "                                                                       \
                     "AND o.digest = (SELECT digest FROM datasets WHERE name = ?1))")                              \
    X(DATASET_NEEDED_BY,                                                                                           \
      "SELECT DISTINCT experiment FROM runs WHERE dataset_digest = (SELECT digest FROM "                           \
      "datasets WHERE name = ?1) AND (state IN ('queued', 'running') OR verify IN ('queued', "                     \
      "'running')) ORDER BY experiment LIMIT ?2")                                                                  \
    /* From one experiment to the next by the index, however many runs each has. */                                \
    X(DATASET_USED_BY,                                                                                             \
      "WITH RECURSIVE used (id) AS (SELECT max(experiment) FROM runs WHERE dataset_digest = ?1 UNION ALL SELECT "  \
      "(SELECT max(r.experiment) FROM runs r WHERE r.dataset_digest = ?1 AND r.experiment < used.id) FROM used "   \
      "WHERE used.id IS NOT NULL) SELECT e.id FROM used JOIN experiments e ON e.id = used.id WHERE e.deleted_at "  \
      "IS NULL LIMIT ?2")                                                                                          \
    X(DATASET_RENAME, "UPDATE datasets SET name = ?2 WHERE name = ?1")                                             \
    X(DATASET_DELETE, "DELETE FROM datasets WHERE name = ?")                                                       \
    /* experiments */                                                                                              \
    X(EXPERIMENT_BY_KEY,                                                                                           \
      "SELECT id, body_digest, deleted_at FROM experiments WHERE idempotency_key = ?")                             \
    X(EXPERIMENT_ADD,                                                                                              \
      "INSERT INTO experiments (name, notes, hypothesis, tags, spec, metric, goal, runs_n, "                       \
      "created_at, idempotency_key, body_digest, parent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))")  \
    X(EXPERIMENT_KNOWN, "SELECT count(*) FROM experiments WHERE id = ?")                                           \
    X(EXPERIMENT_CELLS,                                                                                            \
      "SELECT r.arm, r.grid, r.spec, r.dataset_digest, r.priority, r.max_attempts, "                               \
      "r.exclusive, r.cell, r.windows FROM runs r WHERE r.id IN (SELECT min(id) FROM runs WHERE experiment = ? "   \
      "GROUP BY arm, grid) ORDER BY r.id")                                                                         \
    X(EXPERIMENT_GROW,                                                                                             \
      "UPDATE experiments SET runs_n = runs_n + ?2 WHERE id = ?1 AND deleted_at IS NULL")                          \
    X(EXPERIMENT_SEED, "SELECT 1 FROM runs WHERE experiment = ? AND seed = ? LIMIT 1")                             \
    X(EXPERIMENT_SIZE, "SELECT runs_n FROM experiments WHERE id = ? AND deleted_at IS NULL")                       \
    X(EXPERIMENT_DATASET_GONE,                                                                                     \
      "SELECT 1 FROM runs r WHERE r.experiment = ? AND r.dataset_digest IS NOT "                                   \
      "NULL AND NOT EXISTS (SELECT 1 FROM datasets d WHERE d.digest = r.dataset_digest) LIMIT 1")                  \
    X(EXPERIMENT_GET,                                                                                              \
      "SELECT " EXPERIMENT_COLUMNS " FROM experiments e LEFT JOIN " EXPERIMENT_COUNTS                              \
      "r.experiment = ?1) c WHERE e.id = ?1 AND e.deleted_at IS NULL")                                             \
    X(EXPERIMENT_LISTED,                                                                                           \
      "SELECT " EXPERIMENT_COLUMNS " FROM experiments e LEFT JOIN " EXPERIMENT_COUNTS                              \
      "r.experiment = ?1) c WHERE e.id = ?1")                                                                      \
    X(TAGS_CLEAR, "DELETE FROM tags WHERE experiment = ?")                                                         \
    X(TAGS_PUT,                                                                                                    \
      "INSERT INTO tags SELECT e.id, t.key, CAST(t.value AS TEXT), CASE WHEN json_valid(t.value) "                 \
      "AND json_type(t.value) IN ('integer', 'real') THEN CAST(t.value AS REAL) END "                              \
      "FROM experiments e JOIN json_each(e.tags) t WHERE e.id = ?")                                                \
    X(EXPERIMENT_PATCH,                                                                                            \
      "UPDATE experiments SET name = coalesce(?2, name), notes = coalesce(?3, notes), "                            \
      "tags = coalesce(?4, tags) WHERE id = ?1 AND deleted_at IS NULL")                                            \
    X(EXPERIMENT_DELETE,                                                                                           \
      "UPDATE experiments SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL")                               \
    X(EXPERIMENT_RUNNING, "SELECT count(*) FROM runs WHERE experiment = ? AND state = 'running'")                  \
    X(EXPERIMENT_VERIFYING,                                                                                        \
      "SELECT count(*) FROM runs WHERE experiment = ? AND verify = 'running'")                                     \
    X(EXPERIMENT_ACTIVE,                                                                                           \
      "SELECT state, experiment, verify, step, id FROM runs WHERE experiment = ?1 AND id > ?2 "                    \
      "AND (state IN ('queued', 'running') OR verify IN ('queued', 'running')) ORDER BY id "                       \
      "LIMIT ?3")                                                                                                  \
    X(DELETED_ACTIVE,                                                                                              \
      "SELECT e.id FROM experiments e WHERE e.deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM "                   \
      "runs WHERE experiment = e.id AND (state IN ('queued', 'running') OR verify IN ('queued', "                  \
      "'running'))) LIMIT 1")                                                                                      \
    /* store_purge.c */                                                                                            \
    X(EXPERIMENT_STANDING, "SELECT deleted_at, purge_at FROM experiments WHERE id = ?")                            \
    X(EXPERIMENT_RESTORE, "UPDATE experiments SET deleted_at = NULL WHERE id = ?")                                 \
    X(EXPERIMENT_PURGE, "UPDATE experiments SET purge_at = ?2 WHERE id = ?1")                                      \
    X(PURGE_EXPIRED, "UPDATE experiments SET purge_at = ?2 WHERE deleted_at < ?1 AND purge_at IS "                 \
                     "NULL")                                                                                       \
    X(PURGE_NEXT, "SELECT id FROM experiments WHERE deleted_at IS NOT NULL AND purge_at IS NOT "                   \
                  "NULL ORDER BY id LIMIT 1")                                                                      \
    X(PURGE_NEXT_RUNS, "SELECT id FROM runs WHERE experiment = ? ORDER BY id LIMIT ?")                             \
    X(PURGE_COUNT,                                                                                                 \
      "SELECT count(*) FROM experiments WHERE deleted_at IS NOT NULL AND purge_at IS "                             \
      "NOT NULL")                                                                                                  \
    X(PURGE_METRICS,                                                                                               \
      "DELETE FROM metrics WHERE (run, name, step) IN (SELECT run, name, step FROM "                               \
      "metrics WHERE run = ?1 LIMIT ?2)")                                                                          \
    X(PURGE_ROLLUPS, "DELETE FROM rollups WHERE (run, name, level, bucket) IN (SELECT run, name, "                 \
                     "level, bucket FROM rollups WHERE run = ?1 LIMIT ?2)")                                        \
    X(PURGE_SERIES, "DELETE FROM series WHERE run = ?")                                                            \
    X(PURGE_RUN_AUDITS, "DELETE FROM audits WHERE run = ?1 AND experiment = (SELECT experiment "                   \
                        "FROM runs WHERE id = ?1)")                                                                \
    X(PURGE_CHECKPOINTS, "DELETE FROM checkpoints WHERE run = ?")                                                  \
    X(PURGE_ARTIFACTS, "DELETE FROM artifacts WHERE run = ?")                                                      \
    X(PURGE_FACTS, "DELETE FROM facts WHERE run = ?")                                                              \
    X(PURGE_ATTEMPTS, "DELETE FROM attempts WHERE run = ?")                                                        \
    X(PURGE_RUN, "DELETE FROM runs WHERE id = ?")                                                                  \
    X(PURGE_AUDITS, "DELETE FROM audits WHERE experiment = ?")                                                     \
    X(PURGE_NOTICES, "DELETE FROM notices WHERE experiment = ?")                                                   \
    X(PURGE_EXPERIMENT, "DELETE FROM experiments WHERE id = ?")                                                    \
    /* store_cells.c */                                                                                            \
    X(CELLS_ELSEWHERE,                                                                                             \
      "SELECT o.experiment, e.deleted_at IS NOT NULL, 0, o.n, 0, NULL FROM (SELECT experiment, "                   \
      "count(*) AS n FROM runs INDEXED BY runs_by_cell WHERE cell = ?1 AND experiment <> ?2 AND "                  \
      "started_at IS NOT NULL GROUP BY "                                                                           \
      "experiment) o JOIN experiments e ON e.id = o.experiment AND e.purge_at IS NULL UNION ALL "                  \
      "SELECT experiment, 1, 1, runs, iif(metric = ?3, measured, 0), iif(metric = ?3, mean, "                      \
      "NULL) FROM cells_gone WHERE cell = ?1 AND experiment <> ?2 ORDER BY 1 DESC LIMIT ?4")                       \
    X(CELLS_MEAN,                                                                                                  \
      "SELECT count(*), avg(s.last) FROM runs r INDEXED BY runs_by_cell JOIN series s ON s.run = "                 \
      "r.id AND s.name = (SELECT id FROM metric_names WHERE name = ?3) AND s.last_kind = 0 "                       \
      "WHERE r.cell = ?1 AND r.experiment = ?2 AND r.state IN ('succeeded', 'failed', "                            \
      "'cancelled') AND r.started_at IS NOT NULL")                                                                 \
    X(CELLS_KEEP,                                                                                                  \
      "INSERT INTO cells_gone SELECT r.cell, r.experiment, min(r.arm), count(*), "                                 \
      "count(iif(s.last_kind = 0, 1, NULL)), e.metric, avg(iif(s.last_kind = 0, s.last, NULL)) "                   \
      "FROM experiments e JOIN runs r ON r.experiment = e.id LEFT JOIN series s ON s.run = r.id "                  \
      "AND s.name = (SELECT id FROM metric_names WHERE name = e.metric) WHERE e.purge_at IS NOT "                  \
      "NULL AND r.started_at IS NOT NULL AND r.cell IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "                    \
      "cells_gone g WHERE g.experiment = e.id) GROUP BY r.cell, r.experiment")                                     \
    X(DATASET_HELD, "SELECT EXISTS (SELECT 1 FROM datasets WHERE digest = ?1) + EXISTS (SELECT 1 "                 \
                    "FROM runs WHERE dataset_digest = ?1)")                                                        \
    X(EVENTS_FILES, "SELECT run, attempt, acked_seq FROM attempts WHERE events_file = 1 AND "                      \
                    "ended_at < ? ORDER BY ended_at LIMIT ?")                                                      \
    X(EVENTS_FILE_PUT, "UPDATE attempts SET events_file = ?3 WHERE run = ?1 AND attempt = ?2")                     \
    /* ended_at is there as long as a run has ended, and no longer. */                                             \
    X(CHECKPOINTS_DUE,                                                                                             \
      "SELECT ended_at, id FROM runs WHERE checkpoints = 1 AND ended_at < ?1 AND "                                 \
      "(ended_at, id) > (?2, ?3) ORDER BY ended_at, id LIMIT ?4")                                                  \
    X(CHECKPOINTS_GONE, "UPDATE runs SET checkpoints = 0 WHERE id = ?")                                            \
    /* runs */                                                                                                     \
    X(RUN_ADD,                                                                                                     \
      "INSERT INTO runs (experiment, arm, grid, seed, priority, exclusive, "                                       \
      "max_attempts, steps, spec, "                                                                                \
      "digest, dataset_digest, parameters, memory_bytes, flops_per_step, created_at, "                             \
      "cell, windows, part_data, part_model, part_train, part_grid) VALUES (?, ?, ?, ?, ?, ?, "                    \
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0), nullif(?, 0), nullif(?, 0), "                     \
      "nullif(?, 0))")                                                                                             \
    /* store_parts.c: NULL where a text isn't one of an object */                                                  \
    X(PART_TEXTS,                                                                                                  \
      "SELECT iif(json_type(s, '$.data') = 'object', json_extract(s, '$.data'), NULL), "                           \
      "iif(json_type(s, '$.model') = 'object', json_extract(s, '$.model'), NULL), "                                \
      "iif(json_type(s, '$.train') = 'object', json_extract(s, '$.train'), NULL), "                                \
      "iif(json_type(g) = 'object', g, NULL) FROM (SELECT iif(json_valid(?1), ?1, NULL) AS s, "                    \
      "iif(json_valid(?2), ?2, NULL) AS g)")                                                                       \
    X(PART_GET, "SELECT id FROM parts WHERE digest = ?")                                                           \
    X(PART_ADD, "INSERT INTO parts (digest) VALUES (?)")                                                           \
    X(PART_PARAMS,                                                                                                 \
      "INSERT OR IGNORE INTO params SELECT ?1, ?2 || replace(substr(j.fullkey, 2), '\"', ''), j.value "            \
      "FROM json_tree(?3) j WHERE j.value IS NOT NULL AND j.parent IS NOT NULL")                                   \
    X(RUN_LISTED, "SELECT " RUN_COLUMNS " FROM runs r WHERE r.id = ?")                                             \
    X(RUN_GET,                                                                                                     \
      "SELECT " RUN_COLUMNS ", r.spec FROM runs r JOIN experiments e ON e.id = r.experiment "                      \
      "WHERE r.id = ? AND e.deleted_at IS NULL")                                                                   \
    X(RUN_FINALS,                                                                                                  \
      "SELECT n.name, s.last, s.last_kind, s.min, s.max, s.sum, s.last_step, s.count, "                            \
      "s.nonfinite, s.name "                                                                                       \
      "FROM series s JOIN metric_names n ON n.id = s.name WHERE s.run = ? ORDER BY n.name")                        \
    /* Of many runs, a JSON array of ids; the plus: not by way of all that are queued. */                          \
    X(RUNS_CANCEL_QUEUED,                                                                                          \
      "UPDATE runs SET state = 'cancelled', reason = 'cancelled', cancel = 1, ended_at = ?2 WHERE "                \
      "id IN (SELECT value FROM json_each(?1)) AND +state = 'queued'")                                             \
    X(RUNS_RETRY, "UPDATE runs SET state = 'queued', reason = '', cancel = 0, ended_at = NULL, "                   \
                  "max_attempts = max(max_attempts, attempt + 1) WHERE ?2 AND id IN (SELECT "                      \
                  "value FROM json_each(?1)) AND +state IN ('failed', 'cancelled')")                               \
    X(RUNS_PRIORITY, "UPDATE runs SET priority = ?2 WHERE id IN (SELECT value FROM "                               \
                     "json_each(?1)) AND +state = 'queued'")                                                       \
    X(RUN_CANCEL_RUNNING, "UPDATE runs SET cancel = 1 WHERE id = ? AND state = 'running'")                         \
    X(RUN_DATASET_GONE,                                                                                            \
      "SELECT 1 FROM runs r WHERE r.id = ? AND r.dataset_digest IS NOT NULL "                                      \
      "AND NOT EXISTS (SELECT 1 FROM datasets d WHERE d.digest = r.dataset_digest)")                               \
    X(ACT_GET, "SELECT digest, after, over, changed, unchanged, refused FROM acts WHERE key = ?")                  \
    X(ACTS_FORGET, "DELETE FROM acts WHERE created_at < ?")                                                        \
    X(ACT_ADD, "INSERT INTO acts VALUES (?, ?, ?, 0, 0, 0, 0, '[]')")                                              \
    X(ACT_NOTE,                                                                                                    \
      "UPDATE acts SET after = ?2, over = ?3, changed = ?4, unchanged = ?5, refused = ?6 WHERE key = ?1")          \
    X(EXPERIMENT_PRIORITY,                                                                                         \
      "UPDATE experiments SET priority = ?2 WHERE id = ?1 AND deleted_at IS NULL")                                 \
    X(EXPERIMENT_PRIORITY_RUNS,                                                                                    \
      "SELECT id FROM runs WHERE experiment = ?1 AND priority != ?2 AND id > ?3 "                                  \
      "ORDER BY id LIMIT ?4")                                                                                      \
    X(EXPERIMENT_PRIORITY_PUT,                                                                                     \
      "UPDATE runs SET priority = ?2 WHERE experiment = ?1 AND priority != ?2 AND "                                \
      "id > ?3 AND id <= ?4")                                                                                      \
    X(RUN_STATE, "SELECT r.state, r.experiment, r.verify, r.step, r.id FROM runs r JOIN "                          \
                 "experiments e ON e.id = r.experiment "                                                           \
                 "WHERE r.id = ? AND e.deleted_at IS NULL")                                                        \
    /* Left to itself, SQLite reads and sorts all that is queued. */                                               \
    X(QUEUE_HEAD,                                                                                                  \
      "SELECT * FROM (SELECT id, memory_bytes, priority, exclusive, 0 FROM runs "                                  \
      "INDEXED BY runs_queue "                                                                                     \
      "WHERE state = 'queued' AND " NOT_DELETED " ORDER BY priority DESC, id LIMIT ?1) UNION ALL "                 \
      "SELECT * FROM (SELECT id, memory_bytes, priority, exclusive, 1 FROM runs "                                  \
      "WHERE verify = 'queued' AND " NOT_DELETED " ORDER BY priority DESC, id LIMIT ?1) "                          \
      "ORDER BY 3 DESC, 1 LIMIT ?1")                                                                               \
    /* Attempts are numbered over both kinds; those that verified don't count as tries. */                         \
    X(RUN_CLAIM,                                                                                                   \
      "UPDATE runs SET state = 'running', reason = '', attempt = " NEXT_ATTEMPT                                    \
      ", max_attempts = max_attempts + " NEXT_ATTEMPT " - attempt - 1, "                                           \
      "started_at = coalesce(started_at, ?2), checkpoints = 1, auditing = NULL WHERE id = ?1 AND "                 \
      "state = 'queued' "                                                                                          \
      "RETURNING attempt, "                                                                                        \
      "experiment, memory_bytes, steps, dataset_digest")                                                           \
    X(VERIFY_CLAIM, "UPDATE runs SET verify = 'running', verify_attempt = " NEXT_ATTEMPT                           \
                    " WHERE id = ?1 AND verify = 'queued' RETURNING verify_attempt, "                              \
                    "experiment, memory_bytes, step, dataset_digest")                                              \
    X(VERIFY_QUEUE, "UPDATE runs SET verify = 'queued', verify_attempt = 0, verify_reason = '', "                  \
                    "verify_cancel = 0 WHERE id = ?")                                                              \
    X(VERIFY_CANCEL_QUEUED, "UPDATE runs SET verify = 'skipped', verify_reason = 'cancelled', "                    \
                            "verify_cancel = 1 WHERE id = ? AND verify = 'queued'")                                \
    X(VERIFY_CANCEL_RUNNING,                                                                                       \
      "UPDATE runs SET verify_cancel = 1 WHERE id = ? AND verify = 'running'")                                     \
    X(VERIFY_SETTLE, "UPDATE runs SET verify = ?3, verify_reason = ?4 WHERE id = ?1 AND "                          \
                     "verify = 'running' AND verify_attempt = ?2")                                                 \
    X(RUN_SETTLE, "UPDATE runs SET state = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1 AND "                      \
                  "state = 'running' AND attempt = ?5")                                                            \
    X(RUN_AUDITING, "UPDATE runs SET auditing = ?2 WHERE id = ?1 AND auditing IS NOT ?2")                          \
    X(RUN_STEP, "UPDATE runs SET step = max(step, ?2) WHERE id = ?1")                                              \
    X(RUNS_RUNNING,                                                                                                \
      "SELECT r.id, a.attempt, r.memory_bytes, r.exclusive, "                                                      \
      "iif(a.kind = 'verify', r.verify_cancel, r.cancel), a.pid, r.experiment FROM runs r JOIN "                   \
      "attempts a ON a.run = r.id AND a.attempt = "                                                                \
      "iif(r.state = 'running', r.attempt, r.verify_attempt) WHERE r.state = 'running' OR "                        \
      "r.verify = 'running' ORDER BY r.id")                                                                        \
    /* Ids aren't given twice, and these neither. */                                                               \
    X(RUN_IDS_LAST, "SELECT seq FROM sqlite_sequence WHERE name = 'runs'")                                         \
    X(RUN_IDS_PASS, "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'runs' AND seq < ?1")                        \
    X(RUN_IDS_BEGIN, "INSERT INTO sqlite_sequence (name, seq) SELECT 'runs', ?1 WHERE NOT EXISTS "                 \
                     "(SELECT 1 FROM sqlite_sequence WHERE name = 'runs')")                                        \
    X(RUN_DIGEST, "SELECT digest FROM runs WHERE id = ?")                                                          \
    X(RUN_FORGIVE, "UPDATE runs SET max_attempts = max_attempts + 1 WHERE id = ?")                                 \
    /* attempts */                                                                                                 \
    X(ATTEMPT_ADD,                                                                                                 \
      "INSERT INTO attempts (run, attempt, token, started_at, kind) VALUES (?, ?, '', ?, ?)")                      \
    X(ATTEMPT_END,                                                                                                 \
      "UPDATE attempts SET ended_at = ?3, outcome = ?4, token = '' WHERE run = ?1 AND "                            \
      "attempt = ?2 "                                                                                              \
      "AND ended_at IS NULL")                                                                                      \
    X(ATTEMPT_GET, "SELECT run, attempt, kind, token, pid, acked_seq, started_at, ended_at, "                      \
                   "outcome, environment, compared, difference, steal_share, other_cores "                         \
                   "FROM attempts WHERE run = ? AND attempt = ?")                                                  \
    X(ATTEMPT_LIST, "SELECT run, attempt, kind, token, pid, acked_seq, started_at, ended_at, "                     \
                    "outcome, environment, compared, difference, steal_share, other_cores "                        \
                    "FROM attempts WHERE run = ? ORDER BY attempt")                                                \
    X(ATTEMPT_INTERFERENCE,                                                                                        \
      "UPDATE attempts SET steal_share = ?3, other_cores = ?4 WHERE run = ?1 AND attempt = ?2")                    \
    X(TIMING_BOUNDS, "SELECT min(started_at), max(coalesce(ended_at, ?2)) FROM attempts "                          \
                     "WHERE run IN (SELECT id FROM runs WHERE experiment = ?1)")                                   \
    X(TIMING_SPANS, "SELECT started_at, coalesce(ended_at, ?3) FROM attempts "                                     \
                    "WHERE started_at < ?2 AND (ended_at IS NULL OR ended_at > ?1)")                               \
    X(TIMING_LIST,                                                                                                 \
      "SELECT a.run, a.started_at, coalesce(a.ended_at, ?2), a.steal_share, a.other_cores, "                       \
      "json_extract(a.environment, '$.digest', '$.cpu', '$.host') "                                                \
      "FROM runs r JOIN attempts a ON a.run = r.id WHERE r.experiment = ?1 AND a.stored "                          \
      "AND a.kind = 'train' ORDER BY a.run, a.attempt")                                                            \
    X(ATTEMPT_PID, "UPDATE attempts SET pid = ?3 WHERE run = ?1 AND attempt = ?2")                                 \
    X(ATTEMPT_TOKEN, "UPDATE attempts SET token = ?3 WHERE run = ?1 AND attempt = ?2 AND "                         \
                     "token <> ?3")                                                                                \
    X(ATTEMPT_ACKED, "SELECT a.acked_seq, r.experiment, a.ended_at, a.kind, a.stored FROM "                        \
                     "attempts a JOIN runs r ON r.id = a.run "                                                     \
                     "WHERE a.run = ? AND a.attempt = ?")                                                          \
    X(ATTEMPT_ACK, "UPDATE attempts SET acked_seq = ?3 WHERE run = ?1 AND attempt = ?2")                           \
    X(ATTEMPT_ENVIRONMENT, "UPDATE attempts SET environment = ?3 WHERE run = ?1 AND attempt = ?2")                 \
    /* Those that a value computed by ?2 may have come from, and ?2 itself. */                                     \
    X(ATTEMPT_SOURCES, "SELECT attempt, environment FROM attempts WHERE run = ?1 AND attempt <= "                  \
                       "?2 AND (stored OR attempt = ?2) ORDER BY attempt")                                         \
    X(ATTEMPT_DIFFERS,                                                                                             \
      "SELECT difference IS NOT NULL FROM attempts WHERE run = ? AND attempt = ?")                                 \
    X(ATTEMPT_REPLAY,                                                                                              \
      "UPDATE attempts SET stored = max(stored, ?3), compared = compared + ?4, difference = "                      \
      "CASE WHEN ?5 IS NULL OR json_extract(difference, '$.step') <= ?6 THEN difference ELSE ?5 "                  \
      "END WHERE run = ?1 AND attempt = ?2")                                                                       \
    X(RUN_STATES, "SELECT state, count(*) FROM runs GROUP BY state")                                               \
    X(QUEUE_COUNTS, "SELECT (SELECT count(*) FROM runs WHERE state = 'queued'), "                                  \
                    "(SELECT count(*) FROM runs WHERE state = 'running'), "                                        \
                    "(SELECT count(*) FROM runs WHERE verify = 'queued') + "                                       \
                    "(SELECT count(*) FROM runs WHERE verify = 'running')")                                        \
    /* metrics */                                                                                                  \
    X(NAME_GET, "SELECT id FROM metric_names WHERE name = ?")                                                      \
    X(NAME_TEXT, "SELECT name FROM metric_names WHERE id = ?")                                                     \
    X(NAME_LIST, "SELECT name FROM metric_names")                                                                  \
    X(NAME_ADD, "INSERT INTO metric_names (name) VALUES (?)")                                                      \
    X(METRIC_ADD, "INSERT INTO metrics (run, name, step, value, kind) VALUES (?, ?, ?, ?, ?) ON "                  \
                  "CONFLICT DO NOTHING")                                                                           \
    X(METRIC_GET, "SELECT value, kind FROM metrics WHERE run = ? AND name = ? AND step = ?")                       \
    X(METRIC_RANGE,                                                                                                \
      "SELECT step, value, kind FROM metrics WHERE run = ? AND name = ? AND step BETWEEN ? AND ? "                 \
      "ORDER BY step")                                                                                             \
    X(METRIC_EACH,                                                                                                 \
      "SELECT n.name, m.step, m.value, m.kind FROM metric_names n CROSS JOIN metrics m "                           \
      "ON m.run = ?1 AND m.name = n.id ORDER BY n.name, m.step")                                                   \
    X(METRIC_COUNT, "SELECT count(*) FROM (SELECT 1 FROM metrics WHERE run = ? AND name = ? AND "                  \
                    "step BETWEEN ? AND ? LIMIT ?)")                                                               \
    X(SERIES_LIST, "SELECT n.id, n.name, s.count + s.nonfinite, s.last_step FROM series s JOIN "                   \
                   "metric_names n ON "                                                                            \
                   "n.id = s.name WHERE s.run = ? ORDER BY n.name")                                                \
    X(SERIES_UPSERT,                                                                                               \
      "INSERT INTO series VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "                             \
      "ON CONFLICT (run, name) DO UPDATE SET count = count + excluded.count, "                                     \
      "nonfinite = nonfinite + excluded.nonfinite, "                                                               \
      "last = iif(excluded.last_step >= last_step, excluded.last, last), "                                         \
      "last_kind = iif(excluded.last_step >= last_step, excluded.last_kind, last_kind), "                          \
      "last_step = max(last_step, excluded.last_step), "                                                           \
      "min_step = iif(min IS NULL OR excluded.min < min, excluded.min_step, min_step), "                           \
      "min = iif(min IS NULL OR excluded.min < min, excluded.min, min), "                                          \
      "max_step = iif(max IS NULL OR excluded.max > max, excluded.max_step, max_step), "                           \
      "max = iif(max IS NULL OR excluded.max > max, excluded.max, max), sum = sum + excluded.sum")                 \
    X(ROLLUP_UPSERT,                                                                                               \
      "INSERT INTO rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "                       \
      "ON CONFLICT (run, name, level, bucket) DO UPDATE SET count = count + excluded.count, "                      \
      "nonfinite = nonfinite + excluded.nonfinite, sum = sum + excluded.sum, "                                     \
      "min = iif(min IS NULL OR excluded.min < min, excluded.min, min), "                                          \
      "max = iif(max IS NULL OR excluded.max > max, excluded.max, max), "                                          \
      "first = iif(first IS NULL OR (excluded.first IS NOT NULL AND excluded.first_step < "                        \
      "first_step), "                                                                                              \
      "excluded.first, first), "                                                                                   \
      "last = iif(last IS NULL OR (excluded.last IS NOT NULL AND excluded.last_step > "                            \
      "last_step), "                                                                                               \
      "excluded.last, last), first_step = min(first_step, excluded.first_step), "                                  \
      "last_step = max(last_step, excluded.last_step)")                                                            \
    X(ROLLUP_RANGE,                                                                                                \
      "SELECT first_step, last_step, count, nonfinite, min, max, sum FROM rollups "                                \
      "WHERE run = ? AND name = ? AND level = ? AND bucket BETWEEN ? AND ? ORDER BY bucket")                       \
    X(CHECKPOINT_GET, "SELECT sha256 FROM checkpoints WHERE run = ? AND step = ?")                                 \
    X(CHECKPOINT_LIST, "SELECT step, bytes, sha256 FROM checkpoints WHERE run = ? ORDER BY step")                  \
    X(CHECKPOINT_PUT, "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, "                    \
                      "step) DO UPDATE SET "                                                                       \
                      "attempt = excluded.attempt, file = excluded.file, bytes = excluded.bytes, "                 \
                      "sha256 = excluded.sha256, created_at = excluded.created_at")                                \
    /* report: curves of one metric over an experiment */                                                          \
    X(CURVES,                                                                                                      \
      "SELECT r.id, s.name, s.count + s.nonfinite, s.last_step, (SELECT min(m.step) FROM metrics "                 \
      "m WHERE m.run = s.run AND m.name = s.name AND m.step > 0) FROM runs r JOIN series s ON "                    \
      "s.run = r.id AND "                                                                                          \
      "s.name = (SELECT id FROM metric_names WHERE name = ?2) WHERE r.experiment = ?1 ORDER BY "                   \
      "r.id")                                                                                                      \
    X(CURVE_STEPS,                                                                                                 \
      "WITH RECURSIVE at (step) AS (VALUES (min(?3, ?4)) UNION ALL SELECT min(step + ?3, ?4) "                     \
      "FROM at WHERE step < ?4) SELECT m.step, m.value, m.kind FROM at CROSS JOIN metrics m ON "                   \
      "m.run = ?1 AND m.name = ?2 AND m.step = at.step") /* the steps come out in order */                         \
    /* store_arm_curves.c */                                                                                       \
    X(ARM_CURVES_RUNS,                                                                                             \
      "SELECT r.id, r.arm, r.grid, r.state, coalesce(s.count + s.nonfinite, 0), "                                  \
      "coalesce(s.last_step, -1) FROM runs r LEFT JOIN series s ON s.run = r.id AND s.name = ?2 "                  \
      "WHERE r.experiment = ?1 ORDER BY r.arm, r.grid, r.id")                                                      \
    X(ARM_CURVES_NEWS,                                                                                             \
      "SELECT e.run, coalesce(j.value->>0, 0) AS name, min(j.value->>1) FROM events e "                            \
      "LEFT JOIN json_each(iif(e.kind = 'metrics', e.data, '[]')) j WHERE e.seq > ?1 AND "                         \
      "e.experiment = ?2 AND e.kind IN ('run', 'metrics') GROUP BY e.run, name ORDER BY e.run, name")              \
    X(METRIC_BEFORE, "SELECT max(step) FROM metrics WHERE run = ? AND name = ? AND step < ?")                      \
    /* exports: the runs and series of an experiment, or of one of its arms */                                     \
    X(EXPORT_THERE, "SELECT 1 FROM experiments WHERE id = ? AND deleted_at IS NULL")                               \
    X(EXPORT_RUNS, "SELECT id FROM runs WHERE experiment = ?1 AND arm = coalesce(?2, arm) "                        \
                   "ORDER BY id")                                                                                  \
    X(EXPORT_NAMES,                                                                                                \
      "SELECT n.id, n.name FROM metric_names n WHERE n.id IN (SELECT s.name FROM runs r "                          \
      "CROSS JOIN series s ON s.run = r.id WHERE r.experiment = ?1 AND r.arm = coalesce(?2, "                      \
      "r.arm)) ORDER BY n.name")                                                                                   \
    X(EXPORT_SERIES,                                                                                               \
      "SELECT r.id, s.name, s.last_step, s.count + s.nonfinite FROM runs r CROSS JOIN series s "                   \
      "ON s.run = r.id CROSS JOIN metric_names n ON n.id = s.name WHERE r.experiment = ?1 AND "                    \
      "r.arm = coalesce(?2, r.arm) ORDER BY r.id, n.name")                                                         \
    X(EXPORT_RUN, "SELECT arm, grid, seed, state, started_at, ended_at FROM runs WHERE id = ?")                    \
    X(EXPORT_SPECS,                                                                                                \
      "SELECT spec FROM runs WHERE id IN (SELECT min(id) FROM runs WHERE experiment = ?1 AND "                     \
      "arm = coalesce(?2, arm) GROUP BY arm, grid) ORDER BY id")                                                   \
    /* audits, artifacts, events */                                                                                \
    X(AUDIT_ADD, "INSERT INTO audits (experiment, run, arm, grid, name, status, detail, "                          \
                 "evidence, created_at) "                                                                          \
                 "VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?)")                                                  \
    X(AUDIT_GET, "SELECT id, experiment, run, arm, grid, name, status, detail, evidence, "                         \
                 "created_at FROM audits "                                                                         \
                 "WHERE id = ?")                                                                                   \
    X(AUDIT_LIST, "SELECT id, experiment, run, arm, grid, name, status, detail, evidence, "                        \
                  "created_at FROM audits "                                                                        \
                  "WHERE experiment = ? ORDER BY id")                                                              \
    X(AUDIT_REPLACE,                                                                                               \
      "INSERT INTO audits (experiment, arm, grid, name, status, detail, evidence, created_at) "                    \
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (experiment, name, coalesce(arm, ''), "                         \
      "coalesce(grid, '')) WHERE run IS NULL DO UPDATE SET status = excluded.status, "                             \
      "detail = excluded.detail, evidence = excluded.evidence, created_at = excluded.created_at "                  \
      "WHERE status != excluded.status OR detail != excluded.detail OR "                                           \
      "evidence != excluded.evidence RETURNING id")                                                                \
    X(AUDIT_DELETE, "DELETE FROM audits WHERE id = ?")                                                             \
    X(AUDIT_COUNTS,                                                                                                \
      "SELECT name, arm, grid, max(CASE status WHEN 'pass' THEN 0 WHEN 'skipped' THEN 1 WHEN "                     \
      "'warn' THEN 2 ELSE 3 END) FROM audits WHERE experiment = ? GROUP BY name, arm, grid "                       \
      "ORDER BY name, arm, grid")                                                                                  \
    /* what runs tell, and comparing them */                                                                       \
    X(FACTS_PUT,                                                                                                   \
      "INSERT INTO facts (run, init, consumed, eval) SELECT run, ?3, ?4, ?5 FROM attempts "                        \
      "WHERE run = ?1 AND attempt = ?2 AND kind = 'train' ON CONFLICT (run) DO UPDATE SET "                        \
      "init = coalesce(excluded.init, init), consumed = coalesce(excluded.consumed, consumed), "                   \
      "eval = coalesce(excluded.eval, eval)")                                                                      \
    X(FACTS_GUESS,                                                                                                 \
      "INSERT INTO facts (run, unigram, bigram) SELECT run, ?3, ?4 FROM attempts WHERE run = ?1 "                  \
      "AND attempt = ?2 AND kind = 'train' ON CONFLICT (run) DO UPDATE SET "                                       \
      "unigram = excluded.unigram, bigram = excluded.bigram")                                                      \
    X(FACTS_INIT, "SELECT init FROM facts WHERE run = ?")                                                          \
    X(FACTS_LIST,                                                                                                  \
      "SELECT r.id, r.arm, r.grid, r.seed, r.state, f.consumed, f.eval, s.last, s.last_kind, "                     \
      "l.last, l.last_kind, f.unigram, f.bigram, r.windows, r.cell FROM runs r LEFT JOIN facts f ON f.run = r.id " \
      "LEFT JOIN series s ON s.run = r.id AND s.name = (SELECT id FROM metric_names WHERE name = "                 \
      "?2) LEFT JOIN series l ON l.run = r.id AND l.name = (SELECT id FROM metric_names WHERE "                    \
      "name = 'val/loss') WHERE r.experiment = ?1 ORDER BY r.id")                                                  \
    X(ENVIRONMENTS,                                                                                                \
      "SELECT a.run, a.environment FROM runs r JOIN attempts a ON a.run = r.id WHERE "                             \
      "r.experiment = ?1 AND a.kind = 'train' AND a.stored AND a.environment IS NOT NULL "                         \
      "ORDER BY a.run, a.attempt")                                                                                 \
    X(RUN_SPEC, "SELECT spec FROM runs WHERE id = ?")                                                              \
    X(RUN_ORIGIN, "SELECT created_at, digest, spec FROM runs WHERE id = ?")                                        \
    /* A run that ended without a word of causality leaves its cell's audits to the next one. */                   \
    X(RUN_AUDITS,                                                                                                  \
      "SELECT 2 - EXISTS (SELECT 1 FROM runs o WHERE o.experiment = r.experiment AND o.id < r.id "                 \
      "AND o.arm = r.arm AND o.grid = r.grid AND (o.state NOT IN ('failed', 'cancelled') OR "                      \
      "EXISTS (SELECT 1 FROM audits a WHERE a.experiment = o.experiment AND a.name = "                             \
      "'causality' AND a.run = o.id))) - EXISTS (SELECT 1 FROM runs o WHERE o.experiment "                         \
      "= r.experiment AND o.id < r.id AND o.arm = r.arm) FROM runs r WHERE r.id = ?")                              \
    X(EXPERIMENT_ENDED,                                                                                            \
      "SELECT 1 FROM experiments e WHERE e.id = ? AND e.deleted_at IS NULL AND NOT EXISTS "                        \
      "(SELECT 1 FROM runs r WHERE r.experiment = e.id AND r.state IN ('queued', 'running'))")                     \
    X(RUN_PLACE, "SELECT experiment, arm, grid FROM runs WHERE id = ?")                                            \
    X(ARTIFACT_PUT,                                                                                                \
      "INSERT INTO artifacts VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, name) DO UPDATE SET "                        \
      "bytes = excluded.bytes, sha256 = excluded.sha256, created_at = excluded.created_at")                        \
    X(ARTIFACT_GET, "SELECT sha256 FROM artifacts WHERE run = ? AND name = ?")                                     \
    X(ARTIFACT_LIST,                                                                                               \
      "SELECT name, bytes, sha256, created_at FROM artifacts WHERE run = ? ORDER BY name")                         \
    X(EVENT_ADD, "INSERT INTO events (at, kind, experiment, run, data) VALUES (?, ?, nullif(?, "                   \
                 "0), nullif(?, 0), ?)")                                                                           \
    X(EVENT_PRUNE, "DELETE FROM events WHERE seq <= ?")                                                            \
    X(EVENT_KNOWN, "SELECT EXISTS (SELECT 1 FROM events WHERE seq IN (?1, ?1 + 1))")                               \
    X(EVENT_LIST,                                                                                                  \
      "SELECT seq, kind, experiment, run, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?")                    \
    /* store_notices.c */                                                                                          \
    X(NOTICE_ADD,                                                                                                  \
      "INSERT INTO notices (experiment, ended_at, channel, next_at) SELECT ?1, max(ended_at), ?2, "                \
      "?3 FROM runs WHERE experiment = ?1 ON CONFLICT DO NOTHING")                                                 \
    X(NOTICE_NEXT,                                                                                                 \
      "SELECT id, experiment, ended_at, attempts, next_at FROM notices WHERE channel = ? AND "                     \
      "next_at IS NOT NULL ORDER BY next_at, id LIMIT 1")                                                          \
    X(NOTICE_CLAIM, "UPDATE notices SET attempts = attempts + 1, next_at = ?2 WHERE id = ?1")                      \
    X(NOTICE_HURRY, "UPDATE notices SET next_at = ?2 WHERE channel = ?1 AND next_at > ?2")                         \
    X(NOTICE_SETTLE, "UPDATE notices SET next_at = nullif(?2, 0), outcome = ?3 WHERE id = ?1")                     \
    /* store_verdicts.c */                                                                                         \
    X(VERDICTS_LACKING,                                                                                            \
      "SELECT id, verdict_due FROM experiments WHERE verdict IS NULL AND deleted_at IS NULL LIMIT 1")              \
    X(EXPERIMENT_RUNS, "SELECT runs_n FROM experiments WHERE id = ?")                                              \
    X(VERDICT_DUE,                                                                                                 \
      "UPDATE experiments SET verdict = NULL, verdict_due = verdict_due + 1 WHERE id = ?")                         \
    X(VERDICT_SET, "UPDATE experiments SET verdict = ?2 WHERE id = ?1")                                            \
    X(VERDICT_SETTLE,                                                                                              \
      "UPDATE experiments SET verdict = ?2 WHERE id = ?1 AND verdict IS NULL AND verdict_due = ?3")                \
    X(VERDICTS_CLEAR, "DELETE FROM verdicts WHERE experiment = ?")                                                 \
    X(VERDICT_ADD,                                                                                                 \
      "INSERT INTO verdicts (experiment, arm, verdict, difference, valid) VALUES (?, ?, nullif(?, ''), ?, "        \
      "nullif(?, -1))")

enum sql {
#define SQL_ENUM(id, text) SQL_##id,
    SQL_TABLE(SQL_ENUM)
#undef SQL_ENUM
        SQL_COUNT
};

#endif
