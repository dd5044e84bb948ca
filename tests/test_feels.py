"""Users' files that swing, hold triplets or were played freely: the same for all systems."""

import numpy as np
import pytest

from musicfusion.codecs import feel, inputs, melody, midi
from musicfusion.codecs.score import Score, Track
from musicfusion.systems.collagenet import edits, sampling_edits
from musicfusion.systems.collagenet import sampling as collagenet
from musicfusion.systems.connective_fusion import sampling as connective_fusion
from musicfusion.systems.fusion_gan import sampling as fusion_gan
from musicfusion.systems.musae import sampling as musae

# Onsets in 16ths of a bar, of a tune and of what goes with it.
TUNE, BACK = (0, 4, 6, 8, 10, 12, 14), (0, 2, 4, 6, 8, 12)
RATIO = 2 / 3


def song(onsets=TUNE, *, bars=16, ratio=0.5, program=73, low=60) -> Score:
    """One voice, bar after bar; of each quarter its first half takes `ratio`."""
    steps = np.concatenate([16 * bar + np.array(onsets) for bar in range(bars)])
    ends = np.append(steps[1:], 16 * bars)
    times, ends = (np.floor(at / 4) + np.interp(at / 4 % 1, (0, 0.5, 1), (0, ratio, 1)) for at in (steps, ends))
    notes = np.stack([times, ends - times, low + steps // 2 * 5 % 12, np.full(len(steps), 80)], 1)
    return Score((Track("tune", program, False, notes),), np.array([[0.0, 110.0]]), ((0.0, 4, 4),), "song")


def freely(score: Score, seed: int = 0) -> Score:
    """The same in seconds, as somebody plays it whose tempo comes and goes, in a file at 120."""
    generator = np.random.default_rng(seed)
    quarters = np.arange(np.ceil(score.length) + 2)
    paces = 60 / (88 + 14 * np.sin(quarters / 5) + generator.normal(0, 1.5, len(quarters)))
    seconds = np.concatenate([[0.35], 0.35 + np.cumsum(paces)])[: len(quarters)]

    def moved(track):
        begin, end = (np.interp(at, quarters, seconds) * 2 for at in (track.notes[:, 0], track.notes[:, :2].sum(1)))
        begin = np.maximum(begin + generator.normal(0, 0.01, len(begin)), 0)
        notes = np.column_stack([begin, np.maximum(end - begin, 0.05), track.notes[:, 2:]])
        return Track(track.name, track.program, track.is_drum, notes)

    return Score(tuple(map(moved, score.tracks)), np.array([[0.0, 120.0]]), (), score.name)


def notes(score: Score, track: int = 0) -> np.ndarray:
    return score.tracks[track].notes


def unedited(read: collagenet.Pair) -> Score:
    source = sampling_edits.source(read)
    return sampling_edits.result(read, source, edits.none(source)).scores["fused"]


# CollageNet ----------------------------------------------------------------------------------------------------------


def test_a_tune_that_swings_is_fused_in_even_eighths_and_swings_afterwards():
    lead, back = song(ratio=RATIO), song(BACK, program=0, low=48)
    read = collagenet.read_pair(lead, back, length="loop", tempo="melody")
    even = collagenet.read_pair(song(), back, length="loop", tempo="melody")
    np.testing.assert_array_equal(read.melody, even.melody)
    fused = unedited(read)
    np.testing.assert_allclose(notes(fused), notes(lead), atol=1e-9)
    np.testing.assert_array_equal(notes(fused, 1), notes(back)), "the other part is played as it was"


def test_each_repetition_of_a_short_part_swings():
    lead, back = song(bars=4, ratio=RATIO), song(BACK, bars=16, ratio=0.6, program=0, low=48)
    fused = unedited(collagenet.read_pair(lead, back, length="loop", tempo="accompaniment"))
    expected = np.concatenate([notes(lead) + [16.0 * k, 0, 0, 0] for k in range(4)])
    np.testing.assert_allclose(notes(fused), expected, atol=1e-9)
    np.testing.assert_allclose(notes(fused, 1), notes(back), atol=1e-9)


def test_notes_that_the_networks_write_swing_too():
    read = collagenet.read_pair(song(ratio=RATIO), song(BACK, program=0, low=48), length="loop", tempo="melody")
    track = Track("new", 0, False, np.array([[1.5, 0.5, 60, 80], [2.0, 0.5, 62, 80]]))
    lead, back = collagenet.song(read, {"melody": (track,), "accompaniment": (track,)}, "song").tracks
    np.testing.assert_allclose(lead.notes[:, 0], [1 + RATIO, 2.0], atol=1e-9)
    np.testing.assert_allclose(back.notes[:, 0], [1.5, 2.0])


# The others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [3, 8])
def test_connective_fusion_joins_a_tune_that_swings_and_one_that_does_not(bars):
    left, right = song(bars=bars, ratio=RATIO), song(bars=8)
    sides = [connective_fusion.read_side(score, side) for score, side in ((left, "left"), (right, "right"))]
    piece = connective_fusion.Piece(*sides, np.zeros(2, np.float32))
    whole, _ = connective_fusion.song(piece, np.concatenate([side.symbols for side in sides]))
    played = notes(connective_fusion._score(piece, whole))
    rests = max(16.0 - 4 * bars, 0)
    expected = np.concatenate([notes(left)[:, 0] + rests, notes(right)[:, 0] + max(4 * bars, 16)])
    np.testing.assert_allclose(played[:, 0], expected, atol=1e-9)


def test_musae_gives_a_song_its_swing_back():
    given = song(ratio=RATIO)
    read = musae.read_song(given, "song", "voices")
    np.testing.assert_array_equal(read.tokens, musae.read_song(song(), "song", "voices").tokens)
    found = melody.notes_from_tokens(read.tokens[:, 0]) / [4, 4, 1]
    np.testing.assert_allclose(feel.played(found, read.feel)[:, 0], notes(given)[:, 0], atol=1e-9)


def test_the_melody_that_fusion_gan_goes_on_with_swings_as_far_as_it_was_given():
    given = song(bars=8, ratio=RATIO)
    piece = fusion_gan.read({"prompt": given}, {}, grid=16)
    both = np.concatenate([piece.tokens, piece.tokens])
    played = notes(feel.played(fusion_gan.score(both, "1", grid=16), piece.feel))
    expected = np.concatenate([notes(given)[:, 0], notes(song(bars=8))[:, 0] + 32])
    np.testing.assert_allclose(played[:, 0], expected, atol=1e-9)


# What is said --------------------------------------------------------------------------------------------------------


def said(read) -> list[str]:
    with inputs.noticing() as found:
        read()
    return found


def test_swing_is_said_once_with_what_its_first_half_takes():
    lead, back = song(ratio=RATIO), song(BACK, program=0, low=48)
    lines = said(lambda: collagenet.read_pair(lead, back, length="loop", tempo="melody"))
    assert lines == ["melody (Score): of 64 beats 63 swing (their first half takes 67%)"]
    assert said(lambda: connective_fusion.read_side(song(), "left")) == []


def test_notes_off_the_grid_are_said_to_be():
    late = np.random.default_rng(0).normal(0, 0.04, 112)[:, None] * [1, 0, 0, 0]
    given = song()
    human = Track("", 0, False, np.maximum(notes(given) + late, [0, 0.1, 0, 0]))
    human = Score((human,), given.tempos, given.metres, "")
    (line,) = said(lambda: musae.read_song(human, "song", "voices"))
    assert line.startswith("song (Score): notes lie 0.1") and line.endswith("of a 16th from the grid on average")


# Played freely -------------------------------------------------------------------------------------------------------


def test_a_tune_that_was_played_freely_is_on_the_grid_and_keeps_its_seconds(tmp_path):
    given = freely(song())
    path = tmp_path / "freely.mid"
    midi.write(path, given)
    found: list[collagenet.Pair] = []
    lines = said(lambda: found.append(
        collagenet.read_pair(path, song(BACK, program=0, low=48), length="loop", tempo="melody")))
    assert any("played freely: " in line and "beats were found" in line for line in lines)
    fused = unedited(found[0])
    before, after = (np.diff(score.seconds(notes(score)[: len(notes(given)), 0])) for score in (given, fused))
    np.testing.assert_allclose(after, before, atol=0.002)


def test_a_score_of_the_caller_s_own_is_believed():
    given = freely(song())
    assert inputs.read_score(given, "song") is given
