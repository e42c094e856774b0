-- Q21 residual: How much of a fault is left, from the samples? Args: $label (the fault).
-- Horvitz-Thompson: each reviewed document stands for 1 / inclusion documents. The interval is
-- Wilson's with Kish's effective sample size; with no hit it is exact, 1 - 0.05^(1/n).
WITH labelled AS (
    SELECT
        purpose,
        label = $label AS hit,
        coalesce(items, 0) AS items,
        1 / inclusion AS weight
    FROM samples
    WHERE label IS NOT NULL AND release_id = (SELECT release_id FROM releases WHERE is_this)
),
summed AS (
    SELECT
        purpose,
        count(*) AS n,
        count(*) FILTER (hit) AS k,
        sum(weight) FILTER (hit) / sum(weight) AS hit_share,
        sum(weight) AS documents,
        coalesce(sum(items * weight) FILTER (hit), 0) AS total_items,
        sum(weight) ^ 2 / sum(weight * weight) AS effective
    FROM labelled
    GROUP BY purpose
)
SELECT
    purpose,
    n,
    k,
    coalesce(hit_share, 0) AS share,
    if(
        k = 0,
        0,
        (hit_share + 1.9208 / effective
            - 1.96 * sqrt(hit_share * (1 - hit_share) / effective + 0.9604 / effective ^ 2))
        / (1 + 3.8416 / effective)
    ) AS low,
    if(
        k = 0,
        1 - 0.05 ^ (1 / effective),
        (hit_share + 1.9208 / effective
            + 1.96 * sqrt(hit_share * (1 - hit_share) / effective + 0.9604 / effective ^ 2))
        / (1 + 3.8416 / effective)
    ) AS high,
    total_items,
    documents
FROM summed
ORDER BY purpose
