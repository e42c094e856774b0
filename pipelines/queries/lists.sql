SELECT *, canaries - canaries_passed AS canaries_missed FROM lists
