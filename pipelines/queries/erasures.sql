-- erasures: What was erased from this release since it was made, on which request, and when? Args:
-- none.
-- What stays of it are leaves of the Merkle roots; the totals of the release are those it was made with.
SELECT request_id, erased_on, count(*) AS documents
FROM erasures
GROUP BY ALL
ORDER BY erased_on, request_id
