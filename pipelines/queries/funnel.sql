-- Q13 funnel: How many documents does each rule leave? Args: none.
-- Rules stand in the order of the policy; a document leaves at its terminal rule.
WITH policy AS (
    SELECT rule_id, version, stage, action, meaning, row_number() OVER () AS place FROM rules
),
hits AS (
    SELECT
        x.rule_id,
        count(*) FILTER (x.terminal) AS documents,
        coalesce(sum(d.tokens_in) FILTER (x.terminal), 0) AS tokens,
        count(*) FILTER (NOT x.terminal) AS also_hit
    FROM decisions AS x JOIN documents AS d USING (doc_id)
    WHERE x.mode = 'enforce' AND x.action IN ('remove', 'quarantine')
    GROUP BY x.rule_id
),
steps AS (
    SELECT
        0 AS place,
        'read' AS rule_id,
        NULL AS stage,
        NULL AS action,
        0 AS documents,
        0 AS tokens,
        0 AS also_hit,
        'Every record of every input.' AS meaning
    UNION ALL
    SELECT coalesce(place, 1000000), h.rule_id, stage, action, documents, tokens, also_hit, meaning
    FROM hits AS h LEFT JOIN policy AS p USING (rule_id)
)
SELECT
    rule_id,
    stage,
    action,
    documents::BIGINT AS documents,
    tokens::BIGINT AS tokens,
    also_hit::BIGINT AS also_hit,
    (documents_in - sum(documents) OVER (ORDER BY place, rule_id))::BIGINT AS documents_left,
    (runs.tokens_in - sum(tokens) OVER (ORDER BY place, rule_id))::BIGINT AS tokens_left,
    meaning
FROM steps, runs
ORDER BY place, rule_id
