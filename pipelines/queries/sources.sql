-- sources: What is declared about each source? Args: none.
SELECT * FROM sources ORDER BY rank, source_id
