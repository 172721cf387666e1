/* What runs and the daemon tell: audits, artifacts, events, facts, notices, verdicts. */
#ifndef ABLATE_SERVER_SQL_TOLD_H
#define ABLATE_SERVER_SQL_TOLD_H

#define SQL_TOLD(X)                                                                                                \
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

#endif
