"""Two songs, joined by networks that change nothing or everything: what else happens to the music is sampling's own."""

import json

import numpy as np
import pytest
from kept import assert_kept, differ

from musicfusion.codecs import melody, midi
from musicfusion.codecs.score import Score, Track, from_notes
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.connective_fusion import dataset, sampling
from musicfusion.systems.connective_fusion.dataset import BAR, STEPS

COMMON = ((0.0, 4, 4),)
TUNE = [(4 * k, 4, 60 + (3 * k) % 7) for k in range(32)]  # eight bars of quarters
REPLY = [(2 * k, 2, 72 - (5 * k) % 9) for k in range(64)]


@pytest.fixture
def write(tmp_path):
    """Writes a melody in 16ths and returns the file's path."""

    def write(name, notes, tempos=((0.0, 120.0),), metres=COMMON):
        track = from_notes("lead", 0, np.array(notes))
        midi.write(tmp_path / f"{name}.mid", Score((track,), np.array(tempos), metres, name))
        return tmp_path / f"{name}.mid"

    return write


class Unmoved:
    """Networks for which z is the music itself; each move lifts the right side by a semitone a style."""

    reality = None

    def has(self, stage):
        return self.reality is not None

    def encode(self, symbols):
        return symbols.astype(np.float32), np.ones(symbols.shape, np.float32)

    def decode(self, z):
        return z.astype(np.int32)

    def move(self, z, style):
        lift = np.round(style[:, :1] + 2 * style[:, 1:])
        right = np.where(z[:, STEPS:] < melody.PITCHES, z[:, STEPS:] + lift, z[:, STEPS:])
        return np.concatenate([z[:, :STEPS], right], 1)

    def distance(self, moved, z):
        return np.mean((moved - z) ** 2, 1)

    def logits(self, symbols):
        return np.full(len(symbols), self.reality)


class MadeUp(Unmoved):
    """Networks that decode everything to one tune, and keep what they decode."""

    reality = -np.log(3.0)
    tune = np.array([5, 30, 7, 31]).repeat(16)

    def __init__(self):
        self.drawn = []

    def encode(self, symbols):
        return np.full((1, 128), 9.0, np.float32), None

    def decode(self, z):
        self.drawn.append(z)
        return np.tile(self.tune, (len(z), 2)).astype(np.int32)

    def move(self, z, style):
        return z


def generate(networks, *requests, seeds=None, locked=None, **controls):
    controls = {"iterations": 1, "style": 0.0, "grid": 0} | controls
    sampler = sampling.sampler(networks, style=2)
    pieces = [sampler.read(given, controls) for given in requests]
    return sampler.generate(pieces, controls, seeds or list(range(len(pieces))), locked or [None] * len(pieces))


def join(given, seed=0, networks=None, locked=None, **controls):
    """The result for two files, and the notes of its main score."""
    (result,) = generate(networks or Unmoved(), given, seeds=[seed], locked=[locked], **controls)
    return result, notes(result.scores[result.main])


def notes(score) -> list:
    """[onset and length in 16ths, pitch] of a score's one track."""
    (track,) = score.tracks
    return (track.notes[:, :3] * (4, 4, 1)).round().astype(int).tolist()


def after(steps, tune):
    return [[onset + steps, length, pitch] for onset, length, pitch in tune]


def test_two_whole_songs_are_joined_and_nothing_of_them_is_lost(write):
    result, song = join({"left": write("a", TUNE), "right": write("b", REPLY)})
    assert song == after(0, TUNE) + after(32 * 4, REPLY)
    assert result.metadata["joint"] == 32, "quarters"
    assert notes(result.scores["before"]) == song
    assert result.metadata["reality"] is None, "without a classifier"
    assert result.notices == ("the melodies were made one voice by their highest notes and quantised to 16ths",)


def test_what_is_changed_are_the_four_bars_on_either_side_of_the_joint(write):
    result, song = join({"left": write("a", TUNE), "right": write("b", REPLY)}, iterations=2, style=1.0)
    lifted = [[onset, length, pitch + 6 * (onset < STEPS)] for onset, length, pitch in REPLY]
    assert song == after(0, TUNE) + after(32 * 4, lifted)
    once = [[onset, length, pitch + 3 * (onset < STEPS)] for onset, length, pitch in REPLY]
    assert notes(result.scores["iteration_1"]) == after(0, TUNE) + after(32 * 4, once)
    trajectory = result.metadata["trajectory"]
    assert [row["iteration"] for row in trajectory] == [0, 1, 2]
    assert [row["z_distance"] for row in trajectory] == sorted(row["z_distance"] for row in trajectory)
    assert list(result.scores) == ["before", "iteration_1", "iteration_2", "fused"]
    assert list(result.players) == ["fused", "before"] and list(result.pictures) == ["fused", "iterations"]


def test_everything_is_written(write, tmp_path):
    result, _ = join({"left": write("a", TUNE), "right": write("b", REPLY)}, iterations=2, grid=2)
    result.save(tmp_path / "out", sound=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "before.mid", "iteration_1.mid", "iteration_2.mid", "fused.mid", "grid", "fused.musicxml", "before.musicxml",
        "fused.png", "iterations.png", "grid.png", "metadata.json", "index.html"}
    assert len(list((tmp_path / "out" / "grid").glob("*.mid"))) == 4
    assert json.loads(json.dumps(result.metadata)) == result.metadata


def test_no_iteration_leaves_the_songs_as_they_are(write):
    _, song = join({"left": write("a", TUNE), "right": write("b", REPLY)}, iterations=0, style=1.0)
    assert song == after(0, TUNE) + after(32 * 4, REPLY)


def test_a_song_far_from_the_models_range_goes_there_by_octaves_and_back(write):
    low = [(onset, length, pitch - 24) for onset, length, pitch in TUNE]
    side = sampling.read_side(write("a", low), "left")
    assert side.octaves == 2 and side.symbols.max() < melody.SYMBOLS
    _, song = join({"left": write("a", low), "right": write("b", REPLY)})
    assert song == after(0, low) + after(32 * 4, REPLY)


def test_tempo_and_metre_are_each_songs_own(write, tmp_path):
    left = write("a", TUNE, tempos=((0.0, 90.0), (8.0, 100.0), (31.0, 60.0)))
    right = write("b", REPLY, tempos=((0.0, 140.0), (4.0, 150.0)), metres=((0.0, 4, 4), (16.0, 2, 4)))
    result, _ = join({"left": left, "right": right})
    midi.write(tmp_path / "fused.mid", result.scores["fused"])
    score = midi.read(tmp_path / "fused.mid")
    np.testing.assert_allclose(score.tempos, [(0, 90), (8, 100), (31, 60), (32, 140), (36, 150)], rtol=1e-4)
    assert score.metres[-1] == (48.0, 2, 4)


def test_a_short_left_side_is_filled_with_rests_before_it(write):
    short = write("a", TUNE[:8], tempos=((0.0, 90.0), (4.0, 60.0)))
    result, song = join({"left": short, "right": write("b", REPLY)})
    assert song == after(STEPS - 2 * BAR, TUNE[:8]) + after(STEPS, REPLY)
    np.testing.assert_allclose(result.scores["fused"].tempos[:2], [(0, 90), (12, 60)], rtol=1e-4)


@pytest.mark.parametrize("metre, bars, expected", [
    ((3, 4), 4, [(0.0, 1, 4), (1.0, 3, 4)]), ((6, 8), 4, [(0.0, 2, 8), (1.0, 6, 8)]), ((2, 4), 4, [(0.0, 2, 4)]),
    ((7, 8), 3, [(0.0, 4, 8), (2.0, 7, 8)]), ((5, 4), 1, [(0.0, 1, 4), (1.0, 5, 4)]),
    ((3, 16), 3, [(0.0, 1, 16), (0.25, 3, 16)]),
])
def test_the_rests_before_a_short_left_side_leave_its_bar_lines_where_its_bars_begin(write, metre, bars, expected):
    length = 16 * metre[0] // metre[1]
    given = write("a", [(k * length, length, 60 + k) for k in range(bars)], metres=((0.0, *metre),))
    result, song = join({"left": given, "right": write("b", REPLY)})
    assert song[0][0] == STEPS - bars * length
    metres = [row for row in result.scores["fused"].metres if row[0] < 16]
    assert metres == expected
    assert f"the left melody is in {metre[0]}/{metre[1]}: the networks" in result.notices[1]
    assert (song[0][0] / 4 - metres[-1][0]) % (4 * metre[0] / metre[1]) == 0


def test_sixteen_quarters_are_changed_in_other_metres_which_is_said_and_bars_stay_whole(write):
    left = write("a", [(2 * k, 2, 60 + k % 7) for k in range(7 * 9)], metres=((0.0, 7, 8),))
    result, song = join({"left": left, "right": write("b", REPLY, metres=((0.0, 3, 4),))}, style=1.0)
    assert result.metadata["joint"] == 31.5 and 126 in [note[0] for note in song]
    assert result.scores["fused"].metres == ((0.0, 7, 8), (31.5, 3, 4))
    assert result.notices[1:] == ("the left melody is in 7/8: the networks know 4/4, and change its last 16 quarters",
                                  "the right melody is in 3/4: the networks know 4/4, and change its first 16 quarters")


def test_a_note_that_reaches_into_the_joined_bars_ends_where_they_begin(write):
    tune = [*TUNE[:12], (48, 32, 62), *TUNE[20:]]  # held over the bar line at 64
    _, song = join({"left": write("a", tune), "right": write("b", REPLY)})
    assert [48, 16, 62] in song


def test_inputs_may_be_scores_and_errors_begin_with_the_file(write, tmp_path):
    files = {"left": write("a", TUNE), "right": write("b", REPLY)}
    scores = {name: midi.read(path) for name, path in files.items()}
    assert join(scores)[1] == join(files)[1]
    (tmp_path / "broken.mid").write_bytes(b"no music")
    with pytest.raises(MusicFusionError, match=rf"^{tmp_path / 'broken.mid'}: "):
        join(files | {"right": tmp_path / "broken.mid"})
    with pytest.raises(MusicFusionError, match="there is no such file"):
        join(files | {"right": tmp_path / "nowhere.mid"})


def test_a_side_that_was_not_given_is_drawn_from_the_prior(write):
    networks = MadeUp()
    result, song = join({"right": write("b", REPLY)}, seed=3, networks=networks)
    drawn = networks.drawn[0]
    assert np.all(drawn[:, 64:] == 9) and np.std(drawn[:, :64]) > 0.5
    assert result.metadata["joint"] == 16 and result.metadata["reality"] == pytest.approx(0.25)
    assert "no left melody was given: its four bars are drawn from the prior" in result.notices
    assert [note for note in song if note[0] >= 2 * STEPS] == after(STEPS, [note for note in REPLY if note[0] >= STEPS])
    both = MadeUp()
    join({}, seed=3, networks=both)
    join({}, seed=4, networks=both)
    second, third = both.drawn[0], both.drawn[-1]
    assert not np.array_equal(second, third)
    np.testing.assert_array_equal(second[:, :64], drawn[:, :64])


def test_several_pieces_are_joined_as_each_would_be_alone(write):
    requests = [{"left": write("a", TUNE), "right": write("b", REPLY)}, {"right": write("c", REPLY)}, {}]
    networks, drawn = MadeUp(), []
    together = generate(networks, *requests, seeds=[5, 6, 7])
    for request, seed, result in zip(requests, (5, 6, 7), together, strict=True):
        alone = MadeUp()
        (own,) = generate(alone, request, seeds=[seed])
        assert notes(own.scores["fused"]) == notes(result.scores["fused"])
        drawn += alone.drawn
    np.testing.assert_array_equal(networks.drawn, drawn)


def test_the_style_plane_has_a_score_for_each_cell_and_the_corners_are_the_four_extremes(write):
    result, _ = join({"left": write("a", TUNE), "right": write("b", REPLY)}, grid=3)
    cells = {name: score for name, score in result.scores.items() if name.startswith("grid/")}
    assert list(cells) == [f"grid/{i}_{j}" for i in (1, 2, 3) for j in (1, 2, 3)]
    first = {name.removeprefix("grid/"): notes(score)[32][2] - REPLY[0][2] for name, score in cells.items()}
    assert sorted(first[name] for name in ("1_1", "1_3", "3_1", "3_3")) == [0, 1, 2, 3]
    assert "grid" in result.pictures


def test_in_more_dimensions_the_corners_are_drawn_and_opposite():
    corners = sampling.corners(6, seed=1)
    assert corners.shape == (4, 6) and set(corners.ravel()) == {0.0, 1.0}
    np.testing.assert_array_equal(corners[0] + corners[3], 1)
    np.testing.assert_array_equal(corners[1] + corners[2], 1)
    assert not np.array_equal(corners, sampling.corners(6, seed=2))


@pytest.mark.parametrize("given, found", [(0.3, [0.3, 0.3]), ((0.3,), [0.3, 0.3]), ((0.1, 0.9), [0.1, 0.9])])
def test_a_style_is_one_number_or_one_for_each_dimension(given, found):
    np.testing.assert_allclose(sampling.styles(given, 2), found)


def test_a_style_of_another_size_is_refused():
    with pytest.raises(MusicFusionError, match="style has 3 numbers: give one, or 2"):
        sampling.styles((0.1, 0.2, 0.3), 2)


def test_demo_inputs_are_files_of_test_songs_that_are_joined_like_any_other(sopranos, tmp_path):
    pairs = sampling.demo_inputs(sopranos, tmp_path, count=2, seed=0)
    assert len(pairs) == 2 and all(set(pair) == {"left", "right"} for pair in pairs)
    test = dataset.windows(sopranos, "test", 0)
    left = midi.read(pairs[0]["left"])
    begin = int(test["start"][0]) * 4
    truth = melody.notes_from_tokens(melody.without_carry(sopranos.arrays["melody"][begin : begin + 2 * STEPS]))
    assert len(left.tracks[0].notes) == len(truth)
    _, song = join(pairs[0])
    assert len(song) > 10


# Locks ---------------------------------------------------------------------------------------------------------------


class Seeded(MadeUp):
    """Networks that decode the pair's own notes to others for each style."""

    reality = None

    def decode(self, z):
        rng = np.random.default_rng(int(1000 * z[0, 0]))
        line = np.where(rng.random(128) < 0.4, rng.integers(60, 80, 128), rng.choice([melody.HOLD, melody.REST], 128))
        line = melody.tokens_from_notes(melody.notes_from_tokens(line), 128)  # holds follow notes
        return np.tile(melody.symbols(line), (len(z), 1))

    def move(self, z, style):
        return np.full_like(z, style[0, 0])


def joined(given, style, locked=None, **controls):
    return join(given, networks=Seeded(), locked=locked, style=style, **controls)[0]


@pytest.mark.parametrize(("metres", "half"), [
    (COMMON, 1 / 2), (((0.0, 3, 4),), 1 / 2), (((0.0, 1, 4), (1.0, 4, 4)), 1 / 2), (COMMON, 2 / 3)])
def test_locked_bars_stay_and_others_are_made_anew(write, metres, half):
    """In any metre, with a pickup, and where the right tune swings: of its beats the first half takes `half`."""
    onsets = np.arange(64) // 2 + np.arange(64) % 2 * half
    rows = [(at, 0.3, 72 - (5 * k) % 9, 80) for k, at in enumerate(onsets.tolist())]
    right = Score((Track("lead", 0, False, np.array(rows)),), np.array([[0.0, 120.0]]), metres, "b")
    given = {"left": write("a", TUNE, metres=metres), "right": right}
    first = joined(given, 0.1)
    begin = first.metadata["joint"] - 16
    for spans in (((begin + 4, begin + 8, None),), ((0, 3, None), (begin + 30, begin + 34, "MELODY")),
                  ((begin + 14, begin + 17.25, "melody"), (begin + 20, begin + 23, None))):
        second = joined(given, 0.2, Locked(first, spans), iterations=2)
        assert_kept(first.scores["fused"], second.scores["fused"], spans, {"melody": (0,), "MELODY": (0,)})
        assert differ(first.scores["fused"], second.scores["fused"])
        assert not differ(second.scores["before"], first.scores["before"]), "only the result keeps what is locked"
    everything = joined(given, 0.2, Locked(first, ((0, first.scores["fused"].length, None),)))
    assert not differ(first.scores["fused"], everything.scores["fused"])


def test_the_picture_and_the_reality_are_of_what_is_heard(write):
    class Judging(Seeded):
        reality = 0.0

        def logits(self, symbols):
            return symbols.mean(1) - 20.0

    given = {"left": write("a", TUNE), "right": write("b", REPLY)}
    first, _ = join(given, networks=Judging(), style=0.1)
    whole = Locked(first, ((0, 64, None),))
    again, _ = join(given, networks=Judging(), style=0.2, locked=whole)
    other, _ = join(given, networks=Judging(), style=0.2)
    assert again.metadata["reality"] == first.metadata["reality"] != other.metadata["reality"]
    drawn = [result.pictures["fused"].draw.keywords["after"] for result in (first, again)]
    for side in ("left", "right"):
        np.testing.assert_array_equal(drawn[1][side], drawn[0][side])


def test_locks_on_other_music_or_outside_of_the_song_are_refused(write):
    given = {"left": write("a", TUNE), "right": write("b", REPLY)}
    first = joined(given, 0.1)
    for spans, words in ((((60, 65, None),), "lasts 64 quarters"), (((0, 4, "bass"),), "there are melody$")):
        with pytest.raises(MusicFusionError, match=words):
            joined(given, 0.2, Locked(first, spans))
    longer = {"left": write("a", [*TUNE, (128, 4, 60)]), "right": given["right"]}
    with pytest.raises(MusicFusionError, match="hold other music now"):
        joined(longer, 0.2, Locked(first, ((0, 4, None),)))
