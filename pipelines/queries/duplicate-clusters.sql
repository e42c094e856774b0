-- duplicate-clusters: Which clusters are largest? Args: $limit (most rows to show).
WITH largest AS (
    SELECT
        cluster_id,
        count(*) AS members,
        min(jaccard) AS least_jaccard,
        bool_or(tainted) AS tainted
    FROM duplicates
    GROUP BY cluster_id
    ORDER BY members DESC, cluster_id
    LIMIT $limit
)
SELECT
    l.cluster_id,
    l.members,
    count(*) FILTER (d.outcome = 'kept') AS kept,
    count(DISTINCT d.source_id) AS sources,
    count(DISTINCT d.domain) AS domains,
    sum(d.tokens_in)::BIGINT AS tokens,
    l.least_jaccard,
    l.tainted
FROM largest AS l
JOIN duplicates AS u USING (cluster_id)
JOIN documents AS d ON d.doc_id = u.doc_id
GROUP BY ALL
ORDER BY l.members DESC, l.cluster_id
