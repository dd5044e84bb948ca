"""Earlier notes in new songs: what is locked is as it was, and nothing sounds there that did not."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicfusion.codecs import polyphony
from musicfusion.codecs.score import monophonic
from musicfusion.codecs.splice import locked_steps, remembered, require_as_many, splice
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError

STEPS = 24
NOTES = st.lists(st.tuples(st.integers(0, STEPS - 1), st.integers(1, 12), st.integers(60, 64)), max_size=24).map(
    lambda rows: polyphony.canonical(np.array(rows, np.int32).reshape(-1, 3), STEPS))
VOICE = NOTES.map(monophonic)
LOCKED = st.lists(st.booleans(), min_size=6, max_size=6).map(lambda on: np.repeat(on, STEPS // 6))
MANY = settings(max_examples=300, deadline=None)


def begun(notes, steps):
    """The notes that begin at some steps."""
    return notes[np.isin(notes[:, 0], np.flatnonzero(steps))].tolist()


def sounding(notes):
    """How many notes of each pitch sound at each step, also after the last [steps + 12, 128]."""
    roll = np.zeros((STEPS + 12, 128), int)
    for onset, duration, pitch in notes.tolist():
        roll[onset : onset + duration, pitch] += 1
    return roll


def check(new, old, locked, voice):
    found = splice(new, old, locked, voice=voice)
    assert begun(found, locked) == begun(old, locked), "what is locked is as it was"
    heard = sounding(found)
    assert not np.any((heard > 0) & (sounding(old) == 0), 1)[:STEPS][locked].any(), "nothing sounds there that did not"
    together = heard.sum(1) if voice else heard
    assert together.max(initial=0) <= 1
    assert found.dtype == new.dtype and found.tolist() == sorted(found.tolist(), key=lambda row: (row[0], row[2]))
    pitches = [note[2] for note in begun(found, ~locked)]
    assert all(pitches.count(pitch) <= new[:, 2].tolist().count(pitch) for pitch in pitches), "the others are new"
    return found


@MANY
@given(NOTES, NOTES, LOCKED)
def test_locked_chords_are_as_they_were_and_nothing_else_sounds_there(new, old, locked):
    check(new, old, locked, voice=False)


@MANY
@given(VOICE, VOICE, LOCKED)
def test_a_locked_melody_is_as_it_was_and_stays_one_voice(new, old, locked):
    check(new, old, locked, voice=True)


@MANY
@given(NOTES, NOTES, st.booleans())
def test_a_lock_on_nothing_changes_nothing_and_one_on_everything_all(new, old, voice):
    assert splice(new, old, np.zeros(STEPS, bool), voice=voice) is new
    np.testing.assert_array_equal(splice(new, old, np.ones(STEPS, bool), voice=voice), old)


@MANY
@given(NOTES, LOCKED)
def test_in_a_song_that_did_not_change_nothing_changes(notes, locked):
    np.testing.assert_array_equal(splice(notes, notes, locked), notes)
    line = monophonic(notes)
    np.testing.assert_array_equal(splice(line, line, locked, voice=True), line)


@MANY
@given(NOTES, NOTES, LOCKED, st.integers(0, 2**32 - 1))
def test_notes_off_the_grid_belong_to_the_nearest_step_and_keep_what_else_they_have(new, old, locked, seed):
    rng = np.random.default_rng(seed)

    def played(notes):
        late = rng.uniform(-0.4, 0.4, len(notes)) * (notes[:, 0] > 0)
        return np.column_stack([notes[:, 0] + late, notes[:, 1:], rng.uniform(1, 127, len(notes))])

    new, old = played(new), played(old)
    found = splice(new, old, locked)
    nearest = [np.clip(np.floor(rows[:, 0] + 0.5).astype(int), 0, STEPS - 1) for rows in (found, old)]
    kept, before = (sorted(rows[locked[at]].tolist()) for rows, at in zip((found, old), nearest, strict=True))
    assert kept == before
    others = {(pitch, loud) for _, _, pitch, loud in found[~locked[nearest[0]]].tolist()}
    assert others <= {(pitch, loud) for _, _, pitch, loud in new.tolist()} and (found[:, 1] > 0).all()


def rows(*notes):
    return np.array(notes, np.int32).reshape(-1, 3)


SPAN = (np.arange(STEPS) >= 8) & (np.arange(STEPS) < 16)


@pytest.mark.parametrize(("new", "old", "voice", "expected"), [
    ([(4, 8, 60)], [], False, [(4, 4, 60)]),  # cut where the span begins
    ([(4, 8, 60)], [(6, 4, 62)], False, [(4, 4, 60)]),  # another pitch sounds on there
    ([(4, 8, 60)], [(6, 4, 60)], False, [(4, 6, 60)]),  # its own does, but not as long
    ([(4, 20, 60)], [(0, 24, 60)], False, [(4, 20, 60)]),  # and as long
    ([(18, 4, 62)], [(12, 8, 60)], True, [(12, 8, 60), (20, 2, 62)]),  # what is locked keeps its length
    ([(17, 2, 62), (20, 1, 64)], [(12, 8, 60)], True, [(12, 8, 60), (20, 1, 64)]),  # nothing is left of the first
    ([(18, 4, 62)], [(12, 8, 60)], False, [(12, 8, 60), (18, 4, 62)]),  # chords may sound together
    ([(18, 4, 60)], [(12, 8, 60)], False, [(12, 8, 60), (20, 2, 60)]),  # one pitch may not
])
def test_where_old_and_new_notes_meet(new, old, voice, expected):
    np.testing.assert_array_equal(splice(rows(*new), rows(*old), SPAN, voice=voice), rows(*expected))


# Spans ---------------------------------------------------------------------------------------------------------------


TRACKS = {"melody": ["Flute"], "accompaniment": ["Piano", "", "Bass"]}
TIMES = {part: np.arange(32) / 4 for part in TRACKS}


def steps(*spans, times=TIMES):
    found = locked_steps(Locked(None, spans), TRACKS, times, 8.0)
    return {part: np.flatnonzero(own).tolist() for part, own in found.items()}


def test_a_span_is_of_all_parts_or_of_one_by_its_name_or_that_of_a_track():
    first = list(range(4))
    assert steps((0, 1, None)) == {"melody": first, "accompaniment": first}
    for name in ("melody", "Melody", "Flute", "FLUTE"):
        assert steps((0, 1, name)) == {"melody": first, "accompaniment": []}
    assert steps((0, 1, "bass"), (2, 2.5, "accompaniment")) == {"melody": [], "accompaniment": [*first, 8, 9]}
    assert steps() == {"melody": [], "accompaniment": []}


def test_in_music_that_swings_a_span_takes_what_is_played_in_it():
    swung = TIMES | {"melody": TIMES["melody"] + np.array([0, 1 / 12, 1 / 6, 1 / 12] * 8)}
    assert steps((1, 1.6, None), times=swung) == {"melody": [4, 5], "accompaniment": [4, 5, 6]}
    assert steps((1, 2, None), times=swung) == {"melody": [4, 5, 6, 7], "accompaniment": [4, 5, 6, 7]}


@pytest.mark.parametrize(("span", "words"), [
    ((2, 2, None), "the span from 2 to 2 is empty"),
    ((3, 2, None), "the span from 3 to 2 is empty"),
    ((float("nan"), 2, None), "the span from nan to 2 is empty"),
    ((-1, 2, None), "the span from -1 to 2 is not inside the song, which lasts 8 quarters"),
    ((0, 8.5, None), "the span from 0 to 8.5 is not inside the song"),
    ((0, 8, "harp"), "part 'harp' is unknown: there are melody, accompaniment, Flute, Piano, Bass$"),
    ((0, 8, ""), "part '' is unknown"),
])
def test_a_span_that_cannot_be_locked_is_refused_in_one_line(span, words):
    with pytest.raises(MusicFusionError, match=f"^locked: {words}") as refused:
        steps(span)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("spans", [(16, 32, None), ((16, 32),), ("abcd",), 5, (("a", 2, None),)])
def test_spans_that_are_none_are_refused(spans):
    with pytest.raises(MusicFusionError, match=r"rows of start, end and part, as in \(\(16, 32, None\),\)"):
        Locked(None, spans)


def test_a_result_without_memory_or_of_another_length_is_refused():
    lock = Locked(SimpleNamespace(memory=np.zeros(3)), ())
    assert len(remembered(lock, np.ndarray)) == 3
    for kind in (dict, str):
        with pytest.raises(MusicFusionError, match="does not hold what is needed"):
            remembered(lock, kind)
    require_as_many("quarters", 16, 16.0)
    with pytest.raises(MusicFusionError, match="has 16 quarters, and now there would be 8"):
        require_as_many("quarters", 16, 8)
