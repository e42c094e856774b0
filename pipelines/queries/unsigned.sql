-- Q27 unsigned: Which releases has none of the signers signed? Args: none.
-- A signature counts if one of the job's `gates.signers` made it over this very manifest.
SELECT
    r.release_id,
    r.is_current,
    r.is_this,
    r.manifest_sha256
FROM releases AS r
ANTI JOIN (SELECT subject_sha256 FROM attestations WHERE signer IS NOT NULL) AS a
    ON a.subject_sha256 = r.manifest_sha256
ORDER BY r.release_id
