"""The paper's own numbers (Connective Fusion, section 3.4); all else it reports as curves (figures 4 to 7)."""

# Of its reality classifier on test data: the mean output on real pairs; the accuracy on real and shuffled pairs.
REALITY_CLASSIFIER = {"real": 0.959, "accuracy": 0.953}
