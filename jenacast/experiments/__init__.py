"""Many trainings: seeds, ensembles, comparisons, backtests, the ledger of published figures."""
