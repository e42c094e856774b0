-- marks: Which sources hold texts with a copyright or reservation notice, or marked as generated?
-- Args: none.
SELECT
    source_id,
    count(*) AS documents_in,
    count(*) FILTER (notice = 'copyright') AS copyright_notices,
    count(*) FILTER (notice = 'reservation') AS reservation_notices,
    count(*) FILTER (synthetic_mark IS NOT NULL) AS marked_generated,
    count(*) FILTER (notice IS NOT NULL AND outcome = 'kept') AS noticed_kept,
    count(*) FILTER (synthetic_mark IS NOT NULL AND outcome = 'kept') AS generated_kept
FROM documents
GROUP BY source_id
ORDER BY documents_in DESC, source_id
