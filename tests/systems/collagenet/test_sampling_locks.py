"""Songs that keep bars of an earlier one, by edits and by latents, in any metre, with pickups and swing."""

import pickle

import numpy as np
import pytest
from consonance import BASE, FLAT, HALF, consonant
from kept import assert_kept, differ, inside

from musicfusion.codecs import midi
from musicfusion.codecs.score import Score, Track
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.render.result import SampleResult
from musicfusion.systems.collagenet import sampling, sampling_edits, sampling_latent
from musicfusion.systems.collagenet.dataset import PARTS
from musicfusion.systems.collagenet.objective import ASPECTS

LOOSE = 0.04  # quarters by which players are late
KINDS = {  # metres, quarters of a bar, the share of a beat that its first half takes: in the melody, in the other part
    "4/4": (((0.0, 4, 4),), 4, 0.5, 0.5),
    "3/4": (((0.0, 3, 4),), 3, 0.5, 0.5),
    "6/8": (((0.0, 6, 8),), 3, 0.5, 0.5),
    "7/8": (((0.0, 7, 8),), 3.5, 0.5, 0.5),
    "a pickup": (((0.0, 1, 4), (1.0, 4, 4)), 4, 0.5, 0.5),
    "changing metres": (((0.0, 4, 4), (16.0, 3, 4)), 4, 0.5, 0.5),
    "swing": (((0.0, 4, 4),), 4, 2 / 3, 2 / 3),
    "a melody alone that swings": (((0.0, 4, 4),), 4, 2 / 3, 0.5),
}
SPANS = (
    ((8, 16, None),),
    ((8, 16, "melody"), (20, 24, "accompaniment")),
    ((4, 6, "Melody"), (5.25, 9.5, "melody"), (30, 32, None)),
    ((0, 1, None), (12, 12.25, None), (25, 31, "Bass")),
)
PARTS_OF = {"melody": (0,), "accompaniment": (1, 2, 3), "Melody": (0,), "Bass": (2,)}


def swung(quarters: np.ndarray, ratio: float) -> np.ndarray:
    return np.floor(quarters) + np.interp(quarters % 1, (0, 0.5, 1), (0, ratio, 1))


def track(name, program, steps, pitches, lengths, ratio, *, drum=False):
    """Notes at 16ths, late by turns where nothing swings, which would not be heard as swing then."""
    onset, end = (swung(np.asarray(at) / 4, ratio) for at in (steps, np.add(steps, lengths)))
    late = LOOSE * (np.arange(len(onset)) % 3) / 2 * (ratio == 0.5)
    loud = 60 + np.arange(len(onset)) % 40
    return Track(name, program, drum, np.stack([onset + late, 0.95 * (end - onset), pitches, loud], 1))


def pair(kind: str) -> sampling.Pair:
    """Thirty-six quarters of a tune in eighths and longer notes, over chords that are held over bar lines."""
    metres, bar, of_tune, of_band = KINDS[kind]
    rng = np.random.default_rng(1)
    steps = np.flatnonzero(rng.random(72) < 0.75) * 2
    steps = np.concatenate([[0], steps[steps > 0]])
    pitches = 67 + np.cumsum(rng.integers(-2, 3, len(steps))) % 12
    tune = track("Melody", 73, steps, pitches, np.diff([*steps, 144]), of_tune)
    begins = np.arange(0, 140, int(2 * bar))
    roots = 48 + rng.choice([0, 2, 4, 5, 7, 9], len(begins))
    chords = [(begin + late, root + by, 2 * bar) for begin, root in zip(begins, roots, strict=True)
              for by, late in ((0, 0), (4, 2), (7, int(2 * bar) - 2))]
    guitar = track("Guitar", 25, *np.array(chords).T.reshape(3, -1), of_band)
    bass = track("Bass", 33, begins, roots - 12, np.diff([*begins, 144]), of_band)
    drums = track("Drums", 0, np.arange(0, 144, 4), np.full(36, 38), np.full(36, 2), of_band, drum=True)
    lead = Score((tune,), np.array([[0.0, 100.0]]), metres, "tune")
    band = Score((guitar, bass, drums), np.array([[0.0, 120.0]]), metres, "band")
    return sampling.read_pair(lead, band, length="cut", tempo="melody")


@pytest.fixture(scope="module")
def pairs():
    found: dict[str, sampling.Pair] = {}

    def of(kind):
        return found.setdefault(kind, pair(kind))

    return of


# Edits ---------------------------------------------------------------------------------------------------------------

CHEAP = dict.fromkeys(ASPECTS, 0.1)
_GENERATE = sampling_edits.generator(score=consonant, model=FLAT, prices=BASE, progression=0.1, rounds=1, variety=0.4)


def edited(own, seed, locked=None, **controls) -> SampleResult:
    return _GENERATE([own], HALF | CHEAP | controls, [seed], [locked])[0]


@pytest.mark.parametrize(("kind", "number"), [(kind, number) for number, kind in enumerate(KINDS)])
def test_edits_keep_what_is_locked_and_make_the_rest_anew(pairs, kind, number):
    own, song = pairs(kind), edited(pairs(kind), 1)
    for seed, spans in enumerate((SPANS[number % 4], SPANS[(number + 1) % 4]), start=2):  # the second of the first
        new = edited(own, seed, Locked(song, spans), pitch=0.2 * seed)
        assert_kept(song.scores["fused"], new.scores["fused"], spans, PARTS_OF)
        assert differ(song.scores["fused"], new.scores["fused"])
        song = new


def test_a_lock_on_all_of_a_song_gives_it_back_to_the_bit(pairs):
    own = pairs("swing")
    first = edited(own, 1)
    again = edited(own, 2, Locked(first, ((0, own.steps / 4, None),)), chord=0.9)
    assert not differ(first.scores["fused"], again.scores["fused"])
    assert again.metadata == first.metadata and again.notices == first.notices
    assert again.chords == first.chords


def test_of_two_locked_bars_and_a_seed_the_bars_are_equal_and_something_else_is_not(pairs):
    own = pairs("4/4")
    first, plain = edited(own, 1), edited(own, 2)
    kept = edited(own, 2, Locked(first, ((8, 16, None),)))
    for old, new, other in zip(*(x.scores["fused"].tracks[:3] for x in (first, kept, plain)), strict=True):
        np.testing.assert_array_equal(inside(new.notes, 8, 16), inside(old.notes, 8, 16))
        assert len(inside(new.notes, 8, 16)) > 0 and not np.array_equal(new.notes, old.notes)
        assert not np.array_equal(inside(other.notes, 8, 16), inside(old.notes, 8, 16)), "without a lock they are not"


def test_chords_picture_and_shares_are_of_what_is_heard(pairs, tmp_path):
    own = pairs("4/4")
    first = edited(own, 1)
    kept = edited(own, 2, Locked(first, ((8, 16, None),)))
    assert kept.chords["fused"][8:16] == first.chords["fused"][8:16] and kept.chords != first.chords
    drawn = kept.pictures["fused"].draw.keywords["after"]
    for part, numbers in (("melody", (0,)), ("accompaniment", (1, 2))):
        heard = np.concatenate([kept.scores["fused"].tracks[k].notes for k in numbers])
        rows = {(step, pitch) for step, _, pitch in drawn[part].tolist()}
        assert rows == {(int(np.round(4 * onset)), int(pitch)) for onset, _, pitch, _ in heard.tolist()}
    kept.save(tmp_path / "kept", sound=False)
    again, old = midi.read(tmp_path / "kept" / "fused.mid"), first.scores["fused"]
    for ours, theirs in zip(again.tracks, old.tracks, strict=True):
        np.testing.assert_allclose(inside(ours.notes, 8, 16), inside(theirs.notes, 8, 16), atol=1 / 400)


def test_a_note_played_early_for_the_first_beat_of_a_span_is_in_it(pairs):
    own = pairs("4/4")
    early = {part: tuple(Track(t.name, t.program, t.is_drum, t.notes - (t.notes[:, :1] >= 1) * [0.08, 0, 0, 0])
                         for t in own.tracks[part]) for part in PARTS}
    own = sampling.Pair(**{**vars(own), "tracks": early})
    first = edited(own, 1)
    kept = edited(own, 2, Locked(first, ((8, 16, None),)))
    for old, new in zip(*(song.scores["fused"].tracks for song in (first, kept)), strict=True):
        np.testing.assert_array_equal(inside(new.notes, 7.9, 15.8), inside(old.notes, 7.9, 15.8))
        assert (inside(old.notes, 7.9, 8)[:, 0] < 8).any()


def test_controls_that_hold_a_part_give_way_to_locks_and_one_notice_says_so(pairs):
    own = pairs("4/4")
    first = edited(own, 1)
    lock = Locked(first, ((8, 16, None),))
    held = edited(own, 2, lock, pitch=1.0, chord=1.0, rhythm=1.0, texture=1.0)
    assert_kept(first.scores["fused"], held.scores["fused"], lock.spans, PARTS_OF)
    assert sum("locks win" in notice for notice in held.notices) == 1
    assert not any("locks win" in notice for notice in edited(own, 2, lock).notices)


def test_bars_that_are_held_since_they_are_like_a_locked_one_are_told(pairs):
    own = pairs("4/4")
    twice = sampling.Pair(**{**vars(own), **{
        part: np.concatenate([notes[notes[:, 0] < 64] + [shift, 0, 0] for shift in (0, 64)]).astype(np.int32)
        for part, notes in own.parts.items()}, "chords": np.tile(own.chords[:16], (2, 1))})
    cut = {part: tuple(Track(t.name, t.program, t.is_drum, np.concatenate(
        [t.notes[t.notes[:, 0] < 16] + [shift, 0, 0, 0] for shift in (0, 16)])) for t in own.tracks[part])
        for part in PARTS}
    twice = sampling.Pair(**{**vars(twice), "tracks": cut})
    first = edited(twice, 1)
    kept = edited(twice, 2, Locked(first, ((0, 4, None),)))
    assert "1 more bar is held, at least in part, with the locked ones: equal bars have equal edits" in kept.notices
    assert not any("more bar" in notice for notice in first.notices)


def test_the_memory_of_a_result_can_be_pickled_and_is_not_written(pairs, tmp_path):
    own = pairs("4/4")
    first = edited(own, 1)
    again = pickle.loads(pickle.dumps(first))
    spans = ((8, 16, None),)
    assert not differ(*(edited(own, 2, Locked(result, spans)).scores["fused"] for result in (first, again)))
    first.save(tmp_path / "out", sound=False)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".mid", ".musicxml", ".png", ".json", ".html"}


def test_what_cannot_be_kept_is_refused_in_one_line(pairs):
    own, other = pairs("4/4"), pairs("3/4")
    first = edited(own, 1)
    bare = SampleResult(title="", main="fused", scores=first.scores)
    cut = {part: notes[notes[:, :2].sum(1) <= 128] for part, notes in own.parts.items()}
    short = sampling.Pair(**{**vars(own), **cut, "chords": own.chords[:32]})
    for lock, given, words in (
        (Locked(first, ((8, 40, None),)), own, "the span from 8 to 40 is not inside the song, which lasts 36 quarters"),
        (Locked(first, ((8, 8, None),)), own, "the span from 8 to 8 is empty"),
        (Locked(first, ((8, 9, "harp"),)), own, "unknown: there are melody, accompaniment, Guitar, Bass, Drums"),
        (Locked(bare, ((8, 9, None),)), own, "does not hold what is needed"),
        (Locked(first, ((8, 9, None),)), other, "hold other music now"),
        (Locked(first, ((8, 9, None),)), short, "has 36 quarters, and now there would be 32"),
    ):
        with pytest.raises(MusicFusionError, match=words) as refused:
            edited(given, 2, lock)
        assert "\n" not in str(refused.value)


# Latents -------------------------------------------------------------------------------------------------------------


def drawn(batch, seed, number):
    """A program that gives every window other notes, by its seed and number."""
    found = {name: x.copy() for name, x in batch.items()}
    for i, key in enumerate(zip(seed.tolist(), number.tolist(), strict=True)):
        rng = np.random.default_rng(key)
        found["melody"][i] = np.where(rng.random(32) < 0.4, rng.integers(60, 72, 32), rng.choice([128, 129], 32))
        found["pitch"][i] = np.where(batch["duration"][i] > 0, 40 + 2 * np.arange(14) + rng.integers(0, 2, 14), 0)
        found["duration"][i] *= rng.integers(1, 4)
    rho = {name: np.zeros(len(seed)) for name in ASPECTS}
    return {"tokens": found["melody"], "rho": rho, **{k: found[k] for k in ("pitch", "duration", "chords")}}


def by_latents(own, seed, locked=None) -> SampleResult:
    (song,) = sampling_latent.fuse([own], drawn, seeds=[seed], hop=4)
    return sampling_latent.result(own, song if locked is None else sampling_latent.spliced(own, song, locked))


@pytest.mark.parametrize("kind", KINDS)
def test_latent_fusion_keeps_what_is_locked_and_makes_the_rest_anew(pairs, kind):
    own, parts = pairs(kind), {"melody": (0,), "Melody": (0,), "accompaniment": (1,)}
    first = by_latents(own, 1)
    for spans in SPANS[:2]:
        second = by_latents(own, 2, Locked(first, spans))
        assert_kept(first.scores["fused"], second.scores["fused"], spans, parts)
        assert differ(first.scores["fused"], second.scores["fused"])
        melody = second.scores["fused"].tracks[0].notes
        assert (melody[:-1, 0] + melody[:-1, 1] <= melody[1:, 0] + 1e-9).all(), "it stays one voice"
    everything = by_latents(own, 2, Locked(first, ((0, own.steps / 4, None),)))
    assert not differ(first.scores["fused"], everything.scores["fused"]) and everything.chords == first.chords


def test_a_latent_result_is_none_for_edits(pairs):
    own = pairs("4/4")
    for make, other in ((edited, by_latents), (by_latents, edited)):
        with pytest.raises(MusicFusionError, match="does not hold what is needed"):
            make(own, 2, Locked(other(own, 1), ((0, 4, None),)))
