-- shadow-published: What may be published of what the rules in shadow would remove? Args: none.
-- As shadow, but nothing is told of fewer than 11 documents of a rule about persons.
WITH counted AS (
    SELECT
        x.rule_id,
        x.reason,
        count(*) AS documents,
        count(*) FILTER (d.outcome = 'kept') AS only_here,
        coalesce(sum(d.tokens_out) FILTER (d.outcome = 'kept'), 0)::BIGINT AS tokens,
        x.reason IN ('erasure', 'optout_author', 'pii_dense', 'pii_minor', 'pii_dropped') AS persons,
        persons AND count(*) < 11 AS silent,
        -- Of many documents, few of which are kept or few of which are not, only the number is told.
        persons AND least(only_here, documents - only_here) BETWEEN 1 AND 10 AS part_silent
    FROM decisions AS x JOIN documents AS d USING (doc_id)
    WHERE x.mode = 'shadow'
    GROUP BY x.rule_id, x.reason
)
SELECT
    rule_id,
    reason,
    if(silent, NULL, documents) AS documents,
    if(silent OR part_silent, NULL, only_here) AS only_here,
    if(silent OR part_silent, NULL, tokens) AS tokens
FROM counted
ORDER BY documents DESC NULLS LAST, rule_id, reason
