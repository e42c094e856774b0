-- duplicate-clusters: Which clusters are largest? Args: $limit (most rows to show).
SELECT
    u.cluster_id,
    count(*) AS members,
    count(*) FILTER (d.outcome = 'kept') AS kept,
    count(DISTINCT d.source_id) AS sources,
    count(DISTINCT d.domain) AS domains,
    sum(d.tokens_in)::BIGINT AS tokens,
    min(u.jaccard) AS least_jaccard,
    bool_or(u.tainted) AS tainted
FROM duplicates AS u JOIN documents AS d USING (doc_id)
GROUP BY u.cluster_id
ORDER BY members DESC, u.cluster_id
LIMIT $limit
