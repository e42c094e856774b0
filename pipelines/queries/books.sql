-- Three routes must agree: what the run says, what the reader counted, what the rows say.
WITH counted AS (
    SELECT
        input_number,
        count(*) FILTER (outcome = 'kept') AS kept,
        count(*) FILTER (outcome = 'removed') AS removed,
        count(*) FILTER (outcome = 'quarantined') AS quarantined
    FROM documents
    GROUP BY input_number
),
of_input AS (
    SELECT
        input_number,
        source_id,
        path,
        records AS read,
        coalesce(kept, 0) AS kept,
        coalesce(removed, 0) AS removed,
        coalesce(quarantined, 0) AS quarantined
    FROM inputs FULL JOIN counted USING (input_number)
),
scopes AS (
    SELECT
        1 AS rank,
        'run' AS scope,
        any_value(job_name) AS name,
        any_value(documents_in) AS read,
        sum(kept) AS kept,
        sum(removed) AS removed,
        sum(quarantined) AS quarantined,
        NULL AS input_number
    FROM runs, counted
    UNION ALL
    SELECT 2, 'source', source_id, sum(read), sum(kept), sum(removed), sum(quarantined), NULL
    FROM of_input
    GROUP BY source_id
    UNION ALL
    SELECT 3, 'input', path, read, kept, removed, quarantined, input_number
    FROM of_input
)
SELECT
    scope,
    name,
    coalesce(read, 0)::BIGINT AS read,
    kept::BIGINT AS kept,
    removed::BIGINT AS removed,
    quarantined::BIGINT AS quarantined,
    (coalesce(read, 0) - kept - removed - quarantined)::BIGINT AS difference
FROM scopes
ORDER BY rank, input_number, name
