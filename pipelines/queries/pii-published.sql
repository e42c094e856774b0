-- pii-published: What of the personal-data counts may be published? Args: $k (least documents of a
-- group that is shown).
-- Groups of fewer than k documents stand together with the smallest other group, so that no total
-- less the rest gives one of them away; what is too small even so says nothing.
WITH found AS (
    SELECT
        doc_id, entity_type, p.grade, action,
        p.n_found AS n,
        if(d.outcome = 'kept', p.n_found, 0) AS in_kept,
        if(d.outcome = 'kept', p.n_redacted, 0) AS redacted
    FROM pii_stats AS p JOIN documents AS d USING (doc_id)
),
sizes AS (
    SELECT entity_type, grade, action, count(DISTINCT doc_id) AS documents FROM found GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        min(documents) OVER () < $k AS hides,
        row_number() OVER (
            PARTITION BY documents < $k ORDER BY documents, entity_type, grade, action
        ) AS place
    FROM sizes
),
labelled AS (
    SELECT
        f.*,
        r.documents < $k OR (r.hides AND r.place = 1) AS together
    FROM found AS f JOIN ranked AS r USING (entity_type, grade, action)
)
SELECT
    if(together, '(smaller groups)', entity_type) AS entity_type,
    if(together, NULL, grade) AS grade,
    if(together, NULL, action) AS action,
    if(count(DISTINCT doc_id) >= $k, count(DISTINCT doc_id), NULL) AS documents,
    if(count(DISTINCT doc_id) >= $k, sum(n), NULL)::BIGINT AS found,
    if(count(DISTINCT doc_id) >= $k, sum(in_kept), NULL)::BIGINT AS found_in_kept,
    if(count(DISTINCT doc_id) >= $k, sum(redacted), NULL)::BIGINT AS redacted_in_kept,
    if(count(DISTINCT doc_id) >= $k, sum(in_kept - redacted), NULL)::BIGINT AS left_in_kept
FROM labelled
GROUP BY 1, 2, 3
ORDER BY found DESC NULLS LAST, 1, 2, 3
