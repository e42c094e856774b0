-- protocols: What did each protocol say, and how often did it decide? Args: none.
SELECT
    protocol,
    channel,
    value,
    status,
    applied,
    sum(documents)::BIGINT AS documents,
    coalesce(sum(documents) FILTER (winner), 0)::BIGINT AS decided,
    min(observed_at) AS first_seen,
    max(observed_at) AS last_seen
FROM rights_signals
GROUP BY protocol, channel, value, status, applied
ORDER BY documents DESC, protocol, channel, value, status, applied
