"""What the CollageNet paper reports (section 4, Tables 1 to 3, figure 3), beside ours; nothing is computed from it."""

from collections.abc import Mapping

TABLE1 = {
    "disharmonic pairs": {"harmony_rate": 0.1010},
    "data-driven": {"harmony_rate": 0.6170, "rho_melody": 1.12, "rho_accompaniment": 1.36},
    "rule-based": {"harmony_rate": 0.6727, "rho_melody": 1.28},
    "CollageNet-vanilla": {"harmony_rate": 0.9259, "rho_melody": 0.98, "rho_accompaniment": 1.75},
    "CollageNet, lambda 0.1": {"harmony_rate": 0.9271, "rho_melody": 0.92, "rho_accompaniment": 1.89},
    "CollageNet, lambda 0.5": {"harmony_rate": 0.8958, "rho_melody": 0.69, "rho_accompaniment": 1.56},
    "CollageNet, lambda 1": {"harmony_rate": 0.8956, "rho_melody": 0.66, "rho_accompaniment": 1.35},
    "CollageNet, lambda 2": {"harmony_rate": 0.8458, "rho_melody": 0.52, "rho_accompaniment": 1.27},
}
TABLE2 = {
    "harmonic pairs": {"pch_kld": 0.96, "pch_oa": 0.578, "oh_kld": 2.171, "oh_oa": 0.471, "re": 0.643},
    "disharmonic pairs": {"pch_kld": 5.02, "pch_oa": 0.292, "oh_kld": 4.522, "oh_oa": 0.299, "re": 0.457},
    "data-driven": {"pch_kld": 2.69, "pch_oa": 0.397, "oh_kld": 3.421, "oh_oa": 0.377, "re": 0.531},
    "rule-based": {"pch_kld": 1.91, "pch_oa": 0.459, "oh_kld": 1.831, "oh_oa": 0.464, "re": 0.662},
    "CollageNet": {"pch_kld": 1.38, "pch_oa": 0.588, "oh_kld": 2.228, "oh_oa": 0.476, "re": 0.612},
}
TABLE3 = {
    "test set": {"melody_pc": 10.7, "melody_pi": 0.024, "melody_ioi": 3.1,
                 "accompaniment_pc": 31.6, "accompaniment_ioi": 2.02},
    "VAE prior": {"melody_pc": -0.30, "melody_pi": 0.054, "melody_ioi": 0.05,
                  "accompaniment_pc": -3.7, "accompaniment_ioi": 0.00},
    "data-driven": {"melody_pc": -0.99, "melody_pi": 0.099, "melody_ioi": 0.33,
                    "accompaniment_pc": -2.3, "accompaniment_ioi": 0.14},
    "rule-based": {"melody_pc": -1.33, "melody_pi": 0.102, "melody_ioi": 0.33},
    "CollageNet": {"melody_pc": -0.10, "melody_pi": 0.010, "melody_ioi": 0.03,
                   "accompaniment_pc": -1.2, "accompaniment_ioi": 0.01},
}
# Figure 3: the mean harmony of 1 to 5, and the share of pieces that were taken for human-made, by 20 trained and 18
# other listeners. Figure 4 prints no numbers.
FIGURE3A = {
    "disharmonic pairs": {"harmony_trained": 2.513, "harmony_not_trained": 2.513},
    "rule-based": {"harmony_trained": 3.287, "harmony_not_trained": 3.389},
    "CollageNet": {"harmony_trained": 3.975, "harmony_not_trained": 3.847},
    "harmonic pairs": {"harmony_trained": 4.313, "harmony_not_trained": 4.138},
}
FIGURE3B = {
    "rule-based": {"melody_trained": 0.475, "melody_not_trained": 0.514},
    "CollageNet": {"melody_trained": 0.788, "melody_not_trained": 0.806,
                   "accompaniment_trained": 0.688, "accompaniment_not_trained": 0.708},
    "harmonic pairs": {"melody_trained": 0.863, "melody_not_trained": 0.847,
                       "accompaniment_trained": 0.900, "accompaniment_not_trained": 0.889},
}
REMARKS = (
    "The paper's rhythm columns (OH, RE) of unrelated pairs differ from those of two random segments on the beat grid:"
    " there OH KLD is about 2.6, OA .45 and RE .45, nearly as in real pairs.",
    "The paper does not say which lambda its Tables 2 and 3 use, nor which controls its Table 1. Here lambda is the"
    " run's own, and the controls of every pair are drawn from U(0, 1), as its public code does in validation.",
    "PI signed is nearly uninformative (ups and downs cancel); PI absolute is the mean size of an interval.",
    "The data-driven method asks its critic up to 200 times a pair, so it is measured on 1000 pairs at most. The paper"
    " does not say how many iterations it took; its row stands beside our 100.",
)


def beside(rows: Mapping[str, Mapping[str, float]], distance: float) -> dict[str, Mapping[str, float]]:
    """The paper's rows under our names: its data-driven row beside our 100 iterations, CollageNet beside our own.

    distance: lambda of the run.
    """
    ours = {"data-driven": "data-driven, 100 iterations", "CollageNet": f"CollageNet, lambda {distance:g}"}
    return {ours.get(name, name): row for name, row in rows.items()}
