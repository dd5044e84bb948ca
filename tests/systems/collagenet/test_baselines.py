from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.latent import actor_critic
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import baselines, dataset, objective
from musicfusion.systems.collagenet.actor_critic import Critic

KEY = jax.random.key(0)
C, CIS, D, E, F = 60, 61, 62, 64, 65


# Data-driven ---------------------------------------------------------------------------------------------------------

ASPECTS = {"pitch": 12, "rhythm": 8, "chord": 12, "texture": 8}
CRITIC = Critic(ASPECTS, 64, 2, 0.1)
TASK = baselines.critic_task(
    critic=CRITIC, features=lambda vaes, z: z, loss_weights={"real": 0.5, "raw": 1 / 11, "fake": 10 / 11}, prior=0.5,
    optimizer=optax.adam(3e-3, 0.0, 0.9), steps=200)
FROZEN = {"vaes": {}, "sbar": None}


@pytest.fixture(scope="module")
def batch_of(real, partner):
    """batch_of(rows): real and unrelated pairs whose z are pitch classes and onsets of each beat, standardised."""
    arrays, _ = real
    slots = arrays["pitch"], arrays["duration"]
    beats = (len(partner), dataset.BEATS, dataset.PER_BEAT)
    parts = (statistics.melody_pitch_classes(arrays["melody"]),
             statistics.melody_onsets(arrays["melody"]).reshape(beats).sum(-1),
             statistics.pitch_classes(*slots), statistics.onsets(*slots).reshape(beats).sum(-1))
    z = np.concatenate(parts, 1)
    z = (z - z.mean(0)) / (z.std(0) + 0.1)
    unrelated = np.concatenate([z[:, :20], z[partner][:, 20:]], 1)

    def make(rows, seed=0):
        example_key = jax.random.split(jax.random.key(seed), len(rows))
        prior = jax.random.normal(jax.random.key(seed + 1), (len(rows), z.shape[1]))
        return {"real": z[rows], "unrelated": unrelated[rows], "prior": np.asarray(prior),
                "example_key": example_key}

    return make


@pytest.fixture(scope="module")
def trained(batch_of, partner):
    """The state after 200 steps on nine in ten of the segments, and the batch of the others."""
    rng = np.random.default_rng(3)
    rows = np.arange(len(partner))
    held_out, known = rows[::10], rows[rows % 10 != 0]
    state, step = TASK.init(KEY, batch_of(known[:64]), FROZEN), jax.jit(TASK.step)
    for i in range(200):
        state, _ = step(state, batch_of(rng.choice(known, 64), i), FROZEN, KEY)
    return state, batch_of(held_out, 1000)


def test_the_critic_learns_without_an_actor_to_tell_real_pairs(trained):
    state, held_out = trained
    assert set(state["params"]) == {"critic"} and state["step"] == 200
    metrics = TASK.validate(state, held_out, FROZEN, KEY)
    assert metrics["passes_real"] > 0.7 and metrics["passes_raw"] < metrics["passes_real"] - 0.4
    assert metrics["loss"] < TASK.validate(TASK.init(KEY, held_out, FROZEN), held_out, FROZEN, KEY)["loss"]


def test_the_critics_loss_is_equation_2_with_raw_negatives_only(trained):
    state, batch = trained
    real, raw = (1 / (1 + np.exp(-CRITIC.apply({"params": state["params"]["critic"]}, z)))
                 for z in (batch["real"], actor_critic.negatives(batch, 0.5)))
    expected = 0.5 * np.mean(-np.log(real)) + np.mean(-np.log(1 - raw))
    np.testing.assert_allclose(TASK.validate(state, batch, FROZEN, KEY)["loss"], expected, rtol=1e-4)


def test_a_steps_randomness_belongs_to_the_examples(trained):
    state, batch = trained
    step = jax.jit(TASK.step)
    backwards = jax.tree.map(lambda x: x[::-1], batch)
    others = batch | {"example_key": jax.random.split(jax.random.key(9), len(batch["real"]))}
    (_, here), (_, there), (_, elsewhere) = (step(state, each, FROZEN, KEY) for each in (batch, backwards, others))
    np.testing.assert_allclose(here["loss"], there["loss"], rtol=1e-5)
    assert abs(here["loss"] - elsewhere["loss"]) > 1e-4  # there is dropout


@pytest.fixture(scope="module")
def descent(trained):
    """run(z, counts) with the trained critic."""
    params = trained[0]["params"]["critic"]
    return jax.jit(partial(baselines.descend, lambda z: CRITIC.apply({"params": params}, z)), static_argnums=1)


def test_latents_descend_toward_what_the_critic_takes_for_real(trained, descent):
    state, batch = trained
    z = batch["unrelated"]

    def unreal(z):
        return losses.binary_cross_entropy(CRITIC.apply({"params": state["params"]["critic"]}, z), 1.0)

    values = np.stack([unreal(moved) for moved in (z, *descent(z, (25, 50, 100, 200)))])
    assert (np.diff(values.mean(1)) < 0).all()
    assert np.mean(values[-1] < values[0]) > 0.98 and values[-1].mean() < 0.5 * values[0].mean()


def test_a_descent_is_adam_with_fresh_gradients_and_every_pair_goes_its_own_way(trained, descent):
    state, batch = trained
    z = batch["unrelated"][:8]

    @jax.jit
    @jax.grad
    def slope(z):
        logits = CRITIC.apply({"params": state["params"]["critic"]}, z[None])
        return -jnp.log(jax.nn.sigmoid(logits[0]))

    expected, first, second = np.array(z), np.zeros_like(z), np.zeros_like(z)
    for i in range(1, 6):
        gradient = np.stack([slope(row) for row in expected])  # each row alone
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        expected = expected - 0.005 * (first / (1 - 0.9**i)) / (np.sqrt(second / (1 - 0.999**i)) + 1e-8)
    (_, found) = descent(z, (3, 5))
    clear = np.abs(np.stack([slope(row) for row in z])) > 1e-4  # where rounding does not decide the direction
    assert clear.mean() > 0.5
    np.testing.assert_allclose(np.asarray(found - z)[clear], (expected - z)[clear], rtol=0.02, atol=1e-5)
    assert np.abs(found - z)[clear].mean() > 0.01

    disturbed = z.copy()
    disturbed[0] += 5.0
    np.testing.assert_allclose(descent(disturbed, (5,))[0, 1:], found[1:], rtol=0, atol=1e-6)


# Methods -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def music(real, partner):
    """Unrelated pairs with their chords."""
    arrays, _ = real
    return {"melody": arrays["melody"]} | {name: arrays[name][partner] for name in ("pitch", "duration", "chords")}


def test_a_fool_puts_every_note_on_what_it_says_of_the_chord_that_sounds_with_it(music):
    onset = music["melody"] < melody.HOLD
    rows = np.repeat(music["chords"], dataset.PER_BEAT, 1)
    sounds = rows[..., 2] > 0
    for name, fool in baselines.FOOLS.items():
        made = np.asarray(fool(music))
        np.testing.assert_array_equal(melody.rhythm(made), melody.rhythm(music["melody"]))
        at = onset & sounds
        if name == "one note all along":
            assert all(len(set((row[there] % 12).tolist())) == 1 for row, there in zip(made, onset, strict=True))
        else:
            assert (rows[..., 2] >> made % 12 & 1)[at].all()
        if name == "drone on the root":
            assert ((made - rows[..., 0]) % 12 == 0)[at].all()
        elif "drone" in name:  # in most chords
            steps = {"drone on the third": (3, 4), "drone on the fifth": (7,)}[name]
            assert np.mean(np.isin((made - rows[..., 0]) % 12, steps)[at]) > 0.7
        assert (np.abs(made - music["melody"])[onset] <= 12).all()


def test_controls_are_drawn_for_each_pair_by_its_number_and_the_seed():
    index = np.arange(2000)
    drawn = np.asarray(baselines.drawn_controls(3, index))
    assert drawn.shape == (2000, 4) and drawn.min() >= 0 and drawn.max() < 1
    np.testing.assert_allclose(drawn.mean(0), 0.5, atol=0.03)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(4)).max() < 0.1
    np.testing.assert_array_equal(baselines.drawn_controls(3, index[50:60]), drawn[50:60])
    assert (np.asarray(baselines.drawn_controls(4, index[:9])) != drawn[:9]).all()


def test_edits_get_the_controls_of_latent_fusion_and_either_key_may_hold():
    asked = []

    def edits(music, controls):
        asked.append(controls)
        return music

    index = np.array([4, 9])
    method = baselines.edited("edits, random controls", edits, seed=3)
    assert method.most == baselines.EDITED and method.run({"melody": index}, index)["melody"] is index
    baselines.edited(baselines.HALF, edits, controls=dict.fromkeys(objective.ASPECTS, 0.5)).run({}, index)
    drawn = np.asarray(baselines.drawn_controls(3, index))
    assert [own.pop("key") for controls in asked for own in controls] == ["either"] * 4
    assert all(list(own) == list(objective.ASPECTS) for controls in asked for own in controls)
    np.testing.assert_array_equal([list(own.values()) for own in asked[0]], drawn)
    assert [list(own.values()) for own in asked[1]] == [[0.5] * 4] * 2


class Space:
    """A latent space in which controls are what is decoded, and moves cost what they are."""

    aspects = dict.fromkeys(objective.ASPECTS, 1)
    sample = staticmethod(lambda music, keys: music["melody"])
    move = staticmethod(lambda actor, z, controls: controls)
    decode = staticmethod(lambda z: {"melody": z})
    rho = staticmethod(lambda moved, z: {"rho_melody": z[:, 0]})


def test_latent_fusion_is_given_controls_or_draws_them():
    index = np.array([4, 9])
    given = baselines.fused("a", Space, None, controls={"texture": 0.4, "pitch": 0.1, "chord": 0.3, "rhythm": 0.2})
    np.testing.assert_allclose(given.run({"melody": np.zeros((2, 4))}, index)["melody"], [[0.1, 0.2, 0.3, 0.4]] * 2)
    drawn = baselines.fused("a", Space, None, seed=3).run({"melody": np.zeros((2, 4))}, index)["melody"]
    np.testing.assert_array_equal(drawn, baselines.drawn_controls(3, index))


def test_every_method_has_a_name_of_its_own_and_some_hold_a_part():
    asked = {}

    def edits(music, controls):
        asked[name] = controls[0]
        return music

    made = list(baselines.methods(Space, seed=0, critic=None, vanilla=None, actors={"own": None}, edits=edits,
                                  edited_pairs=7))
    names = [method.name for method in made]
    assert len(set(names)) == len(names) and set(baselines.FOOLS) <= set(names)
    for method in made:
        if method.name.startswith("edits"):
            name = method.name
            assert method.most == 7, "each asks its critics for long"
            method.run({}, np.arange(1))
    held = {name: [aspect for aspect in objective.ASPECTS if asked[name][aspect] == 1] for name in asked}
    assert held[baselines.MELODY_HELD] == ["pitch", "rhythm"]
    assert held[baselines.ACCOMPANIMENT_HELD] == ["chord", "texture"]
    assert [asked[f"edits, controls {value:g}"]["pitch"] for value in baselines.CONTROLS] == list(baselines.CONTROLS)
    assert not [name for name in (m.name for m in baselines.methods(
        Space, seed=0, critic=None, vanilla=None, actors={}, edits=None)) if name.startswith("edits")]
