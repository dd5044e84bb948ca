"""FusionGAN's published figures (Table I), and what has to be known to read them."""

# (EUD's Diff and Ratio, EM's Diff and Ratio) of raw counts
TABLE1 = {
    "durations": {
        "random": (39742.2, 1.375, 2757.6, 1.461), "pretrain": (24546.4, 1.231, 2005.2, 1.335),
        "mixture": (24765.2, 1.233, 2064.3, 1.345), "exchanged": (37971.2, 1.358, 2629.0, 1.439),
        "monte_carlo": (13988.7, 1.132, 1289.2, 1.215), "fusion": (19452.6, 1.183, 1831.9, 1.306)},
    "pitch classes": {
        "random": (19586.6, 1.647, 5231.0, 1.643), "pretrain": (15921.4, 1.526, 4147.5, 1.510),
        "mixture": (16807.1, 1.555, 4098.0, 1.504), "exchanged": (16927.1, 1.559, 4399.2, 1.541),
        "monte_carlo": (11175.0, 1.369, 2660.2, 1.327), "fusion": (11564.6, 1.382, 3182.5, 1.391)},
}
REMARKS = (
    "The paper's distances are those of raw counts, which grow with how much is compared; ours are those of shares."
    " Its Ratio can be compared in spirit only.",
    "The paper's data: Weimar jazz and Essen folk songs in 32nds (data.grid=32), pieces in major.",
)
