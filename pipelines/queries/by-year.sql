-- by-year: Of which years is it? Args: none.
SELECT
    year(published) AS year,
    count(*) AS documents_kept,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif(sum(sum(tokens_out)) OVER (), 0) AS share
FROM documents
WHERE outcome = 'kept'
GROUP BY year
ORDER BY year NULLS LAST
