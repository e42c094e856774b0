-- Q12 unexplained: Which decisions lack their reason? (must be empty) Args: none.
-- Empty when every removed or quarantined record has exactly one terminal decision, kept none.
SELECT
    d.doc_id,
    d.outcome,
    d.reason,
    count(x.doc_id) AS terminal_decisions
FROM documents AS d LEFT JOIN decisions AS x ON x.doc_id = d.doc_id AND x.terminal
GROUP BY d.doc_id, d.outcome, d.reason
HAVING count(x.doc_id) <> (CASE WHEN d.outcome = 'kept' THEN 0 ELSE 1 END)
ORDER BY d.doc_id
