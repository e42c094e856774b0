-- lists: Which opt-out lists were used, and did their canaries pass? Args: none.
SELECT *, canaries - canaries_passed AS canaries_missed FROM lists
