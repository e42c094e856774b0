-- gates: Which gates did the release meet? Args: none.
SELECT * FROM gates
