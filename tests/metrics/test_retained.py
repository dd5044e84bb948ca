"""Shares of what new music keeps of the old: by hand, and on a chorale."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.data import chorales
from musicfusion.metrics import retained

HOLD, REST = melody.HOLD, melody.REST
MELODY = {"intervals_kept", "contour_kept", "onsets_kept", "pitches_kept"}


def tokens(*rows) -> np.ndarray:
    return np.array(rows, np.int32)


def slots(*pieces: list[tuple[int, int, int]], steps: int = 8) -> dict[str, np.ndarray]:
    """Notes (onset, duration, pitch) of each piece -> slots [B, T, 14] x 2."""
    pairs = [polyphony.slots_from_notes(np.array(piece, np.int32).reshape(-1, 3), steps) for piece in pieces]
    pitch, duration = zip(*pairs, strict=True)
    return {"pitch": np.stack(pitch).astype(np.int32), "duration": np.stack(duration).astype(np.int32)}


@pytest.fixture(scope="module")
def chorale() -> dict[str, np.ndarray]:
    """A chorale in segments of eight beats, all that are whole."""
    arrays = chorales.read(1).arrays
    segments = len(arrays["chords"]) // 8
    lead, pitch, duration = (arrays[key][: 32 * segments].astype(np.int32).reshape(segments, 32, -1)
                             for key in ("melody", "pitch", "duration"))
    rows = arrays["chords"][: 8 * segments].astype(np.int32).reshape(segments, 8, 3)
    return {"melody": lead[..., 0], "pitch": pitch, "duration": duration, "chords": rows}


def both(new, old, shift=0, xp=np):
    return retained.of_melody(new["melody"], old["melody"], shift, xp) | retained.of_accompaniment(new, old, shift, xp)


def transposed(music, by):
    by = np.asarray(by)[:, None]
    return {"melody": melody.transpose(music["melody"], by),
            "pitch": polyphony.transpose(music["pitch"], music["duration"], by[..., None]),
            "duration": music["duration"], "chords": chords.transpose(music["chords"], by)}


def test_whatever_did_not_change_is_kept(chorale):
    kept = both(chorale, chorale)
    assert set(kept) == MELODY | {"notes_kept", "voicing_rhythm_kept", "chords_kept"}
    for shares in kept.values():
        np.testing.assert_array_equal(shares, np.ones(len(chorale["melody"])))
        assert shares.dtype == np.float32


def test_a_transposition_costs_nothing_where_one_says_by_how_much(chorale):
    by = np.arange(len(chorale["melody"])) % 5 + 1
    new = transposed(chorale, by)
    for shares in both(new, chorale, by).values():
        np.testing.assert_array_equal(shares, 1)
    for name, shares in both(new, chorale).items():
        always = name in ("intervals_kept", "contour_kept", "onsets_kept", "voicing_rhythm_kept")
        assert (shares == 1).all() if always else shares.mean() < 0.3, name
    assert both(new, chorale, by + 1)["chords_kept"].mean() < 0.3


def test_one_shift_for_all_is_the_same_as_one_for_each(chorale):
    new = transposed(chorale, np.full(len(chorale["melody"]), 3))
    for shares in both(new, chorale, 3).values():
        np.testing.assert_array_equal(shares, 1)


#         up 2      down 1    same      up 5
OLD = [60, 62, HOLD, 61, 61, REST, 66, HOLD]
CASES = {
    "every pitch an octave higher": ([72, 74, HOLD, 73, 73, REST, 78, HOLD], (1, 1, 1, 0)),
    "one pitch moved, two intervals wrong, one way wrong": ([60, 62, HOLD, 63, 61, REST, 66, HOLD],
                                                           (2 / 4, 2 / 4, 1, 4 / 5)),
    "one pitch moved but the contour is there": ([60, 63, HOLD, 61, 61, REST, 66, HOLD], (2 / 4, 1, 1, 4 / 5)),
    "a note gone, with it both its intervals": ([60, HOLD, HOLD, 61, 61, REST, 66, HOLD], (2 / 4, 2 / 4, 4 / 5, 4 / 5)),
    "a note between": ([60, 62, 64, 61, 61, REST, 66, HOLD], (3 / 4, 3 / 4, 1, 1)),
    "a note a step late": ([60, REST, 62, 61, 61, REST, 66, HOLD], (2 / 4, 2 / 4, 4 / 5, 4 / 5)),
    "notes before and behind": ([60, 62, HOLD, 61, 61, REST, 66, 67], (1, 1, 1, 1)),
    "lengths do not matter": ([60, 62, REST, 61, 61, HOLD, 66, REST], (1, 1, 1, 1)),
    "silence": ([REST] * 8, (0, 0, 0, 0)),
    "all of it two steps late": ([HOLD, HOLD, 60, 62, HOLD, 61, 61, REST], (0, 0, 2 / 5, 0)),
}


@pytest.mark.parametrize("new, expected", CASES.values(), ids=CASES)
def test_a_melodys_shares_by_hand(new, expected):
    kept = retained.of_melody(tokens(new), tokens(OLD))
    found = [float(kept[name][0]) for name in ("intervals_kept", "contour_kept", "onsets_kept", "pitches_kept")]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_each_row_has_its_own_shares():
    rows = [row for row, _ in CASES.values()]
    kept = retained.of_melody(tokens(*rows), tokens(*[OLD] * len(rows)))
    np.testing.assert_allclose(kept["intervals_kept"], [expected[0] for _, expected in CASES.values()], rtol=1e-6)


def test_an_accompaniments_notes_by_onset_and_pitch_and_its_rhythm_by_how_many_begin():
    old = slots([(0, 4, 48), (0, 4, 55), (4, 2, 60)], [(0, 4, 48)], [(0, 4, 48), (0, 4, 52)])
    new = slots([(0, 4, 48), (0, 2, 55), (5, 2, 60)], [(0, 4, 48), (2, 1, 50), (3, 1, 52)], [(0, 1, 50), (0, 1, 53)])
    kept = retained.of_accompaniment(new, old)
    np.testing.assert_allclose(kept["notes_kept"], [4 / 6, 2 / 4, 0], rtol=1e-6)
    np.testing.assert_allclose(kept["voicing_rhythm_kept"], [4 / 6, 2 / 4, 1], rtol=1e-6)
    assert set(kept) == {"notes_kept", "voicing_rhythm_kept"}, "no chords, no share of them"
    moved = retained.of_accompaniment(new, old, np.array([0, 2, 2]))
    np.testing.assert_allclose(moved["notes_kept"], [4 / 6, 0, 1 / 2], rtol=1e-6)


def test_a_chord_is_kept_whole_or_not_at_all():
    empty = slots([], [], steps=8)
    rows = np.array([[[0, 0, 145], [7, 11, 2180]], [[0, 0, 145], [0, 0, 145]]])
    new_rows = np.array([[[0, 4, 145], [7, 11, 2180]], [[0, 0, 137], [9, 0, 145]]])
    kept = retained.of_accompaniment(empty | {"chords": new_rows}, empty | {"chords": rows})
    np.testing.assert_allclose(kept["chords_kept"], [0.5, 0])
    assert "chords_kept" not in retained.of_accompaniment(empty, empty | {"chords": rows})


def test_of_nothing_no_share_is_kept_and_of_something_lost_none():
    silence, note, two = [REST] * 8, [60, *[HOLD] * 7], [60, HOLD, 62, *[HOLD] * 5]
    old, new = tokens(silence, note, silence, note, two), tokens(silence, silence, note, note, silence)
    kept = retained.of_melody(new, old)
    for name in ("onsets_kept", "pitches_kept"):
        np.testing.assert_array_equal(kept[name], [np.nan, 0, np.nan, 1, 0])
    for name in ("intervals_kept", "contour_kept"):
        np.testing.assert_array_equal(kept[name], [np.nan, np.nan, np.nan, np.nan, 0])
    was, now = slots([], [(0, 4, 48)], [], [(0, 4, 48)]), slots([], [], [(0, 4, 48)], [(0, 4, 48)])
    for shares in retained.of_accompaniment(now, was).values():
        np.testing.assert_array_equal(shares, [np.nan, 0, 0, 1])  # a note out of nothing is not one kept


def test_numpy_and_a_compiled_program_agree(chorale):
    generator = np.random.default_rng(4)
    changed = generator.random(chorale["melody"].shape) < 0.3
    lead = np.where(changed, generator.choice([61, 66, HOLD, REST], changed.shape), chorale["melody"])
    other = {name: np.roll(x, 1, 0) for name, x in chorale.items()} | {"melody": lead.astype(np.int32)}
    other["melody"][0], by = REST, np.arange(len(lead)) % 3
    plain, compiled = both(other, chorale, by), jax.jit(lambda *args: both(*args, jnp))(other, chorale, by)
    for name, shares in plain.items():
        np.testing.assert_allclose(compiled[name], shares, rtol=1e-6, err_msg=name)
        assert np.nanmin(shares) >= 0 and np.nanmax(shares) <= 1
    back = both(chorale, other, by), jax.jit(lambda *args: both(*args, jnp))(chorale, other, by)
    assert np.isnan(back[0]["onsets_kept"][0]) and np.isnan(back[1]["onsets_kept"][0])


def test_small_and_unsigned_tokens_do(chorale):
    new = np.where(chorale["melody"] < HOLD, chorale["melody"] - 3, chorale["melody"])
    for kind in (np.uint8, np.int64):
        kept = retained.of_melody(new.astype(kind), chorale["melody"].astype(kind), -3)
        for name in MELODY:
            np.testing.assert_array_equal(kept[name], 1)
