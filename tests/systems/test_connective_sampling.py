"""Two songs, joined by networks that change nothing or everything: what else happens to the music is sampling's own."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import melody, midi
from musicfusion.codecs.score import Score, from_notes
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import tunes
from musicfusion.systems.connective_fusion import sampling, windows
from musicfusion.systems.connective_fusion.windows import BAR, STEPS

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


@pytest.fixture
def unmoved(monkeypatch):
    """Networks for which z is the music itself; each move lifts the right side by a semitone a style."""

    def program(config, results):
        def move(z, style):
            lift = jnp.round(style[:, :1] + 2 * style[:, 1:])
            right = jnp.where(z[:, STEPS:] < melody.PITCHES, z[:, STEPS:] + lift, z[:, STEPS:])
            return jnp.concatenate([z[:, :STEPS], right], 1)

        return sampling.Program(
            encode=lambda symbols: symbols.astype(np.float32),
            decode=lambda z: np.asarray(z).astype(np.int32),
            move=move,
            distance=lambda moved, z: jnp.mean((moved - z) ** 2, 1),
            judge=None)

    monkeypatch.setattr(sampling, "program", program)
    return micro_config("connective_fusion", sample__audio=False)


def join(config, folder, inputs, seed=0, **controls):
    folder.mkdir()
    made = sampling.sample(config, None, inputs, {"iterations": 1, "style": 0.0} | controls, folder, seed)
    return made, notes(folder / made.main)


def notes(path) -> list:
    """[onset and length in 16ths, pitch] of a file's one track."""
    (track,) = midi.read(path).tracks
    return (track.notes[:, :3] * (4, 4, 1)).round().astype(int).tolist()


def after(steps, tune):
    return [[onset + steps, length, pitch] for onset, length, pitch in tune]


def test_two_whole_songs_are_joined_and_nothing_of_them_is_lost(unmoved, write, tmp_path):
    inputs = {"left": write("a", TUNE), "right": write("b", REPLY)}
    made, song = join(unmoved, tmp_path / "out", inputs)
    assert song == after(0, TUNE) + after(32 * 4, REPLY)
    assert made.facts["joint"] == 32, "quarters"
    assert notes(tmp_path / "out" / "before.mid") == song


def test_what_is_changed_are_the_four_bars_on_either_side_of_the_joint(unmoved, write, tmp_path):
    inputs = {"left": write("a", TUNE), "right": write("b", REPLY)}
    made, song = join(unmoved, tmp_path / "out", inputs, iterations=2, style=1.0)
    lifted = [[onset, length, pitch + 6 * (onset < STEPS)] for onset, length, pitch in REPLY]
    assert song == after(0, TUNE) + after(32 * 4, lifted)
    once = [[onset, length, pitch + 3 * (onset < STEPS)] for onset, length, pitch in REPLY]
    assert notes(tmp_path / "out" / "iteration_1.mid") == after(0, TUNE) + after(32 * 4, once)
    assert [row["iteration"] for row in made.facts["trajectory"]] == [0, 1, 2]
    assert [row["z_distance"] for row in made.facts["trajectory"]] == sorted(
        row["z_distance"] for row in made.facts["trajectory"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "before.mid", "iteration_1.mid", "iteration_2.mid", "fused.mid", "fused.png", "iterations.png"}


def test_no_iteration_leaves_the_songs_as_they_are(unmoved, write, tmp_path):
    inputs = {"left": write("a", TUNE), "right": write("b", REPLY)}
    _, song = join(unmoved, tmp_path / "out", inputs, iterations=0, style=1.0)
    assert song == after(0, TUNE) + after(32 * 4, REPLY)


def test_a_song_far_from_the_models_range_goes_there_by_octaves_and_back(unmoved, write, tmp_path):
    low = [(onset, length, pitch - 24) for onset, length, pitch in TUNE]
    side = sampling.read_side(write("a", low), "left")
    assert side.octaves == 2 and side.symbols.max() < melody.SYMBOLS
    _, song = join(unmoved, tmp_path / "out", {"left": write("a", low), "right": write("b", REPLY)})
    assert song == after(0, low) + after(32 * 4, REPLY)


def test_tempo_and_metre_are_each_songs_own(unmoved, write, tmp_path):
    left = write("a", TUNE, tempos=((0.0, 90.0), (8.0, 100.0), (31.0, 60.0)))
    right = write("b", REPLY, tempos=((0.0, 140.0), (4.0, 150.0)), metres=((0.0, 4, 4), (16.0, 2, 4)))
    join(unmoved, tmp_path / "out", {"left": left, "right": right})
    score = midi.read(tmp_path / "out" / "fused.mid")
    np.testing.assert_allclose(
        score.tempos, [(0, 90), (8, 100), (31, 60), (32, 140), (36, 150)], rtol=1e-4)
    assert score.metres[-1] == (48.0, 2, 4)


def test_a_short_left_side_is_filled_with_rests_before_it(unmoved, write, tmp_path):
    short = write("a", TUNE[:8], tempos=((0.0, 90.0), (4.0, 60.0)))
    _, song = join(unmoved, tmp_path / "out", {"left": short, "right": write("b", REPLY)})
    assert song == after(STEPS - 2 * BAR, TUNE[:8]) + after(STEPS, REPLY)
    tempos = midi.read(tmp_path / "out" / "fused.mid").tempos
    np.testing.assert_allclose(tempos[:2], [(0, 90), (12, 60)], rtol=1e-4)


def test_a_note_that_reaches_into_the_joined_bars_ends_where_they_begin(unmoved, write, tmp_path):
    tune = [*TUNE[:12], (48, 32, 62), *TUNE[20:]]  # held over the bar line at 64
    _, song = join(unmoved, tmp_path / "out", {"left": write("a", tune), "right": write("b", REPLY)})
    assert [48, 16, 62] in song


def test_a_side_that_nobody_gave_is_drawn_from_the_prior(write, tmp_path, monkeypatch):
    drawn = []

    def program(config, results):
        tune = np.concatenate([np.array([[5, 30, 7, 31]]).repeat(16, 1)] * 2, 1).astype(np.int32)
        return sampling.Program(
            encode=lambda symbols: np.full((1, 128), 9.0, np.float32),
            decode=lambda z: (drawn.append(np.asarray(z)), tune)[1],
            move=lambda z, style: z,
            distance=lambda moved, z: jnp.zeros(len(z)),
            judge=lambda symbols: jnp.full(len(symbols), 0.25))

    monkeypatch.setattr(sampling, "program", program)
    config = micro_config("connective_fusion", sample__audio=False)
    made, song = join(config, tmp_path / "one", {"right": write("b", REPLY)}, seed=3)
    assert np.all(drawn[0][:, 64:] == 9) and np.std(drawn[0][:, :64]) > 0.5
    assert made.facts["joint"] == 16 and made.facts["reality"] == 0.25
    assert [note for note in song if note[0] >= 2 * STEPS] == after(STEPS, [note for note in REPLY if note[0] >= STEPS])
    join(config, tmp_path / "two", {}, seed=3)
    join(config, tmp_path / "three", {}, seed=4)
    second, third = drawn[-4], drawn[-1]
    assert not np.array_equal(second, third)
    np.testing.assert_array_equal(second[:, :64], drawn[0][:, :64])


def test_the_style_plane_has_a_file_for_each_cell_and_the_corners_are_the_four_extremes(unmoved, write, tmp_path):
    unmoved.sample.grid = 3
    inputs = {"left": write("a", TUNE), "right": write("b", REPLY)}
    join(unmoved, tmp_path / "out", inputs)
    cells = sorted((tmp_path / "out" / "grid").iterdir())
    assert [path.name for path in cells] == [f"{i}_{j}.mid" for i in (1, 2, 3) for j in (1, 2, 3)]
    first = {path.stem: notes(path)[32][2] - REPLY[0][2] for path in cells}
    assert sorted(first[name] for name in ("1_1", "1_3", "3_1", "3_3")) == [0, 1, 2, 3]
    assert (tmp_path / "out" / "grid.png").is_file()


def test_in_more_dimensions_the_corners_are_drawn_and_opposite():
    corners = sampling._corners(6, seed=1)
    assert corners.shape == (4, 6) and set(corners.ravel()) == {0.0, 1.0}
    np.testing.assert_array_equal(corners[0] + corners[3], 1)
    np.testing.assert_array_equal(corners[1] + corners[2], 1)
    assert not np.array_equal(corners, sampling._corners(6, seed=2))


@pytest.mark.parametrize("given, found", [(0.3, [0.3, 0.3]), ((0.3,), [0.3, 0.3]), ((0.1, 0.9), [0.1, 0.9])])
def test_a_style_is_one_number_or_one_for_each_dimension(given, found):
    np.testing.assert_allclose(sampling.styles(given, micro_config("connective_fusion")), found)


def test_a_style_of_another_size_is_refused():
    with pytest.raises(MusicFusionError, match="style has 3 numbers: give one, or 2"):
        sampling.styles((0.1, 0.2, 0.3), micro_config("connective_fusion"))


def test_examples_are_files_of_test_songs_that_are_joined_like_any_other(unmoved, tmp_path):
    corpus = tunes.read("chorales", limit=100)
    unmoved.sample.examples = 2
    pairs = sampling.examples(unmoved, corpus, tmp_path)
    assert len(pairs) == 2 and all(set(pair) == {"left", "right"} for pair in pairs)
    test = windows.windows(corpus, "test", unmoved.seed)
    left = midi.read(pairs[0]["left"])
    begin = int(test["start"][0]) * 4
    truth = melody.notes_from_tokens(melody.without_carry(corpus.arrays["melody"][begin : begin + 2 * STEPS]))
    assert len(left.tracks[0].notes) == len(truth)
    made, song = join(unmoved, tmp_path / "out", pairs[0])
    assert len(song) > 10
    assert json.loads(json.dumps(made.facts)) == made.facts
