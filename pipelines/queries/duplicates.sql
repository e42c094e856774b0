-- duplicates: How many copies were found? Args: none.
SELECT
    u.role,
    u.method,
    count(*) AS documents,
    sum(d.tokens_in)::BIGINT AS tokens,
    count(DISTINCT u.cluster_id) AS clusters,
    min(u.jaccard) AS least_jaccard,
    avg(u.jaccard) AS mean_jaccard,
    count(*) FILTER (u.tainted) AS tainted
FROM duplicates AS u JOIN documents AS d USING (doc_id)
GROUP BY u.role, u.method
ORDER BY documents DESC, u.role, u.method
