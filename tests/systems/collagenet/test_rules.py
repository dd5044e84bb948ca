
import jax
import numpy as np
import pytest

from musicfusion.codecs import melody, polyphony
from musicfusion.data import pop909
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import dataset, rules

C, CIS, D, E, F = 60, 61, 62, 64, 65
SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
SHIFTS = range(-6, 6)
MAJOR = [0, 2, 4, 5, 7, 9, 11]


def histogram(*classes):
    """Pitch classes -> counts int [12]."""
    return np.bincount(np.array(classes) % 12, minlength=12)


def best(melody_histogram, accompaniment_histogram) -> int:
    return int(rules.best_shift(melody_histogram[None], accompaniment_histogram[None])[0])


@pytest.fixture(scope="module")
def pairs(corpus):
    """Pitch classes of 300 real melodies, and of accompaniments of other songs."""
    starts, songs = SEGMENTS.windows(corpus, "train")
    batch = jax.jit(dataset.cut)(dict(corpus.arrays), starts, np.zeros_like(starts))
    lead = np.asarray(statistics.melody_pitch_classes(batch["melody"]))
    others = np.asarray(statistics.pitch_classes(batch["pitch"], batch["duration"]))
    first, second = np.random.default_rng(0).integers(0, len(starts), (2, 300))
    unrelated = songs[first] != songs[second]
    return lead[first][unrelated], others[second][unrelated]


@pytest.mark.parametrize("tonic, semitones", [(0, 0), (2, 2), (7, -5), (5, 5), (10, -2), (6, -6)])
def test_a_melody_in_c_major_goes_the_short_way_to_the_accompaniment_s_key(tonic, semitones):
    tune = histogram(*MAJOR, 0, 0, 4, 7)
    assert best(tune, histogram(*(pitch + tonic for pitch in MAJOR * 3))) == semitones


@pytest.mark.parametrize(
    "accompaniment, semitones",
    [
        (range(12), 0),  # every key is as good
        ([1, 11], 1),  # as near upward as downward
        ([2, 11], -1),  # the nearer one
        ([3, 3, 5, 8, 8], 3),  # -4 and 3
        ([6, 5, 7], 5),
    ],
)
def test_of_equally_good_keys_the_nearest_wins_then_the_upper(accompaniment, semitones):
    for count in (1, 3, 7):  # however the shares round
        assert best(histogram(*[0] * count), histogram(*accompaniment)) == semitones


def test_without_notes_nothing_moves():
    some, none = histogram(*MAJOR), np.zeros(12, int)
    assert best(none, some) == best(some, none) == best(none, none) == 0


def exact(tune, accompaniment) -> int:
    """The same in integers, shift by shift."""
    def overlap(shift):
        return np.minimum(np.roll(tune, shift) * accompaniment.sum(), accompaniment * tune.sum()).sum()

    return max(SHIFTS, key=lambda shift: (overlap(shift), -abs(shift), shift))


def test_of_real_pairs_it_finds_the_exact_best(pairs):
    found = np.asarray(rules.best_shift(*pairs))
    assert found.dtype == np.int32
    expected = [exact(*(x.astype(int) for x in pair)) for pair in zip(*pairs, strict=True)]
    np.testing.assert_array_equal(found, expected)
    assert set(found.tolist()) == set(SHIFTS)  # chorales are in many keys


def test_a_transposed_melody_finds_its_way_back(corpus):
    starts, _ = SEGMENTS.windows(corpus, "test", ("melody",))
    tokens = jax.jit(dataset.cut)(dict(corpus.arrays), starts, np.zeros_like(starts))["melody"]
    own = statistics.melody_pitch_classes(tokens)
    for shift in SHIFTS:
        moved = melody.transpose(tokens, shift)
        back = rules.best_shift(statistics.melody_pitch_classes(moved), own)
        assert np.mean(back == (-shift + 6) % 12 - 6) > 0.95  # a diminished chord returns by another way
        again = statistics.melody_pitch_classes(melody.transpose(moved, back[:, None]))
        np.testing.assert_array_equal(again, own)


def test_a_pair_transposed_as_one_needs_the_same_shift(pairs):
    expected = rules.best_shift(*pairs)
    for shift in (1, 5, 6):
        np.testing.assert_array_equal(rules.best_shift(*(np.roll(x, shift, 1) for x in pairs)), expected)


@pytest.fixture(scope="module")
def revised(unrelated):
    return np.asarray(rules.rule_based(*unrelated, seed=0))


table_2, table_3 = jax.jit(statistics.of_pair), jax.jit(statistics.of_melody)


def averages(values):
    return jax.tree.map(np.nanmean, values)


# Transposition -------------------------------------------------------------------------------------------------------


def test_transposition_moves_a_whole_melody_by_at_most_six_semitones_and_leaves_its_rhythm(unrelated):
    before, after = unrelated[0], np.asarray(rules.transposed(*unrelated))
    onset = before < melody.HOLD
    np.testing.assert_array_equal(after[~onset], before[~onset])
    moved = np.where(onset, after - before, 0)
    shift = moved[np.arange(len(moved)), onset.argmax(1)]
    np.testing.assert_array_equal(moved, onset * shift[:, None])
    assert set(shift) == set(range(-6, 6))  # among so many pairs every key is asked for


def test_transposition_brings_the_pitch_classes_together(unrelated):
    tokens, *accompaniment = unrelated
    after = rules.transposed(*unrelated)
    gain = table_2(after, *accompaniment)["pch_oa"] - table_2(tokens, *accompaniment)["pch_oa"]
    assert np.min(gain) > -1e-4 and np.mean(gain) > 0.1


# Rules ---------------------------------------------------------------------------------------------------------------


def ruled(notes, accompaniment, retained=0.0):
    """Notes (onset, duration, pitch) of a melody, moved to fit those of an accompaniment."""
    tokens = melody.tokens_from_notes(np.array(notes), dataset.STEPS)
    slots = polyphony.slots_from_notes(np.array(accompaniment), dataset.STEPS)
    made = rules.rule_based(tokens[None], *(x[None] for x in slots), seed=1, retained=retained)
    return [tuple(note) for note in melody.notes_from_tokens(np.asarray(made)[0]).tolist()]


@pytest.mark.parametrize(
    ("pitch", "classes", "expected"),
    [
        (CIS, (C, E, F), C),  # the paper's example
        (CIS, (C, D), C),  # equally near: down
        (CIS, (D, F), D),
        (CIS, (E, F), CIS),  # too far
        (CIS, (CIS, C, D), CIS),  # at home
        (59, (C + 12,), C),  # the pitch class counts, not the octave: B3 to C4, not C5
        (C, (59 - 24,), 59),
        (0, (59,), 0),  # there is no lower B
        (127, (68,), 127),
    ],
)
def test_a_pitch_goes_to_the_nearest_pitch_class_if_that_is_within_a_semitone(pitch, classes, expected):
    accompaniment = [(4, 8, other) for other in sorted(classes)]
    assert ruled([(4, 4, pitch)], accompaniment) == [(4, 4, expected)]


@pytest.mark.parametrize(
    ("notes", "onsets", "expected"),
    [
        # Within two steps, and the earlier of two that are equally near.
        ([(5, 7)], [4], [(4, 7)]),
        ([(6, 8)], [4], [(4, 8)]),
        ([(7, 9)], [4], [(7, 9)]),
        ([(6, 9)], [8], [(8, 9)]),
        ([(6, 9)], [4, 8], [(4, 9)]),
        ([(6, 9)], [5, 7], [(5, 9)]),
        ([(6, 9)], [4, 7], [(7, 9)]),
        ([(6, 9)], [6, 7], [(6, 9)]),
        ([(1, 4), (30, 32)], [0, 31], [(0, 4), (31, 32)]),  # the edges
        # Of two that meet the nearest stays, then the earlier; what the other leaves free is held.
        ([(3, 5), (5, 8)], [4], [(4, 8)]),
        ([(2, 5), (5, 8)], [4], [(4, 8)]),
        ([(4, 5), (5, 8)], [4], [(4, 8)]),
        ([(4, 5), (6, 8)], [4], [(4, 8)]),
        ([(2, 4), (3, 4), (5, 6), (6, 8)], [4], [(4, 8)]),
        # The melody sounds where it sounded.
        ([(0, 5), (5, 8)], [0, 6], [(0, 6), (6, 8)]),
        ([(0, 5), (5, 8)], [0, 4], [(0, 4), (4, 8)]),
        ([(0, 4), (5, 8)], [0, 6], [(0, 4), (6, 8)]),
        ([(0, 4), (6, 8)], [0, 5], [(0, 4), (5, 8)]),
        ([(0, 2), (6, 7)], [0, 4], [(0, 2), (4, 7)]),
        ([(2, 3)], [4], [(4, 5)]),  # a note that went beyond its end is a 16th
    ],
)
def test_an_onset_goes_to_the_nearest_of_the_accompaniment_within_two_steps(notes, onsets, expected):
    made = ruled([(start, end - start, C + i) for i, (start, end) in enumerate(notes)],
                 [(step, 1, C + i) for step in onsets for i in range(len(notes))])
    assert [(start, start + length) for start, length, _ in made] == expected


def test_which_of_the_notes_that_meet_stays():
    def pitch(*steps):
        ((_, _, pitch),) = ruled([(step, 1, C + step) for step in steps], [(4, 1, C + step) for step in steps])
        return pitch - C

    assert pitch(3, 5) == 3 and pitch(2, 6) == 2 and pitch(2, 5) == 5 and pitch(3, 6) == 3 and pitch(2, 4, 5) == 4


def test_an_accompaniment_without_notes_asks_for_nothing():
    tokens = melody.tokens_from_notes(np.array([(3, 5, CIS)]), dataset.STEPS)[None]
    nothing = np.zeros((1, dataset.STEPS, polyphony.SLOTS), np.int32)
    np.testing.assert_array_equal(rules.rule_based(tokens, nothing, nothing, seed=0), tokens)


def test_a_melody_that_fits_already_is_left_alone(real):
    arrays, _ = real
    starting, pitch = arrays["duration"] > 0, arrays["pitch"]
    top = np.max(np.where(starting, pitch, -1), -1)  # the accompaniment's upper line, sung
    tokens = np.where(top >= 0, top, melody.REST)
    np.testing.assert_array_equal(rules.rule_based(tokens, pitch, arrays["duration"], seed=0), tokens)


def test_every_note_comes_from_one_within_a_semitone_and_two_steps_and_none_goes_past_another(unrelated, revised):
    notes = 0
    for before, after in zip(unrelated[0], revised, strict=True):
        old = iter(melody.notes_from_tokens(before))
        for onset, _, pitch in melody.notes_from_tokens(after):
            assert any(abs(onset - was) <= 2 and abs(pitch - had) <= 1 for was, _, had in old)  # and uses `old` up
            notes += 1
    assert notes > 0.7 * np.sum(unrelated[0] < melody.HOLD)


def test_the_rules_make_melodies_that_are_written_properly(revised):
    for tokens in revised:
        written = melody.tokens_from_notes(melody.notes_from_tokens(tokens), dataset.STEPS)
        np.testing.assert_array_equal(tokens, written)


def test_one_changeable_note_in_five_is_retained(unrelated, revised):
    tokens, *slots = unrelated
    onset = tokens < melody.HOLD
    classes = np.asarray(statistics.pitch_classes(*slots)) > 0
    known = [np.take_along_axis(classes, (tokens + by) % 12, 1) for by in (-1, 0, 1)]
    due = np.asarray(statistics.onsets(*slots)) > 0
    near = np.any(np.lib.stride_tricks.sliding_window_view(np.pad(due, ((0, 0), (2, 2))), 5, axis=1), -1)

    pitch_due = onset & due & ~known[1] & (known[0] | known[2])  # such a note keeps its place
    alone = ~np.any(np.lib.stride_tricks.sliding_window_view(np.pad(onset, ((0, 0), (1, 1))), 3, axis=1)[..., ::2], -1)
    onset_due = onset & ~due & near & alone  # no retained note is in its way
    kept_pitch, kept_onset = revised[pitch_due] == tokens[pitch_due], revised[onset_due] < melody.HOLD
    for kept in (kept_pitch, kept_onset):
        assert len(kept) > 300
        np.testing.assert_allclose(np.mean(kept), 0.2, atol=4 * np.sqrt(0.16 / len(kept)))
    # One draw for both rules: where the onset was retained, so was the pitch.
    stayed = onset_due & (revised < melody.HOLD)
    np.testing.assert_array_equal(revised[stayed], tokens[stayed])


def test_the_rules_bring_melody_and_accompaniment_together(unrelated, revised):
    tokens, *accompaniment = unrelated
    before, after = (averages(table_2(x, *accompaniment)) for x in (tokens, revised))
    assert after["pch_oa"] > before["pch_oa"] + 0.05 and after["oh_oa"] > before["oh_oa"] + 0.01
    assert after["pch_kld"] < 0.7 * before["pch_kld"] and after["oh_kld"] < 0.9 * before["oh_kld"]


def test_on_pop909_the_rules_do_what_table_3_and_table_2_say(pop909_root):
    pop = pop909.read(pop909_root, limit=12)
    starts, songs = pop.windows(dataset.BEATS, 1, {"melody": 2, "accompaniment": 8})
    arrays = jax.device_get(dataset.cut(dict(pop.arrays), starts, np.zeros_like(starts)))
    one, other = np.random.default_rng(0).integers(0, len(songs), (2, 2000))
    unrelated = songs[one] != songs[other]
    one, other = one[unrelated], other[unrelated]
    tokens, slots = arrays["melody"][one], (arrays["pitch"][other], arrays["duration"][other])
    made = rules.rule_based(tokens, *slots, seed=0)
    before, after = (averages(table_2(x, *slots) | table_3(x)) for x in (tokens, made))
    np.testing.assert_allclose(after["pc"] - before["pc"], -1.33, atol=0.5)  # notes
    np.testing.assert_allclose(after["ioi"] - before["ioi"], 0.33, atol=0.2)  # 16ths
    assert before["pch_kld"] > 4
    np.testing.assert_allclose(after["pch_kld"], 1.91, atol=0.4)
    np.testing.assert_allclose(after["oh_kld"], 1.83, atol=0.6)


def test_a_pair_fares_alike_in_any_batch_and_otherwise_by_another_seed(unrelated, revised):
    rows = np.random.default_rng(2).permutation(len(revised))[:64]
    again = rules.rule_based(*(part[rows] for part in unrelated), seed=0)
    np.testing.assert_array_equal(again, revised[rows])
    other = np.asarray(rules.rule_based(*unrelated, seed=1))
    assert np.mean(np.any(other != revised, 1)) > 0.3


# Rules that please nobody ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def over_chords(real, partner):
    """Melodies over other songs' chords: tokens, chords."""
    arrays, _ = real
    return arrays["melody"], arrays["chords"][partner]


def onset_classes(tokens):
    """The pitch class at each onset, -1 elsewhere."""
    return np.where(tokens < melody.HOLD, tokens % 12, -1)


@pytest.mark.parametrize("rule", [rules.snapped, rules.drone])
def test_on_the_chord_a_note_goes_to_the_nearest_tone_and_the_rhythm_stays(rule, over_chords):
    tokens, chords = over_chords
    new = np.asarray(rule(tokens, chords))
    np.testing.assert_array_equal(melody.rhythm(new), melody.rhythm(tokens))
    masks = np.repeat(chords[..., 2] if rule is rules.snapped else 1 << chords[..., 0], 4, 1)
    example, step = np.nonzero((tokens < melody.HOLD) & (masks > 0))
    for i, t in zip(example[::50], step[::50], strict=True):
        old, now, mask = int(tokens[i, t]), int(new[i, t]), int(masks[i, t])
        assert mask >> now % 12 & 1
        nearest = min(abs(other - old) for other in range(old - 7, old + 8) if mask >> other % 12 & 1)
        assert abs(now - old) == nearest


def test_a_drone_is_on_the_root_or_on_the_next_chord_tones_above_it(over_chords):
    tokens, chords = over_chords
    c_major, d_sus = (0, 0, 1 << 0 | 1 << 4 | 1 << 7), (2, 2, 1 << 2 | 1 << 7)
    rows = np.array([[c_major] * 4 + [d_sus] * 4])
    line = np.array([[60, 62, 64, 65] * 8])
    for tone, classes in ((0, (0, 2)), (1, (4, 7)), (2, (7, 7))):  # of two tones the last one serves for a third
        found = onset_classes(np.asarray(rules.drone(line, rows, tone)))[0]
        assert set(found[:16].tolist()) == {classes[0]} and set(found[16:].tolist()) == {classes[1]}
    mixed = np.asarray(rules.drone(tokens[:30], chords[:30], np.arange(30) % 3))
    for tone in range(3):
        alone = np.asarray(rules.drone(tokens[:30], chords[:30], tone))
        np.testing.assert_array_equal(mixed[tone::3], alone[tone::3])


@pytest.mark.parametrize("count", [1, 5])
def test_notes_go_to_the_accompaniment_s_most_frequent_classes_in_the_nearest_octave(unrelated, count):
    tokens, pitch, duration = (x[:50] for x in unrelated)
    new = np.asarray(rules.commonest(tokens, pitch, duration, count))
    np.testing.assert_array_equal(melody.rhythm(new), melody.rhythm(tokens))
    assert (abs(new - tokens) <= 6).all()
    for row, own, there in zip(new, pitch, duration > 0, strict=True):
        often = np.bincount(own[there] % 12, minlength=12)
        used = np.unique(row[row < melody.HOLD] % 12)
        assert len(used) <= count
        assert often[used].min() >= max(np.sort(often)[-count], 1)


def test_where_no_chord_sounds_nothing_snaps():
    tokens = np.array([[60, 62, 64, 65] * 8])
    np.testing.assert_array_equal(rules.snapped(tokens, np.zeros((1, 8, 3), int)), tokens)


def test_shuffling_keeps_onsets_and_pitches_and_loses_the_tune(real):
    tokens = real[0]["melody"]
    new = np.asarray(rules.shuffled(tokens, jax.random.split(jax.random.key(1), len(tokens))))
    np.testing.assert_array_equal(melody.rhythm(new), melody.rhythm(tokens))
    np.testing.assert_array_equal(np.sort(new, 1), np.sort(tokens, 1))
    assert np.mean(np.any(new != tokens, 1)) > 0.9


def test_moving_takes_a_third_of_the_notes_a_step_or_two_and_one_at_least(real):
    tokens = real[0]["melody"]
    new = np.asarray(rules.moved(tokens, jax.random.split(jax.random.key(2), len(tokens))))
    np.testing.assert_array_equal(melody.rhythm(new), melody.rhythm(tokens))
    onset, far = tokens < melody.HOLD, new.astype(int) - tokens
    assert set(np.unique(far[onset & (far != 0)])) == set(rules.NUDGES)
    assert ((far != 0) & onset).any(1).all()
    assert np.mean((far != 0)[onset]) == pytest.approx(1 / 3, abs=0.06)


def test_a_draw_belongs_to_the_example(real):
    tokens, keys = real[0]["melody"][:8], jax.random.split(jax.random.key(3), 8)
    for rule in (rules.shuffled, rules.moved):
        np.testing.assert_array_equal(rule(tokens, keys)[3:5], rule(tokens[3:5], keys[3:5]))


def test_a_displacement_moves_whole_half_bars_by_1_to_5_semitones_and_one_at_least(real):
    shift = np.asarray(rules.displacement(jax.random.split(jax.random.key(4), 500)))
    halves = shift.reshape(500, 4, 8)
    assert (halves == halves[..., :1]).all() and (shift != 0).any(1).all()
    assert set(np.unique(shift)) == {*range(-5, 6)}
    assert np.mean(halves[..., 0] != 0) == pytest.approx(1 / 3, abs=0.08)
    pitch, duration = (real[0][name][:100] for name in ("pitch", "duration"))
    new = np.asarray(rules.displaced(pitch, duration, shift[:100]))
    there = duration > 0
    np.testing.assert_array_equal((new - pitch)[there], np.broadcast_to(shift[:100, :, None], pitch.shape)[there])


@pytest.mark.parametrize("count", [12, 1])
def test_an_accompaniment_goes_to_the_melody_s_notes_and_keeps_its_rhythm(count, unrelated):
    tokens, pitch, duration = (x[:200] for x in unrelated)
    new = np.asarray(rules.onto_melody(pitch, duration, tokens, count))
    there = duration > 0
    assert (new[~there] == 0).all() and (abs(new[there].astype(int) - pitch[there]) <= 6).all()
    for i in range(0, 200, 20):
        onsets = tokens[i][tokens[i] < melody.HOLD]
        left = np.unique(new[i][there[i]] % 12)
        assert set(left) <= set(onsets % 12) and len(left) <= count


def test_every_pair_may_have_a_number_of_its_own(unrelated):
    tokens, pitch, duration = (x[:20] for x in unrelated)
    mixed = np.asarray(rules.onto_melody(pitch, duration, tokens, np.arange(20) % 2 * 11 + 1))
    for parity, count in ((0, 1), (1, 12)):
        alone = np.asarray(rules.onto_melody(pitch, duration, tokens, count))
        np.testing.assert_array_equal(mixed[parity::2], alone[parity::2])
