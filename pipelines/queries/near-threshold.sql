SELECT
    rule_id,
    mode,
    threshold,
    count(*) AS decisions,
    count(*) FILTER (abs(score - threshold) <= $margin) AS near
FROM decisions
WHERE score IS NOT NULL AND threshold IS NOT NULL
GROUP BY rule_id, mode, threshold
ORDER BY near DESC, rule_id, threshold
