"""A user's two files -> one melody: the last four bars of the left one and the first four of the right one, joined."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicfusion.codecs import bars, melody, midi
from musicfusion.codecs.score import Score, from_notes, monophonic, pick_melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Made
from musicfusion.data.corpus import STEPS_PER_BEAT
from musicfusion.systems.connective_fusion import methods, windows
from musicfusion.systems.connective_fusion.windows import SIDES, STEPS

VIOLIN = 40
TEMPO, METRE = (0.0, 100.0), (0.0, 4, 4)  # of what is made up
OCTAVES = (0, 1, -1, 2, -2, 3, -3, 4, -4)


class Side(NamedTuple):
    """What comes from one file, or from none.

    symbols: int32 [64], what is joined; None where it is to be made up.  octaves: how far it was moved to be in range
    rest: the melody beyond, notes int32 [n, 3], and how many steps it lasts: the left one's begins the song, the right
    one's begins after the joined bars.  tempos, metres: rows (quarter, ...) from the side's own beginning.
    """

    symbols: np.ndarray | None
    octaves: int
    rest: np.ndarray
    steps: int
    tempos: list
    metres: list


class Program(NamedTuple):
    """The compiled networks, with their parameters.

    encode: symbols int [n, 128] -> z [n, 128];  decode: the reverse
    move: z [n, 128], style [n, d_s] -> z';  distance: z', z -> mean squared distance of both sides [n]
    judge: symbols [n, 128] -> reality [n]; None without a trained classifier
    """

    encode: Callable
    decode: Callable
    move: Callable
    distance: Callable
    judge: Callable | None


def sample(config, results, inputs: dict, controls: dict, folder: Path, seed: int) -> Made:
    """--inputs=left=...,right=... -> fused.mid, before.mid, every iteration, the style plane, piano rolls, sound."""
    sides = [read_side(inputs[name], name) if name in inputs else made_up() for name in SIDES]
    style, run = styles(controls["style"], config), program(config, results)
    z = _encoded(sides, run, seed)
    before = np.array(run.decode(z))
    for side, part in zip(sides, np.split(before, 2, 1), strict=True):
        if side.symbols is not None:
            part[:] = side.symbols
    moved = iterate(run, z, style[None], controls["iterations"])
    steps = [before, *(np.asarray(run.decode(m)) for m in moved[1:])]
    rows = [{"iteration": i, "z_distance": float(run.distance(m, z)[0]),
             "reality": float(run.judge(s)[0]) if run.judge else None}
            for i, (m, s) in enumerate(zip(moved, steps, strict=True))]
    plane = _plane(run, z, config, controls["iterations"], seed) if config.sample.grid else []
    return made(sides, [s[0] for s in steps], rows, plane, config, folder)


def read_side(file, side: str) -> Side:
    """The melody of a MIDI file: the four bars at the joint, moved into the model's range by octaves, and the rest."""
    score = midi.read(file)
    midi.require_pitched(score, file)
    part = bars.in_bars(pick_melody(score).notes, score)
    voice, steps, quarters = monophonic(part.notes), part.steps, part.steps / STEPS_PER_BEAT
    tempos = bars.cut_out(part.score.tempos.tolist(), part.begin + part.phase, quarters, quarters)
    metres = bars.cut_out(part.score.metres, part.begin, quarters, quarters) or [METRE]
    begin = steps - STEPS if side == "left" else 0
    if begin < 0:  # rests fill what a short left side lacks
        tempos, metres = ([(at - begin / STEPS_PER_BEAT if at else 0.0, *what) for at, *what in rows]
                          for rows in (tempos, metres))
    tokens = melody.tokens_from_notes(voice - np.array([begin, 0, 0], np.int32), STEPS)
    octaves = _octaves(tokens)
    if side == "left":
        rest = voice[voice[:, 0] < begin]
        rest[:, 1] = np.minimum(rest[:, 1], begin - rest[:, 0])
    else:
        rest = voice[voice[:, 0] >= STEPS] - np.array([STEPS, 0, 0], np.int32)
    symbols = melody.symbols(melody.transpose(tokens, 12 * octaves))
    return Side(symbols, octaves, rest, max(steps - STEPS, 0), tempos, metres)


def made_up() -> Side:
    """A side that nobody gave."""
    return Side(None, 0, np.zeros((0, 3), np.int32), 0, [TEMPO], [METRE])


def _octaves(tokens: np.ndarray) -> int:
    """How many octaves up bring most notes into the model's range; of equally many the fewest."""
    pitch = tokens[tokens < melody.HOLD].astype(int)

    def outside(octaves):
        moved = pitch + 12 * octaves
        return np.sum((moved < melody.LOWEST) | (moved > melody.HIGHEST))

    return min(OCTAVES, key=outside)


def styles(given, config) -> np.ndarray:
    """The control as a vector [d_s]. Raises MusicFusionError where its numbers are neither one nor d_s."""
    size = config.fusion.style
    numbers = np.atleast_1d(np.asarray(given, np.float32))
    if len(numbers) not in (1, size):
        raise MusicFusionError(f"--controls: style has {len(numbers)} numbers: give one, or {size}")
    return np.broadcast_to(numbers, (size,)).copy()


def program(config, results) -> Program:
    """The networks of a run, compiled."""
    networks = methods.Networks(config, results)

    def judge(symbols):
        return 1 / (1 + np.exp(-networks.logits(symbols)))

    return Program(lambda symbols: networks.encode(symbols)[0], networks.decode, networks.move, networks.distance,
                   judge if results.has("reality") else None)


def _encoded(sides: list[Side], run: Program, seed: int) -> np.ndarray:
    """z [1, 128] of a pair: the posterior's mean; of a side that nobody gave, a draw from the prior."""
    silence = np.full(STEPS, melody.SYMBOLS - 1)
    pair = np.concatenate([silence if side.symbols is None else side.symbols for side in sides])
    halves, drawn = np.split(np.array(run.encode(pair[None])), 2, 1), np.random.default_rng(seed)
    return np.concatenate([drawn.normal(size=z.shape).astype(np.float32) if side.symbols is None else z
                           for side, z in zip(sides, halves, strict=True)], 1)


def iterate(run: Program, z: np.ndarray, style: np.ndarray, times: int) -> list:
    """z, G(z), G(G(z)), ...: [n, 128] each."""
    found = [z]
    for _ in range(times):
        found.append(run.move(found[-1], style))
    return found


def _plane(run: Program, z, config, times: int, seed: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """The style plane (figure 2b): rows of cells (style [d_s], symbols [128]) between four of {0, 1}^d_s."""
    count, size = config.sample.grid, config.fusion.style
    corners = _corners(size, seed)
    at = np.linspace(0, 1, count) if count > 1 else np.zeros(1)
    mix = np.stack([np.outer(1 - at, 1 - at), np.outer(1 - at, at), np.outer(at, 1 - at), np.outer(at, at)], -1)
    style = (mix @ corners).reshape(-1, size).astype(np.float32)
    last = iterate(run, np.repeat(z, len(style), 0), style, max(times, 1))[-1]
    made = np.asarray(run.decode(last)).reshape(count, count, -1)
    return [list(zip(*row, strict=True)) for row in zip(style.reshape(count, count, size), made, strict=True)]


def _corners(size: int, seed: int) -> np.ndarray:
    """Four corners of the style's cube [4, d_s]: in two dimensions all of them, in more a draw of opposite ones."""
    rng = np.random.default_rng([seed, 1])
    axes = np.arange(size) % 2 if size <= 2 else rng.permutation(np.arange(size) % 2)
    turn = rng.integers(0, 2, size) if size > 2 else np.zeros(size, int)
    return np.array([[(row, column)[axis] ^ flip for axis, flip in zip(axes, turn, strict=True)]
                     for row in (0, 1) for column in (0, 1)], float)


def song(sides: list[Side], symbols: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Eight bars of symbols [128] between what is left of both songs -> notes int32 [n, 3]; the eight bars by side.

    Each side goes back to the octave that it came from.
    """
    left, right = sides
    tokens = np.concatenate([melody.transpose(melody.from_symbols(part), -12 * side.octaves)
                             for part, side in zip(np.split(symbols, 2), sides, strict=True)])
    joined = melody.notes_from_tokens(tokens)
    whole = np.concatenate([
        left.rest, joined + np.array([left.steps, 0, 0], np.int32),
        right.rest + np.array([left.steps + 2 * STEPS, 0, 0], np.int32)])
    return whole, windows.halves(joined)


def _score(sides: list[Side], notes: np.ndarray) -> Score:
    """One track; the left song's tempo and metre up to the joint, then the right one's."""
    left, right = sides
    joint = (left.steps + STEPS) / STEPS_PER_BEAT

    def rows(of_left, of_right):
        return [row for row in of_left if row[0] < joint] + [(at + joint, *what) for at, *what in of_right]

    tempos, metres = rows(left.tempos, right.tempos), rows(left.metres, right.metres)
    return Score((from_notes("MELODY", VIOLIN, notes, velocity=100),), np.array(tempos), tuple(metres), "fused")


def made(sides, steps, rows, plane, config, folder: Path) -> Made:
    """Writes the files; returns what the page shows. steps: symbols [128] before and after each iteration."""
    from musicfusion.render import page, pianoroll
    from musicfusion.render.players import players

    songs = [song(sides, symbols) for symbols in steps]
    scores = [_score(sides, notes) for notes, _ in songs]
    names = ["before", *(f"iteration_{i}" for i in range(1, len(steps)))]
    for name, score in zip([*names, "fused"], [*scores, scores[-1]], strict=True):
        midi.write(folder / f"{name}.mid", score)
    heard, sound = players(folder, {
        "fused": ("The joined melody", scores[-1]),
        "before": ("The two melodies, one after the other", scores[0])}) if config.sample.audio else ([], {})
    facts = {"joint": sides[0].steps // STEPS_PER_BEAT + STEPS // STEPS_PER_BEAT, "trajectory": rows,
             "z_distance": rows[-1]["z_distance"], "reality": rows[-1]["reality"], **sound,
             "note": "the melodies were made one voice by their highest notes and quantised to 16ths"}
    picture = pianoroll.compare(folder / "fused.png", songs[0][1], songs[-1][1],
                                title="The eight bars around the joint, before and after")
    sections: list = [*heard, page.Picture("Notes that changed are marked", picture)]
    if len(steps) > 2:
        cells = [[(name.replace("_", " "), parts)] for name, (_, parts) in zip(names, songs, strict=True)]
        picture = pianoroll.gallery(folder / "iterations.png", cells, 2 * STEPS, "One iteration after the other")
        sections.append(page.Picture("One iteration after the other", picture))
    sections.append(page.Table("How far each iteration is from the beginning, and how real it seems",
                               ["iteration", "z-distance", "reality"],
                               [[row["iteration"], row["z_distance"], row["reality"]] for row in rows]))
    if plane:
        sections.append(page.Picture("The style plane: a file for each cell lies in grid/",
                                     _write_plane(sides, plane, folder)))
    return Made("fused.mid", sections, facts)


def _write_plane(sides, plane, folder: Path) -> Path:
    """grid/ROW_COLUMN.mid, and all of them in one picture."""
    from musicfusion.render import pianoroll

    (folder / "grid").mkdir()
    cells: list[list[tuple[str, dict]]] = []
    for i, row in enumerate(plane):
        cells.append([])
        for j, (style, symbols) in enumerate(row):
            notes, parts = song(sides, symbols)
            midi.write(folder / "grid" / f"{i + 1}_{j + 1}.mid", _score(sides, notes))
            cells[-1].append((" ".join(f"{number:.2f}" for number in style), parts))
    return pianoroll.gallery(folder / "grid.png", cells, 2 * STEPS, "The style plane")


def examples(config, corpus, folder: Path) -> list[dict[str, str]]:
    """A few pairs of test songs as files that `sample` takes: [{"left", "right"}], eight bars of each."""
    found = windows.windows(corpus, "test", config.seed)
    _, first = np.unique(found["song"], return_index=True)
    count = min(config.sample.examples, len(first) - 1)
    written = []
    for i in range(count):
        files = {}
        for side, k in zip(SIDES, (i, i + 1), strict=True):
            begin = int(found["start"][first[k]]) * STEPS_PER_BEAT
            notes = melody.notes_from_tokens(melody.without_carry(corpus.arrays["melody"][begin : begin + 2 * STEPS]))
            path = folder / f"{i + 1}-{side}.mid"
            track = from_notes("MELODY", VIOLIN, notes)
            midi.write(path, Score((track,), np.array([TEMPO]), (METRE,), path.stem))
            files[side] = str(path)
        written.append(files)
    return written
