"""Users' files in other metres than 4/4, with pickups, and with metres that change: the same for all systems."""

import re

import numpy as np
import pytest
from musicxml_text import attributes, line
from musicxml_text import score as written

from musicfusion.codecs import bars, melody, midi, musicxml_write
from musicfusion.codecs.score import Score, Track
from musicfusion.systems.collagenet import edits, sampling_edits, sampling_latent
from musicfusion.systems.collagenet import sampling as collagenet
from musicfusion.systems.connective_fusion import sampling as connective_fusion
from musicfusion.systems.fusion_gan import sampling as fusion_gan
from musicfusion.systems.musae import sampling as musae

COMMON = ((0.0, 4, 4),)
CHANGING = ((0.0, 4, 4), (8.0, 3, 4))
PICKUPS = {  # how files write a quarter before the first bar line: metres, quarters before the notes
    "a short metre": (((0.0, 1, 4), (1.0, 4, 4)), 0),
    "a metre that is given again": (((0.0, 4, 4), (1.0, 4, 4)), 0),
    "a short metre, and a last bar that completes it": (((0.0, 1, 4), (1.0, 4, 4), (17.0, 3, 4)), 0),
    "rests": (COMMON, 3),
    "empty bars and rests": (COMMON, 11),
}


def song(metres, *, quarters=16, start=0.0, length=1.0, program=73, pitch=60, late=0.0):
    """One note after another, from the quarter `start` on."""
    onsets = np.arange(0, quarters, length)
    notes = np.stack([start + onsets + late, np.full_like(onsets, length), pitch + onsets % 5,
                      np.full_like(onsets, 80)], 1)
    return Score((Track("melody", program, False, notes),), np.array([[0.0, 100.0]]), metres, "song")


def pair(lead, back, *, length="loop", tempo="melody"):
    return collagenet.read_pair(lead, back, length=length, tempo=tempo)


def fused(read):
    """The song without edits, as it is written: MIDI's metres, and each bar of its notation in 16ths."""
    source = sampling_edits.source(read)
    score = sampling_edits.result(read, source, edits.none(source)).scores["fused"]
    text, _ = musicxml_write.to_musicxml(score)
    part = re.search(r'<part id="P1">.*?</part>', text, re.DOTALL)[0]
    lengths = [sum(int(length) for note in re.findall(r"<note>(?!<chord/>).*?</note>", measure.split("<backup>")[0])
                   for length in re.findall(r"<duration>(\d+)", note)) / 12
               for measure in re.findall(r"<measure.*?</measure>", part)]
    return list(score.metres), lengths, score


# Bars ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metres, steps, expected", [
    ([(0.0, 4, 4)], 40, [0, 16, 32, 40]),
    ([], 32, [0, 16, 32]),
    ([(0.0, 3, 4)], 36, [0, 12, 24, 36]),
    ([(0.0, 7, 8)], 42, [0, 14, 28, 42]),
    ([(0.0, 6, 8), (3.0, 4, 4)], 44, [0, 12, 28, 44]),
    ([(2.0, 3, 4)], 32, [0, 8, 20, 32]),
])
def test_bars_are_those_of_the_metres(metres, steps, expected):
    np.testing.assert_array_equal(bars.lines(metres, steps), expected)


@pytest.mark.parametrize("rows, words", [
    ([], "4/4"), ([(0.0, 3, 4)], "3/4"), ([(0.0, 3, 4), (9.0, 7, 8), (16.0, 3, 4)], "3/4 and 7/8"),
    ([(float(k), k, 8) for k in range(5, 10)], "5/8, 6/8, 7/8 and others"),
])
def test_metres_are_named(rows, words):
    assert bars.named(rows) == words


def test_a_short_bar_whose_metre_comes_back_is_no_pickup():
    alternating = tuple((7.0 * k + 3 * odd, 4 if odd else 3, 4) for k in range(3) for odd in (0, 1))
    assert bars.metres(song(alternating)) == list(alternating)
    longer = ((0.0, 4, 4), (4.0, 3, 4))
    assert bars.metres(song(longer)) == list(longer)


@pytest.mark.parametrize("metres, late", [(((0.0, 1, 8), (0.5, 4, 4)), 0.05), (((0.0, 7, 8),), 0.1)])
def test_beats_are_counted_from_the_bar_line_where_it_lies_between_two_quarters(metres, late):
    start = metres[-1][0]
    notes = np.concatenate([song(COMMON, start=start + bar, quarters=4, late=late).tracks[0].notes[:3]
                            for bar in 4.0 * metres[-1][1] / metres[-1][2] * np.arange(7)])
    played = Score((Track("", 0, False, notes),), np.array([[0.0, 100.0]]), metres, "")
    assert bars.phase(played) == pytest.approx(late)


def test_a_last_bar_ends_where_another_metre_begins():
    part = bars.in_bars(song(((0.0, 4, 4), (6.0, 3, 4)), quarters=5).tracks[0].notes,
                        bars.aligned(song(((0.0, 4, 4), (6.0, 3, 4)))))
    assert part.steps == 24 and part.own_metres(part.quarters) == [(0.0, 4, 4)]


# Pickups -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", PICKUPS)
def test_a_pickup_is_the_end_of_a_whole_first_bar_in_every_system(how):
    metres, rests = PICKUPS[how]
    given = song(metres, start=rests, quarters=17)
    read = pair(given, song(COMMON))
    assert read.melody[:2, 0].tolist() == [12, 16] and read.accompaniment[0, 0] == 0
    assert read.tracks["melody"][0].notes[0, 0] == 3
    assert read.metres[0] == COMMON[0] and read.tempos == [(0.0, 100.0)]
    side = connective_fusion.read_side(given, "right")
    assert np.argmax(side.symbols < melody.PITCHES) == 12 and side.metres[0] == COMMON[0]
    prompt = fusion_gan.read({"prompt": given}, {}, grid=16)
    assert np.argmax(prompt.tokens < melody.HOLD) == 12 and prompt.metres[0] == COMMON[0]
    band = musae.read_song(song(metres, start=rests, quarters=17, program=33), "song", "band")
    assert np.argmax(band.tokens[:, 1] < melody.HOLD) == 12 and band.metres[0] == COMMON[0]


def test_a_pickup_of_a_written_score_is_the_end_of_a_whole_first_bar(tmp_path):
    path = tmp_path / "waltz.musicxml"
    path.write_text(written([attributes("3/4") + line("G4:12"), *[line("C5:12", "D5:12", "E5:12")] * 3]))
    read = pair(path, song(((0.0, 3, 4),), quarters=12))
    assert read.melody[:2, 0].tolist() == [8, 12] and read.metres == [(0.0, 3, 4)] and read.notices == ()
    metres, lengths, _ = fused(read)
    assert metres == [(0.0, 3, 4)] and lengths == [12] * 4


def test_with_a_pickup_the_other_part_s_bar_lines_are_the_melody_s(tmp_path):
    metres, _ = PICKUPS["a short metre"]
    midi.write(tmp_path / "a.mid", song(metres, quarters=17))
    read = pair(tmp_path / "a.mid", song(COMMON, quarters=8))
    assert read.notices == ()
    assert fused(read)[:2] == (list(COMMON), [16] * 5)
    assert read.accompaniment[:, 0].tolist() == list(range(0, 80, 4))


# CollageNet ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metre, bar", [((3, 4), 12), ((6, 8), 12), ((5, 4), 20), ((7, 8), 14), ((12, 8), 24)])
def test_bar_lines_and_places_for_chords_are_those_of_the_metre(metre, bar):
    metres = ((0.0, *metre),)
    read = pair(song(metres, quarters=5 * bar / 4, length=0.5), song(metres, quarters=5 * bar / 4, length=0.5))
    assert fused(read)[:2] == (list(metres), [bar] * 5)
    assert set(range(0, 5 * bar, bar)) <= set(edits.none(sampling_edits.source(read)).cells.tolist())
    assert read.notices == ()


def test_bars_that_end_within_a_quarter_are_repeated_on_bar_lines_and_nothing_follows_the_last():
    lead = song(((0.0, 7, 8),), quarters=3.5 * 9, length=0.5)
    read = pair(lead, song(((0.0, 7, 8),), quarters=3.5 * 3, length=0.5))
    assert (read.melody[-1, :2].sum(), read.accompaniment[:, :2].sum(1).max()) == (126, 126)
    np.testing.assert_array_equal(read.accompaniment[read.accompaniment[:, 0] % 42 == 0, 2], 60)
    assert read.steps == 128, "chords are those of whole beats"
    assert all(track.notes[:, :2].sum(1).max() == 31.5 for part in read.tracks.values() for track in part)


def test_a_bar_that_begins_within_a_quarter_begins_with_its_own_chord():
    triads = [(14.0 * k / 4, 3.5, root + by, 80) for k, root in enumerate((48, 53, 55, 48)) for by in (0, 4, 7)]
    back = Score((Track("piano", 0, False, np.array(triads)),), np.array([[0.0, 100.0]]), ((0.0, 7, 8),), "back")
    read = pair(song(((0.0, 7, 8),), quarters=14, length=0.5), back)
    assert read.chords[:, 0].tolist() == [0] * 3 + [5] * 4 + [7] * 3 + [0] * 4
    assert read.accompaniment[:, 0].tolist() == [0] * 3 + [14] * 3 + [28] * 3 + [42] * 3, "only chords are heard so"


def test_what_is_shorter_than_a_window_is_repeated_in_whole_bars():
    waltz = song(((0.0, 3, 4),), quarters=3)
    read = pair(waltz, waltz)
    assert read.steps == 36 and fused(read)[1] == [12] * 3


@pytest.mark.parametrize("lead, back, kept, words", [
    (((0.0, 3, 4),), COMMON, "melody", "the melody is in 3/4, the accompaniment in 4/4"),
    (COMMON, ((0.0, 3, 4),), "accompaniment", "the melody is in 4/4, the accompaniment in 3/4"),
    (CHANGING, COMMON, "melody", "the melody is in 4/4 and 3/4, the accompaniment in 4/4"),
])
def test_parts_whose_bar_lines_fall_apart_are_named(lead, back, kept, words):
    read = pair(song(lead, quarters=24), song(back, quarters=24), tempo=kept)
    said = f"{words}: their bar lines do not all fall together, and the song has the {kept}'s"
    assert read.notices == (said,)
    assert read.metres == list(lead if kept == "melody" else back)
    source = sampling_edits.source(read)
    assert said in sampling_edits.result(read, source, edits.none(source)).notices


@pytest.mark.parametrize("lead, back", [
    (COMMON, ((0.0, 2, 4),)), (((0.0, 6, 8),), ((0.0, 3, 4),)), (CHANGING, CHANGING), (COMMON, ()),
])
def test_nothing_is_said_where_every_bar_of_the_song_begins_with_one_of_the_other_part(lead, back):
    assert pair(song(lead, quarters=26), song(back, quarters=26)).notices == ()


@pytest.mark.parametrize("metre, words", [
    ((5, 4), ("the song is in 5/4: 8 quarters are fused at a time, wherever bars begin",)),
    ((4, 4), ()),
])
def test_fusion_in_latent_space_says_that_its_windows_are_no_bars_in_other_metres(metre, words):
    given = song(((0.0, *metre),), quarters=20)
    read = pair(given, given)
    still = sampling_latent.Song(parts=read.parts, chords=read.chords, windows=1, left_alone=1,
                                 rho=dict.fromkeys(sampling_latent.ASPECTS, 0.0))
    result = sampling_latent.result(read, still)
    assert result.notices == (sampling_latent.NOTICE, *words) and result.scores["fused"].metres == ((0.0, *metre),)


def test_the_picture_has_the_bars_of_the_song(tmp_path):
    given = song(((0.0, 5, 4),), quarters=20)
    assert bars.quarters([(0.0, 5, 4)]) == 5 and bars.quarters([(0.0, 6, 8)]) == 3
    assert bars.quarters([(0.0, 7, 8)]) == bars.quarters(CHANGING) == bars.quarters([(0.0, 1, 4)]) == 4
    read = pair(given, given)
    source = sampling_edits.source(read)
    picture = sampling_edits.result(read, source, edits.none(source)).pictures["fused"]
    assert picture.draw(tmp_path / "song.png").read_bytes()[:4] == b"\x89PNG"


def test_a_metre_that_changes_is_repeated_with_its_part():
    read = pair(song(CHANGING, quarters=14), song(COMMON, quarters=28))
    assert read.metres == [(0.0, 4, 4), (8.0, 3, 4), (14.0, 4, 4), (22.0, 3, 4)]
    assert fused(read)[1] == [16, 16, 12, 12] * 2
