-- funnel-published: What may be published of how many documents each rule leaves? Args: none.
-- As funnel, but rules about persons with fewer than 11 documents are not told apart.
WITH policy AS (
    SELECT rule_id, version, action, meaning, row_number() OVER () AS place FROM rules
),
hits AS (
    SELECT
        x.rule_id,
        x.reason,
        count(*) FILTER (x.terminal) AS documents,
        coalesce(sum(d.tokens_in) FILTER (x.terminal), 0) AS tokens,
        count(*) FILTER (NOT x.terminal) AS also_hit
    FROM decisions AS x JOIN documents AS d USING (doc_id)
    WHERE x.mode = 'enforce' AND x.action IN ('remove', 'quarantine')
    GROUP BY x.rule_id, x.reason
),
steps AS (
    SELECT
        0 AS place, 'read' AS rule_id, NULL AS action, 0 AS documents, 0 AS tokens, 0 AS also_hit,
        'Every record of every input.' AS meaning, false AS silent
    UNION ALL
    SELECT
        max(coalesce(place, 1000000)),
        coalesce(shown_rule, h.rule_id) AS shown,
        if(any_value(shown_rule) IS NOT DISTINCT FROM any_value(h.rule_id), any_value(action), NULL),
        sum(documents),
        sum(tokens),
        -- How often persons were met beside another rule is not told where it was seldom.
        if(sum(also_hit) < 11 AND bool_or(h.reason IN (
            'erasure', 'optout_author', 'pii_dense', 'pii_minor', 'pii_dropped'
        )), NULL, sum(also_hit)),
        if(any_value(shown_rule) IS NOT DISTINCT FROM any_value(h.rule_id), any_value(meaning), NULL),
        coalesce(bool_or(g.silent), false)
    FROM hits AS h
    LEFT JOIN policy AS p USING (rule_id)
    LEFT JOIN published_groups AS g ON g.rule_id = h.rule_id AND g.reason = h.reason
    WHERE h.documents > 0
    GROUP BY shown
)
SELECT
    rule_id,
    action,
    if(silent, NULL, documents)::BIGINT AS documents,
    if(silent, NULL, tokens)::BIGINT AS tokens,
    also_hit::BIGINT AS also_hit,
    if(bool_or(silent) OVER (), NULL, documents_in - sum(documents) OVER (ORDER BY place, rule_id))::BIGINT
        AS documents_left,
    if(bool_or(silent) OVER (), NULL, runs.tokens_in - sum(tokens) OVER (ORDER BY place, rule_id))::BIGINT
        AS tokens_left,
    meaning
FROM steps, runs
ORDER BY place, rule_id
