"""FusionGAN's windows: symbols, keys, genres."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import concatenate, finer, joined
from musicfusion.systems.fusion_gan import melodies

SCALE = np.array([0, 2, 4, 5, 7, 9, 11, 12])
MINOR = np.array([0, 2, 3, 5, 7, 8, 11, 12])


def tune(tonic, scale=SCALE, bars=6):
    """A scale up and down from the tonic, one note an eighth, that ends on a long tonic."""
    degrees = np.concatenate([scale, scale[-2::-1], [0]])
    notes = [(2 * k, 2, tonic + int(degrees[k % 16])) for k in range(8 * bars)]
    return melody.tokens_from_notes(np.array(notes), 16 * bars)


def corpus(*genres):
    parts = [concatenate([(f"{name}{k}", {"melody": tokens}) for k, tokens in enumerate(songs)], {}, name)
             for name, songs in genres]
    return joined(parts, tuple(name for name, _ in genres))


@pytest.fixture(scope="module")
def both():
    ups = [tune(60 + k % 12) for k in range(40)]
    downs = [tune(55 + k % 12)[::1] for k in range(30)] + [tune(57, MINOR)] * 4
    return corpus(("up", ups), ("down", downs))


def config(**changes):
    return micro_config("fusion_gan", **({"data__mode": "major"} | changes))


def test_symbols_are_pitches_hold_and_rest_and_come_back():
    tokens = np.array([36, 60, 95, melody.HOLD, melody.REST])
    assert melodies.symbols(tokens).tolist() == [0, 24, 59, melodies.HOLD, melodies.REST]
    np.testing.assert_array_equal(melodies.tokens(melodies.symbols(tokens)), tokens)
    assert melodies.tokens(melodies.symbols(np.array([20, 100]))).tolist() == [44, 88], "by octaves"


@pytest.mark.parametrize("tonic", [53, 60, 66, 71])
@pytest.mark.parametrize(("scale", "first"), [(SCALE, 0), (MINOR, 12)])
def test_a_melody_moves_to_c_by_the_shorter_way(tonic, scale, first):
    tokens = tune(tonic, scale)
    assert melodies.key_of(tokens) == first + tonic % 12
    moved = melodies.in_c(tokens, tonic % 12)
    onsets = tokens < melody.HOLD
    shift = moved[onsets].astype(int) - tokens[onsets]
    assert np.ptp(shift) == 0 and -6 <= shift[0] <= 6 and moved[onsets][0] % 12 == 0
    np.testing.assert_array_equal(moved[~onsets], tokens[~onsets])


def test_windows_keep_to_their_genre_split_and_mode(both):
    found = {split: melodies.windows(both, config(), split) for split in melodies.SPLITS}
    for genre, low, high in (("a", 0, 40), ("b", 40, 74)):
        songs = [set(part[genre]["song"]) for part in found.values()]
        assert not set.intersection(*songs) and all(low <= song < high for part in songs for song in part)
        assert not any(song >= 70 for part in songs for song in part), "those in minor"
    for part in found.values():
        for own in part.values():
            pitched = own["symbols"][own["symbols"] < melodies.PITCHES]
            assert set((pitched + melodies.LOWEST) % 12) <= set(SCALE % 12), "all in C"
            assert own["symbols"].shape[1] == melodies.LENGTH
    minor = melodies.windows(both, config(data__mode="both"), "train")
    assert len(minor["b"]["song"]) > len(found["train"]["b"]["song"])


def test_a_mode_without_songs_and_an_unknown_one_are_refused(both):
    with pytest.raises(MusicFusionError, match=r"up: no train song in minor .* data.mode=both"):
        melodies.windows(both, config(data__mode="minor"), "train")
    with pytest.raises(MusicFusionError, match=r"data.mode = 'dorian' is unknown: use major, minor, both"):
        melodies.windows(both, config(data__mode="dorian"), "train")


def test_a_batch_has_as_many_of_either_genre_and_validation_rows_are_its_own(both):
    resident = melodies.resident(both, config())
    keys = jax.random.split(jax.random.key(0), 50)
    for training, split in ((True, "train"), (False, "validation")):
        batch = melodies.examples(resident.arrays, jnp.zeros(50, jnp.int32), keys, training)
        real = melodies.windows(both, config(), split)
        for genre in melodies.GENRES:
            own = {row.tobytes() for row in real[genre]["symbols"]}
            assert {np.asarray(row, np.uint8).tobytes() for row in batch[genre]} <= own
    assert resident.train == max(len(part["song"]) for part in melodies.windows(both, config(), "train").values())


def test_windows_of_32nds_begin_at_bars_of_32_steps(both):
    found = melodies.windows(finer(both), config(data__grid=32), "train")["a"]["symbols"]
    coarse = melodies.windows(both, config(), "train")["a"]["symbols"]
    assert {row.tobytes() for row in found[:, ::2]} >= {row[:18].tobytes() for row in coarse}
    with pytest.raises(MusicFusionError, match="16 or 32"):
        melodies.windows(both, config(data__grid=24), "train")
