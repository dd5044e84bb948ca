"""Corpora -> arrays, NumPy only: the loop that reads songs, a reader for each corpus, splits, cache and batches."""
