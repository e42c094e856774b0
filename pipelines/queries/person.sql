-- Q06 person: In which kept documents of which releases is this person's identifier (by keyed
-- hash)? Args: $value (keyed hash of the identifier, as in pii_links).
SELECT
    l.doc_id,
    l.entity_type,
    l."start",
    l."end",
    l.action,
    d.source_id,
    d.outcome,
    d.out_file,
    d.out_row
FROM pii_links AS l JOIN documents AS d USING (doc_id)
WHERE l.value_hmac = $value AND d.outcome = 'kept'
ORDER BY l.doc_id, l."start"
