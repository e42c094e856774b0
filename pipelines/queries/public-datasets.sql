-- Q10 public-datasets: Which public data sets must be named (EU 2.1)? Args: none.
-- EU public summary 2.1: public data sets with more than 3 % of what all of them gave.
SELECT
    source_id,
    s.publisher,
    s.version,
    s.uri,
    sum(d.tokens_in)::BIGINT AS tokens_in,
    sum(d.tokens_in) / nullif(sum(sum(d.tokens_in)) OVER (), 0) AS share
FROM documents AS d JOIN sources AS s USING (source_id)
WHERE s.kind = 'public_dataset'
GROUP BY source_id, s.publisher, s.version, s.uri
QUALIFY share > 0.03
ORDER BY tokens_in DESC, source_id
