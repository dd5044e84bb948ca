"""Counts of right answers, by hand."""

import jax
import numpy as np
import pytest

from musicfusion.codecs import melody, polyphony
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
