"""A user's files through the latent space: reconstructed, interpolated, moved to another genre; or made up."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from musicfusion import priors
from musicfusion.codecs import midi, tracks
from musicfusion.codecs.beats import phase
from musicfusion.codecs.score import Score, Track, pitched_tracks
from musicfusion.codecs.windows import join, starts
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Made
from musicfusion.data import batches
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.systems.musae import space, styles, windows
from musicfusion.systems.musae.space import Space, petal_of
from musicfusion.systems.musae.windows import BAR

TEMPO = 100.0  # of what is made up
LONGEST = 1000  # bars of a user's song


class Song(NamedTuple):
    """A file's music on the grid: tokens uint8 [T, 4], tempo, quarters a minute, and what it is called."""

    tokens: np.ndarray
    tempo: float
    name: str


def sample(config, results, inputs: dict, controls: dict, folder: Path, seed: int) -> Made:
    """--inputs=song=... | start=...,end=... | none -> song.mid, pictures, sound."""
    given = set(inputs)
    if given not in ({"song"}, {"start", "end"}, set()):
        raise MusicFusionError("--inputs: give song=FILE, or start=FILE,end=FILE, or none to make something up")
    net = space.load(config, results, config.sample.bars or min(config.lengths))
    if given == {"song"}:
        return _song(net, read(inputs["song"], net.lineup), controls, config, folder)
    if given:
        songs = [read(inputs[name], net.lineup) for name in ("start", "end")]
        return _interpolation(net, songs, controls, config, folder)
    return _made_up(net, controls, config, folder, seed)


def read(file, lineup: str) -> Song:
    """A MIDI file in four tracks, whole bars from its first note on. Raises MusicFusionError."""
    score = midi.read(file)
    parts = _voices(score, file) if lineup == "voices" else [*tracks.roles(score).values()]
    everything = [track for part in parts for track in part]
    if not everything:
        raise MusicFusionError(f"{file}: no track for {', '.join(part.name for part in tracks.BAND)}")
    early = phase(score) if any(not track.is_drum for track in score.tracks) else 0.0
    first = min(track.notes[0, 0] for track in everything) - early
    offset = early + np.floor((first + 0.125) / 4) * 4
    bars = max(int(np.ceil((score.length - offset) / 4 - 0.25)), 1)
    if bars > LONGEST:
        raise MusicFusionError(f"{file}: longer than {LONGEST} bars; a shorter piece is accepted")
    return Song(tracks.from_tracks(parts, offset, bars * BAR), float(score.tempos[0, 1]), Path(file).stem)


def _voices(score: Score, file) -> list[list[Track]]:
    """The four tracks with most notes, the highest first."""
    most = sorted(pitched_tracks(score, str(file)), key=lambda track: -len(track.notes))[: tracks.TRACKS]
    found = [[track] for track in sorted(most, key=lambda track: -track.notes[:, 2].mean())]
    return found + [[]] * (tracks.TRACKS - len(found))


def whole(net: Space, tokens: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """A song [T, 4] through z, window by window -> (tokens [T, 4], z [n, 512] before the change).

    Windows overlap by half, so that notes run on over their borders.
    """
    size = net.bars * BAR
    padded = np.concatenate([tokens, np.full((max(size - len(tokens), 0), tracks.TRACKS), tracks.REST, tokens.dtype)])
    begins = starts(len(padded), size, size // 2)
    z = net.encode(tracks.without_carry(np.stack([padded[begin : begin + size] for begin in begins])))
    made = net.decode(change(z))
    pieces = [tracks.notes(window) for window in made]
    joined = [join([piece[k] for piece in pieces], begins, len(padded)) for k in range(tracks.TRACKS)]
    return np.stack([tracks.encode(notes, len(padded)) for notes in joined], 1)[: len(tokens)], z


def _song(net: Space, song: Song, controls: Mapping, config, folder: Path) -> Made:
    """Reconstructed, or moved toward another genre."""
    target = petal_of(net, controls["to"], "to") if controls["to"] else None

    def change(z):
        if target is None:
            return z
        return styles.moved(_known(net), z, _own_petal(net, z), target, controls["amount"])

    made, z = whole(net, song.tokens, change)
    kept = {name: float(np.mean(x)) for name, x in survives(song.tokens[None], made[None]).items()}
    facts = {"genre": net.genres[_own_petal(net, z)] if net.genres else "", "kept": kept}
    title = f"{song.name}: toward {controls['to']}" if controls["to"] else f"{song.name}: through the latent space"
    return _written(net, {"song": ("After", made), "before": ("Before", song.tokens)}, song.tempo, title, facts, config,
                    folder)


def _known(net: Space) -> Mapping:
    """Where the genres lie. MusicFusionError in a run whose stage `styles` was not trained."""
    if net.styles is None:
        raise MusicFusionError(f"the stage styles_{net.bars} was not trained: train it with the same --workdir")
    return net.styles


def _own_petal(net: Space, z: np.ndarray) -> int:
    """The petal that most windows are nearest to."""
    return int(np.argmax(np.bincount(np.asarray(priors.nearest_petal(jnp.asarray(z), net.petals)), minlength=1)))


def survives(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    """What is left of windows [n, T, 4]: onsets that still are ("rhythm"), and with the same pitch ("notes"), [n].

    F1, so that notes that were added count, too.
    """
    here, there = before < tracks.HOLD, after < tracks.HOLD
    whole = np.maximum(here.sum((1, 2)) + there.sum((1, 2)), 1)
    return {"rhythm": 2 * (here & there).sum((1, 2)) / whole,
            "notes": 2 * (here & there & (before == after)).sum((1, 2)) / whole}


def _interpolation(net: Space, songs: list[Song], controls: Mapping, config, folder: Path) -> Made:
    """The first window of either song, and the way between them: equation (19), from start to end."""
    size = net.bars * BAR
    silence = np.full((size, tracks.TRACKS), tracks.REST, np.uint8)
    ends = [np.concatenate([song.tokens, silence])[:size] for song in songs]
    z = net.encode(tracks.without_carry(np.stack(ends)))
    share = np.linspace(0, 1, controls["steps"] + 2)[:, None]
    made = net.decode(((1 - share) * z[0] + share * z[1]).astype(np.float32))
    apart = [float(np.mean(window != made[0])) for window in made]
    title = f"From {songs[0].name} to {songs[1].name}"
    made_up = {"song": ("The way from start to end", made.reshape(-1, tracks.TRACKS))}
    cells = [(f"{share:.2f}", window) for share, window in zip(share[:, 0], made, strict=True)]
    return _written(net, made_up, songs[0].tempo, title, {"apart": apart}, config, folder, cells)


def _made_up(net: Space, controls: Mapping, config, folder: Path, seed: int) -> Made:
    """Draws from where the pieces of a genre lie."""
    if not controls["genre"]:
        known = ", ".join(net.genres) or "none"
        raise MusicFusionError(f"--controls: genre is missing: there are {known}; or give --inputs")
    petal = petal_of(net, controls["genre"], "genre")
    made = net.decode(styles.drawn(_known(net), np.full(controls["n"], petal), controls["spread"], seed))
    cells = [(f"{i + 1}", window) for i, window in enumerate(made)]
    return _written(net, {"song": (f"{controls['n']} windows", made.reshape(-1, tracks.TRACKS))}, TEMPO,
                    f"Made up: {controls['genre']}", {}, config, folder, cells)


def _written(net: Space, songs: Mapping[str, tuple[str, np.ndarray]], tempo: float, title: str, facts: dict, config,
             folder: Path, cells: Sequence[tuple[str, np.ndarray]] = ()) -> Made:
    """The files, and what the page shows of them. cells: (title, tokens) of windows to be drawn side by side."""
    from musicfusion.render import page, pianoroll
    from musicfusion.render.players import players

    scores = {name: (words, tracks.score(tokens, net.lineup, tempo, name)) for name, (words, tokens) in songs.items()}
    for name, (_, score) in scores.items():
        midi.write(folder / f"{name}.mid", score)
    heard, sound = players(folder, scores) if config.sample.audio else ([], {})
    names = [part.name for part in tracks.LINEUPS[net.lineup]]
    drawn = {name: dict(zip(names, tracks.notes(tokens), strict=True)) for name, (_, tokens) in songs.items()}
    sections: list = [*heard]
    if "before" in drawn:
        picture = pianoroll.compare(folder / "song.png", drawn["before"], drawn["song"], title=title)
        sections.append(page.Picture("Notes that changed are marked", picture))
    if cells:
        columns = max(2, min(4, len(cells)))
        pieces = [(words, dict(zip(names, tracks.notes(tokens), strict=True))) for words, tokens in cells]
        grid = [pieces[i : i + columns] for i in range(0, len(pieces), columns)]
        picture = pianoroll.gallery(folder / "windows.png", grid, net.bars * BAR, title)
        sections.append(page.Picture(title, picture))
    note = "each track was made one voice by its lowest notes and quantised to 16ths"
    return Made("song.mid", sections, {**facts, **sound, "genres": net.genres, "note": note})


def examples(config, corpus, folder: Path) -> list[dict[str, str]]:
    """A few pieces of test songs as files that `sample` takes: [{"song"}], eight bars of each."""
    bars = min(config.lengths)
    found = windows.windows(corpus, "test", config.seed, bars)
    _, first = np.unique(found["song"], return_index=True)
    written = []
    for i, k in enumerate(first[batches.fixed(len(first), min(config.sample.examples, len(first)))]):
        begin = int(found["start"][k]) * STEPS_PER_BEAT
        end = min(begin + 8 * BAR, int(corpus.first_beat[found["song"][k] + 1]) * STEPS_PER_BEAT)
        tokens = tracks.without_carry(corpus.arrays["tracks"][begin:end])
        path = folder / f"{i + 1}-song.mid"
        midi.write(path, tracks.score(tokens, corpus.lineup, TEMPO, path.stem))
        written.append({"song": str(path)})
    return written
