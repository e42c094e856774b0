-- shadow: What would the rules in shadow remove? Args: none.
-- Rules in shadow never act; `only_here` would leave if the rule were enforced.
SELECT
    x.rule_id,
    x.reason,
    count(*) AS documents,
    count(*) FILTER (d.outcome = 'kept') AS only_here,
    coalesce(sum(d.tokens_out) FILTER (d.outcome = 'kept'), 0)::BIGINT AS tokens
FROM decisions AS x JOIN documents AS d USING (doc_id)
WHERE x.mode = 'shadow'
GROUP BY x.rule_id, x.reason
ORDER BY documents DESC, x.rule_id, x.reason
