/* Experiments, and what stays of them: counts, cells, purges.
 * EXPERIMENT_COLUMNS are read by experiment_from() in the same order. */
#ifndef ABLATE_SERVER_SQL_EXPERIMENTS_H
#define ABLATE_SERVER_SQL_EXPERIMENTS_H

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

#define SQL_EXPERIMENTS(X)                                                                                        \
    /* experiments */                                                                                             \
    X(EXPERIMENT_BY_KEY,                                                                                          \
      "SELECT id, body_digest, deleted_at FROM experiments WHERE idempotency_key = ?")                            \
    X(EXPERIMENT_ADD,                                                                                             \
      "INSERT INTO experiments (name, notes, hypothesis, tags, spec, metric, goal, runs_n, "                      \
      "created_at, idempotency_key, body_digest, parent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))") \
    X(EXPERIMENT_KNOWN, "SELECT count(*) FROM experiments WHERE id = ?")                                          \
    X(EXPERIMENT_CELLS,                                                                                           \
      "SELECT r.arm, r.grid, r.spec, r.dataset_digest, r.priority, r.max_attempts, "                              \
      "r.exclusive, r.cell, r.windows FROM runs r WHERE r.id IN (SELECT min(id) FROM runs WHERE experiment = ? "  \
      "GROUP BY arm, grid) ORDER BY r.id")                                                                        \
    X(EXPERIMENT_GROW,                                                                                            \
      "UPDATE experiments SET runs_n = runs_n + ?2 WHERE id = ?1 AND deleted_at IS NULL")                         \
    X(EXPERIMENT_SEED, "SELECT 1 FROM runs WHERE experiment = ? AND seed = ? LIMIT 1")                            \
    X(EXPERIMENT_SIZE, "SELECT runs_n FROM experiments WHERE id = ? AND deleted_at IS NULL")                      \
    X(EXPERIMENT_DATASET_GONE,                                                                                    \
      "SELECT 1 FROM runs r WHERE r.experiment = ? AND r.dataset_digest IS NOT "                                  \
      "NULL AND NOT EXISTS (SELECT 1 FROM datasets d WHERE d.digest = r.dataset_digest) LIMIT 1")                 \
    X(EXPERIMENT_GET,                                                                                             \
      "SELECT " EXPERIMENT_COLUMNS " FROM experiments e LEFT JOIN " EXPERIMENT_COUNTS                             \
      "r.experiment = ?1) c WHERE e.id = ?1 AND e.deleted_at IS NULL")                                            \
    X(EXPERIMENT_LISTED,                                                                                          \
      "SELECT " EXPERIMENT_COLUMNS " FROM experiments e LEFT JOIN " EXPERIMENT_COUNTS                             \
      "r.experiment = ?1) c WHERE e.id = ?1")                                                                     \
    X(TAGS_CLEAR, "DELETE FROM tags WHERE experiment = ?")                                                        \
    X(TAGS_PUT,                                                                                                   \
      "INSERT INTO tags SELECT e.id, t.key, CAST(t.value AS TEXT), CASE WHEN json_valid(t.value) "                \
      "AND json_type(t.value) IN ('integer', 'real') THEN CAST(t.value AS REAL) END "                             \
      "FROM experiments e JOIN json_each(e.tags) t WHERE e.id = ?")                                               \
    X(EXPERIMENT_PATCH,                                                                                           \
      "UPDATE experiments SET name = coalesce(?2, name), notes = coalesce(?3, notes), "                           \
      "tags = coalesce(?4, tags) WHERE id = ?1 AND deleted_at IS NULL")                                           \
    X(EXPERIMENT_DELETE,                                                                                          \
      "UPDATE experiments SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL")                              \
    X(EXPERIMENT_RUNNING, "SELECT count(*) FROM runs WHERE experiment = ? AND state = 'running'")                 \
    X(EXPERIMENT_VERIFYING,                                                                                       \
      "SELECT count(*) FROM runs WHERE experiment = ? AND verify = 'running'")                                    \
    X(EXPERIMENT_ACTIVE,                                                                                          \
      "SELECT state, experiment, verify, step, id FROM runs WHERE experiment = ?1 AND id > ?2 "                   \
      "AND (state IN ('queued', 'running') OR verify IN ('queued', 'running')) ORDER BY id "                      \
      "LIMIT ?3")                                                                                                 \
    X(DELETED_ACTIVE,                                                                                             \
      "SELECT e.id FROM experiments e WHERE e.deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM "                  \
      "runs WHERE experiment = e.id AND (state IN ('queued', 'running') OR verify IN ('queued', "                 \
      "'running'))) LIMIT 1")                                                                                     \
    /* store_purge.c */                                                                                           \
    X(EXPERIMENT_STANDING, "SELECT deleted_at, purge_at FROM experiments WHERE id = ?")                           \
    X(EXPERIMENT_RESTORE, "UPDATE experiments SET deleted_at = NULL WHERE id = ?")                                \
    X(EXPERIMENT_PURGE, "UPDATE experiments SET purge_at = ?2 WHERE id = ?1")                                     \
    X(PURGE_EXPIRED, "UPDATE experiments SET purge_at = ?2 WHERE deleted_at < ?1 AND purge_at IS "                \
                     "NULL")                                                                                      \
    X(PURGE_NEXT, "SELECT id FROM experiments WHERE deleted_at IS NOT NULL AND purge_at IS NOT "                  \
                  "NULL ORDER BY id LIMIT 1")                                                                     \
    X(PURGE_NEXT_RUNS, "SELECT id FROM runs WHERE experiment = ? ORDER BY id LIMIT ?")                            \
    X(PURGE_COUNT,                                                                                                \
      "SELECT count(*) FROM experiments WHERE deleted_at IS NOT NULL AND purge_at IS "                            \
      "NOT NULL")                                                                                                 \
    X(PURGE_METRICS,                                                                                              \
      "DELETE FROM metrics WHERE (run, name, step) IN (SELECT run, name, step FROM "                              \
      "metrics WHERE run = ?1 LIMIT ?2)")                                                                         \
    X(PURGE_ROLLUPS, "DELETE FROM rollups WHERE (run, name, level, bucket) IN (SELECT run, name, "                \
                     "level, bucket FROM rollups WHERE run = ?1 LIMIT ?2)")                                       \
    X(PURGE_SERIES, "DELETE FROM series WHERE run = ?")                                                           \
    X(PURGE_RUN_AUDITS, "DELETE FROM audits WHERE run = ?1 AND experiment = (SELECT experiment "                  \
                        "FROM runs WHERE id = ?1)")                                                               \
    X(PURGE_CHECKPOINTS, "DELETE FROM checkpoints WHERE run = ?")                                                 \
    X(PURGE_ARTIFACTS, "DELETE FROM artifacts WHERE run = ?")                                                     \
    X(PURGE_FACTS, "DELETE FROM facts WHERE run = ?")                                                             \
    X(PURGE_ATTEMPTS, "DELETE FROM attempts WHERE run = ?")                                                       \
    X(PURGE_RUN, "DELETE FROM runs WHERE id = ?")                                                                 \
    X(PURGE_AUDITS, "DELETE FROM audits WHERE experiment = ?")                                                    \
    X(PURGE_NOTICES, "DELETE FROM notices WHERE experiment = ?")                                                  \
    X(PURGE_EXPERIMENT, "DELETE FROM experiments WHERE id = ?")                                                   \
    /* store_cells.c */                                                                                           \
    X(CELLS_ELSEWHERE,                                                                                            \
      "SELECT o.experiment, e.deleted_at IS NOT NULL, 0, o.n, 0, NULL FROM (SELECT experiment, "                  \
      "count(*) AS n FROM runs INDEXED BY runs_by_cell WHERE cell = ?1 AND experiment <> ?2 AND "                 \
      "started_at IS NOT NULL GROUP BY "                                                                          \
      "experiment) o JOIN experiments e ON e.id = o.experiment AND e.purge_at IS NULL UNION ALL "                 \
      "SELECT experiment, 1, 1, runs, iif(metric = ?3, measured, 0), iif(metric = ?3, mean, "                     \
      "NULL) FROM cells_gone WHERE cell = ?1 AND experiment <> ?2 ORDER BY 1 DESC LIMIT ?4")                      \
    X(CELLS_MEAN,                                                                                                 \
      "SELECT count(*), avg(s.last) FROM runs r INDEXED BY runs_by_cell JOIN series s ON s.run = "                \
      "r.id AND s.name = (SELECT id FROM metric_names WHERE name = ?3) AND s.last_kind = 0 "                      \
      "WHERE r.cell = ?1 AND r.experiment = ?2 AND r.state IN ('succeeded', 'failed', "                           \
      "'cancelled') AND r.started_at IS NOT NULL")                                                                \
    X(CELLS_KEEP,                                                                                                 \
      "INSERT INTO cells_gone SELECT r.cell, r.experiment, min(r.arm), count(*), "                                \
      "count(iif(s.last_kind = 0, 1, NULL)), e.metric, avg(iif(s.last_kind = 0, s.last, NULL)) "                  \
      "FROM experiments e JOIN runs r ON r.experiment = e.id LEFT JOIN series s ON s.run = r.id "                 \
      "AND s.name = (SELECT id FROM metric_names WHERE name = e.metric) WHERE e.purge_at IS NOT "                 \
      "NULL AND r.started_at IS NOT NULL AND r.cell IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "                   \
      "cells_gone g WHERE g.experiment = e.id) GROUP BY r.cell, r.experiment")                                    \
    X(DATASET_HELD, "SELECT EXISTS (SELECT 1 FROM datasets WHERE digest = ?1) + EXISTS (SELECT 1 "                \
                    "FROM runs WHERE dataset_digest = ?1)")                                                       \
    X(EVENTS_FILES, "SELECT run, attempt, acked_seq FROM attempts WHERE events_file = 1 AND "                     \
                    "ended_at < ? ORDER BY ended_at LIMIT ?")                                                     \
    X(EVENTS_FILE_PUT, "UPDATE attempts SET events_file = ?3 WHERE run = ?1 AND attempt = ?2")                    \
    /* ended_at is there as long as a run has ended, and no longer. */                                            \
    X(CHECKPOINTS_DUE,                                                                                            \
      "SELECT ended_at, id FROM runs WHERE checkpoints = 1 AND ended_at < ?1 AND "                                \
      "(ended_at, id) > (?2, ?3) ORDER BY ended_at, id LIMIT ?4")                                                 \
    X(CHECKPOINTS_GONE, "UPDATE runs SET checkpoints = 0 WHERE id = ?")

#endif
