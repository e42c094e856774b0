-- Q05 shares: Which share has each language, licence, source, year? Args: none.
-- Grouping sets, not a cube with a window over it: that would count every document many times.
SELECT
    CASE
        WHEN grouping(lang) = 0 THEN 'language'
        WHEN grouping(licence) = 0 THEN 'licence'
        WHEN grouping(source_id) = 0 THEN 'source'
        ELSE 'year'
    END AS dimension,
    coalesce(lang, licence, source_id, year::VARCHAR) AS value,
    count(*) AS documents_kept,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif((SELECT r.tokens_out FROM runs AS r), 0) AS share
FROM (
    SELECT lang, licence, source_id, year(published) AS year, tokens_out
    FROM documents
    WHERE outcome = 'kept'
)
GROUP BY GROUPING SETS ((lang), (licence), (source_id), (year))
ORDER BY dimension, tokens_out DESC, value
