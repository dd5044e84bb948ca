from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion import losses
from musicfusion.codecs import melody, polyphony
from musicfusion.data import pop909
from musicfusion.latent import actor_critic
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import baselines, dataset
from musicfusion.systems.collagenet.actor_critic import Critic

KEY = jax.random.key(0)
C, CIS, D, E, F = 60, 61, 62, 64, 65


@pytest.fixture(scope="module")
def real(corpus):
    """Segments of real songs in the order of their songs: (segments as arrays, the song of each)."""
    segments = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
    starts, songs = (x[::3] for x in segments.windows(corpus, "train"))
    return jax.device_get(dataset.cut(dict(corpus.arrays), starts, np.zeros_like(starts))), songs


@pytest.fixture(scope="module")
def partner(real):
    """For every segment one of another song."""
    _, songs = real
    others = np.roll(np.arange(len(songs)), len(songs) // 2)
    assert (songs[others] != songs).all() and len(songs) > 500
    return others


@pytest.fixture(scope="module")
def unrelated(real, partner):
    """Melodies beside accompaniments of other songs: tokens, pitch, duration."""
    arrays, _ = real
    return arrays["melody"], arrays["pitch"][partner], arrays["duration"][partner]


@pytest.fixture(scope="module")
def revised(unrelated):
    return np.asarray(baselines.rule_based(*unrelated, seed=0))


table_2, table_3 = jax.jit(statistics.of_pair), jax.jit(statistics.of_melody)


def averages(values):
    return jax.tree.map(np.nanmean, values)


# Transposition -------------------------------------------------------------------------------------------------------


def test_transposition_moves_a_whole_melody_by_at_most_six_semitones_and_leaves_its_rhythm(unrelated):
    before, after = unrelated[0], np.asarray(baselines.transposed(*unrelated))
    onset = before < melody.HOLD
    np.testing.assert_array_equal(after[~onset], before[~onset])
    moved = np.where(onset, after - before, 0)
    shift = moved[np.arange(len(moved)), onset.argmax(1)]
    np.testing.assert_array_equal(moved, onset * shift[:, None])
    assert set(shift) == set(range(-6, 6))  # among so many pairs every key is asked for


def test_transposition_brings_the_pitch_classes_together(unrelated):
    tokens, *accompaniment = unrelated
    after = baselines.transposed(*unrelated)
    gain = table_2(after, *accompaniment)["pch_oa"] - table_2(tokens, *accompaniment)["pch_oa"]
    assert np.min(gain) > -1e-4 and np.mean(gain) > 0.1


# Rules ---------------------------------------------------------------------------------------------------------------


def ruled(notes, accompaniment, retained=0.0):
    """Notes (onset, duration, pitch) of a melody, moved to fit those of an accompaniment."""
    tokens = melody.tokens_from_notes(np.array(notes), dataset.STEPS)
    slots = polyphony.slots_from_notes(np.array(accompaniment), dataset.STEPS)
    made = baselines.rule_based(tokens[None], *(x[None] for x in slots), seed=1, retained=retained)
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
    np.testing.assert_array_equal(baselines.rule_based(tokens, nothing, nothing, seed=0), tokens)


def test_a_melody_that_fits_already_is_left_alone(real):
    arrays, _ = real
    starting, pitch = arrays["duration"] > 0, arrays["pitch"]
    top = np.max(np.where(starting, pitch, -1), -1)  # the accompaniment's upper line, sung
    tokens = np.where(top >= 0, top, melody.REST)
    np.testing.assert_array_equal(baselines.rule_based(tokens, pitch, arrays["duration"], seed=0), tokens)


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
    made = baselines.rule_based(tokens, *slots, seed=0)
    before, after = (averages(table_2(x, *slots) | table_3(x)) for x in (tokens, made))
    np.testing.assert_allclose(after["pc"] - before["pc"], -1.33, atol=0.5)  # notes
    np.testing.assert_allclose(after["ioi"] - before["ioi"], 0.33, atol=0.2)  # 16ths
    assert before["pch_kld"] > 4
    np.testing.assert_allclose(after["pch_kld"], 1.91, atol=0.4)
    np.testing.assert_allclose(after["oh_kld"], 1.83, atol=0.6)


def test_a_pair_fares_alike_in_any_batch_and_otherwise_by_another_seed(unrelated, revised):
    rows = np.random.default_rng(2).permutation(len(revised))[:64]
    again = baselines.rule_based(*(part[rows] for part in unrelated), seed=0)
    np.testing.assert_array_equal(again, revised[rows])
    other = np.asarray(baselines.rule_based(*unrelated, seed=1))
    assert np.mean(np.any(other != revised, 1)) > 0.3


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
