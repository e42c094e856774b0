-- Q09 eu-domains-sme: Which domains must a small provider name? Args: none.
-- EU public summary 2.3, small providers: the top 5 % or 1000 domains, whichever is lower.
WITH scraped AS (
    SELECT
        domain,
        count(*) AS documents_in,
        sum(tokens_in)::BIGINT AS tokens_in,
        sum(tokens_out)::BIGINT AS tokens_out
    FROM documents JOIN sources USING (source_id)
    WHERE kind = 'crawl' AND domain IS NOT NULL
    GROUP BY domain
),
ranked AS (
    SELECT *, row_number() OVER (ORDER BY tokens_in DESC, domain) AS rank, count(*) OVER () AS n
    FROM scraped
)
SELECT rank, domain, documents_in, tokens_in, tokens_out
FROM ranked
WHERE rank <= least(ceil(n * 0.05), 1000)
ORDER BY rank
