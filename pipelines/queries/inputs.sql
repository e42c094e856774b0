-- inputs: What became of each input file? Args: none.
SELECT
    i.input_number,
    i.source_id,
    i.path,
    i.format,
    i.codec,
    i.file_bytes,
    i.stream_bytes,
    i.records,
    count(d.doc_id) FILTER (d.outcome = 'kept') AS kept,
    count(d.doc_id) FILTER (d.outcome = 'removed') AS removed,
    count(d.doc_id) FILTER (d.outcome = 'quarantined') AS quarantined,
    i.sha256
FROM inputs AS i LEFT JOIN documents AS d USING (input_number)
GROUP BY ALL
ORDER BY i.input_number
