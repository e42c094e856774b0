-- Q24 changes: What became of documents that fared otherwise before, and why? Args: $limit (most
-- rows to show).
-- A document is the same if source, own id or address, and text are. `deciding_rule` is the rule
-- that takes it out now; nothing where the input no longer has it, or it is kept now.
WITH changed AS (
    SELECT
        coalesce(a.doc_id, b.doc_id) AS doc_id,
        coalesce(b.source_id, a.source_id) AS source_id,
        a.outcome AS was,
        a.reason AS was_reason,
        b.outcome AS now,
        b.reason AS now_reason,
        a.tokens_out AS tokens_before,
        b.tokens_out AS tokens_now
    FROM before.documents AS a FULL JOIN documents AS b USING (doc_id)
    WHERE (a.outcome, a.reason) IS DISTINCT FROM (b.outcome, b.reason)
    ORDER BY doc_id
    LIMIT $limit
)
SELECT c.*, x.rule_id AS deciding_rule, x.list_id, x.score, x.threshold
FROM changed AS c LEFT JOIN decisions AS x ON x.doc_id = c.doc_id AND x.terminal
ORDER BY c.doc_id
