-- Q12 unexplained: Which decisions lack their reason? (must be empty) Args: none.
-- Empty when every removed or quarantined record has exactly one terminal decision, kept none.
WITH terminal AS (
    SELECT doc_id, count(*) AS n
    FROM decisions
    WHERE terminal
    GROUP BY doc_id
)
SELECT
    d.doc_id,
    d.outcome,
    d.reason,
    coalesce(t.n, 0) AS terminal_decisions
FROM documents AS d LEFT JOIN terminal AS t USING (doc_id)
WHERE coalesce(t.n, 0) <> if(d.outcome = 'kept', 0, 1)
ORDER BY d.doc_id
