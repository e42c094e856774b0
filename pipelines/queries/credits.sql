-- Q07 credits: Who is credited for how many tokens, in which words? Args: none.
-- The party is the publisher of the source; authors of single documents, where a licence asks for
-- them, stand in the corpus (column author), because names are no part of the manifest.
SELECT
    coalesce(s.publisher, s.source_id) AS party,
    d.licence,
    if(
        regexp_full_match(d.licence, '[A-Za-z0-9.+-]+') AND d.licence <> 'unknown',
        'https://spdx.org/licenses/' || d.licence || '.html',
        NULL
    ) AS licence_url,
    coalesce(
        s.attribution,
        nullif(concat_ws(', ', s.publisher, s.uri, nullif(d.licence, 'unknown')), '')
    ) AS attribution,
    s.contract_ref,
    count(*) AS documents_kept,
    sum(d.tokens_out)::BIGINT AS tokens_out,
    sum(d.tokens_out) / nullif(sum(sum(d.tokens_out)) OVER (), 0) AS share
FROM documents AS d JOIN sources AS s USING (source_id)
WHERE d.outcome = 'kept'
GROUP BY ALL
ORDER BY tokens_out DESC, party, d.licence
