"""musicfusion in Python: the same music as on the command line, from scripts, notebooks and the interpreter."""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from kept import assert_kept, differ, inside
from micro import ROOT, micro_config

import musicfusion as mf
from musicfusion.codecs import midi, note_sequence

SYSTEMS = mf.systems()


@pytest.fixture(scope="module")
def files(micro_run) -> dict[str, str]:
    """A melody and an accompaniment that nobody trained on."""
    return json.loads((micro_run / "samples" / "1" / "metadata.json").read_text())["inputs"]


@pytest.fixture(scope="module")
def model(micro_run) -> mf.Model:
    return mf.load(micro_run, sample__audio=False)


def notes(result: mf.SampleResult) -> list[np.ndarray]:
    return [track.notes for track in result.scores[result.main].tracks if len(track.notes)]


def same(one: mf.SampleResult, other: mf.SampleResult, within: float = 0.0) -> bool:
    """within: how far times may be apart, in quarters."""
    return len(notes(one)) == len(notes(other)) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=0, atol=within)
        for a, b in zip(notes(one), notes(other), strict=True))


# Models -------------------------------------------------------------------------------------------------------------


def test_every_system_is_declared_and_says_what_it_takes():
    assert set(SYSTEMS) >= {"collagenet", "connective_fusion", "fusion_gan", "musae", "arrangement"}
    assert SYSTEMS["collagenet"].inputs["melody"].about and mf.systems() == mf.systems.declarations()


def test_a_model_says_what_it_takes_and_where_it_comes_from():
    model = mf.load("collagenet-lite")
    assert list(model.inputs) == ["melody", "accompaniment"]
    assert list(model.controls) == ["pitch", "rhythm", "chord", "texture", "key", "bpm"]
    assert "POP909" in model.card and repr(model) == "Model('collagenet-lite', system='collagenet', preset='lite')"


def test_words_that_only_the_weights_know_are_choices():
    choices = mf.load("musae-lite").controls["to"].choices
    assert len(choices) == 32 and "swing" in choices


def test_a_song_from_python_is_that_of_the_command_line(model, micro_run, files):
    made = micro_run / "samples" / "1"
    about = json.loads((made / "metadata.json").read_text())
    result = model.sample(seed=about["seed"], **files)
    for ours, theirs in zip(notes(result), midi.read(made / "fused.mid").tracks, strict=True):
        np.testing.assert_array_equal(ours, theirs.notes)
    for what in ("edits", "kept", "steps"):
        assert result.metadata[what] == about[what]


def test_inputs_may_be_files_bytes_or_objects_of_other_libraries(model, files):
    import pretty_midi

    expected = model.sample(seed=1, **files)
    forms = {
        "bytes": {name: Path(path).read_bytes() for name, path in files.items()},
        "scores": {name: midi.read(path) for name, path in files.items()},
        "note sequences": {name: note_sequence.to_note_sequence(midi.read(path)) for name, path in files.items()},
        "pretty_midi": {name: pretty_midi.PrettyMIDI(path) for name, path in files.items()},
    }
    for form, given in forms.items():  # notes are as they were played, and a NoteSequence counts time in seconds
        rounding = 1e-9 if form == "note sequences" else 0.0
        assert same(model.sample(seed=1, **given), expected, rounding), form


def test_a_trained_run_fuses_either_way(micro_run, files):
    edits, latent = (mf.load(micro_run, fusion__model=name, sample__audio=False).sample(**files).metadata
                     for name in ("edits", "latent"))
    assert "edits" in edits and "rho" in latent


def test_many_requests_give_what_each_gives_alone(model, files):
    other = {"melody": files["accompaniment"], "accompaniment": files["melody"]}
    many = model.sample_many([files, other, files], seeds=[4, 5, 6], pitch=0.9)
    alone = [model.sample(seed=seed, pitch=0.9, **given) for seed, given in ((4, files), (5, other), (6, files))]
    for one, together in zip(alone, many, strict=True):
        assert same(one, together)
        for what in ("seed", "edits", "kept"):
            assert one.metadata[what] == together.metadata[what]
    assert not same(many[0], many[2])


def test_a_second_sample_compiles_nothing(model, files, caplog):
    import jax

    model.sample(**files)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        model.sample(seed=7, chord=0.1, **files)
    assert not [record.message for record in caplog.records if "Compiling" in record.message]


@pytest.mark.parametrize(("given", "words"), [
    ({"pich": 1.0}, "input or control 'pich' is unknown: did you mean pitch?"),
    ({"pitch": 2.0}, "control pitch=2.0 is out of range: accepted is a number from 0 to 1"),
    ({"pitch": "much"}, "control pitch=much is out of range"),
    ({"pitch": float("nan")}, "control pitch=nan is out of range"),
    ({"seed": -1}, "seed=-1 is out of range"),
    ({"seed": 0.5}, "seed=0.5 is out of range"),
    ({"melody": None}, "inputs: accompaniment given; collagenet takes melody and accompaniment"),
    ({"melody": "nowhere.mid"}, "nowhere.mid: there is no such file"),
    ({"melody": 3}, r"melody \(int\): cannot be read as notes or sound; a MIDI file"),
])
def test_what_is_wrong_with_a_request_is_one_line(model, files, given, words):
    with pytest.raises(mf.MusicFusionError, match="^" + words.replace("?", "\\?")) as refused:
        model.sample(**{**files, **given})
    assert "\n" not in str(refused.value)


def test_seeds_and_locks_must_be_as_many_as_requests(model, files):
    with pytest.raises(mf.MusicFusionError, match="1 seeds for 2 requests"):
        model.sample_many([files, files], seeds=[1])
    with pytest.raises(mf.MusicFusionError, match="3 locks for 2 requests"):
        model.sample_many([files, files], locked=[None, None, None])


# Locks --------------------------------------------------------------------------------------------------------------


def main(result: mf.SampleResult):
    return result.scores[result.main]


@pytest.mark.parametrize("way", ["edits", "latent"])
def test_bars_of_a_fused_song_stay_in_the_next(micro_run, files, way):
    model = mf.load(micro_run, fusion__model=way, sample__audio=False, sample__edits__variety=2.0)
    first, free = (model.sample(seed=seed, chord=chord, **files) for seed, chord in ((1, 0.2), (2, 0.0)))
    spans = ((4, 8, None), (10, 14, "melody"))
    second, none, other = model.sample_many([files] * 3, seeds=[2, 2, 2], chord=0.0, locked=[
        mf.Locked(first, spans), mf.Locked(first, ()), None])
    parts = {"melody": (0,), "accompaniment": range(1, len(main(first).tracks))}
    assert_kept(main(first), main(second), spans, parts)
    assert differ(main(first), main(second))
    assert same(none, free) and same(other, free), "a lock on nothing is none"
    assert [result.metadata.get("locked") for result in (first, second, none, other)] == [
        None, [[4, 8, None], [10, 14, "melody"]], [], None]


@pytest.mark.parametrize(("weights", "given", "changed"), [
    ("connective-fusion-lite", {}, {"style": 0.9}),
    ("fusion-gan-lite", {"n": 2}, {"genre": "a"}),
    ("musae-lite", {"genre": "swing", "n": 2}, {"spread": 1.5}),
])
def test_bars_of_other_systems_songs_stay_in_the_next(weights, given, changed):
    model = mf.load(weights)
    first = model.sample(seed=1, **given)
    second = model.sample(seed=2, locked=mf.Locked(first, ((4, 12, None),)), **given, **changed)
    kept, now = ({t.name: inside(t.notes, 4, 12).tolist() for t in main(x).tracks} for x in (first, second))
    for name in kept | now:  # a track without a note may be there or not
        assert now.get(name, []) == kept.get(name, [])
    assert any(kept.values()) and not same(first, second) and second.metadata["locked"] == [[4, 12, None]]
    nothing = model.sample(seed=2, locked=mf.Locked(first, ()), **given, **changed)
    assert same(nothing, model.sample(seed=2, **given, **changed))


def test_what_cannot_be_locked_is_one_line(model, files):
    made = mf.load("connective-fusion-lite").sample(seed=1)
    first = model.sample(seed=1, **files)
    read = dataclasses.replace(first, memory=None)
    spans = ((4, 8, None),)
    for lock, words in (
        (first, "locked: SampleResult is no lock: give Locked"),
        (mf.Locked("fused.mid", spans), "locked: str is no result: lock what `sample` returned"),
        (mf.Locked(made, spans), "locked: the result is of connective_fusion, not of collagenet"),
        (mf.Locked(read, spans), "locked: the result does not hold what is needed"),
        (mf.Locked(first, ((8, 1000, None),)), "locked: the span from 8 to 1000 is not inside the song"),
        (mf.Locked(first, ((8, 8, None),)), "locked: the span from 8 to 8 is empty"),
        (mf.Locked(first, ((4, 8, "harp"),)), "locked: part 'harp' is unknown: there are melody, accompaniment"),
    ):
        with pytest.raises(mf.MusicFusionError, match="^" + words) as refused:
            model.sample(seed=2, locked=lock, **files)
        assert "\n" not in str(refused.value)
    with pytest.raises(mf.MusicFusionError, match=r"locked: the result was made of other inputs \(melody=.*\), not of"):
        model.sample(melody=files["accompaniment"], accompaniment=files["melody"], locked=mf.Locked(first, spans))


@pytest.mark.parametrize(("source", "changes", "words"), [
    ("nothing-lite", {}, "no such weights or workdir; shipped are arrangement-lite, collagenet-lite"),
    ("collagenet-lite", {"fusion__steps": 3}, "another config"),
    ("collagenet-lite", {"sample__hopp": 3}, "no key 'sample.hopp': did you mean sample.hop"),
])
def test_what_cannot_be_loaded_is_one_line(source, changes, words):
    with pytest.raises(mf.MusicFusionError, match=words) as refused:
        mf.load(source, **changes)
    assert "\n" not in str(refused.value)


# Configs and training -----------------------------------------------------------------------------------------------


def test_a_config_is_had_by_name_and_changed_by_key():
    config = mf.config("collagenet", "quick", data__songs=7, fusion__steps=3)
    assert (config.preset, config.data.songs, config.fusion.steps) == ("quick", 7, 3)
    with pytest.raises(mf.MusicFusionError, match="variant 'huge' is unknown"):
        mf.config("collagenet", "huge")


def test_training_from_python_is_that_of_the_command_line(micro_run, tmp_path):
    """The run is finished already: nothing is trained again, and the model samples and evaluates."""
    model = mf.train_model(micro_config(), micro_run)
    assert model.evaluate().to_json()["tables"]["table1"]["rows"]
    with pytest.raises(mf.MusicFusionError, match="another config"):
        mf.train_model(micro_config(fusion__steps=41), micro_run)


# Where it runs ------------------------------------------------------------------------------------------------------

SCRIPT = """
import sys
import musicfusion as mf
from musicfusion.data import cache

corpus = cache.load("fiddle", limit=120, source=__import__("musicfusion.data.sources", fromlist=["x"]).melodies)
song = mf.load(sys.argv[1], sample__audio=False).sample(melody=sys.argv[2], accompaniment=sys.argv[3], seed=3)
print(len(corpus.songs) > 60, sorted(song.scores), song.metadata["seed"])
"""


@pytest.mark.parametrize("how", ["a script", "standard input", "the interpreter"])
def test_a_plain_script_without_a_main_guard_works(how, micro_run, files, tmp_path):
    """It reads songs in several processes and samples; nothing runs twice, nothing is printed but what it prints."""
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = [str(micro_run), files["melody"], files["accompaniment"]]
    command, text = {
        "a script": ([sys.executable, "script.py", *arguments], None),
        "standard input": ([sys.executable, "-", *arguments], SCRIPT),
        "the interpreter": ([sys.executable, "-i", "-q", "-", *arguments], SCRIPT + "\nexit()\n"),
    }[how]
    compiler = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_"))}
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=tmp_path, env=cache | compiler)
    assert done.returncode == 0, done.stderr
    assert done.stdout.replace(">>> ", "").split() == ["True", "['before',", "'fused']", "3"]
    assert "Traceback" not in done.stderr and done.stderr.replace(">>> ", "").strip() == ""


def test_what_the_readme_shows_is_public():
    program = textwrap.dedent("""
        import musicfusion as mf
        assert set(mf.__all__) <= set(dir(mf))
        for name in mf.__all__:
            assert getattr(mf, name) is not None
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
