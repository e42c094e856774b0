-- Q12 leaks: What was kept against a rule? (must be empty) Args: none.
-- Empty when no kept document was hit by a rule that was to remove it.
SELECT
    d.doc_id,
    d.source_id,
    x.rule_id,
    x.reason
FROM documents AS d JOIN decisions AS x USING (doc_id)
WHERE d.outcome = 'kept' AND x.mode = 'enforce' AND x.action IN ('remove', 'quarantine')
ORDER BY d.doc_id, x.rule_id
