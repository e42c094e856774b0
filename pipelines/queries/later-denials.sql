-- Q18 later-denials: Which documents in the corpus does a later file of their site reserve? Args:
-- none.
SELECT
    d.host,
    s.protocol,
    min(s.observed_at) AS first_reserved,
    count(DISTINCT d.doc_id) AS documents,
    sum(d.tokens_out)::BIGINT AS tokens_out
FROM documents AS d JOIN rights_signals AS s USING (doc_id)
WHERE
    d.outcome = 'kept'
    AND s.value IN ('deny', 'licence_required')
    AND s.observed_at > d.fetched_at
GROUP BY d.host, s.protocol
ORDER BY tokens_out DESC, d.host, s.protocol
