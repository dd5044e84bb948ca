"""What paper 004 reports in its table 1, printed beside ours; nothing is computed from it. Tracks: drums, bass, guitar,
strings; the two-bar melody stands where its only pitched track is. Its data are other songs (LMD-matched).
"""

TABLE1 = {
    ("gaussian", 2): {"drums": 0.999, "melody": 0.991},
    ("flat", 2): {"drums": 0.917, "melody": 0.951},
    ("gaussian", 16): {"drums": 0.773, "bass": 0.763, "guitar": 0.710, "strings": 0.802, "mean": 0.762},
    ("flower", 16): {"drums": 0.911, "bass": 0.880, "guitar": 0.797, "strings": 0.825, "mean": 0.853},
    ("flat", 16): {"drums": 0.641, "bass": 0.651, "guitar": 0.660},
    ("hierarchical", 16): {"drums": 0.895, "bass": 0.782, "guitar": 0.760},
}
REMARKS = (
    "The paper's public code trains encoder and critic on one summed loss, in which the encoder's adversarial terms"
    " cancel, and validates on batches that it has trained on: its figures may be those of an autoencoder without a"
    " critic, on music that it knows.",
    "Ours are of songs that were not trained on, from the posterior mean, decoded greedily; MusicVAE's decoders are fed"
    " with what they said themselves.",
)
