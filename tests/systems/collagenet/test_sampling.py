"""A user's two files, fused by networks that change nothing: what is left is what sampling itself does to music."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import mido
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import chords, melody, midi
from musicfusion.codecs.score import Score, Track, from_notes, grid, monophonic
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.collagenet import dataset, sampling, system
from musicfusion.systems.collagenet.objective import ASPECTS

COMMON = ((0.0, 4, 4),)
EVEN = [(4 * k, 4, 60 + k % 5) for k in range(16)]  # sixteen quarters
TRIADS = [(16 * k, 16, pitch) for k in range(4) for pitch in (48, 52, 55)]  # four bars


def unchanged(batch, seed, number):
    """A program that gives every window back as it is."""
    assert len(seed) == len(number) == sampling.BATCH
    rho = {name: np.zeros(len(batch["melody"])) for name in ASPECTS}
    return {"tokens": batch["melody"], "rho": rho, **{k: batch[k] for k in ("pitch", "duration", "chords")}}


@pytest.fixture
def write(tmp_path):
    """Writes tracks (each a name and notes in 16ths) and returns the file's path."""

    def write(name: str, *tracks, tempos=((0.0, 120.0),), metres=COMMON):
        made = tuple(from_notes(title, 0, np.array(notes)) for title, notes in tracks)
        midi.write(tmp_path / f"{name}.mid", Score(made, np.array(tempos), metres, name))
        return tmp_path / f"{name}.mid"

    return write


def read(lead, back, length="loop", tempo="melody"):
    return sampling.read_pair(lead, back, length=length, tempo=tempo)


def fuse(pair, run=unchanged, hop=4):
    (song,) = sampling.fuse([pair], run, seeds=[0], hop=hop)
    return song


def assert_unchanged(song, pair) -> None:
    for part, notes in pair.parts.items():
        np.testing.assert_array_equal(song.parts[part], notes)


# Which notes --------------------------------------------------------------------------------------------------------


def test_the_melody_is_made_one_voice_by_its_highest_notes(write):
    thirds = [(4 * k, 4, pitch) for k in range(16) for pitch in (60 + k % 5, 64 + k % 5)]
    pair = read(write("a", ("melody", thirds)), write("b", ("piano", TRIADS)))
    assert pair.melody[:, 2].tolist() == [64 + k % 5 for k in range(16)]
    assert np.all(np.diff(pair.melody[:, 0]) >= pair.melody[:-1, 1])


def test_both_hands_of_a_piano_are_the_accompaniment_of_a_single_line(write):
    left = [(4 * k, 4, 40) for k in range(16)]
    pair = read(write("a", ("", EVEN)), write("b", ("right hand", TRIADS), ("left hand", left)))
    assert pair.melody[:, 2].tolist() == [60 + k % 5 for k in range(16)]
    assert len(pair.accompaniment) == len(TRIADS) + len(left)


def test_a_song_lends_its_accompaniment_without_its_melody(write):
    song = write("b", ("MELODY", EVEN), ("PIANO", TRIADS))
    assert set(read(write("a", ("", EVEN)), song).accompaniment[:, 2]) == {48, 52, 55}


def test_a_file_of_type_0_is_split_by_its_channels(tmp_path, write):
    track = mido.MidiTrack()
    events = []
    for channel, notes in ((0, EVEN), (1, TRIADS), (9, [(4 * k, 1, 38) for k in range(16)])):
        for onset, length, pitch in notes:
            events.append((onset * 120, 1, mido.Message("note_on", channel=channel, note=pitch)))
            events.append(((onset + length) * 120, 0, mido.Message("note_off", channel=channel, note=pitch)))
    now = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(tmp_path / "zero.mid")
    pair = read(tmp_path / "zero.mid", write("b", ("", TRIADS)))
    np.testing.assert_array_equal(pair.melody, EVEN)
    pair = read(write("a", ("", EVEN)), tmp_path / "zero.mid")
    assert 38 not in pair.accompaniment[:, 2], "drums have no pitch"


# Where they stand ---------------------------------------------------------------------------------------------------


def test_both_pieces_begin_with_the_bar_of_their_first_note(write):
    late = [(onset + 64 + 12, length, pitch) for onset, length, pitch in EVEN]  # four bars' rest, then an upbeat
    pair = read(write("a", ("", late)), write("b", ("", TRIADS)))
    assert pair.melody[0, 0] == 12
    assert pair.accompaniment[0, 0] == 0


def test_a_note_played_a_little_early_does_not_open_an_empty_bar(tmp_path, write):
    notes = np.array([[4 * k + 16 - 0.01 * (k == 0), 4, 60, 80] for k in range(8)]) / (4, 4, 1, 1)
    midi.write(tmp_path / "played.mid", Score((Track("", 0, False, notes),), np.array([[0, 120.0]]), COMMON, ""))
    pair = read(tmp_path / "played.mid", write("b", ("", TRIADS)))
    assert pair.melody[:8, 0].tolist() == [4 * k for k in range(8)]


@pytest.mark.parametrize("kind, steps", [("loop", 128), ("cut", 64)])
def test_the_shorter_piece_is_repeated_or_the_longer_one_cut(write, kind, steps):
    long = write("b", ("", [(16 * k, 16, 48 + k) for k in range(8)]))
    for lead, back in ((write("a", ("", EVEN)), long), (long, write("a", ("", EVEN)))):
        pair = read(lead, back, length=kind)
        assert pair.steps == steps
        short, other = (pair.melody, pair.accompaniment) if back == long else (pair.accompaniment, pair.melody)
        assert len(other) == steps // 16
        np.testing.assert_array_equal(short[16:] - [64, 0, 0], short[:16] if kind == "loop" else short[:0])


def test_a_waltz_is_repeated_on_its_own_bar_line(write):
    waltz = write("a", ("", [(12 * k, 12, 70) for k in range(5)]), metres=((0.0, 3, 4),))
    pair = read(waltz, write("b", ("", TRIADS * 2 + [(112, 16, 48)])))
    assert pair.steps == 128
    assert pair.melody[:, 0].tolist() == list(range(0, 128, 12)), "fifteen quarters, not sixteen"
    assert pair.metres == [(0.0, 3, 4)]


def test_a_note_that_reaches_the_end_of_a_cut_ends_there(write):
    pair = read(write("a", ("", EVEN)), write("b", ("", [(0, 200, 40), (63, 20, 45)])), length="cut")
    assert pair.accompaniment.tolist() == [[0, 64, 40], [63, 1, 45]]


# Tempo and metre ----------------------------------------------------------------------------------------------------

SLOWING = ((0.0, 100.0), (8.0, 80.0), (12.0, 60.0))  # whole microseconds, as MIDI has them


def test_tempo_changes_and_metre_are_those_of_the_melody(write):
    lead = write("a", ("", EVEN), tempos=SLOWING, metres=((0.0, 2, 4), (8.0, 4, 4)))
    back = write("b", ("", TRIADS), tempos=((0.0, 200.0),))
    pair = read(lead, back)
    score = sampling._score(pair, pair.parts, "before")
    assert [tuple(row) for row in score.tempos.tolist()] == list(SLOWING)
    assert score.metres == ((0.0, 2, 4), (8.0, 4, 4))
    assert read(lead, back, tempo="accompaniment").tempos == [(0.0, 200.0)]


def test_a_piece_that_is_repeated_repeats_its_tempo_changes(write):
    long = write("b", ("", [(16 * k, 16, 48 + k) for k in range(8)]))
    pair = read(write("a", ("", EVEN), tempos=SLOWING), long)
    assert pair.tempos == [*SLOWING, *((quarter + 16, qpm) for quarter, qpm in SLOWING)]


def test_what_lies_before_the_first_bar_or_behind_the_end_is_left_out(write):
    late = [(onset + 32, length, pitch) for onset, length, pitch in EVEN]
    tempos = ((0.0, 50.0), (4.0, 75.0), (10.0, 80.0), (99.0, 100.0))
    pair = read(write("a", ("", late), tempos=tempos), write("b", ("", TRIADS)))
    assert pair.tempos == [(0.0, 75.0), (2.0, 80.0)]
    assert pair.metres == [(0.0, 4, 4)]


# Windows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop", range(1, 9))
def test_a_real_pair_that_nothing_changes_comes_back(write, corpus, hop):
    begin, end = (4 * beat for beat in corpus.first_beat[3:5])
    lead = melody.notes_from_tokens(corpus.arrays["melody"][begin:end])
    back = sampling.song_part(corpus, "accompaniment", begin // 4, end // 4)
    pair = read(write("a", ("", lead)), write("b", ("", back)))
    song = fuse(pair, hop=hop)
    assert song.windows - song.left_alone > 1
    assert_unchanged(song, pair)


def test_a_pop_song_of_minutes_comes_back(pop909_root):
    files = sorted(pop909_root.rglob("???.mid"))[:2]
    pair = read(*files)
    assert pair.steps > 1000
    song = fuse(pair)
    np.testing.assert_array_equal(song.parts["melody"], pair.melody)
    before, after = ({tuple(note) for note in parts["accompaniment"].tolist()} for parts in (pair.parts, song.parts))
    assert len(before & after) > 0.99 * len(before)  # of 15 notes at once 14 stay


def test_silence_between_notes_stays_silence(write):
    apart = EVEN + [(onset + 400, length, pitch) for onset, length, pitch in EVEN]
    pair = read(write("a", ("", apart)), write("b", ("", TRIADS + [(464, 16, 48)])))
    song = fuse(pair)
    assert_unchanged(song, pair)
    assert song.left_alone > 0


@pytest.mark.parametrize("hop", [1, 4, 8])
def test_notes_longer_than_a_window_keep_their_length(write, hop):
    pair = read(write("a", ("", [(0, 100, 72), (104, 24, 74)])), write("b", ("", [(0, 128, 40), (30, 70, 45)])))
    assert_unchanged(fuse(pair, hop=hop), pair)


def test_where_only_one_part_plays_there_is_nothing_to_fuse(write):
    pair = read(write("a", ("", [(0, 4, 72), (96, 32, 74)])), write("b", ("", [(0, 4, 40), (40, 88, 45)])))
    song = fuse(pair, hop=8)
    assert (song.windows, song.left_alone) == (4, 3)
    assert_unchanged(song, pair)


@pytest.mark.parametrize("kind", ["loop", "cut"])
def test_one_note_is_a_piece(write, kind):
    pair = read(write("a", ("", [(0, 1, 60)])), write("b", ("", [(5, 2, 40)])), length=kind)
    assert pair.steps == 32
    assert_unchanged(fuse(pair), pair)


def test_chords_follow_the_accompaniment(write):
    chord_of = [(16 * k, 16, pitch + shift) for k, shift in enumerate((0, 5, 7, 0)) for pitch in (48, 52, 55, 60)]
    pair = read(write("a", ("", EVEN)), write("b", ("", chord_of)))
    song = fuse(pair)
    np.testing.assert_array_equal(song.chords, pair.chords)
    assert [chords.name(row) for row in song.chords[::4]] == ["C", "F", "G", "C"]


def test_the_next_window_ends_a_note_that_the_last_one_left_sounding(write):
    """Two windows may disagree; what begins later is the melody, also under a higher note."""
    back = [(4 * k, 4, pitch) for k in range(16) for pitch in (48, 55)]
    pair = read(write("a", ("", EVEN)), write("b", ("", back)))

    def run(batch, seed, number):
        made = unchanged(batch, seed, number)
        made["tokens"] = made["tokens"].copy()
        made["tokens"][0] = [90] + [melody.HOLD] * 31
        return made

    song = fuse(pair, run)
    assert song.parts["melody"][0].tolist() == [0, 16, 90]
    np.testing.assert_array_equal(song.parts["melody"][1:], pair.melody[4:])


def test_a_grid_of_16ths_is_what_is_left_of_finer_notes(write):
    triplets = np.array([[k / 3, 1 / 3, 60 + k, 80] for k in range(12)])
    score = Score((Track("", 0, False, triplets),), np.array([[0, 120.0]]), COMMON, "")
    expected = monophonic(grid(triplets))
    path = write("a", ("", EVEN)).with_name("triplets.mid")
    midi.write(path, score)
    np.testing.assert_array_equal(read(path, write("b", ("", TRIADS))).melody[: len(expected)], expected)


def test_pieces_beside_their_own_beats_are_put_on_them(tmp_path, write):
    """As most POP909 songs are: both then march together, and tempo changes stay where the notes hear them."""
    late = np.array([[onset / 4 + 8.4, length / 4, pitch, 80] for onset, length, pitch in EVEN])
    tempos = np.array([[0, 100.0], [8.0, 80.0], [12.4, 60.0]])
    midi.write(tmp_path / "late.mid", Score((Track("", 0, False, late),), tempos, ((0.0, 1, 4),), ""))
    pair = read(tmp_path / "late.mid", write("b", ("", TRIADS)))
    np.testing.assert_array_equal(pair.melody, EVEN)
    np.testing.assert_allclose(pair.tempos, [(0.0, 80.0), (4.0, 60.0)], atol=1e-3)


# Errors -------------------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_used_is_named_first(tmp_path, write):
    broken = tmp_path / "broken.mid"
    broken.write_bytes(b"MThd?")
    drums = tmp_path / "drums.mid"
    beat = np.array([[k, 0.5, 38, 80] for k in range(8)], float)
    midi.write(drums, Score((Track("", 0, True, beat),), np.array([[0, 120.0]]), COMMON, ""))
    good = write("a", ("", EVEN))
    for bad in (broken, drums, tmp_path / "nowhere.mid"):
        for pair in ((bad, good), (good, bad)):
            with pytest.raises(MusicFusionError) as error:
                read(*pair)
            assert str(error.value).startswith(str(bad))


@pytest.mark.parametrize("setting, words", [
    ({"hop": 0}, "sample.hop = 0 is out of range: accepted are 1 to 8 beats"),
    ({"hop": 9}, "sample.hop = 9 is out of range"),
    ({"length": "long"}, "sample.length = 'long' is unknown: use loop or cut"),
    ({"tempo": "mine"}, "sample.tempo = 'mine' is unknown: use melody or accompaniment"),
])
def test_a_setting_out_of_range_is_refused(setting, words):
    with pytest.raises(MusicFusionError, match=words):
        sampling.Settings(**{"hop": 4, "length": "loop", "tempo": "melody", "noise": 1.0} | setting)


# The sampler --------------------------------------------------------------------------------------------------------

SIZES = {f"{part}_vae__size__{name}": value for part in dataset.PARTS for name, value in (("width", 16), ("depth", 1))}
CONTROLS = {"pitch": 0.2, "rhythm": 1.0, "chord": 0.8, "texture": 0.0}


@pytest.fixture(scope="module")
def sampler():
    """With random parameters, sure of their notes."""
    config = micro_config(**SIZES)
    rng, modules = np.random.default_rng(1), system.modules(config)
    drawn = jax.tree.map(lambda s: rng.normal(0, 0.3, s.shape).astype(np.float32), modules)
    stages = {"latents": {"sbar": np.full(640, 0.1, np.float32)}, "fusion": {"actor": drawn["actor"]}} | drawn
    return system.sampler(config, lambda stage, subtree="params": stages[stage])


@pytest.fixture(scope="module")
def pieces(sampler, corpus, tmp_path_factory):
    """A short pair and one of more windows than a batch holds."""
    files = sampling.demo_inputs(corpus, dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0),
                                 tmp_path_factory.mktemp("demo"), count=2)
    short, other = (sampler.read(pair, CONTROLS) for pair in files)
    times = -(-(sampling.BATCH + 10) * 16 // other.steps)
    shift = other.steps * np.arange(times)[:, None, None] * np.array([1, 0, 0])
    parts = {part: (notes + shift).reshape(-1, 3).astype(np.int32) for part, notes in other.parts.items()}
    long = sampling.Pair(**parts, chords=np.tile(other.chords, (times, 1)), tempos=other.tempos, metres=other.metres)
    return short, long


def same(one, other) -> bool:
    notes = [[track.notes.tolist() for track in result.scores["fused"].tracks] for result in (one, other)]
    return notes[0] == notes[1] and one.metadata == other.metadata


def test_a_piece_alone_gives_the_same_bits_as_among_others(sampler, pieces):
    short, long = pieces
    together = sampler.generate([short, long, short], CONTROLS, [3, 4, 5])
    assert same(together[0], sampler.generate([short], CONTROLS, [3])[0])
    assert same(together[1], sampler.generate([long], CONTROLS, [4])[0])
    assert together[1].metadata["windows"] > sampling.BATCH
    assert not same(together[0], together[2]), "another seed"


def test_a_second_sample_compiles_nothing(sampler, pieces):
    sampler.generate(pieces, CONTROLS, [0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jnp, "concatenate", None)  # whatever is traced again would fail
        sampler.generate(pieces[:1], CONTROLS | {"pitch": 0.9}, [7])


def test_a_result_holds_the_song_the_pair_as_it_was_and_what_tells_of_both(sampler, pieces, tmp_path):
    short, _ = pieces
    (result,) = sampler.generate([short], CONTROLS, [3])
    assert result.main == "fused" and list(result.scores) == list(result.players) == ["fused", "before"]
    for part, track in zip(dataset.PARTS, result.scores["before"].tracks, strict=True):
        np.testing.assert_array_equal(track.notes[:, :3] * [4, 4, 1], short.parts[part])
    assert set(result.metadata) == {"rho", "windows", "left_alone", "melody_notes_kept", "accompaniment_notes_kept",
                                    "beats"}
    assert list(result.metadata["rho"]) == list(ASPECTS) and min(result.metadata["rho"].values()) > 0
    assert result.notices == (sampling.NOTICE,)
    assert [name for name, _ in result.tables[0].rows] == list(ASPECTS)
    result.save(tmp_path, sound=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        "fused.mid", "before.mid", "fused.png", "metadata.json", "index.html"}
    assert json.loads((tmp_path / "metadata.json").read_text())["notices"] == [sampling.NOTICE]


def test_demo_inputs_are_unrelated_pairs_of_held_out_songs(corpus, tmp_path):
    segments = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)
    made = sampling.demo_inputs(corpus, segments, tmp_path, count=2)
    _, songs = segments.windows(corpus, "test")
    names = {corpus.songs[song].replace("/", "_") for song in songs}
    for files in made:
        assert set(files) == {"melody", "accompaniment"}
        own = [Path(path).stem.split("-", 2)[2] for path in files.values()]  # number, part, song
        assert own[0] != own[1] and set(own) <= names
        pair = read(files["melody"], files["accompaniment"])
        assert 32 <= pair.steps <= 4 * sampling.DEMO_BEATS
