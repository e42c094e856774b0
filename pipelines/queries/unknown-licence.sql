-- Q31 unknown-licence: Which sources hold documents without a known licence? Args: none.
SELECT
    source_id,
    count(*) AS documents_kept,
    count(*) FILTER (licence = 'unknown') AS documents_unknown,
    coalesce(sum(tokens_out) FILTER (licence = 'unknown'), 0)::BIGINT AS tokens_unknown,
    coalesce(sum(tokens_out) FILTER (licence = 'unknown'), 0) / nullif(sum(tokens_out), 0)
        AS share_unknown
FROM documents
WHERE outcome = 'kept'
GROUP BY source_id
HAVING documents_unknown > 0
ORDER BY share_unknown DESC, source_id
