-- erasures-published: What may be published of what was erased since the release was made? Args:
-- none.
-- How many only from 11 on, and by day, never by request.
SELECT
    min(erased_on) AS first_day,
    max(erased_on) AS last_day,
    if(count(*) < 11, NULL, count(*)) AS documents
FROM erasures
HAVING count(*) > 0
