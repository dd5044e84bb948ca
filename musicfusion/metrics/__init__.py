"""Numbers about music: pure functions on arrays."""
