SELECT * FROM metrics ORDER BY name, slice
