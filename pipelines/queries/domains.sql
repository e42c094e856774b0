-- domains: Which domains gave most of the corpus? Args: $limit (most rows to show).
SELECT
    domain,
    count(*) AS documents_in,
    count(*) FILTER (outcome = 'kept') AS documents_kept,
    sum(tokens_in)::BIGINT AS tokens_in,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif((SELECT r.tokens_out FROM runs AS r), 0) AS share
FROM documents
WHERE domain IS NOT NULL
GROUP BY domain
ORDER BY tokens_out DESC, documents_in DESC, domain
LIMIT $limit
