"""FusionGAN's generator: what it plays, continues and completes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.systems.fusion_gan import generator as networks
from musicfusion.systems.fusion_gan.generator import Generator, pick, uniforms

KEY = jax.random.key(0)
EXAMPLES, LENGTH, SYMBOLS = 16, 8, 5


def player(seed=0, scale=1.0):
    generator = Generator(hidden=12, embedding=6, vocabulary=SYMBOLS)
    params = generator.init(jax.random.key(seed))["params"]
    return networks.player(generator, jax.tree.map(lambda x: scale * x, params))


def numbers(*shape, seed=1):
    return jax.random.uniform(jax.random.key(seed), shape)


def test_a_symbol_is_picked_as_often_as_it_is_likely():
    logits = jnp.log(jnp.array([0.1, 0.6, 0.3]))
    picked = np.asarray(pick(jnp.broadcast_to(logits, (5000, 3)), numbers(5000)))
    np.testing.assert_allclose(np.bincount(picked) / 5000, [0.1, 0.6, 0.3], atol=0.02)
    assert pick(logits[None], jnp.array([1.0]))[0] == 2, "the last one, where rounding leaves a rest"


def test_melodies_are_played_as_often_as_they_are_likely():
    """Every melody of three symbols, its likelihood against how often it is played."""
    own, many = player(scale=4.0), 20_000
    half = jnp.full(SYMBOLS**3, 0.5)
    every = jnp.array(list(itertools.product(range(SYMBOLS), repeat=3)))
    said = jnp.take_along_axis(own.log_likelihood(every, half), every[..., None], -1)[..., 0].sum(1)
    assert float(jnp.sum(jnp.exp(said))) == pytest.approx(1, abs=1e-4)
    played = np.asarray(own.sample(numbers(3, many), jnp.full(many, 0.5)))
    often = np.bincount(played @ np.array([SYMBOLS**2, SYMBOLS, 1]), minlength=SYMBOLS**3) / many
    np.testing.assert_allclose(often, np.exp(said), atol=0.012)


def test_a_continuation_goes_on_as_the_whole_melody_would():
    drawn, ratio = numbers(LENGTH, EXAMPLES), jnp.linspace(0, 1, EXAMPLES)
    whole = player().sample(drawn, ratio)
    known = jnp.full(EXAMPLES, 3)
    rest = player().continuation(whole[:, :3], known, drawn[3:], ratio)
    np.testing.assert_array_equal(rest, whole[:, 3:])
    np.testing.assert_array_equal(player().continuation(whole[:, :0], 0 * known, drawn, ratio), whole)


def test_prompts_of_different_lengths_continue_side_by_side_and_what_is_before_them_does_not_count():
    drawn, ratio = numbers(LENGTH, EXAMPLES), jnp.linspace(0, 1, EXAMPLES)
    whole = player().sample(numbers(LENGTH, EXAMPLES, seed=3), ratio)
    known = jnp.arange(EXAMPLES) % (LENGTH + 1)
    ignored = jnp.arange(LENGTH)[None] < LENGTH - known[:, None]
    found = [player().continuation(jnp.where(ignored, other, whole), known, drawn, ratio) for other in (0, 4)]
    np.testing.assert_array_equal(*found)
    for k in (0, 3, 8, 12):
        own = slice(k, k + 1)
        prompt = whole[own, LENGTH - int(known[k]):]
        alone = player().continuation(prompt, known[own], drawn[:, own], ratio[own])
        np.testing.assert_array_equal(found[0][own], alone)


@pytest.mark.parametrize("length", [7, 8])
def test_every_prefix_is_completed(length):
    own = player()
    melody = own.sample(numbers(length, EXAMPLES), jnp.full(EXAMPLES, 0.5))
    drawn = numbers(length, length // 2, 3, EXAMPLES, seed=2)
    completed = np.asarray(own.rollouts(melody, drawn, jnp.full(EXAMPLES, 0.5)))
    assert completed.shape == (length - 1, 3, EXAMPLES, length)
    for kept in range(1, length):
        np.testing.assert_array_equal(completed[kept - 1, :, :, :kept], np.broadcast_to(
            np.asarray(melody)[:, :kept], (3, EXAMPLES, kept)))
    assert len(np.unique(completed[0, :, 0, 1:], axis=0)) > 1, "completions differ"


def test_completions_are_as_frequent_as_they_are_likely():
    """What follows a prefix of one symbol, against its likelihood; and of two, which shares a lane with another one."""
    own, many = player(scale=4.0), 4000
    melody = jnp.tile(jnp.array([[1, 3, 0, 2]]), (1, 1))
    completed = np.asarray(own.rollouts(melody, numbers(4, 2, many, 1, seed=3), jnp.full(1, 0.5)))[:, :, 0]
    for kept in (1, 2, 3):
        prefix = melody[:, :kept]
        padded = jnp.concatenate([prefix, jnp.zeros((1, 1), jnp.int32)], 1)
        next_one = np.exp(np.asarray(own.log_likelihood(padded, jnp.full(1, 0.5)))[0, kept])
        often = np.bincount(completed[kept - 1, :, kept], minlength=SYMBOLS) / many
        np.testing.assert_allclose(often, next_one, atol=0.03)


def test_a_blended_generator_is_told_the_first_genre_s_share_and_the_paper_s_is_not():
    generator = Generator(hidden=12, embedding=6, vocabulary=SYMBOLS)
    params = generator.init(KEY)["params"]
    params["blend"] = jax.random.normal(KEY, params["blend"].shape)
    melody = jnp.zeros((2, LENGTH), jnp.int32)
    found = networks.player(generator, params).log_likelihood(melody, jnp.array([0.0, 1.0]))
    assert float(jnp.max(jnp.abs(found[0] - found[1]))) > 0.01
    assert "blend" not in Generator(blended=False).init(KEY)["params"]


def test_uniforms_of_an_example_depend_on_its_key_and_the_salt_alone():
    keys = jax.random.split(KEY, 3)
    found = uniforms(keys, 1, (4, 2))
    assert found.shape == (4, 2, 3) and float(found.min()) >= 0 and float(found.max()) < 1
    np.testing.assert_array_equal(uniforms(keys[1:], 1, (4, 2)), found[..., 1:])
    assert not np.array_equal(uniforms(keys, 2, (4, 2)), found)


def test_the_published_size():
    """14,820 numbers with 100 symbols."""
    assert sum(x.size for x in jax.tree.leaves(Generator(32, 32, 100, False).init(KEY)["params"])) == 14_820
