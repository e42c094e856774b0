SELECT * FROM rules
