SELECT
    k.doc_id,
    k.source_id,
    k.domain,
    a.role,
    a.jaccard,
    x.doc_id AS denied_id,
    x.reason AS denied_reason
FROM duplicates AS a
JOIN duplicates AS b USING (cluster_id)
JOIN documents AS k ON k.doc_id = a.doc_id
JOIN documents AS x ON x.doc_id = b.doc_id
WHERE
    k.outcome = 'kept'
    AND (
        x.rights_state = 'deny'
        OR x.reason IN ('optout_domain', 'optout_url', 'takedown', 'optout_dup')
    )
ORDER BY k.doc_id, x.doc_id
