"""Piano rolls of a real chorale and of changes to it."""

import sys

import numpy as np
import pytest

from musicfusion.render.pianoroll import changed, compare, raster

MELODY, ACCOMPANIMENT = (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)
OUTLINE = (0x22, 0x22, 0x22)


def image(path):
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def count(picture, colour):
    """Pixels of about this colour."""
    return int((np.abs(picture.astype(int) - colour).max(axis=-1) <= 2).sum())


def pale(colour):
    return tuple(part // 2 + 127 for part in colour)


def test_a_note_is_kept_when_onset_and_pitch_are(voices):
    before = voices["melody"]
    after = before.copy()
    after[0, 2] += 1  # another pitch
    after[1, 0] += 1  # another onset
    after[2, 1] += 1  # another duration only
    kept_before, kept_after = changed(before, after[3:][::-1])
    assert kept_before.tolist() == [False] * 3 + [True] * (len(before) - 3) and kept_after.all()
    kept_before, kept_after = changed(before, after)
    assert not kept_before[:2].any() and kept_before[2:].all()
    assert np.array_equal(kept_before, kept_after)


def test_nothing_is_kept_of_nothing(voices):
    none = np.zeros((0, 3), np.int32)
    kept_before, kept_after = changed(voices["melody"], none)
    assert not kept_before.any() and kept_after.shape == (0,)


def test_a_raster_paints_each_note_where_it_sounds():
    notes = np.array([[2, 3, 60], [5, 1, 60], [0, 4, 64]], np.int32)
    picture = raster([(notes, (10, 20, 30))], 8, pitches=(59, 65), pixel=2)
    assert picture.shape == (14, 16, 3) and picture.dtype == np.uint8
    row = picture[2 * (65 - 60)]  # high pitches are on top
    painted = (row <= (10, 20, 30)).all(axis=-1)
    assert painted.tolist() == [False] * 4 + [True] * 8 + [False] * 4
    assert row[[4, 10]].tolist() == [[5, 10, 15]] * 2  # an onset is darker: two notes, not one
    assert (picture[2 * (65 - 64), :8] <= (10, 20, 30)).all()


def test_a_raster_of_the_chorale_has_both_colours_and_about_the_height_asked_for(voices):
    tracks = [(voices["accompaniment"], "#0072B2"), (voices["melody"], "#D55E00")]
    picture = raster(tracks, 144, height=200)
    assert 140 <= len(picture) <= 260 and picture.shape[1:] == (144 * 4, 3)
    assert count(picture, MELODY) and count(picture, ACCOMPANIMENT)


def test_a_raster_ignores_what_lies_outside():
    notes = np.array([[0, 99, 60], [50, 1, 60], [0, 1, 127]], np.int32)
    assert raster([(notes, "#000000")], 4, pitches=(60, 60)).shape == (4, 16, 3)
    assert raster([], 4).shape[1] == 16


def test_an_unchanged_piece_is_drawn_pale_and_a_changed_one_strong(tmp_path, voices):
    same = image(compare(tmp_path / "same.png", voices, voices, "BWV 66.6"))
    higher = {name: notes + (0, 0, 36) for name, notes in voices.items()}
    other = image(compare(tmp_path / "other.png", voices, higher, "BWV 66.6"))
    for colour in (MELODY, ACCOMPANIMENT):
        assert count(same, pale(colour)) > 5000
        assert count(other, pale(colour)) < 500  # where a hatch or an edge fades into white
    assert count(other, OUTLINE) > 5 * count(same, OUTLINE)


def test_only_the_changed_track_looks_changed(tmp_path, voices):
    after = dict(voices, melody=voices["melody"] + (0, 0, 12))
    picture = image(compare(tmp_path / "a.png", voices, after))
    assert count(picture, pale(MELODY)) < 500
    assert count(picture, pale(ACCOMPANIMENT)) > 5000


def test_a_track_that_was_transposed_as_a_whole_is_compared_in_its_new_key(tmp_path, voices):
    higher = dict(voices, melody=voices["melody"] + (0, 0, 2))
    plain = image(compare(tmp_path / "plain.png", voices, higher))
    told = image(compare(tmp_path / "told.png", voices, higher, shifts={"melody": 2, "accompaniment": 0}))
    wrong = image(compare(tmp_path / "wrong.png", voices, higher, shifts={"melody": -2, "accompaniment": 2}))
    assert count(plain, pale(MELODY)) < 500 < 5000 < count(told, pale(MELODY))
    assert count(told, pale(ACCOMPANIMENT)) > 5000
    assert count(wrong, pale(MELODY)) < 1500 and count(wrong, pale(ACCOMPANIMENT)) < 1500
    higher["melody"] = higher["melody"].copy()
    higher["melody"][:10, 2] += 1
    edited = image(compare(tmp_path / "edited.png", voices, higher, shifts={"melody": 2}))
    assert 500 < count(edited, pale(MELODY)) < count(told, pale(MELODY))
    assert count(edited, OUTLINE) > count(told, OUTLINE)


def test_chord_names_take_their_room_above_the_panels(tmp_path, voices):
    names = ["A", "A", "F#m7b5/C", ""] * 9
    plain = image(compare(tmp_path / "a.png", voices, voices))
    named = image(compare(tmp_path / "b.png", voices, voices, chords_after=names))
    assert len(named) > len(plain)
    compare(tmp_path / "c.png", voices, voices, chords_before=names[:2], chords_after=names * 2)


def test_a_long_piece_is_cut_and_says_so(tmp_path, voices):
    def times(n):
        return {
            name: np.concatenate([notes + (144 * k, 0, 0) for k in range(n)])
            for name, notes in voices.items()
        }

    full = image(compare(tmp_path / "a.png", times(6), times(6)))  # 54 bars: six lines of eight
    more = image(compare(tmp_path / "b.png", times(12), times(12)))
    assert full.shape == more.shape
    assert (full[-16:] != 255).any()  # "bars 49 to 54 are not drawn"
    assert not (image(compare(tmp_path / "c.png", times(5), times(5)))[-16:] != 255).any()


@pytest.mark.parametrize("beats_per_bar", [2, 3, 4])
@pytest.mark.parametrize("steps", [1, 8, 32, 200])
def test_any_length_and_metre_can_be_drawn(tmp_path, voices, beats_per_bar, steps):
    part = {name: notes[notes[:, 0] < steps] for name, notes in voices.items()}
    compare(tmp_path / "a.png", part, {}, "A part", beats_per_bar=beats_per_bar)


def test_pieces_without_notes_and_names_in_any_script_can_be_drawn(tmp_path, voices):
    compare(tmp_path / "a.png", {}, {})
    compare(tmp_path / "b.png", {"$_$ 晴天": np.zeros((0, 3))}, voices, "$晴天_$" * 40)


def test_pyplot_stays_out(tmp_path, voices, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    compare(tmp_path / "a.png", voices, voices)


def test_the_same_picture_has_the_same_bytes(tmp_path, voices):
    first = compare(tmp_path / "a.png", voices, voices, "title").read_bytes()
    assert compare(tmp_path / "b.png", voices, voices, "title").read_bytes() == first
