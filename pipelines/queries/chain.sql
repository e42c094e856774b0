-- Q26 chain: Is each release as it was when the next was made? Args: none.
-- `broken`: the manifest is not the one that the folder's name vouches for, or the parent's is not
-- the one that this release was made after. `parent gone`: the parent's folder was removed since.
-- `in_line`: this release or one it goes back to; others were refused, or are later.
WITH RECURSIVE line(release_id) AS (
    SELECT release_id FROM releases WHERE is_this
    UNION  -- not UNION ALL: a forged circle must end
    SELECT r.parent_id FROM releases AS r JOIN line USING (release_id) WHERE r.parent_id IS NOT NULL
)
SELECT
    r.release_id,
    r.parent_id,
    r.is_current,
    r.finished,
    CASE
        WHEN NOT starts_with(r.manifest_sha256, r.release_id) THEN 'broken'
        WHEN r.parent_id IS NULL THEN 'first'
        WHEN p.release_id IS NULL THEN 'parent gone'
        WHEN p.manifest_sha256 = r.parent_sha256 THEN 'intact'
        ELSE 'broken'
    END AS state,
    r.release_id IN (FROM line) AS in_line
FROM releases AS r LEFT JOIN releases AS p ON p.release_id = r.parent_id
ORDER BY r.finished, r.release_id
