-- metrics: What else was counted? Args: none.
SELECT * FROM metrics ORDER BY name, slice
