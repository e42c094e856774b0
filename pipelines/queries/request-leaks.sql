-- Q32 request-leaks: What was kept that a request takes out? (must be empty) Args: none.
-- Empty when every document that a request meets is out: itself, and the copies that are to leave.
SELECT
    m.request_id,
    m.doc_id,
    m.match_kind,
    m.action
FROM request_matches AS m JOIN documents AS d USING (doc_id)
WHERE m.action = 'remove' AND d.outcome = 'kept'
ORDER BY m.request_id, m.doc_id
