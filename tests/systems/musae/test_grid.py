"""MusAE on a grid of 12 steps a quarter, on which triplets and swung notes are; and on that of 4, as ever."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import launch, micro_config, micro_flags
from ml_collections import ConfigDict

from musicfusion import launch as command_line
from musicfusion import pretrained
from musicfusion.codecs import midi, tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import numbered
from musicfusion.data import cache, voices
from musicfusion.latent import vae
from musicfusion.metrics import arrangement
from musicfusion.systems.musae import DECLARATION, baselines, dataset, judges, sampling, system, transfer
from musicfusion.systems.musae.components import Components, described
from musicfusion.systems.musae.harmony import harmony_of
from musicfusion.systems.musae.latent_space import LatentSpace
from musicfusion.systems.musae.system import SYSTEM

DEFAULTS = {name: control.default for name, control in DECLARATION.controls.items()}
PITCHED = np.array([False, True, True, True])
TRIPLETS = [(beat + k / 3, 1 / 3) for beat in (0, 1, 4, 5) for k in range(3)]
SIXTEENTHS = [(beat + k / 4, 1 / 4) for beat in (2, 3, 6, 7) for k in range(4)]


def finer(tokens):
    """The same notes, tokens [..., T, 4], on a grid of steps a third as long."""
    return np.stack([tokens, *[np.where(tokens < HOLD, HOLD, tokens)] * 2], -2).reshape(
        *tokens.shape[:-2], -1, tokens.shape[-1])


def bass(path, times):
    """A MIDI file of a bass: (onset, duration) in quarters. Returns its path and its notes."""
    notes = np.array([(onset, length, 40 + k % 5, 80) for k, (onset, length) in enumerate(sorted(times))])
    midi.write(path, Score((Track("", 33, False, notes),), np.array([[0.0, 120.0]]), ((0.0, 4, 4),), "a"))
    return path, notes[:, :3]


def space(steps):
    """One that gives back what it is given."""
    known = Components(component=np.arange(32), count=1, genres=(), instrumentation="band")
    return LatentSpace(
        encode=lambda tokens: tokens.reshape(len(tokens), -1).astype(np.float32),
        decode=lambda z: np.round(z).astype(np.int32).reshape(len(z), -1, 4),
        components=known, bars=2, size=32 * steps, steps=steps)


def sample(own, inputs, locked=None, **controls):
    sampler, chosen = sampling.create(own), DEFAULTS | controls
    (result,) = sampler.generate([sampler.read(inputs, chosen)], chosen, [0], [locked])
    return result


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "same"), [(12, True), (4, False)])
def test_triplets_among_16ths_are_on_the_grid_of_12_and_not_on_that_of_4(tmp_path, steps, same):
    path, notes = bass(tmp_path / "a.mid", TRIPLETS + SIXTEENTHS)
    song = sampling.read_song(path, "song", "band", steps)
    assert song.tokens.shape == (8 * steps, 4)
    (back,) = tracks.score(song.tokens, "band", per_quarter=steps).tracks
    assert np.allclose(back.notes[:, :3], notes) == same


def test_swing_of_any_ratio_is_thirds_on_the_grid_of_12(tmp_path):
    times = [(beat + at, 0.3) for beat in range(32) for at in (0, 0.62)]
    path, _ = bass(tmp_path / "a.mid", times)
    song = sampling.read_song(path, "song", "band", 12)
    onsets = np.flatnonzero(song.tokens[:, 1] < HOLD)
    assert onsets.tolist() == [12 * beat + at for beat in range(32) for at in (0, 8)] and song.feel.is_straight
    assert not sampling.read_song(path, "song", "band").feel.is_straight, "16ths hold it beside the notes"


def test_a_song_of_triplets_comes_back_through_windows_of_12_steps_a_quarter(tmp_path):
    times = [(8 * k + onset, length) for k in range(3) for onset, length in TRIPLETS + SIXTEENTHS]
    path, notes = bass(tmp_path / "a.mid", times)
    result = sample(space(12), {"song": path})
    for name in ("before", "song"):
        np.testing.assert_allclose(result.scores[name].tracks[0].notes[:, :3], notes)
    assert result.metadata["notes_kept"] == 1
    assert any("quantised to 12ths of a quarter" in notice for notice in result.notices)
    kept = sample(space(12), {"song": path}, Locked(result, ((4.0, 8.0, "bass"),)))
    np.testing.assert_array_equal(kept.memory, result.memory)


def test_an_interpolation_has_windows_of_12_steps_a_quarter(tmp_path):
    path, notes = bass(tmp_path / "a.mid", TRIPLETS + SIXTEENTHS)
    result = sample(space(12), {"start": path, "end": path}, steps=1)
    expected = np.concatenate([notes + [8 * k, 0, 0] for k in range(3)])
    np.testing.assert_allclose(result.scores["song"].tracks[0].notes[:, :3], expected)


# Windows and figures -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpora():
    """The same pieces, all in 16ths, on both grids."""
    return [voices.read(limit=90, composers=("bach",), steps=steps) for steps in (4, 12)]


def both(corpora, run):
    """What is said of either corpus."""
    return [run(corpus) for corpus in corpora]


@pytest.mark.parametrize("sparse", [False, True])
def test_windows_and_their_tokens_are_the_same_music(corpora, sparse):
    coarse, fine = both(corpora, lambda corpus: dataset.windows(corpus, "all", seed=0, bars=2, sparse=sparse))
    np.testing.assert_array_equal(coarse["start"], fine["start"])
    index, seen = jnp.arange(16), []
    for corpus in corpora:
        arrays = dataset.arrays(corpus, coarse["start"], component=np.arange(32), components=32)
        seen.append(np.asarray(dataset.examples(arrays, index, numbered(jax.random.key(1), index), True, bars=2,
                                                encoding="onsets")["tracks"]))
    assert seen[1].shape == (16, 96, 4)
    np.testing.assert_array_equal(seen[1], finer(seen[0]))


def test_what_is_measured_does_not_depend_on_the_grid(corpora):
    tokens = tracks.without_carry(corpora[0].arrays["tracks"][: 32 * 8].reshape(8, 32, 4))
    other = tokens[::-1]
    np.testing.assert_array_equal(harmony_of(jnp.asarray(finer(tokens)), jnp.asarray(PITCHED), 8, 12),
                                  harmony_of(jnp.asarray(tokens), jnp.asarray(PITCHED), 8))
    np.testing.assert_array_equal(transfer.harmony_kept(finer(tokens), finer(other), PITCHED, 12),
                                  transfer.harmony_kept(tokens, other, PITCHED))
    coarse, fine = described(tokens, 4), described(finer(tokens), 12)
    numbers = 4 * len(arrangement.NAMES)
    np.testing.assert_allclose(fine[:, :numbers], coarse[:, :numbers], rtol=1e-5)
    assert (coarse.shape[1] - numbers, fine.shape[1] - numbers) == (64, 192), "where in the bar notes begin"
    for majority in both(corpora, lambda corpus: baselines.majority_tokens(corpus, seed=0, bars=2, encoding="onsets")):
        assert set(majority.tolist()) <= {HOLD, REST}


def test_a_demonstration_s_songs_sound_alike_on_both_grids(corpora, tmp_path):
    songs = []
    for corpus in corpora:
        folder = tmp_path / str(corpus.steps)
        folder.mkdir()
        (found,) = sampling.demo_inputs(corpus, folder, seed=0, bars=2, count=1)
        songs.append([track.notes for track in midi.read(found["song"]).tracks])
    for one, other in zip(*songs, strict=True):
        np.testing.assert_allclose(one, other)


# Configs and networks ------------------------------------------------------------------------------------------------


def test_another_grid_is_unknown():
    config = micro_config("musae", data__steps=5)
    for use in (SYSTEM.corpus, SYSTEM.stages, SYSTEM.modules):
        with pytest.raises(MusicFusionError, match=r"^data\.steps = 5 is unknown: use 4 or 12$"):
            use(config)


def test_a_cache_file_of_another_grid_is_refused_in_one_line(corpora, tmp_path):
    for corpus, asked in zip(corpora, (12, 4), strict=True):
        path = tmp_path / f"{corpus.steps}.npz"
        cache.save(corpus, path)
        found = SYSTEM.corpus(micro_config("musae", data__root=str(path), data__steps=corpus.steps))
        assert found.steps == corpus.steps and found.fingerprint == corpus.fingerprint
        with pytest.raises(MusicFusionError) as error:
            SYSTEM.corpus(micro_config("musae", data__root=str(path), data__steps=asked))
        assert f"{path}: has {corpus.steps} steps a quarter, and data.steps = {asked}" in str(error.value)
        assert "\n" not in str(error.value)


def shapes(parameters):
    return {jax.tree_util.keystr(path, simple=True, separator="/"): x.shape
            for path, x in jax.tree_util.tree_leaves_with_path(parameters)}


def test_a_finer_grid_changes_only_the_parameters_that_read_and_write_a_beat():
    coarse, fine = (shapes(SYSTEM.modules(micro_config("musae", data__steps=steps))) for steps in (4, 12))
    assert coarse.keys() == fine.keys()
    changed = {name for name in coarse if coarse[name] != fine[name]}
    assert changed == {"encoder_2/body/enter/kernel", "decoder_2/readout/steps/kernel", "decoder_2/readout/steps/bias",
                       "genre_classifier/body/enter/kernel"}


@pytest.mark.parametrize("method", baselines.METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("model", system.MODELS)
def test_every_method_reads_and_writes_windows_of_its_grid(method, model):
    config = micro_config("musae", data__steps=12)
    if model == "lstm":
        config.musae_2.model, config.musae_2.size = "lstm", {"hidden": 8, "latent": 64}
    network = system._model(config, method, 2)
    batch = {"tracks": jnp.full((3, 96, 4), REST), "example_key": numbered(jax.random.key(0), jnp.arange(3))}
    params = vae.init(network, jax.random.key(0), batch)
    z = network.apply({"params": params}, batch, method="encode")[0]
    assert network.apply({"params": params}, z, method="decode")["tracks"].shape == (3, 96, 4)
    terms = network.apply({"params": params}, z, batch, jax.random.key(0), 1.0, method="losses")
    assert all(np.isfinite(x).all() for x in terms.values())


def test_on_16ths_the_parameters_are_those_of_the_shipped_weights():
    weights = pretrained.Pretrained("musae-lite")
    config = ConfigDict(weights.config)
    assert config.data.steps == 4
    expected = shapes(SYSTEM.modules(config))
    found = {}
    for bars in (2, 16):
        for name, x in weights(f"flower_{bars}")["autoencoder"].items():
            found |= shapes({f"encoder_{bars}": x} if name == "encoder" else {f"decoder_{bars}": {name: x}})
    for name in judges.SPLITS:
        found |= shapes({name: weights(name)})
    assert found == {name: x for name, x in expected.items() if name.partition("_")[0] not in ("flow", "critic")}


# A run ---------------------------------------------------------------------------------------------------------------


def test_a_run_on_the_grid_of_12_is_trained_measured_and_sampled_from(tmp_path, capsys):
    run, out = tmp_path / "run", tmp_path / "out"
    done = launch(*micro_flags("musae", data__steps=12), f"--workdir={run}")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    report = json.loads((run / "report.json").read_text())
    assert {"genres", "transfer", "reconstruction"} <= set(report["tables"])
    assert (run / "samples" / "1" / "song.mid").is_file()
    path = tmp_path / "a.mid"
    bass(path, TRIPLETS + SIXTEENTHS)
    flags = ("--mode=sample", f"--workdir={run}", f"--inputs=song={path}", f"--out={out}",
             "--config.sample.audio=false")
    assert command_line.main(["musicfusion", *flags]) == 0, capsys.readouterr().err
    onsets = np.concatenate([track.notes[:, 0] for track in midi.read(out / "before.mid").tracks])
    np.testing.assert_allclose(np.sort(onsets), sorted(onset for onset, _ in TRIPLETS + SIXTEENTHS), atol=1e-6)
