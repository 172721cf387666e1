-- Version 10: what the views show as a number is one, or NULL, so that avg, max and a data frame don't take a word for a value.
-- Infinities are ±9e999. The word ("nan", "inf", "-inf") of a value that isn't finite stands in a column of its own, which is
-- NULL beside a finite value: count(final_word) counts the runs that diverged.

DROP VIEW v_curves;
CREATE VIEW v_curves AS
SELECT m.run, n.name AS metric, m.step,
       CAST(CASE m.kind WHEN 0 THEN m.value WHEN 2 THEN 9e999 WHEN 3 THEN -9e999 END AS REAL) AS value,
       CASE m.kind WHEN 1 THEN 'nan' WHEN 2 THEN 'inf' WHEN 3 THEN '-inf' END AS value_word
FROM metrics m JOIN metric_names n ON n.id = m.name;

DROP VIEW v_runs;
CREATE VIEW v_runs AS
SELECT r.id AS run, e.id AS experiment, e.name, r.arm, r.grid, r.seed, r.state,
       e.metric,
       CAST(CASE s.last_kind WHEN 0 THEN s.last WHEN 2 THEN 9e999 WHEN 3 THEN -9e999 END AS REAL) AS final,
       CASE s.last_kind WHEN 1 THEN 'nan' WHEN 2 THEN 'inf' WHEN 3 THEN '-inf' END AS final_word,
       CAST(CASE e.goal WHEN 'max' THEN s.max ELSE s.min END AS REAL) AS best,
       round((r.ended_at - r.started_at) / 1000.0, 3) AS seconds
FROM runs r
JOIN experiments e ON e.id = r.experiment
LEFT JOIN series s ON s.run = r.id
     AND s.name = (SELECT id FROM metric_names WHERE name = e.metric)
WHERE e.deleted_at IS NULL;
