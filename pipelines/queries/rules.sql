-- rules: Which rules were in force, on which basis? Args: none.
SELECT * FROM rules
