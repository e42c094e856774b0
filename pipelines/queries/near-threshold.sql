-- Q29 near-threshold: How many decisions were close? Args: $margin (distance from the threshold).
SELECT
    rule_id,
    mode,
    threshold,
    count(*) AS decisions,
    count(*) FILTER (abs(score - threshold) <= $margin) AS near
FROM decisions
WHERE
    score IS NOT NULL
    AND threshold IS NOT NULL
    AND NOT (partner_id IS NOT NULL AND score = 1)  -- an exact copy is never a close call
GROUP BY rule_id, mode, threshold
ORDER BY near DESC, rule_id, threshold
