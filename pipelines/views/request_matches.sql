-- What the lists of a request met, and the copies that left (or stayed, flagged) because of it.
WITH listed AS (
    SELECT
        q.request_id,
        x.doc_id,
        q.selector_kind AS match_kind,
        NULL::FLOAT AS score,
        x.action
    FROM decisions AS x JOIN requests AS q USING (list_id)
    WHERE x.mode = 'enforce'
)
FROM listed
UNION ALL
SELECT l.request_id, x.doc_id, 'copy', x.score, x.action
FROM decisions AS x JOIN listed AS l ON l.doc_id = x.partner_id
WHERE x.reason = 'optout_dup' AND x.mode = 'enforce'
