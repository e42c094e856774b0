-- s-curve: How likely is a pair of some similarity to be found? Args: none.
-- Chance that two documents of this similarity share at least one band: 1 - (1 - j^rows)^bands.
SELECT
    j / 20.0 AS jaccard,
    1 - pow(1 - pow(j / 20.0, dedup_rows), dedup_bands) AS chance
FROM runs, range(10, 21) AS steps(j)
WHERE dedup_bands > 0
ORDER BY jaccard
