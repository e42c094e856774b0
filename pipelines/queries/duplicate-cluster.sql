-- duplicate-cluster: Which documents are copies of this one? Args: $doc_id (id of a document).
SELECT
    u.doc_id,
    u.role,
    u.method,
    u.partner_id,
    u.jaccard,
    u.tainted,
    d.outcome,
    d.reason,
    d.source_id,
    d.domain,
    d.licence,
    d.published,
    d.tokens_in
FROM duplicates AS u JOIN documents AS d USING (doc_id)
WHERE u.cluster_id = (SELECT cluster_id FROM duplicates WHERE doc_id = $doc_id)
ORDER BY u.role = 'survivor' DESC, u.jaccard DESC, u.doc_id
