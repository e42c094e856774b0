-- Q17 rights: How much do we not know about rights? Args: none.
SELECT
    rights_observability,
    rights_state,
    count(*) AS documents_kept,
    sum(tokens_out)::BIGINT AS tokens_out,
    sum(tokens_out) / nullif(sum(sum(tokens_out)) OVER (), 0) AS share
FROM documents
WHERE outcome = 'kept'
GROUP BY rights_observability, rights_state
ORDER BY tokens_out DESC, rights_observability, rights_state
