"""Corpora -> arrays, NumPy only: one reader per corpus, then windows, splits, cache and batches."""
