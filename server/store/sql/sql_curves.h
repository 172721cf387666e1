/* What runs measured: metrics, rollups, curves of arms, exports. */
#ifndef ABLATE_SERVER_SQL_CURVES_H
#define ABLATE_SERVER_SQL_CURVES_H

#define SQL_CURVES(X)                                                                                 \
    /* metrics */                                                                                     \
    X(NAME_GET, "SELECT id FROM metric_names WHERE name = ?")                                         \
    X(NAME_TEXT, "SELECT name FROM metric_names WHERE id = ?")                                        \
    X(NAME_LIST, "SELECT name FROM metric_names")                                                     \
    X(NAME_ADD, "INSERT INTO metric_names (name) VALUES (?)")                                         \
    X(METRIC_ADD, "INSERT INTO metrics (run, name, step, value, kind) VALUES (?, ?, ?, ?, ?) ON "     \
                  "CONFLICT DO NOTHING")                                                              \
    X(METRIC_GET, "SELECT value, kind FROM metrics WHERE run = ? AND name = ? AND step = ?")          \
    X(METRIC_RANGE,                                                                                   \
      "SELECT step, value, kind FROM metrics WHERE run = ? AND name = ? AND step BETWEEN ? AND ? "    \
      "ORDER BY step")                                                                                \
    X(METRIC_EACH,                                                                                    \
      "SELECT n.name, m.step, m.value, m.kind FROM metric_names n CROSS JOIN metrics m "              \
      "ON m.run = ?1 AND m.name = n.id ORDER BY n.name, m.step")                                      \
    X(METRIC_COUNT, "SELECT count(*) FROM (SELECT 1 FROM metrics WHERE run = ? AND name = ? AND "     \
                    "step BETWEEN ? AND ? LIMIT ?)")                                                  \
    X(SERIES_LIST, "SELECT n.id, n.name, s.count + s.nonfinite, s.last_step FROM series s JOIN "      \
                   "metric_names n ON "                                                               \
                   "n.id = s.name WHERE s.run = ? ORDER BY n.name")                                   \
    X(SERIES_UPSERT,                                                                                  \
      "INSERT INTO series VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "                \
      "ON CONFLICT (run, name) DO UPDATE SET count = count + excluded.count, "                        \
      "nonfinite = nonfinite + excluded.nonfinite, "                                                  \
      "last = iif(excluded.last_step >= last_step, excluded.last, last), "                            \
      "last_kind = iif(excluded.last_step >= last_step, excluded.last_kind, last_kind), "             \
      "last_step = max(last_step, excluded.last_step), "                                              \
      "min_step = iif(min IS NULL OR excluded.min < min, excluded.min_step, min_step), "              \
      "min = iif(min IS NULL OR excluded.min < min, excluded.min, min), "                             \
      "max_step = iif(max IS NULL OR excluded.max > max, excluded.max_step, max_step), "              \
      "max = iif(max IS NULL OR excluded.max > max, excluded.max, max), sum = sum + excluded.sum")    \
    X(ROLLUP_UPSERT,                                                                                  \
      "INSERT INTO rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) "          \
      "ON CONFLICT (run, name, level, bucket) DO UPDATE SET count = count + excluded.count, "         \
      "nonfinite = nonfinite + excluded.nonfinite, sum = sum + excluded.sum, "                        \
      "min = iif(min IS NULL OR excluded.min < min, excluded.min, min), "                             \
      "max = iif(max IS NULL OR excluded.max > max, excluded.max, max), "                             \
      "first = iif(first IS NULL OR (excluded.first IS NOT NULL AND excluded.first_step < "           \
      "first_step), "                                                                                 \
      "excluded.first, first), "                                                                      \
      "last = iif(last IS NULL OR (excluded.last IS NOT NULL AND excluded.last_step > "               \
      "last_step), "                                                                                  \
      "excluded.last, last), first_step = min(first_step, excluded.first_step), "                     \
      "last_step = max(last_step, excluded.last_step)")                                               \
    X(ROLLUP_RANGE,                                                                                   \
      "SELECT first_step, last_step, count, nonfinite, min, max, sum FROM rollups "                   \
      "WHERE run = ? AND name = ? AND level = ? AND bucket BETWEEN ? AND ? ORDER BY bucket")          \
    X(CHECKPOINT_GET, "SELECT sha256 FROM checkpoints WHERE run = ? AND step = ?")                    \
    X(CHECKPOINT_LIST, "SELECT step, bytes, sha256 FROM checkpoints WHERE run = ? ORDER BY step")     \
    X(CHECKPOINT_PUT, "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, "       \
                      "step) DO UPDATE SET "                                                          \
                      "attempt = excluded.attempt, file = excluded.file, bytes = excluded.bytes, "    \
                      "sha256 = excluded.sha256, created_at = excluded.created_at")                   \
    /* report: curves of one metric over an experiment */                                             \
    X(CURVES,                                                                                         \
      "SELECT r.id, s.name, s.count + s.nonfinite, s.last_step, (SELECT min(m.step) FROM metrics "    \
      "m WHERE m.run = s.run AND m.name = s.name AND m.step > 0) FROM runs r JOIN series s ON "       \
      "s.run = r.id AND "                                                                             \
      "s.name = (SELECT id FROM metric_names WHERE name = ?2) WHERE r.experiment = ?1 ORDER BY "      \
      "r.id")                                                                                         \
    X(CURVE_STEPS,                                                                                    \
      "WITH RECURSIVE at (step) AS (VALUES (min(?3, ?4)) UNION ALL SELECT min(step + ?3, ?4) "        \
      "FROM at WHERE step < ?4) SELECT m.step, m.value, m.kind FROM at CROSS JOIN metrics m ON "      \
      "m.run = ?1 AND m.name = ?2 AND m.step = at.step") /* the steps come out in order */            \
    /* store_arm_curves.c */                                                                          \
    X(ARM_CURVES_RUNS,                                                                                \
      "SELECT r.id, r.arm, r.grid, r.state, coalesce(s.count + s.nonfinite, 0), "                     \
      "coalesce(s.last_step, -1) FROM runs r LEFT JOIN series s ON s.run = r.id AND s.name = ?2 "     \
      "WHERE r.experiment = ?1 ORDER BY r.arm, r.grid, r.id")                                         \
    X(ARM_CURVES_NEWS,                                                                                \
      "SELECT e.run, coalesce(j.value->>0, 0) AS name, min(j.value->>1) FROM events e "               \
      "LEFT JOIN json_each(iif(e.kind = 'metrics', e.data, '[]')) j WHERE e.seq > ?1 AND "            \
      "e.experiment = ?2 AND e.kind IN ('run', 'metrics') GROUP BY e.run, name ORDER BY e.run, name") \
    X(METRIC_BEFORE, "SELECT max(step) FROM metrics WHERE run = ? AND name = ? AND step < ?")         \
    /* exports: the runs and series of an experiment, or of one of its arms */                        \
    X(EXPORT_THERE, "SELECT 1 FROM experiments WHERE id = ? AND deleted_at IS NULL")                  \
    X(EXPORT_RUNS, "SELECT id FROM runs WHERE experiment = ?1 AND arm = coalesce(?2, arm) "           \
                   "ORDER BY id")                                                                     \
    X(EXPORT_NAMES,                                                                                   \
      "SELECT n.id, n.name FROM metric_names n WHERE n.id IN (SELECT s.name FROM runs r "             \
      "CROSS JOIN series s ON s.run = r.id WHERE r.experiment = ?1 AND r.arm = coalesce(?2, "         \
      "r.arm)) ORDER BY n.name")                                                                      \
    X(EXPORT_SERIES,                                                                                  \
      "SELECT r.id, s.name, s.last_step, s.count + s.nonfinite FROM runs r CROSS JOIN series s "      \
      "ON s.run = r.id CROSS JOIN metric_names n ON n.id = s.name WHERE r.experiment = ?1 AND "       \
      "r.arm = coalesce(?2, r.arm) ORDER BY r.id, n.name")                                            \
    X(EXPORT_RUN, "SELECT arm, grid, seed, state, started_at, ended_at FROM runs WHERE id = ?")       \
    X(EXPORT_SPECS,                                                                                   \
      "SELECT spec FROM runs WHERE id IN (SELECT min(id) FROM runs WHERE experiment = ?1 AND "        \
      "arm = coalesce(?2, arm) GROUP BY arm, grid) ORDER BY id")

#endif
