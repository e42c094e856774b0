-- Q16 removal-by-language: Do the rules remove more of a language? Args: none.
WITH counted AS (
    SELECT
        lang,
        reason,
        count(*) AS documents,
        count(*) FILTER (outcome = 'removed') AS removed
    FROM documents
    WHERE outcome <> 'quarantined'
    GROUP BY lang, reason
)
SELECT
    lang,
    sum(documents)::BIGINT AS documents_in,
    sum(removed)::BIGINT AS removed,
    sum(removed) / sum(documents) AS removal_rate,
    first(reason ORDER BY removed DESC, reason) FILTER (removed > 0) AS commonest_reason
FROM counted
GROUP BY lang
ORDER BY removal_rate DESC, documents_in DESC, lang
