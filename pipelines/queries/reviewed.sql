-- Q20 reviewed: Do the reviewed documents pass (GB/T 45652: 4000 of them, 96 % clean)? Args: none.
-- GB/T 45652-2025 (draft of 2024-03-28): at least 4000 sampled, at least 96 % of them clean.
-- `low` is the lower end of the 95 % Wilson interval: passing it means more than passing the share.
WITH counted AS (
    SELECT
        purpose,
        count(*) AS n,
        count(*) FILTER (label = 'clean') AS clean,
        count(DISTINCT reviewer) AS reviewers
    FROM samples
    WHERE label IS NOT NULL AND release_id = (SELECT release_id FROM releases WHERE is_this)
    GROUP BY purpose
)
SELECT
    purpose,
    n,
    clean,
    clean / n AS share,
    (clean / n + 1.9208 / n - 1.96 * sqrt(clean / n * (1 - clean / n) / n + 0.9604 / n / n))
        / (1 + 3.8416 / n) AS low,
    n >= 4000 AND clean / n >= 0.96 AS passes,
    reviewers
FROM counted
ORDER BY purpose
