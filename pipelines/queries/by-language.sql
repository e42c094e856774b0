-- by-language: In which languages is it? Args: none.
SELECT
    lang,
    count(*) AS documents_in,
    count(*) FILTER (outcome = 'kept') AS documents_kept,
    sum(tokens_in)::BIGINT AS tokens_in,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif(sum(sum(tokens_out)) OVER (), 0) AS share
FROM documents
WHERE outcome <> 'quarantined'
GROUP BY lang
ORDER BY tokens_out DESC, documents_in DESC, lang
