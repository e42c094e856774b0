-- lists-published: What may be published of the opt-out lists that were used? Args: none.
-- As lists, but if a list about persons matched fewer than 11 documents, none of them says how many.
SELECT
    * REPLACE (
        if(
            kind IN ('person', 'author') AND bool_or(
                kind IN ('person', 'author') AND documents_matched BETWEEN 1 AND 10
            ) OVER (),
            NULL,
            documents_matched
        ) AS documents_matched
    ),
    canaries - canaries_passed AS canaries_missed
FROM lists
