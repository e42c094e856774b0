-- pii-grades: How grave is the personal data found? Args: none.
SELECT
    coalesce(pii_grade, 'none') AS grade,
    count(*) AS documents_in,
    count(*) FILTER (outcome = 'kept') AS documents_kept,
    count(*) FILTER (reason IN ('pii_dense', 'pii_minor', 'pii_dropped', 'names_unread')) AS removed_for_it,
    sum(pii_found)::BIGINT AS found,
    coalesce(sum(pii_redacted) FILTER (outcome = 'kept'), 0)::BIGINT AS redacted_in_kept
FROM documents
WHERE outcome <> 'quarantined'
GROUP BY grade
ORDER BY list_position(['secret', 'minor', 'sensitive', 'general', 'none'], grade)
