"""Pairs fused in latent space, by networks that change nothing: what is left is what sampling itself does to music."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import chords, melody, midi
from musicfusion.codecs.score import Score, from_notes
from musicfusion.systems.collagenet import dataset, sampling, sampling_latent, system
from musicfusion.systems.collagenet.objective import ASPECTS

COMMON = ((0.0, 4, 4),)
EVEN = [(4 * k, 4, 60 + k % 5) for k in range(16)]  # sixteen quarters
TRIADS = [(16 * k, 16, pitch) for k in range(4) for pitch in (48, 52, 55)]  # four bars


def unchanged(batch, seed, number):
    """A program that gives every window back as it is."""
    assert len(seed) == len(number) == sampling_latent.BATCH
    rho = {name: np.zeros(len(batch["melody"])) for name in ASPECTS}
    return {"tokens": batch["melody"], "rho": rho, **{k: batch[k] for k in ("pitch", "duration", "chords")}}


@pytest.fixture
def write(tmp_path):
    """Writes tracks (each a name and notes in 16ths) and returns the file's path."""

    def write(name: str, *tracks):
        made = tuple(from_notes(title, 0, np.array(notes)) for title, notes in tracks)
        midi.write(tmp_path / f"{name}.mid", Score(made, np.array([[0.0, 120.0]]), COMMON, name))
        return tmp_path / f"{name}.mid"

    return write


def read(lead, back, length="loop", tempo="melody"):
    return sampling.read_pair(lead, back, length=length, tempo=tempo)


def fuse(pair, run=unchanged, hop=4):
    (song,) = sampling_latent.fuse([pair], run, seeds=[0], hop=hop)
    return song


def assert_unchanged(song, pair) -> None:
    for part, notes in pair.parts.items():
        np.testing.assert_array_equal(song.parts[part], notes)


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


# The sampler --------------------------------------------------------------------------------------------------------

SIZES = {f"{part}_vae__size__{name}": value for part in dataset.PARTS for name, value in (("width", 16), ("depth", 1))}
CONTROLS = {"pitch": 0.2, "rhythm": 1.0, "chord": 0.8, "texture": 0.0, "key": "either", "bpm": 0}


@pytest.fixture(scope="module")
def sampler():
    """With random parameters, sure of their notes."""
    config = micro_config(**SIZES, fusion__model="latent")
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
    times = -(-(sampling_latent.BATCH + 10) * 16 // other.steps)
    shift = other.steps * np.arange(times)[:, None, None] * np.array([1, 0, 0])
    parts = {part: (notes + shift).reshape(-1, 3).astype(np.int32) for part, notes in other.parts.items()}
    long = sampling.Pair(**parts, chords=np.tile(other.chords, (times, 1)), tempos=other.tempos, metres=other.metres,
                         tracks=other.tracks, feels=other.feels)
    return short, long


def same(one, other) -> bool:
    notes = [[track.notes.tolist() for track in result.scores["fused"].tracks] for result in (one, other)]
    return notes[0] == notes[1] and one.metadata == other.metadata


def test_a_piece_alone_gives_the_same_bits_as_among_others(sampler, pieces):
    short, long = pieces
    together = sampler.generate([short, long, short], CONTROLS, [3, 4, 5], [None] * 3)
    assert same(together[0], sampler.generate([short], CONTROLS, [3], [None])[0])
    assert same(together[1], sampler.generate([long], CONTROLS, [4], [None])[0])
    assert together[1].metadata["windows"] > sampling_latent.BATCH
    assert not same(together[0], together[2]), "another seed"


def test_a_second_sample_compiles_nothing(sampler, pieces):
    sampler.generate(pieces, CONTROLS, [0, 1], [None, None])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jnp, "concatenate", None)  # whatever is traced again would fail
        sampler.generate(pieces[:1], CONTROLS | {"pitch": 0.9}, [7], [None])


def test_a_result_holds_the_song_the_pair_as_it_was_and_what_tells_of_both(sampler, pieces, tmp_path):
    short, _ = pieces
    (result,) = sampler.generate([short], CONTROLS, [3], [None])
    assert result.main == "fused" and list(result.scores) == list(result.players) == ["fused", "before"]
    for part, track in zip(dataset.PARTS, result.scores["before"].tracks, strict=True):
        np.testing.assert_array_equal(track.notes[:, :3] * [4, 4, 1], short.parts[part])
    assert set(result.metadata) == {"rho", "windows", "left_alone", "melody_notes_kept", "accompaniment_notes_kept",
                                    "beats"}
    rho = result.metadata["rho"]
    assert list(rho) == list(ASPECTS)
    assert all((rho[name] == 0) == (CONTROLS[name] == 1) for name in ASPECTS)  # a control at 1 holds its aspect
    assert result.notices == (sampling_latent.NOTICE,)
    assert [name for name, _ in result.tables[0].rows] == list(ASPECTS)
    result.save(tmp_path, sound=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        "fused.mid", "before.mid", "fused.musicxml", "before.musicxml", "fused.png", "metadata.json", "index.html"}
    first, *others = json.loads((tmp_path / "metadata.json").read_text())["notices"]
    assert first == sampling_latent.NOTICE and all("MusicXML" in notice for notice in others)
