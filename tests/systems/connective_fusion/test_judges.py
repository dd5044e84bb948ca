"""The reality classifier learns real pairs against shuffled ones."""

import jax
import numpy as np

from musicfusion import losses
from musicfusion.systems.connective_fusion import judges

KEY = jax.random.key(3)


def test_the_classifier_learns_pairs_and_its_loss_is_that_of_both_halves(sides):
    model = judges.RealityClassifier(width=16, depth=1, dropout=0.0)
    task = judges.task(model, optimizer={"rate": 1e-2, "schedule": "constant"}, steps=60)
    others = np.roll(sides["right"], 1, 0)
    batch = {**sides, "other": others, "example_key": jax.random.split(KEY, len(others))}
    state = task.init(KEY, batch, {})
    real, shuffled = (model.apply({"params": state["params"]}, sides["left"], x) for x in (sides["right"], others))
    bce = losses.binary_cross_entropy
    before = task.validate(state, batch, {}, KEY)
    np.testing.assert_allclose(before["loss"], 0.5 * (np.mean(bce(real, 1.0)) + np.mean(bce(shuffled, 0.0))), rtol=1e-5)
    step = jax.jit(task.step)
    for _ in range(60):
        state, _ = step(state, batch, {}, KEY)
    after = task.validate(state, batch, {}, KEY)
    assert after["accuracy"] > 0.9 and after["reality_real"] > after["reality_shuffled"] + 0.5


def test_reality_is_a_probability():
    np.testing.assert_allclose(judges.reality(np.array([-100.0, 0.0, np.log(3.0)])), [0.0, 0.5, 0.75], atol=1e-7)
