-- Q14 rule-off: What would come back without this rule? Args: $rule (rule id, see `rules`).
SELECT
    d.source_id,
    d.lang,
    count(*) AS documents,
    sum(d.tokens_in)::BIGINT AS tokens
FROM documents AS d
WHERE
    d.outcome = 'removed'
    AND NOT EXISTS (
        FROM decisions AS x
        WHERE
            x.doc_id = d.doc_id
            AND x.mode = 'enforce'
            AND x.action IN ('remove', 'quarantine')
            AND x.rule_id <> $rule
    )
GROUP BY d.source_id, d.lang
ORDER BY documents DESC, d.source_id, d.lang
