"""FusionGAN's sampling: melodies of the fusion or of either genre, new ones or continuations of a user's melody."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from musicfusion.codecs import bars, feel, inputs, melody, midi, splice
from musicfusion.codecs.feel import EVEN, Feel
from musicfusion.codecs.score import Score, from_notes, monophonic, pick_melody
from musicfusion.core import progress
from musicfusion.core.contracts import Locked, Tree
from musicfusion.data.corpus import Corpus
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.fusion_gan import dataset
from musicfusion.systems.fusion_gan.dataset import LENGTH, Dataset
from musicfusion.systems.fusion_gan.generator import Generator, player, uniforms

TEMPO, METRE = (0.0, 110.0), (0.0, 4, 4)  # of melodies without a prompt
VIOLIN = 40
GENERATORS = {"fusion": "f", "a": "a", "b": "b"}  # by the control "genre"
TITLES = {"fusion": "Between two genres", "a": "Of the first genre", "b": "Of the second genre"}
CONTEXT = 8  # bars of a prompt that the generator reads, the last ones
BATCH = 8  # melodies in one run of the compiled program


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What is continued; no steps where nothing is.

    Attributes:
        tokens: the melody as it is in the file, uint8 [T].
        symbols: the same in C, int32 [T].
        tonic: its tonic, a pitch class.
        tempo: (quarter, quarters a minute) of its beginning.
        metres: rows (quarter, numerator, denominator) from its beginning.
        feel: how it swings.
    """

    tokens: np.ndarray
    symbols: np.ndarray
    tonic: int = 0
    tempo: tuple[float, float] = TEMPO
    metres: Sequence[tuple] = (METRE,)
    feel: Feel = EVEN

    @property
    def is_common(self) -> bool:
        """Whether it is in 4/4, as all that the generators know."""
        return bars.is_common(self.metres)


@dataclass(frozen=True, kw_only=True)
class Model:
    """The generators of a trained run, and the program that runs any of them.

    Attributes:
        generators: parameters, {"a", "b", "f"}.
        program: see `compiled`.
        length: steps of what is played.
        data: how the generators' training melodies were read.
    """

    generators: Mapping[str, Tree]
    program: Callable[..., jax.Array]
    length: int
    data: Dataset


def read(given: Mapping[str, Any], controls: Mapping[str, Any], *, grid: int) -> Piece:
    """The melody of the input "prompt", if it is given; grid: steps of a bar.

    Raises:
        MusicFusionError: it cannot be read as notes, or has drums only.
    """
    del controls
    if "prompt" not in given:
        return Piece(tokens=np.zeros(0, np.uint8), symbols=np.zeros(0, np.int32))
    song = inputs.read_aligned(given["prompt"], "prompt", pitched=True)
    part = bars.in_bars(pick_melody(song.score).notes, song)
    tokens = melody.tokens_from_notes(monophonic(part.notes), part.steps)
    tokens = melody.finer(tokens) if grid == 32 else tokens
    tonic = dataset.key_of(tokens) % 12
    quarter, tempo = song.score.tempos[0].tolist()
    return Piece(tokens=tokens, symbols=dataset.symbols(dataset.in_c(tokens, tonic)), tonic=tonic,
                 tempo=(quarter, tempo), metres=part.own_metres(part.quarters) or (METRE,),
                 feel=part.feel(part.quarters))


def compiled(generator: Generator, *, length: int) -> Callable[..., jax.Array]:
    """The program (params, prompt [B, P], known [B], seeds [B], numbers [B], ratio [B]) -> symbols int32 [B, length].

    A melody depends on its prompt (the last `known` symbols of its row), the seed, its number and the ratio only.
    """

    @jax.jit
    def run(params, prompt, known, seeds, numbers, ratio):
        keys = jax.vmap(lambda seed, number: jax.random.fold_in(jax.random.key(seed), number))(seeds, numbers)
        return player(generator, params).continuation(prompt, known, uniforms(keys, 0, (length,)), ratio)

    return run


def generate(
    pieces: Sequence[Piece], controls: Mapping[str, Any], seeds: Sequence[int], locked: Sequence[Locked | None], *,
    model: Model
) -> list[SampleResult]:
    """controls["n"] melodies for each piece, all of them in runs of BATCH melodies.

    Each keeps what is locked of the earlier melody of its own number.
    """
    found = []
    for piece, symbols, lock in zip(pieces, _played(pieces, controls, seeds, model), locked, strict=True):
        new = [dataset.from_c(dataset.tokens(one), piece.tonic) for one in symbols]
        continued = np.stack([np.concatenate([piece.tokens, one]) for one in new])
        if lock is not None:
            continued = _spliced(continued, piece, lock, steps_per_quarter=model.data.grid // 4)
        found.append(_result(continued, piece, controls["genre"], model))
    return found


def _spliced(continued: np.ndarray, piece: Piece, locked: Locked, *, steps_per_quarter: int) -> np.ndarray:
    """Melodies' tokens [n, T] with what is locked of earlier ones. Raises MusicFusionError."""
    old = splice.remembered(locked, np.ndarray)
    (count, steps), (count_before, steps_before) = continued.shape, old.shape
    splice.require_as_many("quarters", steps_before / steps_per_quarter, steps / steps_per_quarter)
    splice.require_as_many("melodies", count_before, count)
    times = splice.played_steps(steps, [piece.feel], per_quarter=steps_per_quarter)
    chosen = splice.locked_steps(locked, {"melody": ()}, {"melody": times}, steps / steps_per_quarter)["melody"]
    return np.stack([splice.splice_voice(*both, chosen) for both in zip(continued, old, strict=True)])


def _played(pieces: Sequence[Piece], controls: Mapping[str, Any], seeds: Sequence[int], model: Model) -> np.ndarray:
    """What follows each piece: symbols int32 [pieces, n, length]."""
    steps, count = CONTEXT * model.data.grid, controls["n"]
    params = model.generators[GENERATORS[controls["genre"]]]
    prompts = np.zeros((len(pieces), steps), np.int32)
    known = np.array([min(len(piece.symbols), steps) for piece in pieces], np.int32)
    for prompt, piece, own in zip(prompts, pieces, known, strict=True):
        prompt[steps - own :] = piece.symbols[len(piece.symbols) - own :]
    order = np.arange(-(-len(pieces) * count // BATCH) * BATCH) % (len(pieces) * count)  # the last run is filled up
    played = []
    for first in progress.steps(range(0, len(order), BATCH), "writing melodies"):
        of, numbers = np.divmod(order[first : first + BATCH], count)
        played.append(jax.device_get(model.program(
            params, prompts[of], known[of], np.array(seeds, np.int32)[of], numbers.astype(np.int32),
            np.full(BATCH, controls["ratio"], np.float32))))
    symbols = np.concatenate(played)[: len(pieces) * count]
    return symbols.reshape(len(pieces), count, -1)


def _result(continued: np.ndarray, piece: Piece, genre: str, model: Model) -> SampleResult:
    grid, begun = model.data.grid, len(piece.tokens)
    metres = (METRE,) if piece.is_common else (*piece.metres, (4 * begun / grid, *METRE[1:]))
    scores = {str(k): feel.played(score(tokens, str(k), grid=grid, tempo=piece.tempo, metres=metres), piece.feel)
              for k, tokens in enumerate(continued, start=1)}
    notices = [f"Melodies of one voice, {grid} steps a bar."]
    if model.data.mode != "both":
        notices.append(f"The generators learned from melodies in {model.data.mode} only.")
    if begun:
        notices.append(f"Each begins with the {begun} steps of the prompt's melody.")
    if begun > CONTEXT * grid:
        last = f"{CONTEXT} bars" if piece.is_common else f"{4 * CONTEXT} quarters"
        notices.append(f"The generator reads the last {last} of the prompt.")
    if not piece.is_common:
        notices.append(f"The prompt is in {bars.named(piece.metres)}, what follows in 4/4, which the generators know.")
    return SampleResult(
        title=f"Melodies {TITLES[genre].lower()}", main="1", scores=scores,
        players={name: f"Melody {name}" for name in scores},
        pictures={"melodies": Picture(title=TITLES[genre], draw=functools.partial(
            _draw, melodies=[melody.notes_from_tokens(tokens) for tokens in continued], steps=len(continued[0]),
            grid=grid, title=TITLES[genre]))},
        metadata={"prompt_steps": begun, "length_steps": model.length, "steps_per_bar": grid},
        notices=tuple(notices), memory=continued)


def _draw(path: Path, *, melodies: Sequence[np.ndarray], steps: int, grid: int, title: str) -> Path:
    from musicfusion.render import pianoroll

    columns = max(1, min(4, len(melodies)))
    cells = [(str(k), {"melody": notes}) for k, notes in enumerate(melodies, start=1)]
    return pianoroll.gallery(path, [cells[i : i + columns] for i in range(0, len(cells), columns)], steps, title, grid)


def score(tokens: np.ndarray, name: str, *, grid: int, tempo: tuple[float, float] = TEMPO,
          metres: Sequence[tuple] = (METRE,)) -> Score:
    """A melody's tokens [T] as a score for the violin; grid: steps of a bar of 4/4."""
    track = from_notes("melody", VIOLIN, melody.notes_from_tokens(tokens), grid // 4)
    return Score((track,), np.array([tempo]), tuple(metres), name)


def demo_inputs(corpus: Corpus, folder: Path, *, data: Dataset, count: int) -> list[dict[str, str]]:
    """The beginnings of a few test melodies of either genre, as files in `folder`: [{"prompt": path}]."""
    windows = dataset.evenly(data.windows(corpus, "test"), count)
    written: list[dict[str, str]] = []
    for k in range(count):
        own = windows[dataset.GENRES[k % 2]].symbols
        begun = dataset.tokens(own[k // 2 % len(own)][: LENGTH // data.grid * data.grid])
        path = folder / f"{k + 1}-prompt.mid"
        midi.write(path, score(begun, path.stem, grid=data.grid))
        written.append({"prompt": str(path)})
    return written
