-- Q19 illegal-sources: Which sources have too much illegal content, by their samples? Args: none.
-- TC260-003, GB/T 45654-2025: a source is assessed before it is used (the job's `illegal_sample`) and
-- again after it (documents of this release that reviewers labelled, in samples/, with the purpose
-- `illegal`); above 5 % it must not be used. `high` is the upper end of the 95 % Wilson interval.
WITH found AS (
    SELECT source_id, 'before use' AS sampled, illegal_k AS illegal, illegal_n AS examined
    FROM sources
    WHERE illegal_n IS NOT NULL
    UNION ALL
    SELECT d.source_id, 'after use', count(*) FILTER (s.label <> 'clean'), count(*)
    FROM samples AS s JOIN documents AS d USING (doc_id)
    WHERE
        s.purpose = 'illegal'
        AND s.label IS NOT NULL
        AND s.release_id = (SELECT release_id FROM releases WHERE is_this)
    GROUP BY d.source_id
)
SELECT
    source_id,
    sampled,
    illegal,
    examined,
    illegal / examined AS share,
    (
        illegal / examined + 1.9208 / examined
        + 1.96 * sqrt(
            illegal / examined * (1 - illegal / examined) / examined + 0.9604 / examined / examined
        )
    ) / (1 + 3.8416 / examined) AS high,
    examined >= 100 AS large_enough,
    illegal / examined > 0.05 AS too_much,
    blacklisted
FROM found JOIN sources USING (source_id)
ORDER BY source_id, sampled DESC
