-- pii-grades-published: What of the counts by grade may be published? Args: $k (least documents of
-- a group that is shown).
-- Groups of fewer than k documents stand together with the smallest other group.
WITH graded AS (
    SELECT
        coalesce(pii_grade, 'none') AS grade,
        count(*) AS documents,
        count(*) FILTER (outcome = 'kept') AS kept,
        count(*) FILTER (reason IN ('pii_dense', 'pii_minor', 'pii_dropped', 'names_unread')) AS removed,
        sum(pii_found)::BIGINT AS found,
        coalesce(sum(pii_redacted) FILTER (outcome = 'kept'), 0)::BIGINT AS redacted
    FROM documents WHERE outcome <> 'quarantined' GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        min(documents) OVER () < $k AS hides,
        row_number() OVER (PARTITION BY documents < $k ORDER BY documents, grade) AS place
    FROM graded
),
labelled AS (
    SELECT *, documents < $k OR (hides AND place = 1) AS together FROM ranked
)
SELECT
    if(together, '(smaller groups)', grade) AS grade,
    if(sum(documents) >= $k, sum(documents), NULL)::BIGINT AS documents_in,
    if(sum(documents) >= $k, sum(kept), NULL)::BIGINT AS documents_kept,
    if(sum(documents) >= $k, sum(removed), NULL)::BIGINT AS removed_for_it,
    if(sum(documents) >= $k, sum(found), NULL)::BIGINT AS found,
    if(sum(documents) >= $k, sum(redacted), NULL)::BIGINT AS redacted_in_kept
FROM labelled
GROUP BY 1
ORDER BY documents_in DESC NULLS LAST, 1
