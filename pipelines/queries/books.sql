-- Q11 books: Does what was read add up, by record, byte and token? Args: none.
-- Two routes that share no code must agree on every line:
-- `read` is what the reader tallied (or a stage sent), the rest what the rows of `documents` say
-- (or the next stage took in). `other` is what is no input record: blank lines, requests and
-- the like in crawls; for stages, rows taken in.
-- A difference other than 0 stops a release.
WITH counted AS (
    SELECT
        input_number,
        outcome,
        sum(documents) AS records,
        sum(length) AS stream_bytes,
        sum(bytes_in) AS text_bytes,
        sum(tokens_in) AS tokens
    FROM accounted
    GROUP BY input_number, outcome
),
passed AS (
    SELECT input_number, sum(bytes) AS bytes FROM passed_records GROUP BY input_number
),
by_input AS (
    SELECT
        input_number,
        unnest(['records', 'bytes', 'tokens']) AS unit,
        unnest([i.records, i.stream_bytes, NULL]) AS read,
        unnest([0, i.blank_bytes + coalesce(p.bytes, 0), 0]) AS other,
        i.source_id,
        i.path,
        i.format
    FROM inputs AS i LEFT JOIN passed AS p USING (input_number)
),
by_unit AS (
    SELECT
        b.*,
        c.outcome,
        CASE b.unit
            WHEN 'records' THEN c.records
            WHEN 'tokens' THEN c.tokens
            WHEN 'bytes' THEN if(b.format = 'parquet', c.text_bytes, c.stream_bytes)
        END AS amount
    FROM by_input AS b LEFT JOIN counted AS c USING (input_number)
),
of_input AS (
    SELECT
        input_number,
        unit,
        source_id,
        path,
        any_value(read) AS read,
        any_value(other) AS other,
        coalesce(sum(amount) FILTER (outcome = 'kept'), 0) AS kept,
        coalesce(sum(amount) FILTER (outcome = 'removed'), 0) AS removed,
        coalesce(sum(amount) FILTER (outcome = 'quarantined'), 0) AS quarantined
    FROM by_unit
    GROUP BY input_number, unit, source_id, path
),
scopes AS (
    SELECT
        1 AS rank,
        'run' AS scope,
        job_name AS name,
        unit,
        CASE unit
            WHEN 'records' THEN documents_in
            WHEN 'tokens' THEN runs.tokens_in
            WHEN 'bytes' THEN runs.bytes_in
        END AS read,
        sum(kept) AS kept,
        sum(removed) AS removed,
        sum(quarantined) AS quarantined,
        sum(other) AS other,
        NULL AS input_number
    FROM runs, of_input
    GROUP BY ALL
    UNION ALL
    SELECT
        2, 'source', source_id, unit, sum(read), sum(kept), sum(removed), sum(quarantined),
        sum(other), NULL
    FROM of_input
    WHERE unit <> 'tokens'
    GROUP BY source_id, unit
    UNION ALL
    SELECT 3, 'input', path, unit, read, kept, removed, quarantined, other, input_number
    FROM of_input
    WHERE unit <> 'tokens'
    UNION ALL
    SELECT 4, 'stage', s.slice, 'rows', s.value, 0, 0, 0, coalesce(r.value, 0), NULL
    FROM metrics AS s
    LEFT JOIN metrics AS r ON r.name = 'rows_received' AND r.slice = s.slice
    WHERE s.name = 'rows_sent'
)
SELECT
    scope,
    name,
    unit,
    coalesce(read, 0)::BIGINT AS read,
    kept::BIGINT AS kept,
    removed::BIGINT AS removed,
    quarantined::BIGINT AS quarantined,
    other::BIGINT AS other,
    (coalesce(read, 0) - kept - removed - quarantined - other)::BIGINT AS difference
FROM scopes
ORDER BY rank, input_number, name, unit
