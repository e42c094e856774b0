-- Q01 why: Why was this document removed or kept? Args: $doc_id (id of a document).
SELECT
    d.seq,
    d.stage,
    d.rule_id,
    d.rule_version,
    d.mode,
    d.action,
    d.terminal,
    d.reason,
    d.score,
    d.threshold,
    d.list_id,
    l.version AS list_version,
    l.sha256 AS list_sha256,
    d.list_entry,
    l.request_id,
    d.partner_id,
    d.n_spans,
    r.meaning,
    r.basis
FROM decisions AS d
LEFT JOIN rules AS r ON r.rule_id = d.rule_id AND r.version = d.rule_version
LEFT JOIN lists AS l ON l.list_id = d.list_id
WHERE d.doc_id = $doc_id
ORDER BY d.terminal DESC, d.seq
