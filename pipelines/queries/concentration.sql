-- Q28 concentration: Which domains hold more than this share of the corpus? Args: $share (share of
-- the tokens).
SELECT
    domain,
    count(*) AS documents_kept,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif((SELECT r.tokens_out FROM runs AS r), 0) AS share
FROM documents
WHERE outcome = 'kept' AND domain IS NOT NULL
GROUP BY domain
HAVING share > $share
ORDER BY share DESC, domain
