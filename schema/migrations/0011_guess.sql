-- Version 11: what is scored without a model, so that the audit `learned` can say whether arms have learnt (schema/numerics.md §7).

-- Nats a validation target; NULL = not told, or there is nothing to learn. Told by runs that make audits.
ALTER TABLE facts ADD COLUMN unigram REAL;
ALTER TABLE facts ADD COLUMN bigram REAL;

-- What has ended before stays as it is, and says why the audit isn't there.
INSERT INTO audits (experiment, name, status, detail, created_at)
SELECT e.id, 'learned', 'skipped', 'the experiment ended before there was this audit', coalesce(max(r.ended_at), e.created_at)
FROM experiments e JOIN runs r ON r.experiment = e.id
GROUP BY e.id HAVING sum(r.state IN ('queued', 'running')) = 0;
