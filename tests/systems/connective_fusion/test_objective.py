"""The equations of section 2: what a move costs, how a reconstruction is counted, who learns and how fast."""

import jax
import jax.numpy as jnp
import numpy as np
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.core import optimizers
from musicfusion.latent.space import distances
from musicfusion.systems.connective_fusion import actor_critic, dataset, lite, objective, pairs, system

HOLD = melody.PITCHES
KEY = jax.random.key(3)


def test_a_move_costs_what_both_sides_moved_whatever_the_style():
    z, sbar = jnp.zeros((3, 8)), jnp.full(8, 0.5)
    moved = z.at[0, 0].set(0.5).at[1, 7].set(1.0)
    rho = distances(moved, z, sbar, pairs.parts(4))
    cost = objective.similarity_loss(rho, jnp.ones((3, 2)))
    # equation (7): 1/d sum log(1 + (z' - z)^2) / sbar^2 of each side
    want = [np.log(1 + 0.5**2) / 0.5**2 / 4, np.log(1 + 1.0) / 0.5**2 / 4, 0.0]
    np.testing.assert_allclose(cost, want, rtol=1e-6)
    assert set(rho) == set(dataset.SIDES)


def test_reconstruction_is_counted_by_symbols_and_by_onsets():
    truth = np.array([[3, HOLD, 5, HOLD + 1]])
    decoded = np.array([[3, HOLD, 6, HOLD + 1]])
    found = objective.reconstructed({"melody": truth}, {"melody": decoded})
    assert {name: (int(right), int(whole)) for name, (right, whole) in found.items()} == {
        "symbol_accuracy": (3, 4), "onset_accuracy": (1, 2)}


def test_the_actor_learns_so_many_times_as_fast_as_the_critic(monkeypatch):
    config = micro_config("connective_fusion", fusion__actor_rate=6.0)
    rates = []
    create = optimizers.create

    def recorded(**settings):
        rates.append(settings["rate"])
        return create(**settings)

    monkeypatch.setattr(optimizers, "create", recorded)
    system._fusion(config, system.build(config), 0.5, "fusion")
    actor, critic = rates
    np.testing.assert_allclose(actor, 6 * critic)


def test_a_step_of_fusion_trains_both_and_reports_what_each_side_moved():
    pair_vae, parts = pairs.PairVAE(side=lite.MelodyVAE(latent=64)), pairs.parts(64)
    task = objective.fusion(
        pair_vae=pair_vae, actor=actor_critic.Actor(parts, 8, 1), critic=actor_critic.Critic(parts, 8, 1),
        features=actor_critic.features, loss_weights={"real": 1.0, "raw": 1.0, "fake": 1.0}, prior=1.0, distance=0.5,
        diversity=1.0, margin=0.5, critic_updates=1, actor_start=0, actor_rate=1.0,
        optimizer={"rate": 1e-3, "schedule": "constant"}, steps=10)
    draws = [jax.random.normal(jax.random.fold_in(KEY, i), (4, 128)) for i in range(3)]
    styles = jax.random.uniform(KEY, (2, 4, 2))
    batch = dict(zip(("real", "unrelated", "prior"), draws, strict=True)) | {
        "controls": styles[0], "others": styles[1], "example_key": jax.random.split(KEY, 4)}
    frozen = {"sbar": jnp.full(128, 0.5), "vaes": {}}
    state = task.init(KEY, batch, frozen)
    after, metrics = jax.jit(task.step)(state, batch, frozen, KEY)
    for name in ("actor", "critic"):
        changed = jax.tree.map(lambda a, b: np.any(a != b), state["params"][name], after["params"][name])
        assert any(jax.tree.leaves(changed)), name
    assert {"rho_left", "rho_right", "adversarial", "sameness"} <= set(metrics)
    assert all(np.isfinite(value) for value in metrics.values())
