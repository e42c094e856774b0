-- reasons: Why were documents removed or quarantined? Args: none.
SELECT
    outcome,
    reason,
    count(*) AS documents,
    sum(tokens_in)::BIGINT AS tokens,
    count(*) / sum(count(*)) OVER () AS share
FROM documents
WHERE outcome <> 'kept'
GROUP BY outcome, reason
ORDER BY outcome DESC, documents DESC, reason
