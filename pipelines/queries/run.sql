-- run: With what was it made? Args: none.
SELECT * FROM runs
