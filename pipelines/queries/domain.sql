-- Q02 domain: What came from this domain or host, and on which basis? Args: $domain (domain or
-- host name).
SELECT
    d.source_id,
    s.legal_basis,
    d.outcome,
    d.reason,
    d.licence,
    d.rights_state,
    count(*) AS documents,
    sum(d.tokens_in)::BIGINT AS tokens_in,
    sum(d.tokens_out)::BIGINT AS tokens_out
FROM documents AS d LEFT JOIN sources AS s USING (source_id)
WHERE d.domain = $domain OR d.host = $domain
GROUP BY ALL
ORDER BY tokens_out DESC, documents DESC, d.source_id, d.outcome, d.reason, d.licence, d.rights_state
