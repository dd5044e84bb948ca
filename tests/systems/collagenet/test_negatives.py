"""Wrong pairs in latent space: the critic's further negatives. Those of judges are in test_judges.py."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import chords, melody
from musicfusion.systems.collagenet import dataset, negatives, system
from musicfusion.systems.collagenet.negatives import KINDS

COUNT, SIZE, CUT = 200, 6, 4
KEYS = jax.random.split(jax.random.key(1), COUNT)


@pytest.fixture(scope="module")
def arrays(corpus):
    """Every latent is its own number in the table."""
    latents = system.build_latents(micro_config(latents__segments=100))
    entries, _ = latents.table(corpus)
    number = np.repeat(np.arange(len(entries["start"]), dtype=np.float32)[:, None], SIZE, 1)
    return latents.encoded(corpus, latents={"mean": number, "std": 0 * number}, sbar=np.ones(SIZE), vaes={}).arrays


@pytest.fixture(scope="module")
def draw(arrays):
    """draw(kinds) -> a training batch."""
    run = jax.jit(functools.partial(negatives.latent_pairs, cut=CUT, controls=4, ends=0.5), static_argnums=3,
                  static_argnames="kinds")
    return lambda *kinds: {name: x if name == "example_key" else jax.device_get(x) for name, x in
                           run(arrays, np.arange(COUNT), KEYS, True, kinds=kinds).items()}


def test_wrong_music_is_made_of_the_very_segments_whose_latents_are_drawn(arrays, draw):
    batch = draw("displaced")
    table = arrays["table"]
    own = jax.device_get(dataset.cut(arrays["corpus"], table["start"][:COUNT], table["shift"][:COUNT]))
    np.testing.assert_array_equal(batch["real"][:, 0], np.arange(COUNT))
    np.testing.assert_array_equal(batch["unrelated"][:, CUT], batch["other"])
    np.testing.assert_array_equal(batch["wrong"]["melody"], own["melody"])
    assert (batch["wrong"]["pitch"] != own["pitch"]).any((1, 2)).mean() > 0.95
    foreign = jax.device_get(dataset.cut(arrays["corpus"], table["start"][batch["other"]],
                                         table["shift"][batch["other"]]))
    np.testing.assert_array_equal(draw("random")["wrong"]["melody"], foreign["melody"])


def test_chords_move_with_a_displaced_accompaniment(arrays, draw):
    wrong, table = draw("displaced")["wrong"], arrays["table"]
    own = jax.device_get(dataset.cut(arrays["corpus"], table["start"][:COUNT], table["shift"][:COUNT]))
    by_beat = [np.unique((new - old)[there] % 12) for new, old, there in zip(
        *(x.reshape(-1, 4, 14) for x in (wrong["pitch"], own["pitch"], own["duration"] > 0)), strict=True)]
    rows, before = (x.reshape(-1, 3) for x in (wrong["chords"], own["chords"]))
    moved = 0
    for beat, shifts in enumerate(by_beat):
        if len(shifts) == 1:
            np.testing.assert_array_equal(rows[beat], chords.transpose(before[beat], shifts[0]))
            moved += shifts[0] != 0
    assert moved > 100


def test_of_no_kind_there_is_none_and_pairs_are_the_same_whatever_the_kinds(draw):
    plain, told = draw(), draw(*KINDS)
    assert "wrong" not in plain
    for name in set(plain) - {"example_key"}:
        np.testing.assert_array_equal(plain[name], told[name])
    held = told["wrong"]["melody"] < melody.HOLD
    assert held.any(1).all() and set(told["wrong"]) == {"melody", "pitch", "duration", "chords"}


def test_latents_of_wrong_music_are_as_noisy_as_those_of_real_pairs(arrays, draw):
    batch = draw("moved")
    found = negatives.latents(lambda vaes, music: (vaes + music["melody"][:, :SIZE], 0.5))(3.0, batch)
    np.testing.assert_allclose(found, 3.0 + batch["wrong"]["melody"][:, :SIZE] + 0.5 * batch["noise"])
    assert batch["noise"].shape == (COUNT, SIZE)
    np.testing.assert_allclose([batch["noise"].mean(), batch["noise"].std()], [0, 1], atol=0.1)
    still = negatives.latent_pairs(arrays, np.arange(4), KEYS[:4], False, cut=CUT, controls=4, ends=0.5,
                                   kinds=("moved",))
    assert not np.any(still["noise"])


def test_drawn_takes_whole_music_of_one_kind():
    music = {name: {"a": jnp.full((600, 2), number), "b": jnp.full((600,), number)}
             for number, name in enumerate(KINDS)}
    found = negatives.drawn(music, ("drone", "fitted"), jax.random.split(jax.random.key(0), 600))
    np.testing.assert_array_equal(found["a"][:, 0], found["b"])
    assert set(np.asarray(found["b"]).tolist()) == {KINDS.index("drone"), KINDS.index("fitted")}
    assert np.mean(found["b"] == KINDS.index("drone")) == pytest.approx(0.5, abs=0.07)
