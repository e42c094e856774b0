-- totals: How large is the release? Args: none.
SELECT
    documents_in,
    documents_kept,
    documents_removed,
    documents_quarantined,
    documents_kept / nullif(documents_in, 0) AS share_kept,
    tokens_in,
    tokens_out,
    tokens_out / nullif(tokens_in, 0) AS share_tokens_kept,
    bytes_in,
    bytes_out,
    (SELECT count(*) FROM sources) AS sources,
    (SELECT count(*) FROM inputs) AS inputs,
    (SELECT count(DISTINCT lang) FROM documents WHERE outcome = 'kept' AND lang <> 'und')
        AS languages,
    (SELECT count(DISTINCT domain) FROM documents WHERE outcome = 'kept') AS domains,
    (SELECT min(published) FROM documents WHERE outcome = 'kept') AS published_from,
    (SELECT max(published) FROM documents WHERE outcome = 'kept') AS published_to,
    (SELECT min(collected_from) FROM sources) AS collected_from,
    (SELECT max(collected_to) FROM sources) AS collected_to
FROM runs
