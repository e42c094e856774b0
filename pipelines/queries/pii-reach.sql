-- pii-reach: How far was personal data looked for, and where not? Args: none.
-- One row; shares are of the tokens in the corpus. `names` is off, contact (around identifiers and
-- contact cues) or all; NULL where personal data was not looked for.
WITH unread AS (SELECT DISTINCT doc_id FROM decisions WHERE rule_id = 'names_unread')
SELECT
    (
        SELECT min(parameters ->> '$.ner') FROM rules WHERE rule_id = 'redact' AND mode <> 'off'
    ) AS names,
    (
        SELECT min((parameters ->> '$.min_score')::DOUBLE)
        FROM rules WHERE rule_id = 'redact' AND mode <> 'off'
    ) AS least_score,
    count(*) FILTER (outcome = 'kept' AND u.doc_id IS NOT NULL) AS names_unread_kept,
    coalesce(sum(tokens_out) FILTER (outcome = 'kept' AND u.doc_id IS NOT NULL), 0)
        / nullif(sum(tokens_out) FILTER (outcome = 'kept'), 0) AS names_unread_share,
    count(*) FILTER (reason IN ('detector_cap', 'bidi_control', 'stage_error')) AS not_searched
FROM documents AS d LEFT JOIN unread AS u USING (doc_id)
