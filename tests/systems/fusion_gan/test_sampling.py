"""FusionGAN's sampling: prompts as arrays, and melodies that depend on their own piece and seed only."""

import jax
import numpy as np
import pytest
from kept import assert_kept, differ

from musicfusion.codecs import melody
from musicfusion.codecs.score import Score, Track, from_notes
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import concatenate, joined
from musicfusion.systems.fusion_gan import dataset, sampling
from musicfusion.systems.fusion_gan.dataset import Dataset
from musicfusion.systems.fusion_gan.generator import Generator

CONTROLS = {"genre": "fusion", "n": 3, "ratio": 0.5}
TUNE = np.array([(4 * k, 4, 62 + [0, 2, 4, 5, 7, 9, 11, 12][k % 8]) for k in range(16)])  # D major, four bars


def song(notes=TUNE, tempo=80.0):
    return Score((from_notes("melody", 40, notes),), np.array([[0.0, tempo]]), ((0.0, 4, 4),), "tune")


@pytest.fixture(scope="module")
def model():
    generator = Generator(hidden=8, embedding=4)
    params = {name: jax.tree.map(lambda x: 3 * x, generator.init(jax.random.key(k))["params"])
              for k, name in enumerate(("a", "b", "f"))}
    return sampling.Model(generators=params, program=sampling.compiled(generator, length=16), length=16,
                          data=Dataset(mode="both", grid=16, seed=0))


def notes(result):
    return {name: score.tracks[0].notes for name, score in result.scores.items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def read(given, grid=16):
    return sampling.read(given, CONTROLS, grid=grid)


def generate(model, pieces, seeds, locked=None, **changes):
    return sampling.generate(pieces, CONTROLS | changes, seeds, locked or [None] * len(pieces), model=model)


def test_a_prompt_is_read_in_c_from_bar_line_to_bar_line():
    piece = read({"prompt": song()})
    assert len(piece.tokens) == 64 and piece.tonic == 2 and piece.tempo == (0.0, 80.0)
    assert piece.symbols[0] == 60 - dataset.LOWEST
    assert len(read({"prompt": song()}, grid=32).tokens) == 128
    assert len(read({}).tokens) == 0


def test_a_prompt_without_a_melody_is_refused_in_its_own_name():
    drums = Score((Track("drums", 0, True, song().tracks[0].notes),), np.array([[0.0, 80.0]]), (), "drums")
    with pytest.raises(MusicFusionError, match=r"prompt.*only drums"):
        read({"prompt": drums})
    with pytest.raises(MusicFusionError, match=r"no\.mid: there is no such file"):
        read({"prompt": "no.mid"})


def test_a_continuation_keeps_the_prompt_its_key_and_its_tempo(model):
    (result,) = generate(model, [read({"prompt": song()})], [0])
    assert list(result.scores) == ["1", "2", "3"] and result.main == "1"
    for score in result.scores.values():
        np.testing.assert_array_equal(score.tracks[0].notes[:15, :3], song().tracks[0].notes[:15, :3])
        assert score.tempos[0, 1] == 80.0
    assert result.metadata["prompt_steps"] == 64 and result.metadata["length_steps"] == 16
    assert any("prompt" in notice for notice in result.notices)


def test_the_seed_the_genre_and_the_ratio_say_which_melodies(model):
    base = notes(generate(model, [read({})], [1])[0])
    assert same(base, notes(generate(model, [read({})], [1])[0]))
    for seeds, changes in (([2], {}), ([1], {"genre": "a"})):
        assert not same(base, notes(generate(model, [read({})], seeds, **changes)[0]))
    more = notes(generate(model, [read({})], [1], n=sampling.BATCH + 1)[0])
    assert len(more) == sampling.BATCH + 1 and same(base, {name: more[name] for name in base})


def test_a_piece_among_others_is_what_it_is_alone(model):
    pieces = [read({}), read({"prompt": song()}), read({"prompt": song(TUNE[:6])}), read({})]
    seeds = [5, 6, 7, 8]
    together = generate(model, pieces, seeds)
    for piece, seed, result in zip(pieces, seeds, together, strict=True):
        assert same(notes(result), notes(generate(model, [piece], [seed])[0]))


def test_a_second_call_compiles_nothing(model):
    before = model.program._cache_size()
    for pieces, changes in (([read({})], {}), ([read({"prompt": song()})] * 5, {"n": 7, "ratio": 0.1, "genre": "b"})):
        generate(model, pieces, list(range(len(pieces))), **changes)
    assert model.program._cache_size() == max(before, 1)


def test_a_long_prompt_is_kept_and_its_end_is_read(model):
    long = np.array([(4 * k, 4, 60 + k % 3) for k in range(4 * 12)])
    other = long.copy()
    other[: 4 * 4, 2] = 64
    first, second = (generate(model, [read({"prompt": song(x)})], [0])[0] for x in (long, other))
    assert first.metadata["prompt_steps"] == 12 * 16
    assert any("last 8 bars" in notice for notice in first.notices)
    end = 12 * 4
    tails = [[x[x[:, 0] >= end][:, :3] for x in notes(result).values()] for result in (first, second)]
    for one, two in zip(*tails, strict=True):
        np.testing.assert_array_equal(one[:, :2], two[:, :2])


@pytest.mark.parametrize("metre, bar", [((3, 4), 12), ((6, 8), 12), ((5, 4), 20), ((7, 8), 14)])
def test_a_prompt_keeps_its_metre_and_what_follows_is_in_common_time(model, metre, bar):
    notes = np.array([(bar * k, bar, 62 + k % 5) for k in range(11)])
    given = Score((from_notes("melody", 40, notes),), np.array([[0.0, 80.0]]), ((0.0, *metre),), "tune")
    (result,) = generate(model, [read({"prompt": given})], [0])
    assert result.scores["1"].metres == ((0.0, *metre), (11 * bar / 4, 4, 4))
    assert f"The prompt is in {metre[0]}/{metre[1]}, what follows in 4/4, which the generators know." in result.notices
    assert ("The generator reads the last 32 quarters of the prompt." in result.notices) == (11 * bar > 128)


def test_a_prompt_whose_bars_are_single_quarters_is_taken_to_be_in_common_time(model):
    given = Score(song().tracks, np.array([[0.0, 80.0]]), ((0.0, 1, 4),), "tune")
    (result,) = generate(model, [read({"prompt": given})], [0])
    assert result.scores["1"].metres == ((0.0, 4, 4),) and not any("in 1/4" in notice for notice in result.notices)


def test_the_picture_shows_every_melody(model, tmp_path):
    (result,) = generate(model, [read({})], [0])
    assert result.pictures["melodies"].draw(tmp_path / "melodies.png").read_bytes()[:4] == b"\x89PNG"


def test_demo_inputs_are_beginnings_of_test_melodies_of_either_genre(tmp_path):
    tunes = [melody.tokens_from_notes(TUNE + [0, 0, k % 12], 64) for k in range(60)]
    corpus = joined([concatenate([(f"{name}{k}", {"melody": x}) for k, x in enumerate(tunes)], {}, name)
                     for name in ("one", "two")], ("one", "two"))
    found = sampling.demo_inputs(corpus, tmp_path, data=Dataset(mode="both", grid=16, seed=0), count=3)
    assert len(found) == 3
    for given in found:
        assert len(read(given).tokens) == 32


# Locks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("metres", "swing"), [(((0.0, 4, 4),), 0.5), (((0.0, 3, 4),), 0.5),
                                               (((0.0, 1, 4), (1.0, 4, 4)), 0.5), (((0.0, 4, 4),), 2 / 3)])
def test_each_melody_keeps_the_locked_bars_of_its_own_number(model, metres, swing):
    begins = np.sort(np.concatenate([np.arange(0, 9), np.arange(0, 9) + swing]))
    tune = np.stack([begins, np.full(18, 0.3), 62 + np.arange(18) % 5, np.full(18, 80)], 1)
    given = Score((Track("tune", 40, False, tune),), np.array([[0.0, 80.0]]), metres, "tune")
    piece = read({"prompt": given})
    (first,), length = generate(model, [piece], [1]), (len(piece.tokens) + 16) / 4
    spans = ((1, 3.6, None), (length - 3, length - 1, "melody"))
    (second,) = generate(model, [piece], [2], [Locked(first, spans)])
    (plain,) = generate(model, [piece], [2])
    assert len(first.scores) == 3
    for name, score in first.scores.items():
        assert_kept(score, second.scores[name], spans, {"melody": (0,)})
    assert any(differ(first.scores[name], second.scores[name]) for name in first.scores)
    assert any(differ(plain.scores[name], second.scores[name]) for name in first.scores)
    (again,) = generate(model, [piece], [2], [Locked(first, ((0, length, None),))], genre="a")
    assert same(notes(again), notes(first)) and not same(notes(plain), notes(first))


def test_locks_need_as_many_melodies_of_the_same_length(model):
    (first,) = generate(model, [read({})], [1])
    lock = Locked(first, ((0, 2, None),))
    with pytest.raises(MusicFusionError, match="has 3 melodies, and now there would be 2"):
        generate(model, [read({})], [1], [lock], n=2)
    with pytest.raises(MusicFusionError, match="has 4 quarters, and now there would be 20"):
        generate(model, [read({"prompt": song()})], [1], [lock])
    with pytest.raises(MusicFusionError, match="from 0 to 5 is not inside the song, which lasts 4 quarters"):
        generate(model, [read({})], [1], [Locked(first, ((0, 5, None),))])
