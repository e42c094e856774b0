-- quarantine: What could not be judged? Args: none.
SELECT
    reason,
    stage,
    source_id,
    count(*) AS records,
    sum(length)::BIGINT AS bytes
FROM quarantine
GROUP BY reason, stage, source_id
ORDER BY records DESC, reason, stage, source_id
