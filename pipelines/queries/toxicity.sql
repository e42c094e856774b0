-- toxicity: Which languages were scored for toxicity? Args: none.
SELECT
    lang,
    count(*) AS documents_in,
    count(toxicity) AS measured,
    count(*) FILTER (reason = 'toxic') AS removed,
    quantile_cont(toxicity, 0.5) AS median,
    quantile_cont(toxicity, 0.99) AS percentile_99,
    max(toxicity) FILTER (outcome = 'kept') AS highest_kept
FROM documents
WHERE outcome <> 'quarantined'
GROUP BY lang
ORDER BY measured DESC, documents_in DESC, lang
