"""Trained networks, compiled: batches of any size, one program for several actors, parameters read once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.latent import vae
from musicfusion.systems.connective_fusion import baselines, dataset, system
from musicfusion.systems.connective_fusion.inference import Inference

KEY = jax.random.key(3)


def drawn(networks) -> dict:
    """Parameters as they are drawn, by stage."""
    silence = jnp.full((1, dataset.STEPS), melody.SYMBOLS - 1)
    side = vae.init(networks.pair_vae.side, KEY, {"melody": silence})
    read = networks.features(side, jnp.zeros((1, 128)))
    actors = [networks.actor.init(jax.random.fold_in(KEY, i), read, jnp.zeros((1, 2)))["params"] for i in range(2)]
    classifier = networks.classifier.init(KEY, silence, silence)["params"]
    return {"melody_vae": side, "latents": {"sbar": jnp.full(128, 0.5)}, "fusion": {"actor": actors[0]},
            "fusion_2.0": {"actor": actors[1]}, "reality_classifier": classifier, "reality_classifier_1": classifier}


class Drawn:
    """Those of the VAE and of the stages that are named; and which were asked for."""

    def __init__(self, known, stages):
        self.params = {stage: known[stage] for stage in ("melody_vae", "latents", *stages)}
        self.asked: list[str] = []

    def has(self, stage):
        return stage in self.params

    def __call__(self, stage, subtree="params"):
        self.asked.append(stage)
        return self.params[stage]


@pytest.fixture(scope="module")
def inference():
    """inference(batch, stages) -> Inference, and what it reads parameters from."""
    networks = system.build(micro_config("connective_fusion"))
    known = jax.jit(lambda: drawn(networks))()

    def inference(batch=5, stages=("fusion", "fusion_2.0", "reality_classifier", "reality_classifier_1")):
        trained = Drawn(known, stages)
        return Inference(pair_vae=networks.pair_vae, actor=networks.actor, features=networks.features,
                         classifier=networks.classifier, trained=trained, batch=batch), trained

    return inference


def test_any_number_of_pairs_goes_through_and_each_by_itself(inference, sides):
    run, _ = inference()
    symbols = np.concatenate([sides["left"], sides["right"]], 1)[:7]
    style = np.full((7, 2), 0.3, np.float32)
    mean, std = run.encode(symbols)
    assert mean.shape == std.shape == (7, 128) and run.decode(mean).shape == (7, 128)
    moved = run.move(mean, style)
    assert run.logits(symbols).shape == (7,)
    alone, _ = inference(batch=1)
    np.testing.assert_allclose(alone.move(mean[6:], style[6:]), moved[6:], rtol=1e-4, atol=1e-5)
    want = np.mean((moved - mean) ** 2, 1) / 0.5**2
    np.testing.assert_allclose(run.distance(moved, mean), want, rtol=1e-4)


def test_actors_of_other_lambdas_differ_and_parameters_are_read_once(inference):
    run, trained = inference()
    z, style = np.ones((2, 128), np.float32), np.full((2, 2), 0.3, np.float32)
    one, other = run.move(z, style), run.move(z, style, "fusion_2.0")
    assert np.abs(one - other).max() > 1e-3
    run.move(z, style)
    assert sorted(trained.asked) == ["fusion", "fusion_2.0", "latents", "melody_vae"]


def test_latent_perturb_is_a_function_of_the_seed(inference):
    run, _ = inference()
    z = np.ones((2, 128), np.float32)
    found, again, other = (run.latent_perturb(z, 0.1, seed) for seed in (0, 0, 1))
    assert tuple(found) == baselines.PERTURBATIONS
    np.testing.assert_array_equal(found[10], again[10])
    assert not np.array_equal(found[100], other[100])


def test_what_was_not_trained_is_known_beforehand(inference):
    run, _ = inference(stages=("fusion",))
    assert run.has("fusion") and not run.has("reality_classifier")
