-- signals: Which rights signals does this document have, which decided, when was it seen? Args:
-- $doc_id (id of a document).
SELECT
    s.winner,
    s.applied,
    s.protocol,
    s.channel,
    s.value,
    s.status,
    s.agent,
    s.observed_at,
    s.asof,
    s.version,
    s.snapshot_sha256
FROM rights_signals AS s
WHERE s.doc_id = $doc_id
ORDER BY s.winner DESC, s.applied DESC, s.protocol, s.channel, s.asof
