-- Q03 request: Which documents does this request meet, and which of them were kept? Args: $request
-- (request id, see table requests).
-- After the request was carried out, no row may say `kept` (see request-leaks).
SELECT
    m.doc_id,
    m.match_kind,
    m.score,
    m.action,
    d.outcome,
    d.reason,
    d.source_id,
    d.domain,
    d.out_file,
    d.out_row
FROM request_matches AS m JOIN documents AS d USING (doc_id)
WHERE m.request_id = $request
ORDER BY d.outcome, m.doc_id, m.match_kind
