/* Every statement of the store, by name. RUN_COLUMNS and EXPERIMENT_COLUMNS are read by run_from()
 * and experiment_from() in the same order. */
#ifndef ABLATE_SERVER_STORE_SQL_H
#define ABLATE_SERVER_STORE_SQL_H

#define RUN_COLUMNS                                                                                \
    "r.id, r.experiment, r.arm, r.grid, r.seed, r.state, r.reason, r.cancel, r.priority, "         \
    "r.exclusive, r.attempt, "                                                                     \
    "r.max_attempts, r.step, r.steps, r.digest, r.dataset_digest, r.parameters, r.memory_bytes, "  \
    "r.flops_per_step, "                                                                           \
    "r.created_at, r.started_at, r.ended_at"
#define EXPERIMENT_COLUMNS                                                                         \
    "e.id, e.name, e.notes, e.hypothesis, e.tags, e.spec, e.runs_n, e.created_at, e.deleted_at, "  \
    "c.queued, c.running, c.succeeded, c.failed, c.cancelled, c.done, c.total, c.started, c.ended"
/* The runs of one experiment, counted: one row, also when there are none. */
#define EXPERIMENT_COUNTS                                                                          \
    "(SELECT r.experiment AS id, sum(r.state = 'queued') AS queued, sum(r.state = 'running') AS "  \
    "running, "                                                                                    \
    "sum(r.state = 'succeeded') AS succeeded, sum(r.state = 'failed') AS failed, sum(r.state = "   \
    "'cancelled') AS "                                                                             \
    "cancelled, sum(CASE WHEN r.state IN ('queued', 'running') THEN r.step ELSE r.steps END) AS "  \
    "done, sum(r.steps) AS "                                                                       \
    "total, min(r.started_at) AS started, max(r.ended_at) AS ended FROM runs r WHERE "

#define SQL_TABLE(X)                                                                               \
    X(BEGIN, "BEGIN")                                                                              \
    X(BEGIN_IMMEDIATE, "BEGIN IMMEDIATE")                                                          \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(SAVEPOINT, "SAVEPOINT job")                                                                  \
    X(ROLLBACK_TO, "ROLLBACK TO job")                                                              \
    X(RELEASE, "RELEASE job")                                                                      \
    X(AS_OF, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")                              \
    X(SETTING_GET, "SELECT value FROM settings WHERE key = ?")                                     \
    X(SETTING_PUT,                                                                                 \
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value") \
    /* datasets */                                                                                 \
    X(DATASET_PUT,                                                                                 \
      "INSERT INTO datasets (name, digest, documents, bytes, duplicates, format, created_at) "     \
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, "   \
      "documents = excluded.documents, bytes = excluded.bytes, duplicates = excluded.duplicates, " \
      "format = excluded.format, created_at = excluded.created_at")                                \
    X(DATASET_GET,                                                                                 \
      "SELECT id, name, digest, documents, bytes, duplicates, format, created_at FROM datasets "   \
      "WHERE name = ?1 OR 'sha256:' || digest = ?1 ORDER BY name = ?1 DESC, id LIMIT 1")           \
    X(DATASET_LIST,                                                                                \
      "SELECT id, name, digest, documents, bytes, duplicates, format, created_at FROM datasets "   \
      "ORDER BY name")                                                                             \
    X(DATASET_USERS, "SELECT count(*) FROM runs WHERE dataset_digest = (SELECT digest FROM "       \
                     "datasets WHERE name = ?1) "                                                  \
                     "AND state IN ('queued', 'running') AND NOT EXISTS (SELECT 1 FROM datasets "  \
                     "o WHERE o.name != ?1 "                                                       \
                     "AND o.digest = (SELECT digest FROM datasets WHERE name = ?1))")              \
    X(DATASET_DELETE, "DELETE FROM datasets WHERE name = ?")                                       \
    /* experiments */                                                                              \
    X(EXPERIMENT_BY_KEY,                                                                           \
      "SELECT id, body_digest, deleted_at FROM experiments WHERE idempotency_key = ?")             \
    X(EXPERIMENT_ADD,                                                                              \
      "INSERT INTO experiments (name, notes, hypothesis, tags, spec, metric, goal, runs_n, "       \
      "created_at, idempotency_key, body_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")        \
    X(EXPERIMENT_GET,                                                                              \
      "SELECT " EXPERIMENT_COLUMNS " FROM experiments e LEFT JOIN " EXPERIMENT_COUNTS              \
      "r.experiment = ?1) c WHERE e.id = ?1 AND e.deleted_at IS NULL")                             \
    X(EXPERIMENT_LIST,                                                                             \
      "SELECT " EXPERIMENT_COLUMNS                                                                 \
      " FROM (SELECT * FROM experiments WHERE deleted_at IS NULL AND "                             \
      "(?1 = 0 OR id < ?1) ORDER BY id DESC LIMIT ?2) e LEFT JOIN " EXPERIMENT_COUNTS              \
      "r.experiment IN (SELECT id FROM experiments WHERE deleted_at IS NULL AND (?1 = 0 OR id < "  \
      "?1) "                                                                                       \
      "ORDER BY id DESC LIMIT ?2) GROUP BY r.experiment) c ON c.id = e.id ORDER BY e.id DESC")     \
    X(EXPERIMENT_PATCH,                                                                            \
      "UPDATE experiments SET name = coalesce(?2, name), notes = coalesce(?3, notes), "            \
      "tags = coalesce(?4, tags) WHERE id = ?1 AND deleted_at IS NULL")                            \
    X(EXPERIMENT_DELETE,                                                                           \
      "UPDATE experiments SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL")               \
    X(EXPERIMENT_RUNNING, "SELECT count(*) FROM runs WHERE experiment = ? AND state = 'running'")  \
    X(EXPERIMENT_ACTIVE,                                                                           \
      "SELECT id, state FROM runs WHERE experiment = ? AND state IN ('queued', 'running')")        \
    /* runs */                                                                                     \
    X(RUN_ADD, "INSERT INTO runs (experiment, arm, grid, seed, priority, exclusive, "              \
               "max_attempts, steps, spec, "                                                       \
               "digest, dataset_digest, parameters, memory_bytes, flops_per_step, created_at) "    \
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                             \
    X(RUN_GET,                                                                                     \
      "SELECT " RUN_COLUMNS ", r.spec FROM runs r JOIN experiments e ON e.id = r.experiment "      \
      "WHERE r.id = ? AND e.deleted_at IS NULL")                                                   \
    X(RUN_FINALS,                                                                                  \
      "SELECT n.name, s.last, s.last_kind, s.min, s.max, s.sum, s.last_step, s.count, "            \
      "s.nonfinite "                                                                               \
      "FROM series s JOIN metric_names n ON n.id = s.name WHERE s.run = ? ORDER BY n.name")        \
    X(RUN_CANCEL_QUEUED, "UPDATE runs SET state = 'cancelled', reason = 'cancelled', cancel = 1, " \
                         "ended_at = ?2 WHERE id = ?1 AND state = 'queued'")                       \
    X(RUN_CANCEL_RUNNING, "UPDATE runs SET cancel = 1 WHERE id = ? AND state = 'running'")         \
    X(RUN_RETRY, "UPDATE runs SET state = 'queued', reason = '', cancel = 0, ended_at = NULL, "    \
                 "max_attempts = max(max_attempts, attempt + 1) WHERE id = ? AND state IN "        \
                 "('failed', 'cancelled')")                                                        \
    X(RUN_DATASET_GONE,                                                                            \
      "SELECT 1 FROM runs r WHERE r.id = ? AND r.dataset_digest IS NOT NULL "                      \
      "AND NOT EXISTS (SELECT 1 FROM datasets d WHERE d.digest = r.dataset_digest)")               \
    X(RUN_PRIORITY, "UPDATE runs SET priority = ?2 WHERE id = ?1 AND state = 'queued'")            \
    X(RUN_STATE,                                                                                   \
      "SELECT r.state, r.experiment FROM runs r JOIN experiments e ON e.id = r.experiment "        \
      "WHERE r.id = ? AND e.deleted_at IS NULL")                                                   \
    X(QUEUE_HEAD,                                                                                  \
      "SELECT r.id, r.memory_bytes, r.priority, r.exclusive FROM runs r WHERE r.state = 'queued' " \
      "ORDER BY r.priority DESC, r.id LIMIT ?")                                                    \
    X(RUN_CLAIM, "UPDATE runs SET state = 'running', reason = '', attempt = attempt + 1, "         \
                 "started_at = coalesce(started_at, ?2) WHERE id = ?1 AND state = 'queued' "       \
                 "RETURNING attempt, "                                                             \
                 "experiment, memory_bytes, steps, digest, dataset_digest, spec, max_attempts")    \
    X(RUN_SETTLE, "UPDATE runs SET state = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1 AND "      \
                  "state = 'running' AND attempt = ?5")                                            \
    X(RUN_STEP, "UPDATE runs SET step = max(step, ?2) WHERE id = ?1")                              \
    X(RUNS_RUNNING, "SELECT r.id, r.attempt, r.memory_bytes, r.exclusive, r.cancel, a.pid, "       \
                    "r.experiment FROM runs r JOIN attempts a ON a.run = r.id AND a.attempt = "    \
                    "r.attempt WHERE r.state = 'running' ORDER BY r.id")                           \
    X(RUN_FORGIVE, "UPDATE runs SET max_attempts = max_attempts + 1 WHERE id = ?")                 \
    /* attempts */                                                                                 \
    X(ATTEMPT_ADD, "INSERT INTO attempts (run, attempt, token, started_at) VALUES (?, ?, ?, ?)")   \
    X(ATTEMPT_END,                                                                                 \
      "UPDATE attempts SET ended_at = ?3, outcome = ?4 WHERE run = ?1 AND attempt = ?2 "           \
      "AND ended_at IS NULL")                                                                      \
    X(ATTEMPT_GET, "SELECT run, attempt, kind, token, pid, acked_seq, started_at, ended_at, "      \
                   "outcome, environment "                                                         \
                   "FROM attempts WHERE run = ? AND attempt = ?")                                  \
    X(ATTEMPT_LIST, "SELECT run, attempt, kind, token, pid, acked_seq, started_at, ended_at, "     \
                    "outcome, environment "                                                        \
                    "FROM attempts WHERE run = ? ORDER BY attempt")                                \
    X(ATTEMPT_PID, "UPDATE attempts SET pid = ?3 WHERE run = ?1 AND attempt = ?2")                 \
    X(ATTEMPT_ACKED,                                                                               \
      "SELECT a.acked_seq, r.experiment, a.ended_at FROM attempts a JOIN runs r ON r.id = a.run "  \
      "WHERE a.run = ? AND a.attempt = ?")                                                         \
    X(ATTEMPT_ACK, "UPDATE attempts SET acked_seq = ?3 WHERE run = ?1 AND attempt = ?2")           \
    X(ATTEMPT_ENVIRONMENT, "UPDATE attempts SET environment = ?3 WHERE run = ?1 AND attempt = ?2") \
    X(RUN_STATES, "SELECT state, count(*) FROM runs GROUP BY state")                               \
    X(QUEUE_COUNTS, "SELECT (SELECT count(*) FROM runs WHERE state = 'queued'), "                  \
                    "(SELECT count(*) FROM runs WHERE state = 'running')")                         \
    /* metrics */                                                                                  \
    X(NAME_GET, "SELECT id FROM metric_names WHERE name = ?")                                      \
    X(NAME_TEXT, "SELECT name FROM metric_names WHERE id = ?")                                     \
    X(NAME_ADD, "INSERT INTO metric_names (name) VALUES (?)")                                      \
    X(METRIC_ADD, "INSERT INTO metrics (run, name, step, value, kind) VALUES (?, ?, ?, ?, ?) ON "  \
                  "CONFLICT DO NOTHING")                                                           \
    X(METRIC_RANGE,                                                                                \
      "SELECT step, value, kind FROM metrics WHERE run = ? AND name = ? AND step BETWEEN ? AND ? " \
      "ORDER BY step")                                                                             \
    X(METRIC_COUNT,                                                                                \
      "SELECT count(*) FROM metrics WHERE run = ? AND name = ? AND step BETWEEN ? AND ?")          \
    X(SERIES_LIST, "SELECT n.id, n.name, s.count + s.nonfinite, s.last_step FROM series s JOIN "   \
                   "metric_names n ON "                                                            \
                   "n.id = s.name WHERE s.run = ? ORDER BY n.name")                                \
    X(SERIES_UPSERT,                                                                               \
      "INSERT INTO series VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "             \
      "ON CONFLICT (run, name) DO UPDATE SET count = count + excluded.count, "                     \
      "nonfinite = nonfinite + excluded.nonfinite, "                                               \
      "last = iif(excluded.last_step >= last_step, excluded.last, last), "                         \
      "last_kind = iif(excluded.last_step >= last_step, excluded.last_kind, last_kind), "          \
      "last_step = max(last_step, excluded.last_step), "                                           \
      "min_step = iif(min IS NULL OR excluded.min < min, excluded.min_step, min_step), "           \
      "min = iif(min IS NULL OR excluded.min < min, excluded.min, min), "                          \
      "max_step = iif(max IS NULL OR excluded.max > max, excluded.max_step, max_step), "           \
      "max = iif(max IS NULL OR excluded.max > max, excluded.max, max), sum = sum + excluded.sum") \
    X(ROLLUP_UPSERT,                                                                               \
      "INSERT INTO rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "       \
      "ON CONFLICT (run, name, level, bucket) DO UPDATE SET count = count + excluded.count, "      \
      "nonfinite = nonfinite + excluded.nonfinite, sum = sum + excluded.sum, "                     \
      "min = iif(min IS NULL OR excluded.min < min, excluded.min, min), "                          \
      "max = iif(max IS NULL OR excluded.max > max, excluded.max, max), "                          \
      "first = iif(first IS NULL OR (excluded.first IS NOT NULL AND excluded.first_step < "        \
      "first_step), "                                                                              \
      "excluded.first, first), "                                                                   \
      "last = iif(last IS NULL OR (excluded.last IS NOT NULL AND excluded.last_step > "            \
      "last_step), "                                                                               \
      "excluded.last, last), first_step = min(first_step, excluded.first_step), "                  \
      "last_step = max(last_step, excluded.last_step)")                                            \
    X(ROLLUP_RANGE,                                                                                \
      "SELECT first_step, last_step, count, nonfinite, min, max, sum FROM rollups "                \
      "WHERE run = ? AND name = ? AND level = ? AND bucket BETWEEN ? AND ? ORDER BY bucket")       \
    X(CHECKPOINT_PUT, "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, "    \
                      "step) DO UPDATE SET "                                                       \
                      "attempt = excluded.attempt, file = excluded.file, bytes = excluded.bytes, " \
                      "sha256 = excluded.sha256, created_at = excluded.created_at")                \
    /* report: curves of one metric over an experiment */                                          \
    X(CURVES,                                                                                      \
      "SELECT r.id, s.name, s.count + s.nonfinite, s.last_step, (SELECT min(m.step) FROM metrics " \
      "m WHERE m.run = s.run AND m.name = s.name AND m.step > 0) FROM runs r JOIN series s ON "    \
      "s.run = r.id AND "                                                                          \
      "s.name = (SELECT id FROM metric_names WHERE name = ?2) WHERE r.experiment = ?1 ORDER BY "   \
      "r.id")                                                                                      \
    X(CURVE_STEPS,                                                                                 \
      "WITH RECURSIVE at (step) AS (VALUES (min(?3, ?4)) UNION ALL SELECT min(step + ?3, ?4) "     \
      "FROM at WHERE step < ?4) SELECT m.step, m.value, m.kind FROM at CROSS JOIN metrics m ON "   \
      "m.run = ?1 AND m.name = ?2 AND m.step = at.step") /* the steps come out in order */         \
    /* audits, artifacts, events */                                                                \
    X(AUDIT_ADD, "INSERT INTO audits (experiment, run, arm, grid, name, status, detail, "          \
                 "evidence, created_at) "                                                          \
                 "VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?, ?)")                                  \
    X(AUDIT_GET, "SELECT id, experiment, run, arm, grid, name, status, detail, evidence, "         \
                 "created_at FROM audits "                                                         \
                 "WHERE id = ?")                                                                   \
    X(AUDIT_LIST, "SELECT id, experiment, run, arm, grid, name, status, detail, evidence, "        \
                  "created_at FROM audits "                                                        \
                  "WHERE experiment = ? ORDER BY id")                                              \
    X(RUN_PLACE, "SELECT experiment, arm, grid FROM runs WHERE id = ?")                            \
    X(ARTIFACT_PUT,                                                                                \
      "INSERT INTO artifacts VALUES (?, ?, ?, ?, ?) ON CONFLICT (run, name) DO UPDATE SET "        \
      "bytes = excluded.bytes, sha256 = excluded.sha256, created_at = excluded.created_at")        \
    X(ARTIFACT_LIST,                                                                               \
      "SELECT name, bytes, sha256, created_at FROM artifacts WHERE run = ? ORDER BY name")         \
    X(EVENT_ADD, "INSERT INTO events (at, kind, experiment, run, data) VALUES (?, ?, nullif(?, "   \
                 "0), nullif(?, 0), ?)")                                                           \
    X(EVENT_PRUNE, "DELETE FROM events WHERE seq <= ?")                                            \
    X(EVENT_FIRST, "SELECT min(seq) FROM events")                                                  \
    X(EVENT_LIST,                                                                                  \
      "SELECT seq, kind, experiment, run, data FROM events WHERE seq > ? ORDER BY seq LIMIT ?")

enum sql {
#define SQL_ENUM(id, text) SQL_##id,
    SQL_TABLE(SQL_ENUM)
#undef SQL_ENUM
        SQL_COUNT
};

#endif
