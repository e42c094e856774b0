SELECT
    lang,
    count(*) AS documents_in,
    count(*) FILTER (outcome = 'removed') AS removed,
    count(*) FILTER (outcome = 'removed') / count(*) AS removal_rate,
    mode(reason) FILTER (outcome = 'removed') AS commonest_reason
FROM documents
WHERE outcome <> 'quarantined'
GROUP BY lang
ORDER BY removal_rate DESC, documents_in DESC, lang
