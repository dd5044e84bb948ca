"""The numbers of MusAE's table 1, which are shown beside ours; nothing is computed from them.

Shares of steps that are reconstructed right, by method and bars of a window, on other songs (of LMD-matched); dbg: the
mean of drums, bass and guitar. The paper's two-bar models have drums and one pitched track, which it calls the melody.
"""

TABLE1: dict[tuple[str, int], dict[str, float]] = {
    ("gaussian", 2): {"drums": 0.999, "melody": 0.991},
    ("flat", 2): {"drums": 0.917, "melody": 0.951},
    ("gaussian", 16): {"drums": 0.773, "bass": 0.763, "guitar": 0.710, "strings": 0.802, "mean": 0.762, "dbg": 0.749},
    ("flower", 16): {"drums": 0.911, "bass": 0.880, "guitar": 0.797, "strings": 0.825, "mean": 0.853, "dbg": 0.863},
    ("flat", 16): {"drums": 0.641, "bass": 0.651, "guitar": 0.660, "dbg": 0.651},
    ("hierarchical", 16): {"drums": 0.895, "bass": 0.782, "guitar": 0.760, "dbg": 0.812},
}
REMARKS = (
    "The paper's public code trains encoder and critic on one summed loss, in which the encoder's adversarial terms"
    " cancel, and validates on batches that it has trained on: its figures may be those of an autoencoder without a"
    " critic, on music that it knows.",
    "Ours are of songs that were not trained on, from the posterior mean, decoded greedily; MusicVAE's decoders are fed"
    " with what they wrote themselves; how they do where the truth is fed stands beside it.",
)
