-- Q22 pii: What personal data was found, and what is left? Args: none.
SELECT
    p.entity_type,
    p.grade,
    p.detector,
    p.action,
    count(*) AS documents,
    sum(p.n_found)::BIGINT AS found,
    coalesce(sum(p.n_found) FILTER (d.outcome = 'kept'), 0)::BIGINT AS found_in_kept,
    coalesce(sum(p.n_redacted) FILTER (d.outcome = 'kept'), 0)::BIGINT AS redacted_in_kept,
    coalesce(sum(p.n_found - p.n_redacted) FILTER (d.outcome = 'kept'), 0)::BIGINT AS left_in_kept
FROM pii_stats AS p JOIN documents AS d USING (doc_id)
GROUP BY p.entity_type, p.grade, p.detector, p.action
ORDER BY found DESC, p.entity_type, p.detector, p.action
