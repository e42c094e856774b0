-- models: Which models measured? Args: none.
SELECT * FROM models
