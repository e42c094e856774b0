-- draw-sample: Which documents should a reviewer look at (stratified; save it in samples/)? Args:
-- $purpose (content, residual_pii or another word), $documents (size of the sample).
-- Strata are source, language, length and whether personal data was found, in proportion, at least
-- one of each. Ids are keyed hashes, so they are random already: a stratum gives the documents that
-- follow a place which the purpose names, in a circle. The same question draws the same documents.
-- `inclusion` is the chance that a document had.
WITH strata AS (
    SELECT
        doc_id,
        concat_ws(
            '/',
            source_id,
            lang,
            CASE WHEN tokens_out < 100 THEN 'short' WHEN tokens_out < 1000 THEN 'medium' ELSE 'long' END,
            if(pii_found > 0, 'pii', 'clean')
        ) AS stratum
    FROM documents
    WHERE outcome = 'kept'
),
sizes AS (
    SELECT
        stratum,
        count(*) AS size,
        least(count(*), greatest(1, round($documents * count(*) / sum(count(*)) OVER ())))::BIGINT
            AS drawn
    FROM strata
    GROUP BY stratum
),
ranked AS (
    SELECT
        doc_id,
        stratum,
        size,
        drawn,
        row_number() OVER (
            PARTITION BY stratum
            ORDER BY doc_id < unhex(md5($purpose)), doc_id
        ) AS place
    FROM strata JOIN sizes USING (stratum)
)
SELECT
    (SELECT release_id FROM releases WHERE is_this) AS release_id,
    doc_id,
    $purpose AS purpose,
    stratum,
    drawn / size AS inclusion,
    NULL AS reviewer,
    NULL AS label,
    NULL AS items,
    NULL AS labelled
FROM ranked
WHERE place <= drawn
ORDER BY stratum, place
