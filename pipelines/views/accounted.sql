-- What each row of documents counts, and what those counted that were erased since.
SELECT
    input_number,
    source_id,
    outcome,
    reason,
    1::BIGINT AS documents,
    length::BIGINT AS length,
    tokens_in::BIGINT AS tokens_in,
    tokens_out::BIGINT AS tokens_out,
    bytes_in::BIGINT AS bytes_in,
    bytes_out::BIGINT AS bytes_out
FROM documents
UNION ALL
FROM withheld
