-- Q25 overdue: Which requests are overdue? Args: $asof (the day to judge from).
SELECT
    request_id,
    kind,
    legal_ref,
    received,
    verified,
    due,
    date_diff('day', due, $asof::DATE) AS days_late
FROM requests
WHERE closed IS NULL AND due < $asof::DATE
ORDER BY due, request_id
