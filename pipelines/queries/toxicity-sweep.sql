-- Q15 toxicity-sweep: What would another toxicity threshold remove? Args: none.
SELECT
    t / 20.0 AS threshold,
    count(*) FILTER (toxicity >= t / 20.0) AS documents,
    coalesce(sum(tokens_in) FILTER (toxicity >= t / 20.0), 0)::BIGINT AS tokens,
    count(*) FILTER (toxicity >= t / 20.0 AND outcome = 'kept') AS kept_now
FROM documents, range(6, 20) AS steps(t)
WHERE toxicity IS NOT NULL
GROUP BY t
ORDER BY threshold
