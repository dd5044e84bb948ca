"""Actor and critic of the lite preset, over what soprano lines of real chorales decode to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody
from musicfusion.latent import soft_decode, vae
from musicfusion.systems.connective_fusion import dataset, lite, lite_actor_critic

COUNT = 16
KEY = jax.random.key(3)


@pytest.fixture(scope="module")
def decoded(sides):
    """The features of eight bars that decoders are sure of."""
    return features(sides["left"], sides["right"])


def features(left, right):
    def sure(symbols):
        return soft_decode.melody(40.0 * (2 * jax.nn.one_hot(symbols, melody.SYMBOLS) - 1), melody.LOWEST, height=True)

    return lite_actor_critic.joined(sure(left), sure(right), jax.random.normal(KEY, (len(left), 128)))


def transposed(symbols, by):
    return np.where(symbols < melody.PITCHES, np.clip(symbols + by, 0, melody.PITCHES - 1), symbols)


def test_both_sides_are_decoded_and_stand_one_after_the_other(sides):
    side = lite.MelodyVAE(width=16, depth=1, latent=32)
    params = vae.init(side, KEY, {"melody": sides["left"]})
    z = jax.random.normal(KEY, (COUNT, 64))
    both = lite_actor_critic.features(side, params, z)
    left, right = (side.apply({"params": params}, half, method="decoded_features") for half in np.split(z, 2, 1))
    np.testing.assert_array_equal(both["z"], z)
    for name in left:
        np.testing.assert_allclose(both[name], np.concatenate([left[name], right[name]], 1), rtol=1e-4, atol=1e-5)


def test_the_critic_says_the_same_in_every_key_but_not_where_one_side_moves_alone(sides, decoded):
    inside = [np.where((x < 25) | (x >= melody.PITCHES), x, 24) for x in (sides["left"], sides["right"])]
    critic = lite_actor_critic.Critic({}, 16, 1)
    params = critic.init(KEY, decoded)
    run = jax.jit(critic.apply)
    here = run(params, features(*inside))
    assert here.shape == (COUNT,)
    up = [transposed(x, 5) for x in inside]
    np.testing.assert_allclose(run(params, features(*up)), here, rtol=1e-3, atol=1e-4)
    assert np.abs(run(params, features(inside[0], up[1])) - here).max() > 1e-3


def tonics_of(z) -> list[np.ndarray]:
    """The last number of each bar, which is the tonic's: of the left side, of the right one [COUNT, 4] x 2."""
    return np.split(np.asarray(z).reshape(COUNT, 2 * dataset.BARS, -1)[..., -1], 2, 1)


def test_an_untrained_actor_reads_everything_moves_notes_little_and_the_right_tonic_most_of_the_way(decoded):
    actor, style = lite_actor_critic.Actor({}, 16, 1), jnp.full((COUNT, 2), 0.5)
    params = actor.init(KEY, decoded, style)
    moved = np.asarray(actor.apply(params, decoded, style))
    notes = (moved - decoded["z"]).reshape(COUNT, 2 * dataset.BARS, -1)[..., :-1]
    assert 0 < np.linalg.norm(notes) < 0.2 * np.linalg.norm(decoded["z"])
    left, right = tonics_of(decoded["z"])
    share = np.sum((tonics_of(moved)[1] - right) * (left - right)) / np.sum((left - right) ** 2)
    assert 0.5 < share < 0.95

    def influence(decoded, style):
        return jnp.sum(jnp.abs(actor.apply(params, decoded, style)[:, :8]))  # the first half bar

    by_features, by_style = jax.jit(jax.grad(influence, (0, 1)))(decoded, style)
    assert np.all(np.abs(by_style) > 0)
    for name in ("z", "lead", "lead_states", "leaps", "height"):
        assert np.any(by_features[name][:, -1] != 0), name  # of what lies at the end, too


def test_one_side_takes_over_the_others_tonic_whole_or_in_part(decoded):
    """Probabilities that no side yields, the left one, the right one."""
    actor, style = lite_actor_critic.Actor({}, 16, 1), jnp.full((COUNT, 2), 0.5)
    params = actor.init(KEY, decoded, style)["params"]

    def tonics_after(*probabilities):
        layer = {"kernel": jnp.zeros_like(params["yields"]["kernel"]), "bias": jnp.log(jnp.array(probabilities))}
        return tonics_of(actor.apply({"params": params | {"yields": layer}}, decoded, style))

    left, right = tonics_of(decoded["z"])
    for probabilities, wanted in (((1.0, 0.0, 0.0), (left, right)), ((0.0, 1.0, 0.0), (right, right)),
                                  ((0.0, 0.0, 1.0), (left, left)),
                                  ((0.75, 0.0, 0.25), (left, 0.75 * right + 0.25 * left))):
        np.testing.assert_allclose(tonics_after(*probabilities), wanted, atol=1e-6)


def test_each_half_bar_has_its_own_part_of_z():
    spans = lite_actor_critic.in_time(jnp.arange(128.0)[None])
    assert spans.shape == (1, 16, 8)
    assert spans[0, 1].tolist() == list(range(8, 16)) and spans[0, 8, 0] == 64, "the right side's first"
