"""Musical statistics: by hand, against a count note by note, and on POP909 against the figures of CollageNet."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody, polyphony
from musicfusion.data import cache, chorales
from musicfusion.metrics import statistics

HOLD, REST = melody.HOLD, melody.REST
STEPS = 32
PAIR = ("pch_kld", "pch_oa", "oh_kld", "oh_oa", "re")

of_pair = jax.jit(statistics.of_pair)
of_melody = jax.jit(statistics.of_melody)
of_accompaniment = jax.jit(statistics.of_accompaniment)


def tokens(*row) -> np.ndarray:
    return np.array([row], np.int32)


def slots(*notes: tuple[int, int, int], steps: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Notes (onset, duration, pitch) of one piece -> slots [1, T, 14] x 2."""
    pitch, duration = polyphony.slots_from_notes(np.array(notes, np.int32).reshape(-1, 3), steps)
    return pitch[None].astype(np.int32), duration[None].astype(np.int32)


def cut(corpus, starts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Segments of eight beats from the beats `starts` [n] on: tokens [n, 32], slots [n, 32, 14] x 2."""
    steps = starts[:, None] * 4 + np.arange(STEPS)
    tokens, pitch, duration = (corpus.arrays[key][steps].astype(np.int32) for key in ("melody", "pitch", "duration"))
    return melody.without_carry(tokens), pitch, polyphony.cut(duration)


@pytest.fixture(scope="module")
def segments():
    """60 segments of a few chorales."""
    corpus = chorales.read(6)
    starts, _ = corpus.windows()
    return cut(corpus, starts[:300:5])


@pytest.fixture(scope="module")
def pop_segments(pop909_root):
    """5000 segments at random out of all songs of POP909 (CollageNet, section 4.1), and the song of each.

    All songs: the means over 40 of them scatter more widely than the ranges below.
    """
    corpus = cache.load(str(pop909_root))
    starts, song = corpus.windows(require={"melody": 1, "accompaniment": 1})
    chosen = np.random.default_rng(0).choice(len(starts), 5000, replace=False)
    return cut(corpus, starts[chosen]), song[chosen]


def test_notes_are_counted_by_pitch_class_at_their_onset_only():
    lead = tokens(60, HOLD, 64, 60, REST, 72, HOLD, 61)
    np.testing.assert_array_equal(statistics.melody_pitch_classes(lead), [[3, 1, 0, 0, 1, *[0] * 7]])
    back = slots((0, 4, 48), (0, 4, 52), (4, 2, 60), (5, 1, 59))
    np.testing.assert_array_equal(statistics.pitch_classes(*back), [[2, 0, 0, 0, 1, *[0] * 6, 1]])


def test_notes_are_counted_by_the_step_at_which_they_begin():
    np.testing.assert_array_equal(
        statistics.melody_onsets(tokens(60, HOLD, 64, 60, REST, 72, HOLD, 61)), [[1, 0, 1, 1, 0, 1, 0, 1]])
    np.testing.assert_array_equal(
        statistics.onsets(*slots((0, 4, 48), (0, 4, 52), (4, 2, 60))), [[2, 0, 0, 0, 1, 0, 0, 0]])


def test_a_step_begins_a_note_or_holds_one_of_any_pitch_or_rests():
    lead = tokens(60, HOLD, REST, HOLD, 64, HOLD, HOLD, REST)  # a rest has nothing to hold
    np.testing.assert_array_equal(statistics.melody_states(lead), [[0, 1, 2, 2, 0, 1, 1, 2]])
    np.testing.assert_array_equal(statistics.melody_states(tokens(HOLD, HOLD, 60, HOLD)), [[2, 2, 0, 1]])
    back = slots((0, 4, 48), (1, 1, 52), (6, 60, 50))  # the lower note lasts under the upper, the last beyond the end
    np.testing.assert_array_equal(statistics.states(*back), [[0, 0, 1, 1, 2, 2, 0, 1]])


def test_the_divergence_is_kullback_and_leiblers_of_the_normalised_histograms():
    p, q = np.array([[2.0, 2.0]]), np.array([[1.0, 3.0]])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    np.testing.assert_allclose(statistics.divergence(p, q, 0.0), [expected], rtol=1e-5)
    np.testing.assert_allclose(statistics.divergence(p, q), [expected], rtol=1e-3)
    backward = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    np.testing.assert_allclose(statistics.divergence(q, p, 0.0), [backward], rtol=1e-5)
    np.testing.assert_allclose(statistics.divergence(7 * p, q), statistics.divergence(p, q), rtol=1e-5)


def test_what_the_second_histogram_lacks_costs_by_the_epsilon():
    p, q = np.array([[5.0, 0.0]]), np.array([[0.0, 9.0]])
    for epsilon in (1e-5, 1e-3):
        most, least = (1 + epsilon) / (1 + 2 * epsilon), epsilon / (1 + 2 * epsilon)
        expected = (most - least) * math.log(most / least)
        np.testing.assert_allclose(statistics.divergence(p, q, epsilon), [expected], rtol=1e-5)
    assert statistics.divergence(p, q)[0] == pytest.approx(math.log(1e5), rel=1e-3)


def test_the_overlap_is_the_shared_area():
    p, q = np.array([[2.0, 2.0, 0.0]]), np.array([[1.0, 3.0, 4.0]])
    np.testing.assert_allclose(statistics.overlap(p, q), [0.125 + 0.375])
    np.testing.assert_allclose(statistics.overlap(np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])), [0.0])


def test_equal_histograms_do_not_diverge_and_overlap_wholly_and_overlap_has_no_direction():
    generator = np.random.default_rng(1)
    p, q = generator.integers(0, 5, (2, 200, 12)) + np.eye(12)[:1]  # never empty
    np.testing.assert_array_equal(statistics.divergence(p, p), np.zeros(200))
    np.testing.assert_allclose(statistics.divergence(p, 3 * p), np.zeros(200), atol=1e-6)
    np.testing.assert_allclose(statistics.overlap(p, 3 * p), np.ones(200), rtol=1e-6)
    np.testing.assert_array_equal(statistics.overlap(p, q), statistics.overlap(q, p))
    assert (np.asarray(statistics.divergence(p, q)) > 0).all()


def test_a_melody_and_its_accompaniment_by_hand():
    lead = tokens(60, HOLD, 64, REST)
    back = slots((0, 2, 48), (0, 2, 55), (3, 1, 52), steps=4)  # C and G, then E
    got = of_pair(lead, *back)
    assert set(got) == set(PAIR)
    classes = np.array([[0.5, 0.5, 0]]), np.array([[1 / 3, 1 / 3, 1 / 3]])  # C, E, G of both
    starts = np.array([[0.5, 0, 0.5, 0]]), np.array([[2 / 3, 0, 0, 1 / 3]])
    for name, (p, q), bins in (("pch", classes, 12), ("oh", starts, 4)):
        p, q = (np.pad(x, ((0, 0), (0, bins - x.shape[1]))) + 1e-5 for x in (p, q))
        p, q = p / p.sum(), q / q.sum()
        np.testing.assert_allclose(got[f"{name}_kld"], np.sum(p * np.log(p / q), 1), rtol=1e-4)
    np.testing.assert_allclose(got["pch_oa"], [2 / 3], rtol=1e-6)
    np.testing.assert_allclose(got["oh_oa"], [0.5], rtol=1e-6)
    np.testing.assert_allclose(got["re"], [0.5])  # onset, hold, onset, rest beside onset, hold, rest, onset


def test_intervals_and_distances_are_between_consecutive_notes():
    got = of_melody(tokens(60, HOLD, 64, REST, 62, 62, HOLD, HOLD))  # +4, -2, 0 semitones after 2, 2, 1 steps
    expected = {"pc": 4, "pi": 2 / 3, "pi_abs": 2, "ioi": 5 / 3}
    assert set(got) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name], [value], rtol=1e-6)


def test_a_chord_has_many_notes_and_one_onset():
    got = of_accompaniment(*slots((0, 4, 48), (0, 4, 52), (0, 4, 55), (3, 1, 50), (7, 1, 50)))
    np.testing.assert_allclose(got["pc"], [5])
    np.testing.assert_allclose(got["ioi"], [3.5])


@pytest.mark.parametrize("compiled", [True, False])
def test_rows_that_lack_the_notes_have_no_number_and_disturb_no_other(compiled):
    run = jax.jit if compiled else lambda function: function
    nothing, one, two = [REST] * 8, [REST, 60, *[HOLD] * 6], [60, REST, REST, 63, *[HOLD] * 4]
    got = run(statistics.of_melody)(np.array([nothing, one, two]))
    np.testing.assert_array_equal(got["pc"], [0, 1, 2])
    for name in ("pi", "pi_abs", "ioi"):
        np.testing.assert_array_equal(got[name], [np.nan, np.nan, 3])

    silence, chord, pulse = slots(), slots((2, 4, 48), (2, 4, 55)), slots((2, 4, 48), (4, 1, 55))
    backs = [np.concatenate(part) for part in zip(silence, chord, pulse, strict=True)]
    got = run(statistics.of_accompaniment)(*backs)
    np.testing.assert_array_equal(got["pc"], [0, 2, 2])
    np.testing.assert_array_equal(got["ioi"], [np.nan, np.nan, 2])

    for lead, undefined, same in ((nothing, [1, 1, 1], [1, 0.5, 0.5]), (two, [1, 0, 0], [0.25, 0.375, 0.25])):
        got = run(statistics.of_pair)(np.array([lead] * 3), *backs)
        for name in ("pch_kld", "pch_oa", "oh_kld", "oh_oa"):
            np.testing.assert_array_equal(np.isnan(got[name]), undefined)
        np.testing.assert_allclose(got["re"], same)  # two parts that rest do so together


def counted(tokens, pitch, duration) -> dict[str, float]:
    """All statistics of one segment, note by note, out of lists of notes."""

    def shape(values, bins):
        counts = np.bincount(values, minlength=bins)
        return counts / counts.sum()

    def painted(notes):
        row = np.full(STEPS, 2)
        for onset, length, _ in notes:
            row[onset : onset + length] = 1
        row[notes[:, 0]] = 0
        return row

    lead, back = melody.notes_from_tokens(tokens), polyphony.notes_from_slots(pitch, duration)
    found = {"re": np.mean(painted(lead) == painted(back))}
    for name, bins, feature in (("pch", 12, lambda notes: notes[:, 2] % 12), ("oh", STEPS, lambda notes: notes[:, 0])):
        p, q = (shape(feature(notes), bins) for notes in (lead, back))
        found[f"{name}_oa"] = np.minimum(p, q).sum()
        p, q = ((x + 1e-5) / (x + 1e-5).sum() for x in (p, q))
        found[f"{name}_kld"] = (p * np.log(p / q)).sum()
    steps = np.diff(lead[:, 2])
    found |= {"pc": len(lead), "ioi": np.diff(lead[:, 0]).mean(), "pi": steps.mean(), "pi_abs": np.abs(steps).mean()}
    return found | {"accompaniment pc": len(back), "accompaniment ioi": np.diff(np.unique(back[:, 0])).mean()}


def test_real_segments_have_what_counting_note_by_note_gives(segments):
    lead, pitch, duration = segments
    below = {f"accompaniment {name}": value for name, value in of_accompaniment(pitch, duration).items()}
    got = jax.device_get(of_pair(lead, pitch, duration) | of_melody(lead) | below)
    expected = [counted(*row) for row in zip(lead, pitch, duration, strict=True)]
    for name, values in got.items():
        assert values.shape == (60,)
        np.testing.assert_allclose(values, [row[name] for row in expected], rtol=1e-4, atol=1e-5, err_msg=name)


def test_any_leading_axes_and_small_integers_do(segments):
    flat = of_pair(*segments) | of_melody(segments[0])
    folded = [part.reshape(6, 10, *part.shape[1:]).astype(np.uint8) for part in segments]
    for name, values in (of_pair(*folded) | of_melody(folded[0])).items():
        np.testing.assert_allclose(values.reshape(-1), flat[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shift", [-6, -1, 3, 5])
def test_transposing_both_parts_changes_nothing_and_one_of_them_the_pitches_alone(segments, shift):
    lead, pitch, duration = segments
    plain = of_pair(*segments)
    moved = melody.transpose(lead, shift)
    both = of_pair(moved, polyphony.transpose(pitch, duration, shift), duration)
    for name in PAIR:
        np.testing.assert_allclose(both[name], plain[name], rtol=1e-4, atol=1e-5)
    apart = of_pair(moved, pitch, duration)
    for name in ("oh_kld", "oh_oa", "re"):
        np.testing.assert_array_equal(apart[name], plain[name])
    assert jnp.mean(apart["pch_kld"]) > jnp.mean(plain["pch_kld"])
    assert np.mean(apart["pch_oa"] != plain["pch_oa"]) > 0.9
    own, other = of_melody(lead), of_melody(moved)
    for name in own:
        np.testing.assert_array_equal(own[name], other[name])


def test_the_definitions_give_the_papers_figures_of_real_pairs(pop_segments):
    """CollageNet, tables 2 and 3: .96, .578; 10.7 and 31.6 notes, 3.1 and 2.02 steps from onset to onset."""
    (lead, pitch, duration), _ = pop_segments
    pair, above, below = of_pair(lead, pitch, duration), of_melody(lead), of_accompaniment(pitch, duration)
    for values, low, high in (
        (pair["pch_kld"], 0.90, 1.05),
        (pair["pch_oa"], 0.57, 0.62),
        (above["pc"], 10.0, 12.0),
        (below["pc"], 30.0, 34.0),
        (above["ioi"], 2.8, 3.2),
        (below["ioi"], 1.9, 2.1),
    ):
        assert np.isfinite(values).mean() > 0.98
        assert low <= np.nanmean(values) <= high


def test_melodies_of_other_songs_share_fewer_pitch_classes_with_an_accompaniment(pop_segments):
    """CollageNet, table 2: 5.02 and .292 for unrelated pairs."""
    (lead, pitch, duration), song = pop_segments
    unrelated = np.roll(song, 1) != song
    assert unrelated.mean() > 0.99
    got = of_pair(np.roll(lead, 1, axis=0), pitch, duration)
    assert 4.7 <= np.mean(got["pch_kld"][unrelated]) <= 5.3
    assert 0.28 <= np.mean(got["pch_oa"][unrelated]) <= 0.32
