-- jaccard: How similar were the copies? Args: none.
SELECT
    floor(jaccard * 20) / 20 AS jaccard_from,
    count(*) AS documents
FROM duplicates
WHERE jaccard IS NOT NULL
GROUP BY jaccard_from
ORDER BY jaccard_from
