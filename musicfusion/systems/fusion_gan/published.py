"""FusionGAN's published figures (Tables I and II), and what has to be known to read them."""

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
# Shares of listeners' answers: fusion recognition, its level, and who they think composed it. As printed: the GAN's
# first four sum to 91 %, and the Monte Carlo method's level would be .18 by the paper's own formula.
TABLE2 = {
    "random": {"first": 0.250, "second": 0.225, "mixture": 0.125, "neither": 0.40, "level": 0.575,
               "expert": 0.225, "newbie": 0.500, "robot": 0.275},
    "pretrain": {"first": 0.436, "second": 0.091, "mixture": 0.309, "neither": 0.164, "level": 0.491,
                 "expert": 0.455, "newbie": 0.218, "robot": 0.327},
    "mixture": {"first": 0.340, "second": 0.170, "mixture": 0.260, "neither": 0.14, "level": 0.69,
                "expert": 0.420, "newbie": 0.320, "robot": 0.260},
    "exchanged": {"first": 0.201, "second": 0.283, "mixture": 0.208, "neither": 0.308, "level": 0.61,
                  "expert": 0.321, "newbie": 0.377, "robot": 0.302},
    "monte_carlo": {"first": 0.320, "second": 0.020, "mixture": 0.140, "neither": 0.52, "level": 0.16,
                    "expert": 0.300, "newbie": 0.360, "robot": 0.340},
    "fusion": {"first": 0.359, "second": 0.250, "mixture": 0.200, "neither": 0.191, "level": 0.70,
               "expert": 0.438, "newbie": 0.281, "robot": 0.281},
}
QUALIFIED = 0.665  # of candidates, who named the genre of one piece right
REMARKS = (
    "The paper's distances are those of raw counts, which grow with how much is compared; ours are those of shares."
    " Its Ratio can be compared in spirit only.",
    "The paper's data: Weimar jazz and Essen folk songs in 32nds (data.grid=32), pieces in major.",
)
