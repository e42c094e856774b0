-- unknowns: Which share of the corpus is unknown in some respect? Args: none.
-- One row; every share is of the tokens in the corpus.
WITH kept AS (SELECT * FROM documents WHERE outcome = 'kept')
SELECT
    coalesce(sum(tokens_out) FILTER (licence = 'unknown'), 0) / nullif(sum(tokens_out), 0)
        AS licence_unknown,
    coalesce(sum(tokens_out) FILTER (rights_observability = 'none'), 0)
        / nullif(sum(tokens_out), 0) AS rights_unobservable,
    coalesce(sum(tokens_out) FILTER (rights_state = 'unknown'), 0) / nullif(sum(tokens_out), 0)
        AS rights_unknown,
    coalesce(sum(tokens_out) FILTER (lang = 'und'), 0) / nullif(sum(tokens_out), 0)
        AS language_unknown,
    coalesce(sum(tokens_out) FILTER (toxicity IS NULL), 0) / nullif(sum(tokens_out), 0)
        AS toxicity_unmeasured,
    coalesce(sum(tokens_out) FILTER (domain IS NULL), 0) / nullif(sum(tokens_out), 0)
        AS domain_unknown,
    coalesce(sum(tokens_out) FILTER (published IS NULL), 0) / nullif(sum(tokens_out), 0)
        AS date_unknown
FROM kept
