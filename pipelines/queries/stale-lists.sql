-- Q23 stale-lists: Which lists are too old, or missed a canary? (must be empty) Args: $asof (the
-- day to judge from), $days (most days since it was retrieved).
-- The age counts for lists that name the day they were retrieved; canaries count always.
SELECT
    list_id,
    version,
    retrieved,
    date_diff('day', retrieved, $asof::DATE) AS days,
    canaries,
    canaries_passed
FROM lists
WHERE canaries_passed < canaries OR date_diff('day', retrieved, $asof::DATE) > $days
ORDER BY list_id
