-- reasons-published: What may be published of why documents left? Args: none.
-- As reasons, but reasons about persons with fewer than 11 documents are not told apart.
SELECT
    if(g.shown_reason = d.reason, d.outcome, NULL) AS outcome,
    g.shown_reason AS reason,
    if(any_value(g.silent), NULL, count(*)) AS documents,
    if(any_value(g.silent), NULL, sum(d.tokens_in))::BIGINT AS tokens,
    if(any_value(g.silent), NULL, count(*) / sum(count(*)) OVER ()) AS share
FROM documents AS d
JOIN decisions AS x ON x.doc_id = d.doc_id AND x.terminal
JOIN published_groups AS g ON g.rule_id = x.rule_id AND g.reason = x.reason
WHERE d.outcome <> 'kept'
GROUP BY 1, 2
ORDER BY outcome DESC NULLS LAST, documents DESC NULLS LAST, reason
