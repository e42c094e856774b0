-- by-source: How much came from each source, and how much stayed? Args: none.
SELECT
    d.source_id,
    s.kind,
    s.legal_basis,
    count(*) AS documents_in,
    count(*) FILTER (outcome = 'kept') AS documents_kept,
    count(*) FILTER (outcome = 'removed') AS documents_removed,
    count(*) FILTER (outcome = 'quarantined') AS documents_quarantined,
    sum(tokens_in)::BIGINT AS tokens_in,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif(sum(sum(tokens_out)) OVER (), 0) AS share
FROM documents AS d LEFT JOIN sources AS s USING (source_id)
GROUP BY d.source_id, s.kind, s.legal_basis
ORDER BY tokens_out DESC, d.source_id
