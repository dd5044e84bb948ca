"""A long sample tells how far it is, ends when it is cancelled, and leaves its model as it was."""

import dataclasses
import functools

import numpy as np
import pytest

import musicfusion
from musicfusion.codecs import chords
from musicfusion.codecs.audio import RATE, Audio
from musicfusion.codecs.score import Score, Track
from musicfusion.core import progress
from musicfusion.render import player
from musicfusion.render.result import SampleResult
from musicfusion.studio import examples
from musicfusion.systems.collagenet import sampling, sampling_latent
from musicfusion.systems.collagenet.objective import ASPECTS


def tune(name):
    return str(examples.FOLDER / name)


def tone(seconds):
    return 0.5 * np.sin(2 * np.pi * 110 * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def bass(bars):
    notes = np.array([(k, 0.9, 40 + k % 3, 80) for k in range(4 * bars)], float)
    return Score((Track("Low", 33, False, notes),), np.array([[0.0, 96.0]]), ((0.0, 4, 4),), "song")


CASES = {
    "arrangement-lite": {"source": (tone(12.0), RATE)},
    "collagenet-lite": {"melody": tune(examples.ODE), "accompaniment": tune(examples.TURN)},
    "connective-fusion-lite": {"left": tune(examples.ODE), "right": tune(examples.GRACE), "iterations": 3, "grid": 2},
    "fusion-gan-lite": {"prompt": tune(examples.ODE), "n": 20},
    "musae-lite": {"song": "a band"},
}


@pytest.fixture(scope="module", params=CASES)
def sample(request, tmp_path_factory):
    """A function without arguments that samples."""
    given = dict(CASES[request.param])
    if "song" in given:
        given["song"] = str(examples.make(examples.ODE_BAND, tmp_path_factory.mktemp("band")))
    model = musicfusion.load(request.param)
    return functools.partial(model.sample, seed=1, **given)


def told_by(work):
    """Every tick of the work, (what, share), and its result."""
    told = []
    with progress.reporting(lambda *tick: told.append(tick)):
        result = work()
    return told, result


def cancelled_at(work, number):
    """Cancels the work at its tick of this number, 0 for the first; every tick."""
    told = []

    def report(what, share):
        told.append((what, share))
        if len(told) > number:
            raise progress.Cancelled

    with pytest.raises(progress.Cancelled), progress.reporting(report):
        work()
    return told


def same(one, other):
    """Whether two results are the same music."""
    return (one.scores.keys() == other.scores.keys() and one.audio.keys() == other.audio.keys()
            and all(np.array_equal(ours.notes, theirs.notes) for name in one.scores
                    for ours, theirs in zip(one.scores[name].tracks, other.scores[name].tracks, strict=True))
            and all(np.array_equal(one.audio[name].samples, other.audio[name].samples) for name in one.audio))


def test_a_sample_that_is_cancelled_at_any_tick_ends_there_and_the_next_is_as_ever(sample):
    told, whole = told_by(sample)
    for number in sorted({0, len(told) // 2, len(told) - 1}):
        assert cancelled_at(sample, number) == told[: number + 1]
    assert same(sample(), whole)


def test_the_shares_of_a_sample_rise(sample):
    told, whole = told_by(sample)
    shares = [share for _, share in told if share is not None]
    if whole.metadata["system"] == "collagenet":  # nobody knows how long its search will be
        assert len(told) > 10 and not shares
        return
    assert shares == sorted(shares) and 0 <= shares[0] < 0.5 <= shares[-1] < 1 and len(set(shares)) > 1


def test_the_longer_the_work_the_more_often_it_can_be_cancelled():
    model = musicfusion.load("arrangement-lite")
    counts = [len(told_by(lambda: model.sample(source=bass(bars)))[0]) for bars in (4, 24)]
    assert counts[0] >= 1 and counts[1] >= counts[0] + 10
    model = musicfusion.load("fusion-gan-lite")
    assert [len(told_by(lambda: model.sample(n=n))[0]) for n in (8, 24)] == [1, 3]


def test_latent_fusion_ends_between_two_batches_of_windows_when_it_is_cancelled():
    pair = sampling.read_pair(tune(examples.ODE), tune(examples.TURN), length="loop", tempo="melody")
    runs = []

    def run(batch, seed, number):
        runs.append(len(seed))
        rho = {name: np.zeros(len(seed)) for name in ASPECTS}
        return {"tokens": batch["melody"], "rho": rho, **{k: batch[k] for k in ("pitch", "duration", "chords")}}

    many = 2 * sampling_latent.BATCH // len(pair.chords) + 2
    fuse = functools.partial(sampling_latent.fuse, [pair] * many, run, seeds=range(many), hop=1)
    told, songs = told_by(fuse)
    batches = len(runs)
    assert batches > 1 and [share for _, share in told] == [k / batches for k in range(batches)]
    assert [chords.name(row) for row in songs[0].chords] == [chords.name(row) for row in pair.chords]
    runs.clear()
    assert len(cancelled_at(fuse, 1)) == 2 and len(runs) == 1


# Sound ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def band(tmp_path_factory):
    """A result of four tracks that can be played."""
    from musicfusion.codecs import inputs

    score = inputs.read_score(str(examples.make(examples.ODE_BAND, tmp_path_factory.mktemp("band"))), "band")
    return SampleResult(title="a band", main="song", scores={"song": score, "before": score},
                        players={"song": "After", "before": "Before"})


def test_playing_tells_how_far_it_is_and_ends_when_it_is_cancelled(band):
    play = functools.partial(player.sounds, band)
    told, (played, _) = told_by(play)
    shares = [share for _, share in told if share is not None]
    assert len(shares) == 8 and shares == sorted(shares) and 0 == shares[0] < shares[-1] < 1  # parts of both versions
    assert len(told) > 24
    assert cancelled_at(play, 20) == told[:21]
    again, _ = player.sounds(band)
    assert all(np.array_equal(again[name][part].samples, sound.samples) for name in played
               for part, sound in played[name].items())


def test_the_plain_synthesiser_can_be_cancelled_between_two_pitches(band, monkeypatch):
    monkeypatch.setattr("musicfusion.render.audio._soundfont", lambda: None)
    told, _ = told_by(functools.partial(player.sounds, band))
    pitches = sum(len(np.unique(track.notes[:, 2])) for score in band.scores.values() for track in score.tracks)
    assert len(told) == pitches + 8


def test_compressing_tells_how_far_it_is_and_ends_when_it_is_cancelled(band):
    long = {name: {name: Audio(tone(40.0), RATE)} for name in ("song", "before")}
    recordings = dataclasses.replace(band, scores={}, audio={name: own[name] for name, own in long.items()})
    work = functools.partial(player.data, recordings, long, most=4_000_000)
    told, data = told_by(work)
    shares = [share for _, share in told if share is not None]
    assert shares == sorted(shares) and len(shares) > 1 and len(told) > 20
    cancelled_at(work, 5)
    sizes = [[[len(stem["src"]) for stem in version["stems"]] for version in found["versions"]]
             for found in (data, work())]  # the files differ in a random number
    assert sizes[0] == sizes[1]
