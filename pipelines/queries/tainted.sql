-- Q04 tainted: What was kept that copies an opted-out document? Args: none.
-- Denied members first: few clusters have one, so nothing is compared in pairs but those.
WITH denied AS (
    SELECT u.cluster_id, x.doc_id, x.reason
    FROM documents AS x JOIN duplicates AS u USING (doc_id)
    WHERE
        x.rights_state = 'deny'
        OR x.reason IN ('optout_domain', 'optout_url', 'takedown', 'optout_dup')
)
SELECT
    k.doc_id,
    k.source_id,
    k.domain,
    a.role,
    a.jaccard,
    count(*) AS denied_members,
    min(b.doc_id) AS denied_id,
    arg_min(b.reason, b.doc_id) AS denied_reason
FROM denied AS b
JOIN duplicates AS a USING (cluster_id)
JOIN documents AS k ON k.doc_id = a.doc_id
WHERE k.outcome = 'kept'
GROUP BY k.doc_id, k.source_id, k.domain, a.role, a.jaccard
ORDER BY k.doc_id
