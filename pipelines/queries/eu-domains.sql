-- Q08 eu-domains: Which domains must be named (EU 2.3, top 10 %)? Args: none.
-- EU public summary 2.3: the top tenth of the domains by size scraped, so tokens_in decides.
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
WHERE rank <= ceil(n * 0.10)
ORDER BY rank
