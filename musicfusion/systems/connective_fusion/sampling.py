"""A user's two songs -> one melody: the last four bars of the left one and the first four of the right one, joined."""

import functools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from musicfusion.codecs import bars, feel, inputs, melody, midi, splice
from musicfusion.codecs.feel import EVEN, Feel
from musicfusion.codecs.score import Score, from_notes, monophonic, pick_melody
from musicfusion.core import progress
from musicfusion.core.contracts import Locked, Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import STEPS_PER_BEAT, Corpus
from musicfusion.render import page, pianoroll
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.connective_fusion import DECLARATION, dataset, judges
from musicfusion.systems.connective_fusion.dataset import SIDES, STEPS
from musicfusion.systems.connective_fusion.inference import CLASSIFIER, Inference

VIOLIN = 40
TEMPO, METRE = (0.0, 100.0), (0.0, 4, 4)  # of what is made up
OCTAVES = (0, 1, -1, 2, -2, 3, -3, 4, -4)


class Side(NamedTuple):
    """What comes from one song, or from none.

    symbols: int32 [64], the four bars at the joint; None where they are to be made up
    octaves: by how many they were moved up to be in range
    rest: the melody beyond, notes int32 [n, 3]: the left one's comes before the joined bars, the right one's after
    steps: how long the rest lasts
    tempos, metres: rows (quarter, ...) from the side's own beginning, that of a short left one with rests before it
    feel: how it swings, likewise
    notices: what is to be said of it
    """

    symbols: np.ndarray | None
    octaves: int
    rest: np.ndarray
    steps: int
    tempos: list
    metres: list
    feel: Feel = EVEN
    notices: tuple[str, ...] = ()


class Piece(NamedTuple):
    """What is to be joined, and the style [d_s]."""

    left: Side
    right: Side
    style: np.ndarray

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both sides."""
        return self.left, self.right

    @property
    def joint(self) -> float:
        """The quarter at which the right song begins."""
        return (self.left.steps + STEPS) / STEPS_PER_BEAT

    @property
    def feels(self) -> tuple[Feel, Feel]:
        """How both songs swing, from the beginning of the left one."""
        return self.left.feel, self.right.feel.shifted(self.joint)


class Memory(NamedTuple):
    """What a next result needs to keep a part of this one: the joined bars, symbols [128], and both sides."""

    symbols: np.ndarray
    sides: tuple[Side, Side]


def sampler(networks: Inference, *, style: int) -> Sampler:
    """A Sampler (core.contracts) of these networks; style: d_s."""
    return Sampler(read=functools.partial(read, style=style), generate=functools.partial(generate, networks))


# Read -----------------------------------------------------------------------------------------------------------------


def read(given: Mapping[str, Any], controls: Mapping[str, Any], *, style: int) -> Piece:
    """The user's songs and the style as arrays. Raises MusicFusionError."""
    left, right = (read_side(given[name], name) if name in given else no_side() for name in SIDES)
    return Piece(left, right, styles(controls["style"], style))


def read_side(source: inputs.Notes, side: str) -> Side:
    """The melody of a song: the four bars at the joint, moved into the models' range by octaves, and the rest."""
    song = inputs.read_aligned(source, side, pitched=True)
    part = bars.in_bars(pick_melody(song.score).notes, song)
    voice, steps, end = monophonic(part.notes), part.steps, part.quarters
    tempos, metres, swing = part.tempos(end), part.own_metres(end) or [METRE], part.feel(end)
    notices = () if bars.is_common(metres) else (
        f"the {side} melody is in {bars.named(metres)}: the networks know 4/4, and change its"
        f" {'last' if side == SIDES[0] else 'first'} {STEPS // STEPS_PER_BEAT} quarters",)
    begin = steps - STEPS if side == "left" else 0
    if begin < 0:  # rests fill what a short left side lacks
        tempos = [(at - begin / STEPS_PER_BEAT if at else 0.0, *what) for at, *what in tempos]
        metres, swing = _after_rests(metres, -begin), swing.shifted(-begin / STEPS_PER_BEAT)
    tokens = melody.tokens_from_notes(voice - np.array([begin, 0, 0], np.int32), STEPS)
    octaves = _octaves(tokens)
    if side == "left":
        rest = voice[voice[:, 0] < begin]
        rest[:, 1] = np.minimum(rest[:, 1], begin - rest[:, 0])
    else:
        rest = voice[voice[:, 0] >= STEPS] - np.array([STEPS, 0, 0], np.int32)
    symbols = melody.symbols(melody.transpose(tokens, 12 * octaves))
    return Side(symbols, octaves, rest, max(steps - STEPS, 0), tempos, metres, swing, notices)


def _after_rests(metres: list, steps: int) -> list:
    """The metres of a melody with so many 16ths of rest before it: whole bars, before them what is left of one."""
    (_, over, under), *others = metres
    left = steps % Fraction(16 * over, under)
    count = left * under / 16
    short = (int(count), under) if count.denominator == 1 else (left / 16).as_integer_ratio()
    first = [(0.0, *short), (float(left) / STEPS_PER_BEAT, over, under)] if left else [(0.0, over, under)]
    return first + [(at + steps / STEPS_PER_BEAT, *what) for at, *what in others]


def no_side() -> Side:
    """A side that was not given."""
    return Side(None, 0, np.zeros((0, 3), np.int32), 0, [TEMPO], [METRE])


def _octaves(tokens: np.ndarray) -> int:
    """How many octaves up bring most notes into the models' range; of equally many the fewest."""
    pitch = tokens[tokens < melody.HOLD].astype(int)

    def outside(octaves):
        moved = pitch + 12 * octaves
        return np.sum((moved < melody.LOWEST) | (moved > melody.HIGHEST))

    return min(OCTAVES, key=outside)


def styles(given: float | Sequence[float], size: int) -> np.ndarray:
    """The control as a vector [size]. Raises MusicFusionError where its numbers are neither one nor `size`."""
    numbers = np.atleast_1d(np.asarray(given, np.float32))
    if len(numbers) not in (1, size):
        raise MusicFusionError(f"control style has {len(numbers)} numbers: give one, or {size}")
    return np.broadcast_to(numbers, (size,)).copy()


# Generate -------------------------------------------------------------------------------------------------------------


def generate(networks: Inference, pieces: Sequence[Piece], controls: Mapping[str, Any],
             seeds: Sequence[int], locked: Sequence[Locked | None]) -> list[SampleResult]:
    """The joined melodies. controls: "iterations", "grid"; the style is in the piece."""
    made = []
    for k, (piece, seed, lock) in enumerate(zip(pieces, seeds, locked, strict=True)):
        with progress.within(k / len(pieces), (k + 1) / len(pieces)):
            made.append(_generated(networks, piece, controls["iterations"], controls["grid"], seed, lock))
    return made


def _generated(networks: Inference, piece: Piece, iterations: int, grid: int, seed: int,
               locked: Locked | None) -> SampleResult:
    z = _encoded(piece, networks, seed)
    before = np.array(networks.decode(z))
    for side, part in zip(piece.sides, np.split(before, 2, 1), strict=True):
        if side.symbols is not None:
            part[:] = side.symbols
    with progress.within(0, 0.2):
        moved = iterate(networks, z, piece.style[None], iterations)
    with progress.within(0.2, 0.4):
        versions = [before, *(np.asarray(networks.decode(m)) for m in progress.steps(moved[1:], "decoding"))]
    judged = networks.has(CLASSIFIER)
    trajectory = [{"iteration": i, "z_distance": float(networks.distance(m, z)[0]),
                   "reality": float(judges.reality(networks.logits(symbols))[0]) if judged else None}
                  for i, (m, symbols) in enumerate(zip(moved, versions, strict=True))]
    with progress.within(0.4, 1):
        cells = style_plane(networks, z, size=grid, style=len(piece.style), iterations=iterations, seed=seed)
    fused, real = versions[-1][0], trajectory[-1]["reality"]
    if locked is not None:
        fused = spliced(piece, fused, locked)
        real = float(judges.reality(networks.logits(fused[None]))[0]) if judged else None
    return result(piece, [symbols[0] for symbols in versions], fused, real, trajectory, cells)


def spliced(piece: Piece, symbols: np.ndarray, locked: Locked) -> np.ndarray:
    """The joined bars, symbols [128], with what is locked of an earlier result; what is beyond them never changes.

    Raises:
        MusicFusionError: the spans or the result do not fit the piece.
    """
    old = splice.remembered(locked, Memory)
    splice.require_same_inputs(all(
        (before.octaves, before.steps) == (now.octaves, now.steps) and np.array_equal(before.rest, now.rest)
        for before, now in zip(old.sides, piece.sides, strict=True)))
    times = splice.played_steps(2 * STEPS, piece.feels, begin=piece.left.steps)
    length = (piece.left.steps + 2 * STEPS + piece.right.steps) / STEPS_PER_BEAT
    chosen = splice.locked_steps(locked, {"melody": ()}, {"melody": times}, length)["melody"]
    return melody.symbols(splice.splice_voice(melody.from_symbols(symbols), melody.from_symbols(old.symbols), chosen))


def _encoded(piece: Piece, networks: Inference, seed: int) -> np.ndarray:
    """z [1, 2 d_z] of a pair: the posterior's mean; of a side that was not given, a draw from the prior."""
    silence = np.full(STEPS, melody.SYMBOLS - 1)
    pair = np.concatenate([silence if side.symbols is None else side.symbols for side in piece.sides])
    halves, rng = np.split(np.array(networks.encode(pair[None])[0]), 2, 1), np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=z.shape).astype(np.float32) if side.symbols is None else z
                           for side, z in zip(piece.sides, halves, strict=True)], 1)


def iterate(networks: Inference, z: np.ndarray, style: np.ndarray, times: int) -> list[np.ndarray]:
    """z, G(z), G(G(z)), ... (section 2.2.3): [n, 2 d_z] each."""
    found = [z]
    for _ in progress.steps(range(times), "moving through the latent space"):
        found.append(networks.move(found[-1], style))
    return found


def style_plane(networks: Inference, z: np.ndarray, *, size: int, style: int, iterations: int,
                seed: int) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """The paper's figure 2b: `size` rows of cells (style [d_s], symbols [128]) between four corners of {0, 1}^d_s."""
    if not size:
        return []
    plane = plane_styles(size, style, seed)
    vectors = plane.reshape(-1, style)
    last = iterate(networks, np.repeat(z, len(vectors), 0), vectors, max(iterations, 1))[-1]
    symbols = np.asarray(networks.decode(last)).reshape(size, size, -1)
    return [list(zip(*row, strict=True)) for row in zip(plane, symbols, strict=True)]


def plane_styles(size: int, style: int, seed: int) -> np.ndarray:
    """The styles of the plane's cells, bilinear between its corners: `size` rows, float32 [size, size, d_s]."""
    at = np.linspace(0, 1, size) if size > 1 else np.zeros(1)
    mix = np.stack([np.outer(1 - at, 1 - at), np.outer(1 - at, at), np.outer(at, 1 - at), np.outer(at, at)], -1)
    return (mix @ corners(style, seed)).astype(np.float32)


def corners(size: int, seed: int) -> np.ndarray:
    """Four corners of the cube of styles [4, size]: in two dimensions all of them, in more a draw of opposite ones."""
    rng = np.random.default_rng([seed, 1])
    axes = np.arange(size) % 2 if size <= 2 else rng.permutation(np.arange(size) % 2)
    turn = rng.integers(0, 2, size) if size > 2 else np.zeros(size, int)
    return np.array([[(row, column)[axis] ^ flip for axis, flip in zip(axes, turn, strict=True)]
                     for row in (0, 1) for column in (0, 1)], float)


# The result -----------------------------------------------------------------------------------------------------------


def result(piece: Piece, versions: Sequence[np.ndarray], fused: np.ndarray, real: float | None,
           trajectory: Sequence[Mapping[str, Any]], cells: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]]
           ) -> SampleResult:
    """Everything about a joined melody.

    Args:
        versions: symbols [128] before and after each iteration.
        fused: symbols [128] of the result, the last of them unless something was locked.
        real: its reality, if a classifier was trained.
        trajectory: numbers about each version.
        cells: see style_plane.
    """
    songs, (whole, joined) = [song(piece, symbols) for symbols in versions], song(piece, fused)
    names = ["before", *(f"iteration_{i}" for i in range(1, len(versions)))]
    scores = {name: _score(piece, notes) for name, (notes, _) in zip(names, songs, strict=True)}
    scores["fused"] = _score(piece, whole)
    pictures = {"fused": Picture(title="Notes that changed are marked", draw=functools.partial(
        pianoroll.compare, before=songs[0][1], after=joined,
        title="The eight bars around the joint, before and after"))}
    if len(versions) > 2:
        rows = [[(name.replace("_", " "), parts)] for name, (_, parts) in zip(names, songs, strict=True)]
        pictures["iterations"] = _gallery(rows, "One iteration after the other")
    if cells:
        planes = [[(" ".join(f"{number:.2f}" for number in style), song(piece, symbols)) for style, symbols in row]
                  for row in cells]
        for i, row in enumerate(planes, start=1):
            scores |= {f"grid/{i}_{j}": _score(piece, notes) for j, (_, (notes, _)) in enumerate(row, start=1)}
        pictures["grid"] = _gallery([[(name, parts) for name, (_, parts) in row] for row in planes], "The style plane")
    table = page.Table("How far each iteration is from the beginning, and how real it seems",
                       ["iteration", "z-distance", "reality"],
                       [[row["iteration"], row["z_distance"], row["reality"]] for row in trajectory])
    return SampleResult(
        title=DECLARATION.title, main="fused", scores=scores, pictures=pictures, tables=(table,),
        players={"fused": "The joined melody", "before": "The two melodies, one after the other"},
        metadata={"joint": piece.joint, "trajectory": list(trajectory),
                  "z_distance": trajectory[-1]["z_distance"], "reality": real},
        notices=_notices(piece), memory=Memory(fused, piece.sides))


def _gallery(cells: list, title: str) -> Picture:
    return Picture(title=title, draw=functools.partial(pianoroll.gallery, cells=cells, steps=2 * STEPS, title=title))


def _notices(piece: Piece) -> tuple[str, ...]:
    found = []
    if any(side.symbols is not None for side in piece.sides):
        found.append("the melodies were made one voice by their highest notes and quantised to 16ths")
    found += [notice for side in piece.sides for notice in side.notices]
    found += [f"no {name} melody was given: its four bars are drawn from the prior"
              for name, side in zip(SIDES, piece.sides, strict=True) if side.symbols is None]
    return tuple(found)


def song(piece: Piece, symbols: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Eight bars of symbols [128] between what is left of both songs -> notes int32 [n, 3]; the eight bars by side.

    Each side goes back to the octave that it came from.
    """
    left, right = piece.sides
    tokens = np.concatenate([melody.transpose(melody.from_symbols(part), -12 * side.octaves)
                             for part, side in zip(np.split(symbols, 2), piece.sides, strict=True)])
    joined = melody.notes_from_tokens(tokens)
    whole = np.concatenate([
        left.rest, joined + np.array([left.steps, 0, 0], np.int32),
        right.rest + np.array([left.steps + 2 * STEPS, 0, 0], np.int32)])
    return whole, dataset.halves(joined)


def _score(piece: Piece, notes: np.ndarray) -> Score:
    """One track; the left song's tempo, metre and swing up to the joint, then the right one's."""
    left, right = piece.sides
    joint = piece.joint

    def rows(of_left, of_right):
        return [row for row in of_left if row[0] < joint] + [(at + joint, *what) for at, *what in of_right]

    score = melody_score(notes, "fused", tempos=rows(left.tempos, right.tempos),
                         metres=rows(left.metres, right.metres), velocity=100)
    return functools.reduce(feel.played, piece.feels, score)


def melody_score(notes: np.ndarray, name: str, *, tempos: Sequence[tuple] = (TEMPO,),
                 metres: Sequence[tuple] = (METRE,), velocity: int = 80) -> Score:
    """Notes int [n, 3] on the grid of 16ths as a violin's score."""
    track = from_notes("MELODY", VIOLIN, notes, velocity=velocity)
    return Score((track,), np.array(tempos), tuple(metres), name)


def demo_inputs(corpus: Corpus, folder: Path, *, count: int, seed: int) -> list[dict[str, str]]:
    """A few pairs of test songs as files for the sampler: [{"left", "right"}], eight bars of each."""
    found = dataset.windows(corpus, "test", seed)
    _, first = np.unique(found["song"], return_index=True)
    written = []
    for i in range(min(count, len(first) - 1)):
        files = {}
        for side, k in zip(SIDES, (i, i + 1), strict=True):
            begin = int(found["start"][first[k]]) * STEPS_PER_BEAT
            notes = melody.notes_from_tokens(melody.without_carry(corpus.arrays["melody"][begin : begin + 2 * STEPS]))
            path = folder / f"{i + 1}-{side}.mid"
            midi.write(path, melody_score(notes, path.stem))
            files[side] = str(path)
        written.append(files)
    return written
