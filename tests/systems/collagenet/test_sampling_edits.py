"""Songs of several tracks after exact edits: what is not edited is as it was played."""

from dataclasses import replace

import numpy as np
import pytest
from consonance import BASE, FLAT, HALF, consonant

from musicfusion.codecs import melody, midi, notation
from musicfusion.codecs.score import Score, Track
from musicfusion.systems.collagenet import edits, sampling, sampling_edits
from musicfusion.systems.collagenet.reharmony import NEW

LOOSE = 0.04  # quarters by which players are late


def line(pitches, start=0.0, length=1.0, velocity=90):
    """Notes in quarters, one after another, loud and late by turns."""
    rows = [(start + k * length + LOOSE * (k % 3) / 2, 0.9 * length, pitch, velocity - k % 7)
            for k, pitch in enumerate(pitches)]
    return np.array(rows)


@pytest.fixture(scope="module")
def pair():
    """A flute's tune in G over a band in C: guitar chords, bass, drums."""
    tune = Track("Melody", 73, False, line([79, 81, 83, 79, 81, 83, 86, 83, 79, 78, 76, 74, 79, 81, 83, 79]), 4)
    second = Track("Melody", 73, False, line([67, 69, 71, 67], 2.0), 4)  # a second voice of the same track
    chords = np.concatenate([line([root + by] * 1, bar * 4.0 + 2 * half, 2.0, 70)
                             for bar, root in enumerate((48, 53, 55, 48)) for half in range(2) for by in (0, 4, 7)])
    guitar = Track("Guitar", 25, False, chords, 0)
    bass = Track("Bass", 33, False, line([36, 36, 41, 41, 43, 43, 36, 36], length=2.0), 1)
    drums = Track("Drums", 0, True, line([36, 42, 38, 42] * 4), 9)
    lead = Score((tune, second), np.array([[0.0, 100.0]]), ((0.0, 4, 4),), "tune")
    band = Score((guitar, bass, drums), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "band")
    return sampling.read_pair(lead, band, length="loop", tempo="melody")


@pytest.fixture(scope="module")
def generate():
    return sampling_edits.generator(score=consonant, model=FLAT, prices=BASE, progression=0.1, rounds=2, variety=0.1)


def made(generate, pair, seed=0, locked=None, **controls):
    return generate([pair], HALF | controls, [seed], [locked])[0]


def tracks(score):
    return {(track.name, track.program, k): track for k, track in enumerate(score.tracks)}


def test_every_track_keeps_its_instrument_channel_loudness_and_timing(generate, pair):
    result = made(generate, pair, pitch=0.2, chord=0.2, rhythm=1.0, texture=0.2)
    before, after = (tracks(result.scores[name]) for name in ("before", "fused"))
    assert before.keys() == after.keys() and len(after) == 5
    changed = 0
    for key, old in before.items():
        new = after[key]
        assert (new.is_drum, new.channel) == (old.is_drum, old.channel)
        order = [np.lexsort((x.notes[:, 2], x.notes[:, 3], x.notes[:, 0])) for x in (old, new)]
        np.testing.assert_allclose(*(np.sort(x.notes[:, [0, 1, 3]], 0) for x in (old, new)))
        changed += sum(old.notes[order[0], 2] != new.notes[order[1], 2])
    assert changed
    drums = next(key for key in before if key[0] == "Drums")
    np.testing.assert_array_equal(before[drums].notes, after[drums].notes)


def test_all_tracks_follow_the_same_chords(pair):
    source = sampling_edits.source(pair)
    own = edits.none(source)
    options = own.options.copy()
    options[0] = 1 + 12 * NEW.index("min") + 9  # A minor in the place of C, in parallel: a third lower
    played = sampling_edits.played(pair, source, replace(own, options=options))
    for before, after in zip(pair.tracks["accompaniment"], played["accompaniment"], strict=True):
        if before.is_drum:
            assert after is before
            continue
        first = sampling.on_step(before.notes) < own.cells[1]
        assert first.any() and not np.array_equal(after.notes[first, 2], before.notes[first, 2])
        assert set(after.notes[first, 2] % 12) <= {9, 0, 4}
        np.testing.assert_array_equal(after.notes[~first], before.notes[~first])


def test_all_controls_at_one_and_the_melodys_key_held_give_back_what_was_played(generate, pair):
    result = made(generate, pair, pitch=1.0, rhythm=1.0, chord=1.0, texture=1.0, key="melody")
    for old, new in zip(*(result.scores[name].tracks for name in ("before", "fused")), strict=True):
        np.testing.assert_array_equal(old.notes, new.notes)
    assert result.metadata["edits"] == {"shift": {"melody": 0, "accompaniment": 0}, "chords_changed": 0,
                                        "places_for_chords": 8, "notes_nudged": 0, "notes_slid": 0}
    assert all(share == 1 for share in result.metadata["kept"].values())


def test_a_moved_melody_keeps_its_second_voice_a_moved_accompaniment_its_band(generate, pair):
    result = made(generate, pair, pitch=1.0, rhythm=1.0, chord=1.0, texture=1.0, key="either")
    shift = result.metadata["edits"]["shift"]["melody"]
    for old, new in zip(*(result.scores[name].tracks[:2] for name in ("before", "fused")), strict=True):
        np.testing.assert_array_equal(new.notes[:, 2], old.notes[:, 2] + shift)
    assert ("semitone" in result.notices[0]) == bool(shift)


def test_a_note_that_slides_ends_where_it_ended_and_cuts_the_one_before(pair):
    source = sampling_edits.source(pair)
    step = int(np.flatnonzero(source.tokens < melody.HOLD)[2])
    slides = np.zeros(source.steps, int)
    slides[step] = -1
    played = sampling_edits.played(pair, source, replace(edits.none(source), slides=slides))
    old, new = pair.tracks["melody"][0].notes, played["melody"][0].notes
    moved = np.flatnonzero(old[:, 0] != new[:, 0])
    assert len(moved) == 1
    k = int(moved[0])
    assert new[k, 0] == pytest.approx(old[k, 0] - 0.25) and new[k, :2].sum() == pytest.approx(old[k, :2].sum())
    assert new[k - 1, :2].sum() == pytest.approx(new[k, 0])
    np.testing.assert_array_equal(np.delete(old, [k - 1, k], 0), np.delete(new, [k - 1, k], 0))


def test_words_go_with_the_notes_that_slide_and_are_written(pair, generate, tmp_path):
    track = pair.tracks["melody"][0]
    words = tuple((float(at), f"la{k}-") for k, at in enumerate(track.notes[:8, 0]))
    sung = replace(pair, tracks={**pair.tracks, "melody": (replace(track, lyrics=words),)})
    source = sampling_edits.source(sung)
    slides = np.zeros(source.steps, int)
    slides[int(np.flatnonzero(source.tokens < melody.HOLD)[2])] = -1
    played = sampling_edits.played(sung, source, replace(edits.none(source), slides=slides))["melody"][0]
    moved = [new - old for (old, _), (new, _) in zip(words, played.lyrics, strict=True)]
    assert sorted(moved) == [-0.25] + 7 * [0] and set(played.notes[:8, 0]) == {at for at, _ in played.lyrics}
    made(generate, sung).save(tmp_path / "out", sound=False)
    for again in (midi.read(tmp_path / "out" / "fused.mid"), notation.read(tmp_path / "out" / "fused.musicxml")):
        assert [text for _, text in again.tracks[0].lyrics] == [text for _, text in words]


def test_only_real_edits_are_counted_as_new_and_the_picture_is_drawn(generate, pair, tmp_path):
    result = made(generate, pair)
    kept = result.metadata["kept"]
    assert kept["intervals_kept"] > 0.5 and kept["voicing_rhythm_kept"] == 1 and kept["onsets_kept"] > 0.9
    assert result.pictures["fused"].draw(tmp_path / "fused.png").stat().st_size > 10_000


def test_the_song_is_written_and_read_again_with_its_tracks(generate, pair, tmp_path):
    result = made(generate, pair)
    result.save(tmp_path / "out", sound=False)
    again = midi.read(tmp_path / "out" / "fused.mid")
    assert [(t.name, t.program, t.is_drum) for t in again.tracks] == [
        (t.name, t.program, t.is_drum) for t in result.scores["fused"].tracks]
    for one, other in zip(again.tracks, result.scores["fused"].tracks, strict=True):
        np.testing.assert_allclose(one.notes, other.notes, atol=1 / 400)
