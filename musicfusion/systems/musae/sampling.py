"""A user's songs through the latent space: reconstructed, interpolated, moved to another genre; or new music."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicfusion.codecs import bars as bar_lines
from musicfusion.codecs import feel, midi, splice, tracks
from musicfusion.codecs import inputs as sources
from musicfusion.codecs.feel import EVEN, THIRDS, Feel
from musicfusion.codecs.melody import HOLD
from musicfusion.codecs.score import EARLY, Score, Track, pitched_tracks
from musicfusion.codecs.windows import join, starts
from musicfusion.core import progress
from musicfusion.core.contracts import Locked, Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import batches
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus
from musicfusion.render import pianoroll
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.musae import dataset
from musicfusion.systems.musae.dataset import BEATS, GRIDS, UNTAGGED
from musicfusion.systems.musae.flow import PLANE
from musicfusion.systems.musae.latent_space import LatentSpace, kept

TEMPO = 100.0  # quarters a minute, of new music
LONGEST = 1000  # bars of a user's song
TAIL = 1.0  # quarters by which a last note may reach into a bar without making it one of the song's
DEMO_BARS = 8
QUANTISED = "each track was reduced to one voice, its lowest notes, and quantised to {}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Song:
    """A user's music on the grid: tokens uint8 [T, 4], tempo in quarters a minute, and what it is called.

    metres: rows (quarter, numerator, denominator) from its beginning;  feel: how it swings, beside its notes.
    """

    tokens: np.ndarray
    tempo: float
    metres: tuple[tuple, ...]
    feel: Feel
    title: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """What is encoded of one request: windows int [n, T, 4], and the songs that they are of.

    One song is reconstructed or moved; between two, the start and the end, is interpolated; none is new music, without
    windows. begins: the step at which each window begins in its song, int [n].
    """

    songs: tuple[Song, ...]
    windows: np.ndarray
    begins: np.ndarray


def create(space: LatentSpace) -> Sampler:
    """The sampler of a trained autoencoder."""
    words = dict.fromkeys(("genre", "to"), tuple(space.genres))
    return Sampler(read=functools.partial(read, space), generate=functools.partial(generate, space), words=words)


# Files to arrays -----------------------------------------------------------------------------------------------------


def read(space: LatentSpace, inputs: Mapping[str, Any], controls: Mapping[str, Any]) -> Piece:
    """A user's files as windows.

    Raises:
        MusicFusionError: a file cannot be used; a genre is missing, or given twice, or the weights know none.
    """
    angle = controls["angle"] if controls["angle"] >= 0 else ""
    for control, value in {"genre": controls["genre"], "to": controls["to"], "angle": angle}.items():
        if value != "" and not space.genres:
            raise MusicFusionError(f"{control}={value} is unknown: the songs of the training had no genres")
    for control in ("to",) if inputs else ("genre", "to"):
        if controls[control] and angle != "":
            raise MusicFusionError(f"{control}={controls[control]} and angle={angle:g}: only one of them is accepted")
    size = _size(space)
    if not inputs:
        if not controls["genre"] and angle == "":
            raise MusicFusionError(f"genre is missing: there are {', '.join(space.genres) or 'none'}; or give an angle,"
                                   " or inputs")
        return Piece(songs=(), windows=np.zeros((0, size, tracks.TRACKS), np.int32), begins=np.zeros(0, int))
    songs = tuple(read_song(source, name, space.components.instrumentation, space.steps)
                  for name, source in sorted(inputs.items(), reverse=True))  # start before end
    if len(songs) == 1:
        padded = _padded(songs[0].tokens, size)
        begins = starts(len(padded), size, size // 2)  # windows overlap, so that notes run on over their borders
        cut = np.stack([padded[begin : begin + size] for begin in begins])
    else:
        begins = np.zeros(len(songs), int)
        cut = np.stack([_padded(song.tokens, size)[:size] for song in songs])
    return Piece(songs=songs, windows=tracks.without_carry(cut), begins=begins)


def read_song(source: sources.Notes, name: str, instrumentation: str, steps: int = STEPS_PER_BEAT) -> Song:
    """A user's music in four tracks, whole bars from its first note on.

    Args:
        source: as codecs.inputs.read_score takes it; name: of the input.
        instrumentation: one of codecs.tracks.INSTRUMENTATIONS; steps: of a quarter.

    Raises:
        MusicFusionError: it cannot be read, has none of the tracks, or is too long.
    """
    read, called = sources.read_aligned(source, name), sources.described(source, name)
    score, early, swing = read.score, read.phase, read.feel
    if steps % 3 == 0:  # Thirds are on the grid, so triplets stay as they are, and swing of any ratio becomes 2 : 1.
        score, swing = feel.played(score, dataclasses.replace(swing, ratio=THIRDS)), EVEN
    parts = _voices(score, called) if instrumentation == "voices" else [*tracks.roles(score).values()]
    everything = [track for part in parts for track in part]
    if not everything:
        raise MusicFusionError(f"{called}: no track for {', '.join(part.name for part in tracks.BAND)}")
    rows = bar_lines.informative(bar_lines.metres(score))
    first = min(track.notes[0, 0] for track in everything) - early + EARLY
    begin = bar_lines.line_before(rows, first)
    last = max(score.length - early - TAIL, first)
    quarters = bar_lines.line_after(rows, last) - begin
    if quarters > 4 * LONGEST:
        raise MusicFusionError(f"{called}: longer than {LONGEST} bars; a shorter piece is accepted")
    return Song(tokens=tracks.from_tracks(parts, begin + early, round(quarters * steps), steps),
                tempo=60 * score.length / float(score.seconds(score.length)), title=sources.title(source, name),
                feel=swing.cut_out(begin + early, quarters, quarters),
                metres=tuple(bar_lines.cut_out(rows, begin, quarters, quarters)) or (bar_lines.COMMON,))


def _voices(score: Score, called: str) -> list[list[Track]]:
    """The four tracks with most notes, the highest first."""
    most = sorted(pitched_tracks(score, called), key=lambda track: -len(track.notes))[: tracks.TRACKS]
    found = [[track] for track in sorted(most, key=lambda track: -track.notes[:, 2].mean())]
    return found + [[]] * (tracks.TRACKS - len(found))


def _size(space: LatentSpace) -> int:
    """The steps of a window."""
    return space.bars * BEATS * space.steps


def _padded(tokens: np.ndarray, size: int) -> np.ndarray:
    """Tokens [T, 4] with rests behind them, so that there are `size` steps at least."""
    missing = max(size - len(tokens), 0)
    return np.concatenate([tokens, np.full((missing, tracks.TRACKS), tracks.REST, tokens.dtype)])


# Arrays to music -----------------------------------------------------------------------------------------------------


def generate(space: LatentSpace, pieces: Sequence[Piece], controls: Mapping[str, Any],
             seeds: Sequence[int], locked: Sequence[Locked | None]) -> list[SampleResult]:
    """New music for each piece; the windows of all pieces are encoded and decoded together.

    Raises:
        MusicFusionError: the flow is needed, and was not trained; a lock does not fit.
    """
    with progress.within(0, 0.2):
        encoded = _together(space.encode, [piece.windows for piece in pieces])
    with progress.within(0.2, 0.6):
        codes = _codes(space, pieces, encoded, controls, seeds)
    with progress.within(0.6, 0.9):
        decoded = _together(space.decode, codes)
    make = (_new_music, _moved_song, _interpolation)
    with progress.within(0.9, 1):
        made = [make[len(piece.songs)](space, piece, z, windows, controls, lock)
                for piece, z, windows, lock in zip(pieces, encoded, decoded, locked, strict=True)]
    return [dataclasses.replace(result, metadata={**result.metadata, "plane": plane(piece, z, moved)})
            for result, piece, z, moved in zip(made, pieces, encoded, codes, strict=True)]


def plane(piece: Piece, z: np.ndarray, codes: np.ndarray) -> dict[str, list[list[float]]]:
    """Where a piece lies in the flower's plane, the first two dimensions of codes: points [x, y] by name.

    z, codes: of its windows, and of what is decoded, [n, size]. A song is one point, the mean of its windows: "song",
    and after a change "moved". Two songs are "start" and "end", new music one point for each window: "new".
    """
    points = {"new": codes}
    if len(piece.songs) == 1:
        points = {"song": z.mean(0, keepdims=True), "moved": codes.mean(0, keepdims=True)}
    elif piece.songs:
        points = {"start": z[:1], "end": z[1:]}
    return {name: np.asarray(own, float)[:, :2].round(3).tolist() for name, own in points.items()}


def _together(run: Callable[[np.ndarray], np.ndarray], parts: list[np.ndarray]) -> list[np.ndarray]:
    """run(examples of all parts), by part again; a part without examples stays as it is."""
    if not any(map(len, parts)):
        return parts
    return np.split(run(np.concatenate(parts)), np.cumsum([len(part) for part in parts])[:-1])


def _codes(space: LatentSpace, pieces: Sequence[Piece], encoded: Sequence[np.ndarray], controls: Mapping[str, Any],
           seeds: Sequence[int]) -> list[np.ndarray]:
    """What is decoded of each piece: codes [m, size]; encoded: the codes of its windows."""
    kinds = [len(piece.songs) for piece in pieces]
    drawn = [_rest(space, controls, seed) for kind, seed in zip(kinds, seeds, strict=True) if kind == 0]
    songs, pairs = ([z for kind, z in zip(kinds, encoded, strict=True) if kind == number] for number in (1, 2))
    windows = [piece.windows for kind, piece in zip(kinds, pieces, strict=True) if kind == 1]
    made = (iter(_together(functools.partial(_new_codes, space, controls), drawn)),
            iter(_together(functools.partial(_moved_codes, space, controls, windows), songs)),
            iter([_between(z, controls) for z in pairs]))
    return [next(made[kind]) for kind in kinds]


def _rest(space: LatentSpace, controls: Mapping[str, Any], seed: int) -> np.ndarray:
    """What new music is beside its genre: [n, size - 2]."""
    normal = np.random.default_rng(seed).normal(size=(controls["n"], space.size - PLANE))
    return (controls["spread"] * normal).astype(np.float32)


def _new_codes(space: LatentSpace, controls: Mapping[str, Any], rest: np.ndarray) -> np.ndarray:
    """New music of a genre, or of a position between two: codes [n, size]."""
    if space.code is None:
        raise _no_flow(space)
    return space.code(rest, _positions(space, controls, "genre", len(rest)))


def _moved_codes(space: LatentSpace, controls: Mapping[str, Any], windows: Sequence[np.ndarray],
                 z: np.ndarray) -> np.ndarray:
    """The codes of songs [n, size], moved where that is asked for; windows: theirs, song by song."""
    if not controls["amount"] or not _aim(controls, "to"):
        return z
    if space.harmony is None:
        raise _no_flow(space)
    harmony = space.harmony(np.concatenate(windows))
    return space.toward(z, _positions(space, controls, "to", len(z)), controls["amount"], harmony)


def _between(z: np.ndarray, controls: Mapping[str, Any]) -> np.ndarray:
    """The codes from a start to an end, equation (19): [2, size] -> [steps + 2, size]."""
    share = _shares(controls)[:, None]
    return ((1 - share) * z[0] + share * z[1]).astype(np.float32)


def _shares(controls: Mapping[str, Any]) -> np.ndarray:
    """Of the end, along an interpolation: [steps + 2]."""
    return np.linspace(0, 1, controls["steps"] + 2)


def _no_flow(space: LatentSpace) -> MusicFusionError:
    return MusicFusionError(f"the stage flow_{space.bars} was not trained: train it with the same --workdir")


def _aim(controls: Mapping[str, Any], name: str) -> str:
    """The position that `angle` names, or the control `name`, in words; "" for none."""
    return f"{controls['angle']:g} degrees" if controls["angle"] >= 0 else controls[name]


def _positions(space: LatentSpace, controls: Mapping[str, Any], name: str, count: int) -> np.ndarray:
    """The position in the plane that `angle` names, or the control `name`, `count` times: [count, 2]."""
    if controls["angle"] >= 0:
        angle = np.radians(controls["angle"])
        position = np.array([[np.cos(angle), np.sin(angle)]], np.float32)
    else:
        position = space.position(np.array([space.genres.index(controls[name])]))
    return np.repeat(position, count, 0)


def _own_genre(space: LatentSpace, z: np.ndarray) -> str:
    """The genre whose component is nearest to the mean of one song's codes [n, size]; "" if the middle is nearer."""
    nearest = space.nearest(z.mean(0, keepdims=True))[0] if space.genres else UNTAGGED
    return "" if nearest == UNTAGGED else space.genres[nearest]


def _spliced(space: LatentSpace, tokens: np.ndarray, locked: Locked | None, swing: Feel = EVEN) -> np.ndarray:
    """A song's tokens [T, 4] with what is locked of an earlier one. Raises MusicFusionError."""
    if locked is None:
        return tokens
    old, steps = splice.remembered(locked, np.ndarray), len(tokens)
    splice.require_as_many("quarters", len(old) / space.steps, steps / space.steps)
    names = [part.name for part in tracks.INSTRUMENTATIONS[space.components.instrumentation]]
    times = dict.fromkeys(names, splice.played_steps(steps, [swing], per_quarter=space.steps))
    chosen = splice.locked_steps(locked, dict.fromkeys(names, ()), times, steps / space.steps)
    return np.stack([splice.splice_voice(new, before, chosen[name])
                     for name, new, before in zip(names, tokens.T, old.T, strict=True)], 1)


def _moved_song(space: LatentSpace, piece: Piece, z: np.ndarray, windows: np.ndarray,
                controls: Mapping[str, Any], locked: Locked | None) -> SampleResult:
    """A song that was reconstructed, or moved toward another genre; beside what it was."""
    (song,), steps = piece.songs, max(len(piece.songs[0].tokens), _size(space))
    if _aim(controls, "to") and controls["amount"]:
        windows = tracks.in_range(windows, piece.windows, space.pitched)
    by_window = [tracks.notes(window) for window in windows]
    joined = [join([notes[k] for notes in by_window], piece.begins, steps) for k in range(tracks.TRACKS)]
    joined = [_one_voice(notes, track, piece.begins, _size(space))
              for notes, track in zip(joined, _padded(song.tokens, steps).T, strict=True)]
    after = np.stack([tracks.encode(notes, steps) for notes in joined], 1)[: len(song.tokens)]
    if _aim(controls, "to"):
        after = np.where(space.moves(controls["tracks"]), after, song.tokens)
    after = _spliced(space, after, locked, song.feel)
    shares = {name: float(np.mean(x)) for name, x in kept(song.tokens[None], after[None]).items()}
    aim = _aim(controls, "to")
    title = f"{song.title}: toward {aim}" if aim else f"{song.title}: through the latent space"
    draw = functools.partial(pianoroll.compare, before=_rolls(space, song.tokens), after=_rolls(space, after),
                             title=title, steps_per_beat=space.steps)
    return SampleResult(
        title=title, main="song",
        scores={name: dataclasses.replace(feel.played(_score(space, tokens, song.tempo, name), song.feel),
                                          metres=song.metres)
                for name, tokens in (("song", after), ("before", song.tokens))},
        players={"song": "After", "before": "Before"},
        pictures={"song": Picture(title="Notes that changed are marked", draw=draw)},
        metadata={"genre": _own_genre(space, z), "rhythm_kept": shares["rhythm"], "notes_kept": shares["notes"],
                  "genres": space.genres},
        notices=(_quantised(space), *_unknown(space, "song", song)), memory=after)


def _one_voice(notes: np.ndarray, track: np.ndarray, begins: np.ndarray, size: int) -> np.ndarray:
    """Notes int [n, 3] of all windows as one voice: each ends where the next begins, whichever window that is of.

    A window tells nothing of notes that began before it. So a note that ends because its window does goes on as long as
    the song's own note does.

    track: the song's tokens [T]; begins, size: of the windows.
    """
    onset, end = notes[:, 0], notes[:, 0] + notes[:, 1]
    cut = end == begins[np.searchsorted(begins, onset, side="right") - 1] + size
    free = np.append(np.flatnonzero(track != HOLD), len(track))
    end = np.where(cut, free[np.searchsorted(free, end)], end)
    return np.stack([onset, np.minimum(end, np.append(onset[1:], len(track))) - onset, notes[:, 2]], 1)


def _quantised(space: LatentSpace) -> str:
    """What is said of every song."""
    return QUANTISED.format(GRIDS[space.steps])


def _unknown(space: LatentSpace, name: str, song: Song) -> tuple[str, ...]:
    """What is said of metres that the networks do not know."""
    if bar_lines.is_common(song.metres):
        return ()
    return (f"the {name} is in {bar_lines.named(song.metres)}: the networks know 4/4, and take"
            f" {4 * space.bars} quarters at a time",)


def _interpolation(space: LatentSpace, piece: Piece, z: np.ndarray, windows: np.ndarray,
                   controls: Mapping[str, Any], locked: Locked | None) -> SampleResult:
    """The way from the first window of one song to that of another."""
    start, end = piece.songs
    windows = _spliced(space, windows.reshape(-1, tracks.TRACKS), locked).reshape(windows.shape)
    captions = [f"{share:.2f}" for share in _shares(controls)]
    changed = [float(np.mean(window != windows[0])) for window in windows]
    return _windows(space, windows, captions, title=f"From {start.title} to {end.title}",
                    player="The way from start to end", tempo=start.tempo, metadata={"changed_steps": changed},
                    notices=(_quantised(space), f"of either song, the first {space.bars} bars were taken",
                             *_unknown(space, "start", start), *_unknown(space, "end", end)))


def _new_music(space: LatentSpace, piece: Piece, z: np.ndarray, windows: np.ndarray,
               controls: Mapping[str, Any], locked: Locked | None) -> SampleResult:
    """New music of a genre, or of a position between two."""
    windows = _spliced(space, windows.reshape(-1, tracks.TRACKS), locked).reshape(windows.shape)
    return _windows(space, windows, [f"{number}" for number in range(1, len(windows) + 1)],
                    title=f"New: {_aim(controls, 'genre')}", player=f"{len(windows)} windows", tempo=TEMPO)


def _windows(space: LatentSpace, windows: np.ndarray, captions: list[str], *, title: str, player: str, tempo: float,
             metadata: Mapping[str, Any] | None = None, notices: tuple[str, ...] = ()) -> SampleResult:
    """Windows [n, T, 4] one after the other as one score, and side by side in a picture, with a caption for each."""
    columns = max(2, min(4, len(windows)))
    cells = [(caption, _rolls(space, window)) for caption, window in zip(captions, windows, strict=True)]
    rows = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    draw = functools.partial(pianoroll.gallery, cells=rows, steps=_size(space), title=title,
                             steps_per_bar=BEATS * space.steps)
    return SampleResult(
        title=title, main="song",
        scores={"song": _score(space, windows.reshape(-1, tracks.TRACKS), tempo, "song")},
        players={"song": player}, pictures={"windows": Picture(title=title, draw=draw)},
        metadata={**(metadata or {}), "genres": space.genres}, notices=notices,
        memory=windows.reshape(-1, tracks.TRACKS))


def _score(space: LatentSpace, tokens: np.ndarray, tempo: float, name: str) -> Score:
    return tracks.score(tokens, space.components.instrumentation, tempo, name, space.steps)


def _rolls(space: LatentSpace, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Tokens [T, 4] as notes by track, for a picture."""
    names = [part.name for part in tracks.INSTRUMENTATIONS[space.components.instrumentation]]
    return dict(zip(names, tracks.notes(tokens), strict=True))


# Demonstration -------------------------------------------------------------------------------------------------------


def demo_inputs(corpus: Corpus, folder: Path, *, seed: int, bars: int, count: int) -> list[dict[str, str]]:
    """The first bars of at most `count` test songs as MIDI files in `folder`: [{"song": path}].

    bars: of the windows that such a song has at least one of.
    """
    found = dataset.windows(corpus, "test", seed=seed, bars=bars)
    _, first = np.unique(found["song"], return_index=True)
    written = []
    for number, k in enumerate(first[batches.fixed(len(first), min(count, len(first)))], start=1):
        begin = int(found["start"][k]) * corpus.steps
        end = min(begin + DEMO_BARS * BEATS * corpus.steps,
                  int(corpus.first_beat[found["song"][k] + 1]) * corpus.steps)
        tokens = tracks.without_carry(corpus.arrays["tracks"][begin:end])
        path = folder / f"{number}-song.mid"
        midi.write(path, tracks.score(tokens, corpus.instrumentation, TEMPO, path.stem, corpus.steps))
        written.append({"song": str(path)})
    return written
