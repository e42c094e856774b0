-- by-licence: Under which licences is the corpus? Args: none.
SELECT
    licence,
    count(*) AS documents_kept,
    count(*) FILTER (licence_evidence IN ('document', 'link', 'text')) AS said_by_document,
    count(*) FILTER (licence_evidence = 'source') AS said_by_source,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif(sum(sum(tokens_out)) OVER (), 0) AS share
FROM documents
WHERE outcome = 'kept'
GROUP BY licence
ORDER BY tokens_out DESC, licence
