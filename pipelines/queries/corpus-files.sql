-- corpus-files: What is in each file of the corpus? Args: none.
SELECT
    out_file,
    count(*) AS documents,
    sum(tokens_out)::BIGINT AS tokens,
    sum(bytes_out)::BIGINT AS text_bytes
FROM documents
WHERE outcome = 'kept'
GROUP BY out_file
ORDER BY out_file
