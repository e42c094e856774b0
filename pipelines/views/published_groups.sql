-- How the counts of documents that left are grouped where they are published: reasons about persons
-- with fewer than 11 documents stand together with the smallest other reason, so that no total less
-- the rest gives one of them away; so do the rules of one such reason if one of them has fewer.
WITH counted AS (
    SELECT rule_id, reason, count(*) AS documents
    FROM decisions
    WHERE terminal
    GROUP BY rule_id, reason
),
reasons AS (
    SELECT
        reason,
        sum(documents) AS documents,
        min(documents) AS fewest,
        reason IN ('erasure', 'optout_author', 'pii_dense', 'pii_minor', 'pii_dropped') AS persons,
        persons AND sum(documents) < 11 AS small
    FROM counted
    GROUP BY reason
),
ranked AS (
    SELECT
        *,
        bool_or(small) OVER () AS hides,
        row_number() OVER (PARTITION BY small ORDER BY documents, reason) AS place
    FROM reasons
),
labelled AS (
    SELECT *, small OR (hides AND place = 1) AS together FROM ranked
)
SELECT
    c.rule_id,
    c.reason,
    if(l.together, '(smaller groups)', c.reason) AS shown_reason,
    CASE
        WHEN l.together THEN '(smaller groups)'
        WHEN l.persons AND l.fewest < 11 THEN '(' || c.reason || ')'
        ELSE c.rule_id
    END AS shown_rule,
    sum(if(l.together, c.documents, NULL)) OVER () < 11 AND l.together AS silent
FROM counted AS c JOIN labelled AS l USING (reason)
