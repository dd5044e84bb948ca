"""Counts of right answers, and shares of what is kept: by hand, and on a chorale."""

import jax
import numpy as np
import pytest

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.data import chorales
from musicfusion.metrics import reconstruction

HOLD, REST = melody.HOLD, melody.REST


def tokens(*rows) -> np.ndarray:
    return np.array(rows, np.int32)


def slots(*pieces: list[tuple[int, int, int]], steps: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Notes (onset, duration, pitch) of each piece -> slots [B, T, 14] x 2."""
    pairs = [polyphony.slots_from_notes(np.array(piece, np.int32).reshape(-1, 3), steps) for piece in pieces]
    pitch, duration = zip(*pairs, strict=True)
    return np.stack(pitch).astype(np.int32), np.stack(duration).astype(np.int32)


def pairs(counts: dict) -> dict[str, tuple[int, int]]:
    return {name: (int(right), int(whole)) for name, (right, whole) in counts.items()}


def test_melody_tokens_onsets_and_rhythm_are_counted_apart():
    truth = tokens([60, HOLD, 62, HOLD, REST, REST, 64, HOLD])
    decoded = tokens([60, HOLD, 63, REST, REST, 65, 64, HOLD])  # a wrong pitch, a note too short, one too many
    assert pairs(reconstruction.melody_counts(decoded, truth)) == {
        "token_accuracy": (5, 8),
        "onset_accuracy": (2, 3),
        "rhythm_accuracy": (6, 8),
    }


def test_an_onset_counts_only_at_its_step_and_pitch():
    truth = tokens([60, HOLD, HOLD, HOLD])
    for decoded, right in (([60, REST, REST, REST], 1), ([REST, 60, HOLD, HOLD], 0), ([72, HOLD, HOLD, HOLD], 0)):
        assert pairs(reconstruction.melody_counts(tokens(decoded), truth))["onset_accuracy"] == (right, 1)


def test_silence_has_no_onsets_to_get_right():
    silence = tokens([REST] * 4)
    counts = pairs(reconstruction.melody_counts(tokens([60, HOLD, REST, REST]), silence))
    assert counts["onset_accuracy"] == (0, 0) and counts["token_accuracy"] == (2, 4)


def test_notes_are_matched_by_onset_and_pitch_and_then_by_duration():
    truth = slots([(0, 4, 48), (0, 4, 55), (4, 2, 60)])
    decoded = slots([(0, 4, 48), (0, 2, 55), (5, 2, 60)])  # right; too short; too late
    assert pairs(reconstruction.note_counts(decoded, truth)) == {"note_f1": (4, 6), "note_duration_f1": (2, 6)}


def test_f1_weighs_missing_and_superfluous_notes_alike():
    truth = slots([(0, 4, 48), (4, 4, 50)])
    missing, superfluous = slots([(0, 4, 48)]), slots([(0, 4, 48), (4, 4, 50), (6, 2, 70), (7, 1, 71)])
    assert pairs(reconstruction.note_counts(missing, truth))["note_f1"] == (2, 3)
    assert pairs(reconstruction.note_counts(superfluous, truth))["note_f1"] == (4, 6)
    nothing = slots([])
    assert pairs(reconstruction.note_counts(nothing, truth))["note_f1"] == (0, 2)
    assert pairs(reconstruction.note_counts(nothing, nothing))["note_f1"] == (0, 0)


def test_the_order_of_slots_does_not_matter():
    pitch, duration = slots([(0, 4, 48), (0, 2, 55), (0, 1, 60)])
    turned = pitch[..., ::-1], duration[..., ::-1]
    assert pairs(reconstruction.note_counts(turned, (pitch, duration))) == {
        "note_f1": (6, 6),
        "note_duration_f1": (6, 6),
    }


def test_chords_are_right_by_root_and_as_a_whole():
    truth = np.array([[[0, 0, 0b10010001], [7, 11, 0b100010000100]]])
    decoded = np.array([[[0, 4, 0b10010001], [7, 11, 0b100010000100]]])  # another bass in the first
    assert pairs(reconstruction.chord_counts(decoded, truth)) == {"root_accuracy": (2, 2), "chord_accuracy": (1, 2)}


def test_counts_of_parts_add_up_to_the_counts_of_the_whole():
    generator = np.random.default_rng(3)
    truth, decoded = (generator.integers(0, 130, (6, 32)) for _ in range(2))
    decoded = np.where(generator.random((6, 32)) < 0.5, truth, decoded)
    whole = pairs(reconstruction.melody_counts(decoded, truth))
    halves = [pairs(reconstruction.melody_counts(decoded[part], truth[part])) for part in (slice(3), slice(3, 6))]
    for name, count in whole.items():
        assert count == tuple(np.sum([half[name] for half in halves], axis=0))


@pytest.mark.parametrize("copies", [1, 3])
def test_a_perfect_answer_is_perfect_compiled_or_not(copies):
    truth = slots(*[[(0, 4, 48), (2, 6, 90)]] * copies)
    plain = reconstruction.note_counts(truth, truth)
    compiled = jax.jit(reconstruction.note_counts)(truth, truth)
    assert pairs(plain) == pairs(compiled) == {"note_f1": (4 * copies,) * 2, "note_duration_f1": (4 * copies,) * 2}


@pytest.fixture(scope="module")
def chorale() -> dict[str, np.ndarray]:
    """A chorale in segments of eight beats, all that are whole."""
    arrays = chorales.read(1).arrays
    segments = len(arrays["chords"]) // 8
    lead, pitch, duration = (arrays[key][: 32 * segments].astype(np.int32).reshape(segments, 32, -1)
                             for key in ("melody", "pitch", "duration"))
    rows = arrays["chords"][: 8 * segments].astype(np.int32).reshape(segments, 8, 3)
    return {"melody": lead[..., 0], "pitch": pitch, "duration": duration, "chords": rows}


def decoded(batch, **changes) -> dict[str, np.ndarray]:
    """A batch as what was made of itself, but for the changes."""
    return {"tokens": batch["melody"], **{key: batch[key] for key in ("pitch", "duration", "chords")}} | changes


def test_whatever_did_not_change_is_kept(chorale):
    kept = jax.jit(reconstruction.kept)(decoded(chorale), chorale)
    assert set(kept) == {"onsets_kept", "pitches_kept", "notes_kept", "chords_kept"}
    for shares in kept.values():
        np.testing.assert_array_equal(shares, np.ones(len(chorale["melody"])))


def test_moved_into_another_key_onsets_are_kept_and_pitches_are_not(chorale):
    up = decoded(
        chorale,
        tokens=melody.transpose(chorale["melody"], 2),
        pitch=polyphony.transpose(chorale["pitch"], chorale["duration"], 60),
        chords=chords.transpose(chorale["chords"], 2),
    )
    kept = reconstruction.kept(up, chorale)
    np.testing.assert_array_equal(kept["onsets_kept"], np.ones(len(chorale["melody"])))
    for name in ("pitches_kept", "notes_kept", "chords_kept"):
        np.testing.assert_array_equal(kept[name], np.zeros(len(chorale["melody"])))


def test_each_row_has_its_own_shares():
    batch = {"melody": tokens([60, HOLD, 62, HOLD, 64, REST, 65, HOLD], [70, *[HOLD] * 7])}
    new = tokens([60, 61, 63, HOLD, REST, REST, 65, HOLD], [REST, 70, *[HOLD] * 6])
    kept = reconstruction.kept({"tokens": new}, batch)  # kept; another pitch; gone; kept. And one a step late
    np.testing.assert_array_equal(kept["onsets_kept"], [0.75, 0])
    np.testing.assert_array_equal(kept["pitches_kept"], [0.5, 0])

    pitch, duration = slots([(0, 4, 48), (0, 4, 55), (4, 2, 60)], [(0, 4, 48)])
    new_pitch, new_duration = slots([(0, 4, 48), (0, 2, 55), (5, 2, 60)], [(0, 4, 48), (2, 1, 50), (3, 1, 52)])
    back = {"pitch": pitch, "duration": duration}
    kept = reconstruction.kept({"pitch": new_pitch, "duration": new_duration}, back)
    np.testing.assert_allclose(kept["notes_kept"], [4 / 6, 2 / 4])

    rows = np.array([[[0, 0, 145], [7, 11, 2180]], [[0, 0, 145], [0, 0, 145]]])
    new_rows = np.array([[[0, 4, 145], [7, 11, 2180]], [[0, 0, 137], [9, 0, 145]]])
    np.testing.assert_allclose(reconstruction.kept({"chords": new_rows}, {"chords": rows})["chords_kept"], [0.5, 0])


def test_only_what_a_method_makes_is_judged(chorale):
    batch = chorale | {"example_key": np.zeros((2, 2)), "total": 3}  # whatever else a batch may hold
    assert set(reconstruction.kept({"tokens": chorale["melody"]}, batch)) == {"onsets_kept", "pitches_kept"}
    without_chords = {name: part for name, part in decoded(chorale).items() if name != "chords"}
    assert set(reconstruction.kept(without_chords, batch)) == {"onsets_kept", "pitches_kept", "notes_kept"}


def test_of_nothing_no_share_is_kept_and_of_something_lost_none():
    silence, note = tokens([REST] * 8)[0], tokens([60, *[HOLD] * 7])[0]
    pitch, duration = slots([], [(0, 4, 48)], [], [(0, 4, 48)])
    batch = {"melody": np.stack([silence, note, silence, note]), "pitch": pitch, "duration": duration}
    new_pitch, new_duration = slots([], [], [(0, 4, 48)], [(0, 4, 48)])
    new = {"tokens": np.stack([silence, silence, note, note]), "pitch": new_pitch, "duration": new_duration}
    kept = reconstruction.kept(new, batch)
    for name in ("onsets_kept", "pitches_kept"):
        np.testing.assert_array_equal(kept[name], [np.nan, 0, np.nan, 1])
    np.testing.assert_array_equal(kept["notes_kept"], [np.nan, 0, 0, 1])  # a note out of nothing is not one kept


def test_shares_by_row_and_counts_of_all_agree(chorale):
    generator = np.random.default_rng(4)
    changed = np.where(generator.random(chorale["melody"].shape) < 0.3, 61, chorale["melody"])
    batch = {"melody": chorale["melody"]}
    shares = np.asarray(reconstruction.kept({"tokens": changed}, batch)["pitches_kept"])
    onsets = (batch["melody"] < HOLD).sum(1)
    right, whole = reconstruction.melody_counts(changed, batch["melody"])["onset_accuracy"]
    assert 0 < right < whole == onsets.sum()
    np.testing.assert_allclose(shares @ onsets, right, rtol=1e-6)
