-- names-unread: In which languages did no model read the names of persons? Args: none.
-- Empty where names were looked for in every document, and where they were looked for in none: the
-- scope is in `pii-reach`.
SELECT
    d.lang,
    count(*) AS documents,
    count(*) FILTER (d.outcome = 'kept') AS documents_kept,
    count(*) FILTER (d.outcome = 'removed' AND d.reason = 'names_unread') AS removed_for_it,
    coalesce(sum(d.tokens_out), 0)::BIGINT AS tokens_kept
FROM decisions AS x JOIN documents AS d USING (doc_id)
WHERE x.rule_id = 'names_unread'
GROUP BY d.lang
ORDER BY documents DESC, d.lang
