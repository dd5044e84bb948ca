"""A bass, or a band without drums, as notes or recorded -> drums that follow it, for as long as it plays."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import bars as bar_lines
from musicfusion.codecs import drums, feel, splice, tracks
from musicfusion.codecs import inputs as sources
from musicfusion.codecs.audio import RATE, Audio
from musicfusion.codecs.drums import INSTRUMENTS, STEPS, Hits
from musicfusion.codecs.feel import EVEN, THIRDS
from musicfusion.codecs.melody import HOLD
from musicfusion.codecs.score import EARLY, Score, Track, grid, pitched_tracks
from musicfusion.core import progress
from musicfusion.core.contracts import Locked, Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import numbered
from musicfusion.render import drumroll, kit, player
from musicfusion.render.kit import Kit
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.arrangement import grid_repertoire
from musicfusion.systems.arrangement.grid import NEIGHBOUR, NOTHING, SONG, Context, Drummer, Reference
from musicfusion.systems.arrangement.grid_dataset import (
    BAR,
    BARS,
    BEATS,
    HIT,
    KIT,
    LENGTH,
    NO_STYLE,
    OFF,
    PHRASE,
    UNKNOWN,
    Windows,
    bass_features,
    offset_of,
    position,
    tempo_feature,
    velocity_of,
)
from musicfusion.systems.arrangement.grid_repertoire import Repertoire

LONGEST = 1000  # bars of the source
HOP = BEATS // 2  # beats from one window to the next, of which the first half is known by then
FILL = 2  # beats before the end of a phrase, and the first of the next, that are drawn again
GROOVE, FILLED = 1 << 20, 1 << 21  # numbers of the keys of the reference and of fills; others are beats
PEAK = 0.95  # of the loudest sample
DIVISIONS = ((0, 3, 6, 9), (0, 4, 8), (0, 4, 6, 10))  # steps of a beat: 16ths, thirds, swung 16ths
TAIL = 2.0  # seconds after the last note, for what still rings
KEPT = 2  # quarters by which notes that ring on may reach into a bar without making it one of the song's


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """A user's music whose drums are asked for.

    score: as it was given, or transcribed;  begin: the quarter at which the grid begins, on a bar line
    bass: tokens int [T];  tempo: quarters a minute of each beat [T / STEPS];  name: of the bass's track
    notices: what is to be said
    intro: bars before the first of the source
    samples: of a recording, at codecs.audio.RATE, None of notes;  offset: when the score's quarter 0 is in it, seconds
    phase: how many quarters the score's beats lie after its bar lines (codecs.bars.Aligned)
    """

    score: Score
    begin: float
    bass: np.ndarray
    tempo: np.ndarray
    name: str
    notices: tuple[str, ...] = ()
    samples: np.ndarray | None = None
    offset: float = 0.0
    phase: float = 0.0
    intro: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writer:
    """A Drummer whose programs are compiled, for windows and for songs.

    fill, play: Drummer.chosen and Drummer.play, jitted; styles: the words of its conditions, in their order; feels:
    how people play, float [n, 2] (grid_dataset.feels), of which each song gets one; repertoire: windows of other songs;
    candidates: fillings of which one is chosen; sounding: as of grid_repertoire.similar.
    """

    fill: Callable[..., jax.Array]
    play: Callable[..., tuple[jax.Array, jax.Array]]
    styles: tuple[str, ...]
    feels: np.ndarray
    repertoire: Repertoire
    candidates: int
    sounding: float = 0.0

    def windows(self, windows: Windows, density: float, seed: int, batch: int) -> np.ndarray:
        """Drums of windows apart from each other: bool [n, LENGTH, 9]."""
        found, key = [], jax.random.key(seed)
        count = len(windows.bass)
        neighbours = self.neighbours(windows.bass, seed)
        for begin in range(0, count, batch):
            numbers = np.arange(begin, begin + batch)
            own, keys = numbers % count, numbered(key, jnp.asarray(numbers))
            found.append(self.fill(np.full((batch, LENGTH, KIT), UNKNOWN, np.int32), Context(
                bass=bass_features(windows.bass[own], np.ones(batch, bool)), style=np.full(batch, NO_STYLE),
                density=np.full(batch, density, np.float32),
                tempo=tempo_feature(windows.tempo[own]).astype(np.float32), position=windows.position[own]),
                jax.tree.map(lambda x, own=own: x[own], neighbours), np.ones((batch, LENGTH), bool),
                np.zeros(batch, bool), keys))
        return np.concatenate([np.asarray(x) for x in found])[:count] == HIT

    def neighbours(self, bass: np.ndarray, seed: int, style: str = "") -> Reference:
        """Drums of other songs whose basses are similar, one for each candidate: [n, candidates, ...].

        Drawn from twice as many. bass: tokens int [n, LENGTH]; style: that they should have, if any does.
        """
        tag = 1 << self.styles.index(style) if style else 0
        found = grid_repertoire.similar(bass, self.repertoire, 2 * self.candidates, sounding=self.sounding,
                                        tag=tag)
        rng = np.random.default_rng(seed)
        chosen = np.stack([rng.permutation(own)[: self.candidates] for own in found])
        if not len(self.repertoire.tags):
            return _alike(None, len(bass), self.candidates)
        return Reference(self.repertoire.hits[chosen], self.repertoire.onsets[chosen],
                         np.where(chosen >= 0, NEIGHBOUR, NOTHING))

    def played(self, pattern: np.ndarray, bass: np.ndarray, tempo: np.ndarray, seed: int,
               batch: int) -> tuple[np.ndarray, np.ndarray]:
        """How the hits of windows are played: pattern bool [n, LENGTH, 9] -> velocity uint8, offset int8, the same."""
        found, key = [], jax.random.key(seed)
        drawn = self.feels[np.random.default_rng(seed).integers(0, len(self.feels), len(bass))]
        for begin in range(0, len(bass), batch):
            numbers = np.arange(begin, begin + batch)
            own, keys = numbers % len(bass), numbered(key, jnp.asarray(numbers))
            made = self.play(pattern[own].astype(np.int32), bass_features(bass[own], np.zeros(batch, bool)),
                             np.full(batch, NO_STYLE), tempo_feature(tempo[own]).astype(np.float32), drawn[own], keys)
            found.append([np.asarray(x) for x in made])
        velocity, offset = (np.concatenate(x)[: len(bass)] for x in zip(*found, strict=True))
        return _played(pattern, velocity, offset, seed)

    def song(self, bass: np.ndarray, tempo: np.ndarray, *, style: str, density: float, seed: int, start: int = 0,
             known: np.ndarray | None = None) -> Hits:
        """Drums of a whole song, as they are played. Arguments as of `pattern`."""
        pattern = self.pattern(bass, tempo, style=style, density=density, seed=seed, start=start, known=known)
        velocity, offset = self._classes(pattern, *self._windows_of(bass, tempo), style, seed)
        return _played(pattern, velocity, offset, seed)

    def pattern(self, bass: np.ndarray, tempo: np.ndarray, *, style: str, density: float, seed: int, start: int = 0,
                known: np.ndarray | None = None, reference: bool = True) -> np.ndarray:
        """Drums of a whole song, bool [T, 9]: first four bars for its most usual bass, then all with these in view.

        Windows are written in order; each also sees the two bars before it, which are written by then. Where a phrase
        ends and the next begins, hits are then drawn again at temperature 1, so that there are fills and crashes.

        Args:
            bass: tokens int [T].
            tempo: [T / STEPS].
            style: one of `styles`, or "".
            density: 0..1, negative for what fits.
            seed: of what is drawn.
            start: the bar from which on phrases are counted.
            known: int [T, 9] of OFF, HIT, UNKNOWN: hits that are there already; None for none.
            reference: with the four bars in view.
        """
        beats = len(bass) // STEPS
        seen, tempo, begins = self._windows_of(bass, tempo)
        bass = np.pad(bass, (0, len(tempo) * STEPS - len(bass)), constant_values=tracks.REST)
        given = np.full((len(tempo) * STEPS, KIT), UNKNOWN, np.int32)
        if known is not None:
            given[: len(known)] = known
        pattern, allowed = given.copy(), division(bass < HOLD)

        def fill(begin: int, view: Reference, salt: int, free: bool = False) -> np.ndarray:
            """The window at a beat, filled in."""
            own = slice(begin * STEPS, begin * STEPS + LENGTH)
            return np.asarray(self.fill(pattern[None, own], Context(
                bass=bass_features(bass[None, own], np.ones(1, bool)), style=self._number(style),
                density=np.array([density], np.float32), tempo=tempo_feature(tempo[None, begin]).astype(np.float32),
                position=position(np.array([begin // BAR]), np.array([(beats - begin) // BAR - BARS]))),
                view, np.tile(allowed, (1, BEATS)), np.array([free]),
                jax.random.fold_in(jax.random.key(seed), salt)[None]))[0]

        first = usual(seen, pattern, begins)
        view = self.neighbours(seen[first : first + 1], seed, style)
        if allowed.all():  # the bass does not say how beats are divided, so the drums do
            allowed = division((fill(begins[first], view, GROOVE) == HIT).any(1))
        if reference and len(begins) > 1:
            groove = fill(begins[first], view, GROOVE) == HIT
            view = _alike((groove, seen[first] < HOLD), 1, self.candidates)
        views = [view] * len(begins)
        if not reference:
            every = self.neighbours(seen, seed, style)
            views = [jax.tree.map(lambda x, k=k: x[k : k + 1], every) for k in range(len(begins))]
        for k in progress.steps(range(len(begins)), "writing drums"):
            pattern[begins[k] * STEPS : begins[k] * STEPS + LENGTH] = fill(begins[k], views[k], begins[k])
        for begin in fills(start, len(tempo)) if reference else ():
            own = slice((begin + HOP - FILL) * STEPS, (begin + HOP + 1) * STEPS)
            pattern[own] = given[own]
            pattern[begin * STEPS : begin * STEPS + LENGTH] = fill(begin, view, FILLED + begin, free=True)
        return pattern[: beats * STEPS] == HIT

    def _number(self, style: str) -> np.ndarray:
        return np.array([1 + self.styles.index(style) if style else NO_STYLE])

    @staticmethod
    def _windows_of(bass: np.ndarray, tempo: np.ndarray) -> tuple[np.ndarray, np.ndarray, range]:
        """The basses of a song's windows int [n, LENGTH], its tempo as long as they are, the beats they begin at."""
        beats = len(bass) // STEPS
        padded = max(BEATS, -(-(beats - BEATS) // HOP) * HOP + BEATS)
        bass = np.concatenate([bass, np.full((padded - beats) * STEPS, tracks.REST)])
        begins = range(0, padded - BEATS + 1, HOP)
        seen = np.stack([bass[begin * STEPS : begin * STEPS + LENGTH] for begin in begins])
        return seen, np.concatenate([tempo, np.repeat(tempo[-1:], padded - beats)]), begins

    def _classes(self, pattern: np.ndarray, seen: np.ndarray, tempo: np.ndarray, begins: range, style: str,
                 seed: int) -> list[np.ndarray]:
        """Classes of velocity and offset of a song's hits, window by window, in one manner: int [T, 9] each."""
        padded = np.zeros((len(tempo) * STEPS, KIT), np.int32)
        padded[: len(pattern)] = pattern
        classes, key = [np.zeros(padded.shape, int) for _ in range(2)], jax.random.key(seed)
        feel = self.feels[None, np.random.default_rng(seed).integers(len(self.feels))]
        features = bass_features(seen, np.ones(len(seen), bool))
        for k, begin in enumerate(begins):
            own = slice(begin * STEPS, begin * STEPS + LENGTH)
            later = slice(own.start + (HOP * STEPS if begin else 0), own.stop)
            made = self.play(padded[None, own], features[None, k], self._number(style),
                             tempo_feature(tempo[None, begin]).astype(np.float32), feel,
                             jax.random.fold_in(key, begin)[None])
            for whole, part in zip(classes, made, strict=True):
                whole[later] = np.asarray(part)[0, later.start - own.start :]
        return [whole[: len(pattern)] for whole in classes]


def division(hits: np.ndarray) -> np.ndarray:
    """Which steps of a beat go together, bool [STEPS]: 16ths, thirds, or swung 16ths, whose steps are hit most.

    hits: bool [T]. All steps where two are hit as much. The first step counts for none.
    """
    often = np.add.reduce(hits.reshape(-1, STEPS), 0)
    found = [float(often[list(steps[1:])].mean()) for steps in DIVISIONS]
    allowed = np.ones(STEPS, bool)
    if found.count(max(found)) == 1:
        allowed[:] = np.isin(np.arange(STEPS), DIVISIONS[found.index(max(found))])
    return allowed


def fills(start: int, beats: int) -> range:
    """The beats at which windows begin in whose middle a phrase ends. start: bar of the first phrase; beats: in all."""
    first = start if start >= BARS // 2 else start + PHRASE
    return range((first - BARS // 2) * BAR, beats - BEATS + 1, PHRASE * BAR)


def _alike(song: tuple[np.ndarray, np.ndarray] | None, count: int, candidates: int) -> Reference:
    """The same reference for all: drums and onsets of a window of the song, or none."""
    hits, onsets = song or (np.zeros((LENGTH, KIT), bool), np.zeros(LENGTH, bool))
    shape = (count, candidates)
    return Reference(np.broadcast_to(hits, (*shape, LENGTH, KIT)), np.broadcast_to(onsets, (*shape, LENGTH)),
                     np.full(shape, SONG if song else NOTHING))


def usual(bass: np.ndarray, pattern: np.ndarray, begins: Sequence[int]) -> int:
    """Which window stands best for its song: of those in which most is known, the one with the most usual bass.

    bass: tokens of windows int [n, LENGTH]; pattern: int [T, 9]; begins: the beats at which windows begin. Usual: the
    mean F1 of its onsets with those of all windows.
    """
    known = np.array([np.count_nonzero(pattern[begin * STEPS : begin * STEPS + LENGTH] != UNKNOWN)
                      for begin in begins])
    onset = (bass < HOLD).astype(float)
    size = onset.sum(1)
    alike = (2 * onset @ onset.T / np.maximum(size[:, None] + size, 1)).mean(1)
    return int(np.argmax(np.where(known == known.max(), alike, -1)))


def _played(pattern: np.ndarray, velocity: np.ndarray, offset: np.ndarray, seed: int) -> Hits:
    """Hits of a pattern bool [T, 9] with velocities and offsets somewhere in their classes int [T, 9]."""
    one, other = np.random.default_rng(seed).uniform(size=(2, *pattern.shape))
    return Hits(np.where(pattern, velocity_of(velocity, one), 0).astype(np.uint8),
                np.where(pattern, offset_of(offset, other), 0).astype(np.int8))


def writer(drummer: Drummer, *, styles: Sequence[str], feels: np.ndarray, repertoire: Repertoire,
           candidates: int, sounding: float = 0.0) -> Writer:
    """A Drummer's programs, compiled; styles: the tags that it learned, in their order; the others as of Writer."""
    params = drummer.params
    fill = jax.jit(lambda params, *x: dataclasses.replace(drummer, params=params).chosen(*x))
    play = jax.jit(lambda params, *x: dataclasses.replace(drummer, params=params).play(*x))
    return Writer(fill=functools.partial(fill, params), play=functools.partial(play, params), styles=tuple(styles),
                  feels=np.asarray(feels), repertoire=repertoire, candidates=candidates, sounding=sounding)


def sampler(own: Writer, samples: str = "") -> Sampler:
    """The sampler of drums under a bass. samples: a folder of drum samples (render.kit), "" for those that come along.

    Raises:
        MusicFusionError: the folder cannot be used.
    """
    return Sampler(read=read, words={"style": own.styles},
                   generate=functools.partial(generate, own, kit.read(samples) if samples else kit.shipped()))


# Files to arrays -----------------------------------------------------------------------------------------------------


def read(inputs: Mapping[str, Any], controls: Mapping[str, Any]) -> Piece:
    """A user's bass, or band, in whole bars from its first note on.

    Raises:
        MusicFusionError: it cannot be read, has no notes, or is too long.
    """
    source, bpm = inputs["source"], controls["bpm"]
    piece = _recorded(source, bpm) if sources.is_recorded(source, "source", bpm) else _written(source)
    return with_intro(piece, round(controls["intro"]))


def with_intro(piece: Piece, bars: int) -> Piece:
    """A piece with bars before its first, in which the drums play alone; where it has no room it moves, by bars."""
    quarters, steps = bars * BAR, bars * BAR * STEPS
    later = float(np.ceil(max(quarters - piece.begin, 0.0) / BAR) * BAR)
    score = feel.delayed(piece.score, later) if later else piece.score
    offset = piece.offset - float(score.seconds(later))
    silence = max(round(-offset * RATE), 0) if bars and piece.samples is not None else 0
    samples = piece.samples if piece.samples is None else np.pad(piece.samples, (silence, 0))
    return dataclasses.replace(
        piece, score=score, intro=bars, samples=samples, begin=piece.begin + later - quarters,
        offset=offset + silence / RATE,
        bass=np.concatenate([np.full(steps, tracks.REST), piece.bass]),
        tempo=np.concatenate([np.repeat(piece.tempo[:1], quarters), piece.tempo]))


def _written(source: Any) -> Piece:
    """Notes: the track that is a bass, or the lowest one."""
    aligned, called = sources.read_aligned(source, "source", pitched=True), sources.described(source, "source")
    score = feel.played(aligned.score, dataclasses.replace(aligned.feel, ratio=THIRDS))  # thirds are on the grid
    found = tracks.roles(score)["bass"] or [min(pitched_tracks(score, called), key=lambda x: x.notes[:, 2].mean())]
    bass = max(found, key=lambda track: len(track.notes))
    rows = bar_lines.informative(bar_lines.metres(score))
    first = min(track.notes[0, 0] for track in score.tracks if len(track.notes)) - aligned.phase + EARLY
    begin = bar_lines.line_before(rows, first)
    beats = int(np.ceil(max(score.length - aligned.phase - KEPT, first) - begin))
    beats = -(-beats // BAR) * BAR
    if beats > LONGEST * BAR:
        raise MusicFusionError(f"{called}: longer than {LONGEST} bars; a shorter piece is accepted")
    begin += aligned.phase
    tokens = tracks.encode(grid(bass.notes, begin, STEPS), beats * STEPS).astype(int)
    tempo = 60.0 / np.diff(score.seconds(np.maximum(begin + np.arange(beats + 1.0), 0)))
    said = ["its own drums were left out"] if any(track.is_drum for track in score.tracks) else []
    if not bar_lines.is_common(rows):
        said.append(f"the source is in {bar_lines.named(rows)}: the network knows 4/4, and takes four quarters for a"
                    " bar")
    return Piece(score=score, begin=begin, bass=tokens, tempo=tempo, name=bass.name or "bass", notices=tuple(said),
                 phase=aligned.phase)


def _recorded(source: sources.Sound, bpm: float) -> Piece:
    """A recorded bass: its notes, beats and bars are found in it."""
    samples, score, offset = sources.read_line(source, "source", "bass", bpm)
    beats = -(-len(score.tempos) // BAR) * BAR
    if beats > LONGEST * BAR:
        raise MusicFusionError(f"{sources.described(source, 'source')}: longer than {LONGEST} bars; a shorter piece is"
                               " accepted")
    tempo = np.concatenate([score.tempos[:, 1], np.repeat(score.tempos[-1:, 1], beats - len(score.tempos))])
    notes = grid(score.tracks[0].notes, 0.0, STEPS)
    return Piece(score=score, begin=0.0, bass=tracks.encode(notes, beats * STEPS).astype(int), tempo=tempo,
                 name="bass", notices=(), samples=samples, offset=offset)


# Arrays to music -----------------------------------------------------------------------------------------------------


def generate(own: Writer, played_by: Kit, pieces: Sequence[Piece], controls: Mapping[str, Any], seeds: Sequence[int],
             locked: Sequence[Locked | None]) -> list[SampleResult]:
    """Drums for each piece, and both together.

    Raises:
        MusicFusionError: a lock does not fit.
    """
    made = []
    for k, (piece, seed, lock) in enumerate(zip(pieces, seeds, locked, strict=True)):
        with progress.within(k / len(pieces), (k + 1) / len(pieces)):
            before, kept = _locked(lock, piece)
            known = np.where(kept, np.where(before.velocity > 0, HIT, OFF), UNKNOWN)
            hits = own.song(piece.bass, piece.tempo, style=controls["style"], density=controls["density"], seed=seed,
                            start=piece.intro, known=known)
            hits = Hits(*(np.where(kept, old, new) for old, new in zip(before, hits, strict=True)))
            made.append(result(piece, hits, played_by, seed))
    return made


def _locked(locked: Locked | None, piece: Piece) -> tuple[Hits, np.ndarray]:
    """Hits of an earlier result, and where they are kept: the instruments, in the spans, bool [T, 9].

    The tracks that were given may be locked, too: they stay as they are. Raises MusicFusionError.
    """
    steps = len(piece.bass)
    if locked is None:
        return drums.hits_of(np.zeros((steps, KIT))), np.zeros((steps, KIT), bool)
    before = splice.remembered(locked, Hits)
    splice.require_as_many("quarters", len(before.velocity) / STEPS, steps / STEPS)
    given = [player.track_name(track) for track in piece.score.tracks if not track.is_drum]
    names: dict[str, Sequence[str]] = {**dict.fromkeys(["drums", *INSTRUMENTS], ()), "source": given}
    begin = piece.begin - piece.phase  # bar lines are those of the score
    times = dict.fromkeys(names, np.maximum(begin + splice.played_steps(steps, [EVEN], per_quarter=STEPS), 0))
    length = max(begin + steps / STEPS, bar_lines.line_after(bar_lines.metres(piece.score), piece.score.length))
    chosen = splice.locked_steps(locked, names, times, length)
    return before, np.stack([chosen[name] | chosen["drums"] for name in INSTRUMENTS], 1)


def result(piece: Piece, hits: Hits, played_by: Kit, seed: int) -> SampleResult:
    """Drums under a piece: both together, and the drums alone, as notes and as a recorded kit plays them."""
    track = Track("DRUMS", 0, True, drums.notes(hits, piece.begin))
    given = tuple(own for own in piece.score.tracks if not own.is_drum)
    counts = {name: int(n) for name, n in zip(INSTRUMENTS, np.count_nonzero(hits.velocity, 0), strict=True)}
    draw = functools.partial(drumroll.draw, hits=hits, bass=piece.bass, title=f"{piece.score.name}: drums")
    sounds = _sounds(piece, hits, played_by, seed)
    players = {"song": "With drums"} if piece.samples is None else {
        "mix": "Your bass with drums", "song": "The same as notes"}
    return SampleResult(
        title=f"{piece.score.name}: drums", main=next(iter(players)),
        scores={"song": dataclasses.replace(piece.score, tracks=(*given, track)),
                "drums": dataclasses.replace(piece.score, tracks=(track,), lyrics=())},
        audio=sounds, players=players | {"kit": "The drums, by a recorded kit"},
        lanes={track.name: {keys[0]: name for keys, name in zip(drums.KEYS, INSTRUMENTS, strict=True)}},
        pictures={"hits": Picture(title="The drums over the bass", draw=draw)},
        metadata={"hits": counts, "bars": len(hits.velocity) // STEPS // BAR, "bass": piece.name},
        notices=(*piece.notices, *played_by.notices), memory=hits)


def _sounds(piece: Piece, hits: Hits, played_by: Kit, seed: int) -> dict[str, Audio]:
    """The kit; and, of a recording, both together, as long as it is, and neither so loud that it clips."""
    played = drums.played(hits, piece.begin)
    when = piece.offset + piece.score.seconds(played.quarter)
    rows = np.stack([when, played.instrument, played.velocity], 1)
    if piece.samples is None:
        seconds = float(piece.score.seconds(piece.score.length)) + TAIL
        return {"kit": Audio(kit.play(rows, played_by, seed=seed, seconds=seconds), kit.RATE)}
    length = len(piece.samples)
    inside = (when >= 0) & (when < length / RATE)
    part = kit.play(rows[inside], played_by, seed=seed, rate=RATE, seconds=length / RATE)
    part = np.pad(part, (0, max(length - len(part), 0)))[:length].astype(np.float32)
    both = piece.samples + part
    gain = min(1.0, PEAK / max(float(np.abs(both).max()), 1e-9))
    return {name: Audio(gain * sound) for name, sound in (("mix", both), ("kit", part), ("source", piece.samples))}
