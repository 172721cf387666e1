/* Runs and their attempts, in the order of their lives. RUN_COLUMNS (RUN_COLUMNS_N of them) are read by
 * run_from() in the same order. */
#ifndef ABLATE_SERVER_SQL_RUNS_H
#define ABLATE_SERVER_SQL_RUNS_H

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

#define NEXT_ATTEMPT                                                                               \
    "(SELECT 1 + coalesce(max(na.attempt), 0) FROM attempts na WHERE na.run = runs.id)"

/* A deleted experiment's runs are cancelled a part at a time: none is begun meanwhile. */
#define NOT_DELETED "experiment NOT IN (SELECT id FROM experiments WHERE deleted_at IS NOT NULL)"

#define SQL_RUNS(X)                                                                                       \
    /* runs */                                                                                            \
    X(RUN_ADD,                                                                                            \
      "INSERT INTO runs (experiment, arm, grid, seed, priority, exclusive, "                              \
      "max_attempts, steps, spec, "                                                                       \
      "digest, dataset_digest, parameters, memory_bytes, flops_per_step, created_at, "                    \
      "cell, windows, part_data, part_model, part_train, part_grid) VALUES (?, ?, ?, ?, ?, ?, "           \
      "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0), nullif(?, 0), nullif(?, 0), "            \
      "nullif(?, 0))")                                                                                    \
    /* store_parts.c: NULL where a text isn't one of an object */                                         \
    X(PART_TEXTS,                                                                                         \
      "SELECT iif(json_type(s, '$.data') = 'object', json_extract(s, '$.data'), NULL), "                  \
      "iif(json_type(s, '$.model') = 'object', json_extract(s, '$.model'), NULL), "                       \
      "iif(json_type(s, '$.train') = 'object', json_extract(s, '$.train'), NULL), "                       \
      "iif(json_type(g) = 'object', g, NULL) FROM (SELECT iif(json_valid(?1), ?1, NULL) AS s, "           \
      "iif(json_valid(?2), ?2, NULL) AS g)")                                                              \
    X(PART_GET, "SELECT id FROM parts WHERE digest = ?")                                                  \
    X(PART_ADD, "INSERT INTO parts (digest) VALUES (?)")                                                  \
    X(PART_PARAMS,                                                                                        \
      "INSERT OR IGNORE INTO params SELECT ?1, ?2 || replace(substr(j.fullkey, 2), '\"', ''), j.value "   \
      "FROM json_tree(?3) j WHERE j.value IS NOT NULL AND j.parent IS NOT NULL")                          \
    X(RUN_LISTED, "SELECT " RUN_COLUMNS " FROM runs r WHERE r.id = ?")                                    \
    X(RUN_GET,                                                                                            \
      "SELECT " RUN_COLUMNS ", r.spec FROM runs r JOIN experiments e ON e.id = r.experiment "             \
      "WHERE r.id = ? AND e.deleted_at IS NULL")                                                          \
    X(RUN_FINALS,                                                                                         \
      "SELECT n.name, s.last, s.last_kind, s.min, s.max, s.sum, s.last_step, s.count, "                   \
      "s.nonfinite, s.name "                                                                              \
      "FROM series s JOIN metric_names n ON n.id = s.name WHERE s.run = ? ORDER BY n.name")               \
    /* Of many runs, a JSON array of ids; the plus: not by way of all that are queued. */                 \
    X(RUNS_CANCEL_QUEUED,                                                                                 \
      "UPDATE runs SET state = 'cancelled', reason = 'cancelled', cancel = 1, ended_at = ?2 WHERE "       \
      "id IN (SELECT value FROM json_each(?1)) AND +state = 'queued'")                                    \
    X(RUNS_RETRY, "UPDATE runs SET state = 'queued', reason = '', cancel = 0, ended_at = NULL, "          \
                  "max_attempts = max(max_attempts, attempt + 1) WHERE ?2 AND id IN (SELECT "             \
                  "value FROM json_each(?1)) AND +state IN ('failed', 'cancelled')")                      \
    X(RUNS_PRIORITY, "UPDATE runs SET priority = ?2 WHERE id IN (SELECT value FROM "                      \
                     "json_each(?1)) AND +state = 'queued'")                                              \
    X(RUN_CANCEL_RUNNING, "UPDATE runs SET cancel = 1 WHERE id = ? AND state = 'running'")                \
    X(RUN_DATASET_GONE,                                                                                   \
      "SELECT 1 FROM runs r WHERE r.id = ? AND r.dataset_digest IS NOT NULL "                             \
      "AND NOT EXISTS (SELECT 1 FROM datasets d WHERE d.digest = r.dataset_digest)")                      \
    X(ACT_GET, "SELECT digest, after, over, changed, unchanged, refused FROM acts WHERE key = ?")         \
    X(ACTS_FORGET, "DELETE FROM acts WHERE created_at < ?")                                               \
    X(ACT_ADD, "INSERT INTO acts VALUES (?, ?, ?, 0, 0, 0, 0, '[]')")                                     \
    X(ACT_NOTE,                                                                                           \
      "UPDATE acts SET after = ?2, over = ?3, changed = ?4, unchanged = ?5, refused = ?6 WHERE key = ?1") \
    X(EXPERIMENT_PRIORITY,                                                                                \
      "UPDATE experiments SET priority = ?2 WHERE id = ?1 AND deleted_at IS NULL")                        \
    X(EXPERIMENT_PRIORITY_RUNS,                                                                           \
      "SELECT id FROM runs WHERE experiment = ?1 AND priority != ?2 AND id > ?3 "                         \
      "ORDER BY id LIMIT ?4")                                                                             \
    X(EXPERIMENT_PRIORITY_PUT,                                                                            \
      "UPDATE runs SET priority = ?2 WHERE experiment = ?1 AND priority != ?2 AND "                       \
      "id > ?3 AND id <= ?4")                                                                             \
    X(RUN_STATE, "SELECT r.state, r.experiment, r.verify, r.step, r.id FROM runs r JOIN "                 \
                 "experiments e ON e.id = r.experiment "                                                  \
                 "WHERE r.id = ? AND e.deleted_at IS NULL")                                               \
    /* Left to itself, SQLite reads and sorts all that is queued. */                                      \
    X(QUEUE_HEAD,                                                                                         \
      "SELECT * FROM (SELECT id, memory_bytes, priority, exclusive, 0 FROM runs "                         \
      "INDEXED BY runs_queue "                                                                            \
      "WHERE state = 'queued' AND " NOT_DELETED " ORDER BY priority DESC, id LIMIT ?1) UNION ALL "        \
      "SELECT * FROM (SELECT id, memory_bytes, priority, exclusive, 1 FROM runs "                         \
      "WHERE verify = 'queued' AND " NOT_DELETED " ORDER BY priority DESC, id LIMIT ?1) "                 \
      "ORDER BY 3 DESC, 1 LIMIT ?1")                                                                      \
    /* Attempts are numbered over both kinds; those that verified don't count as tries. */                \
    X(RUN_CLAIM,                                                                                          \
      "UPDATE runs SET state = 'running', reason = '', attempt = " NEXT_ATTEMPT                           \
      ", max_attempts = max_attempts + " NEXT_ATTEMPT " - attempt - 1, "                                  \
      "started_at = coalesce(started_at, ?2), checkpoints = 1, auditing = NULL WHERE id = ?1 AND "        \
      "state = 'queued' "                                                                                 \
      "RETURNING attempt, "                                                                               \
      "experiment, memory_bytes, steps, dataset_digest")                                                  \
    X(VERIFY_CLAIM, "UPDATE runs SET verify = 'running', verify_attempt = " NEXT_ATTEMPT                  \
                    " WHERE id = ?1 AND verify = 'queued' RETURNING verify_attempt, "                     \
                    "experiment, memory_bytes, step, dataset_digest")                                     \
    X(VERIFY_QUEUE, "UPDATE runs SET verify = 'queued', verify_attempt = 0, verify_reason = '', "         \
                    "verify_cancel = 0 WHERE id = ?")                                                     \
    X(VERIFY_CANCEL_QUEUED, "UPDATE runs SET verify = 'skipped', verify_reason = 'cancelled', "           \
                            "verify_cancel = 1 WHERE id = ? AND verify = 'queued'")                       \
    X(VERIFY_CANCEL_RUNNING,                                                                              \
      "UPDATE runs SET verify_cancel = 1 WHERE id = ? AND verify = 'running'")                            \
    X(VERIFY_SETTLE, "UPDATE runs SET verify = ?3, verify_reason = ?4 WHERE id = ?1 AND "                 \
                     "verify = 'running' AND verify_attempt = ?2")                                        \
    X(RUN_SETTLE, "UPDATE runs SET state = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1 AND "             \
                  "state = 'running' AND attempt = ?5")                                                   \
    X(RUN_AUDITING, "UPDATE runs SET auditing = ?2 WHERE id = ?1 AND auditing IS NOT ?2")                 \
    X(RUN_STEP, "UPDATE runs SET step = max(step, ?2) WHERE id = ?1")                                     \
    X(RUNS_RUNNING,                                                                                       \
      "SELECT r.id, a.attempt, r.memory_bytes, r.exclusive, "                                             \
      "iif(a.kind = 'verify', r.verify_cancel, r.cancel), a.pid, r.experiment FROM runs r JOIN "          \
      "attempts a ON a.run = r.id AND a.attempt = "                                                       \
      "iif(r.state = 'running', r.attempt, r.verify_attempt) WHERE r.state = 'running' OR "               \
      "r.verify = 'running' ORDER BY r.id")                                                               \
    /* Ids aren't given twice, and these neither. */                                                      \
    X(RUN_IDS_LAST, "SELECT seq FROM sqlite_sequence WHERE name = 'runs'")                                \
    X(RUN_IDS_PASS, "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'runs' AND seq < ?1")               \
    X(RUN_IDS_BEGIN, "INSERT INTO sqlite_sequence (name, seq) SELECT 'runs', ?1 WHERE NOT EXISTS "        \
                     "(SELECT 1 FROM sqlite_sequence WHERE name = 'runs')")                               \
    X(RUN_DIGEST, "SELECT digest FROM runs WHERE id = ?")                                                 \
    X(RUN_FORGIVE, "UPDATE runs SET max_attempts = max_attempts + 1 WHERE id = ?")                        \
    /* attempts */                                                                                        \
    X(ATTEMPT_ADD,                                                                                        \
      "INSERT INTO attempts (run, attempt, token, started_at, kind) VALUES (?, ?, '', ?, ?)")             \
    X(ATTEMPT_END,                                                                                        \
      "UPDATE attempts SET ended_at = ?3, outcome = ?4, token = '' WHERE run = ?1 AND "                   \
      "attempt = ?2 "                                                                                     \
      "AND ended_at IS NULL")                                                                             \
    X(ATTEMPT_GET, "SELECT run, attempt, kind, token, pid, acked_seq, started_at, ended_at, "             \
                   "outcome, environment, compared, difference, steal_share, other_cores "                \
                   "FROM attempts WHERE run = ? AND attempt = ?")                                         \
    X(ATTEMPT_LIST, "SELECT run, attempt, kind, token, pid, acked_seq, started_at, ended_at, "            \
                    "outcome, environment, compared, difference, steal_share, other_cores "               \
                    "FROM attempts WHERE run = ? ORDER BY attempt")                                       \
    X(ATTEMPT_INTERFERENCE,                                                                               \
      "UPDATE attempts SET steal_share = ?3, other_cores = ?4 WHERE run = ?1 AND attempt = ?2")           \
    X(TIMING_BOUNDS, "SELECT min(started_at), max(coalesce(ended_at, ?2)) FROM attempts "                 \
                     "WHERE run IN (SELECT id FROM runs WHERE experiment = ?1)")                          \
    X(TIMING_SPANS, "SELECT started_at, coalesce(ended_at, ?3) FROM attempts "                            \
                    "WHERE started_at < ?2 AND (ended_at IS NULL OR ended_at > ?1)")                      \
    X(TIMING_LIST,                                                                                        \
      "SELECT a.run, a.started_at, coalesce(a.ended_at, ?2), a.steal_share, a.other_cores, "              \
      "json_extract(a.environment, '$.digest', '$.cpu', '$.host') "                                       \
      "FROM runs r JOIN attempts a ON a.run = r.id WHERE r.experiment = ?1 AND a.stored "                 \
      "AND a.kind = 'train' ORDER BY a.run, a.attempt")                                                   \
    X(ATTEMPT_PID, "UPDATE attempts SET pid = ?3 WHERE run = ?1 AND attempt = ?2")                        \
    X(ATTEMPT_TOKEN, "UPDATE attempts SET token = ?3 WHERE run = ?1 AND attempt = ?2 AND "                \
                     "token <> ?3")                                                                       \
    X(ATTEMPT_ACKED, "SELECT a.acked_seq, r.experiment, a.ended_at, a.kind, a.stored FROM "               \
                     "attempts a JOIN runs r ON r.id = a.run "                                            \
                     "WHERE a.run = ? AND a.attempt = ?")                                                 \
    X(ATTEMPT_ACK, "UPDATE attempts SET acked_seq = ?3 WHERE run = ?1 AND attempt = ?2")                  \
    X(ATTEMPT_ENVIRONMENT, "UPDATE attempts SET environment = ?3 WHERE run = ?1 AND attempt = ?2")        \
    /* Those that a value computed by ?2 may have come from, and ?2 itself. */                            \
    X(ATTEMPT_SOURCES, "SELECT attempt, environment FROM attempts WHERE run = ?1 AND attempt <= "         \
                       "?2 AND (stored OR attempt = ?2) ORDER BY attempt")                                \
    X(ATTEMPT_DIFFERS,                                                                                    \
      "SELECT difference IS NOT NULL FROM attempts WHERE run = ? AND attempt = ?")                        \
    X(ATTEMPT_REPLAY,                                                                                     \
      "UPDATE attempts SET stored = max(stored, ?3), compared = compared + ?4, difference = "             \
      "CASE WHEN ?5 IS NULL OR json_extract(difference, '$.step') <= ?6 THEN difference ELSE ?5 "         \
      "END WHERE run = ?1 AND attempt = ?2")                                                              \
    X(RUN_STATES, "SELECT state, count(*) FROM runs GROUP BY state")                                      \
    X(QUEUE_COUNTS, "SELECT (SELECT count(*) FROM runs WHERE state = 'queued'), "                         \
                    "(SELECT count(*) FROM runs WHERE state = 'running'), "                               \
                    "(SELECT count(*) FROM runs WHERE verify = 'queued') + "                              \
                    "(SELECT count(*) FROM runs WHERE verify = 'running')")

#endif
