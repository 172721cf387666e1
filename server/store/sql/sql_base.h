/* Transactions, settings, copies, corpora. */
#ifndef ABLATE_SERVER_SQL_BASE_H
#define ABLATE_SERVER_SQL_BASE_H

#define SQL_BASE(X)                                                                                               \
    X(BEGIN, "BEGIN")                                                                                             \
    X(BEGIN_IMMEDIATE, "BEGIN IMMEDIATE")                                                                         \
    X(COMMIT, "COMMIT")                                                                                           \
    X(ROLLBACK, "ROLLBACK")                                                                                       \
    X(SAVEPOINT, "SAVEPOINT job")                                                                                 \
    X(ROLLBACK_TO, "ROLLBACK TO job")                                                                             \
    X(RELEASE, "RELEASE job")                                                                                     \
    X(IDENTITY, "SELECT id, made_at FROM identity")                                                               \
    X(AS_OF, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")                                             \
    X(SETTING_GET, "SELECT value FROM settings WHERE key = ?")                                                    \
    X(SETTING_PUT,                                                                                                \
      "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")                \
    /* store_copy.c: path, recorded digest, may miss, is a folder. A checkpoint may make room for  \
     * a newer one while the copy is made. Of a run that has not ended the folder holds artifacts  \
     * that the store doesn't know yet. */              \
    X(FILES,                                                                                                      \
      "SELECT 'datasets/' || digest, '', 0, 1 FROM (SELECT digest FROM datasets UNION "                           \
      "SELECT dataset_digest FROM runs WHERE dataset_digest IS NOT NULL) "                                        \
      "UNION ALL SELECT 'runs/' || id || '/spec.json', '', 1, 0 FROM runs "                                       \
      "UNION ALL SELECT 'runs/' || a.run || '/attempts/' || a.attempt || '/' || f.column1, '', "                  \
      "1, "                                                                                                       \
      "0 FROM attempts a CROSS JOIN (VALUES ('events.ndjson'), ('log.txt'), ('exit.json')) f "                    \
      "UNION ALL SELECT 'runs/' || run || '/artifacts/' || name, sha256, 0, 0 FROM artifacts "                    \
      "UNION ALL SELECT 'runs/' || id || '/artifacts', '', 1, 1 FROM runs WHERE state IN "                        \
      "('queued', 'running') "                                                                                    \
      "UNION ALL SELECT 'runs/' || run || '/' || file, '', 1, 0 FROM checkpoints")                                \
    /* datasets */                                                                                                \
    X(DATASET_PUT,                                                                                                \
      "INSERT INTO datasets (name, digest, documents, bytes, duplicates, format, created_at) "                    \
      "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, "                  \
      "documents = excluded.documents, bytes = excluded.bytes, duplicates = excluded.duplicates, "                \
      "format = excluded.format, created_at = excluded.created_at")                                               \
    X(DATASET_GET,                                                                                                \
      "SELECT id, name, digest, documents, bytes, duplicates, format, created_at FROM datasets "                  \
      "WHERE name = ?1 OR 'sha256:' || digest = ?1 ORDER BY name = ?1 DESC, id LIMIT 1")                          \
    X(DATASET_LIST,                                                                                               \
      "SELECT id, name, digest, documents, bytes, duplicates, format, created_at FROM datasets "                  \
      "ORDER BY name")                                                                                            \
    X(DATASET_USERS, "SELECT count(*) FROM runs WHERE dataset_digest = (SELECT digest FROM "                      \
                     "datasets WHERE name = ?1) "                                                                 \
                     "AND (state IN ('queued', 'running') OR verify IN ('queued', 'running')) "                   \
                     "AND NOT EXISTS (SELECT 1 FROM datasets "                                                    \
                     "o WHERE o.name != ?1 "                                                                      \
                     "AND o.digest = (SELECT digest FROM datasets WHERE name = ?1))")                             \
    X(DATASET_NEEDED_BY,                                                                                          \
      "SELECT DISTINCT experiment FROM runs WHERE dataset_digest = (SELECT digest FROM "                          \
      "datasets WHERE name = ?1) AND (state IN ('queued', 'running') OR verify IN ('queued', "                    \
      "'running')) ORDER BY experiment LIMIT ?2")                                                                 \
    /* From one experiment to the next by the index, however many runs each has. */                               \
    X(DATASET_USED_BY,                                                                                            \
      "WITH RECURSIVE used (id) AS (SELECT max(experiment) FROM runs WHERE dataset_digest = ?1 UNION ALL SELECT " \
      "(SELECT max(r.experiment) FROM runs r WHERE r.dataset_digest = ?1 AND r.experiment < used.id) FROM used "  \
      "WHERE used.id IS NOT NULL) SELECT e.id FROM used JOIN experiments e ON e.id = used.id WHERE e.deleted_at " \
      "IS NULL LIMIT ?2")                                                                                         \
    X(DATASET_RENAME, "UPDATE datasets SET name = ?2 WHERE name = ?1")                                            \
    X(DATASET_DELETE, "DELETE FROM datasets WHERE name = ?")

#endif
