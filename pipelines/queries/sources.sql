SELECT * FROM sources ORDER BY rank, source_id
