"""Songs fused in latent space, window by window: latents, actor, decoders, and the windows joined again (section 3).

The windows of all pieces go through one compiled program, BATCH at a time.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import bars, chords, melody, polyphony, splice, windows
from musicfusion.codecs.score import Score, Track
from musicfusion.core import progress
from musicfusion.core.contracts import Locked
from musicfusion.latent import space as latent
from musicfusion.render import page, pianoroll
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.collagenet import DECLARATION, dataset, sampling
from musicfusion.systems.collagenet.dataset import BEATS, PARTS, PER_BEAT, STEPS
from musicfusion.systems.collagenet.latent_space import Fusion
from musicfusion.systems.collagenet.objective import ASPECTS
from musicfusion.systems.collagenet.sampling import Pair

BATCH = 64  # windows that are fused at once; the last batch is filled up, so one program serves every length
NOTICE = "the melody is one voice, made of its highest notes; both parts are quantised to 16ths"


def generator(*, fusion: Fusion, params: Mapping[str, Any], hop: int, noise: float) -> Callable:
    """(pairs, controls, seeds, locked) -> SampleResults, with a compiled program.

    Args:
        fusion: the networks.
        params: trained {"vaes": by part, "actor", "sbar"}.
        hop, noise: see sampling.Settings.
    """
    run = functools.partial(program(fusion), jax.device_put(dict(params)), noise=noise)

    def generate(pairs: Sequence[Pair], controls: Mapping[str, Any], seeds: Sequence[int],
                 locked: Sequence[Locked | None]) -> list[SampleResult]:
        asked = np.array([controls[name] for name in ASPECTS], np.float32)
        unused = () if controls["key"] == "either" else ("the control key has no effect on latent fusion",)
        fused = fuse(pairs, functools.partial(run, controls=asked), seeds=seeds, hop=hop)
        return [result(pair, song if lock is None else spliced(pair, song, lock), unused)
                for pair, song, lock in zip(pairs, fused, locked, strict=True)]

    return generate


def program(fusion: Fusion) -> Callable[..., dict[str, Any]]:
    """The compiled way from windows to fused windows: encode, act, decode.

    run(params, windows, seed [B], number [B], noise=, controls= [4]) -> decoded windows and {"rho": by aspect [B]}.
    A window's randomness comes from its piece's seed and its number within the piece.
    """

    @jax.jit
    def run(params, batch, seed, number, *, noise, controls):
        vaes, sbar = params["vaes"], params["sbar"]
        keys = jax.vmap(lambda seed, number: jax.random.fold_in(jax.random.key(seed), number))(seed, number)
        mean, std = fusion.space.encode(vaes, batch)
        z = mean + noise * std * jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)
        moved = fusion.move(vaes, params["actor"], z, jnp.broadcast_to(controls, (len(z), len(controls))))
        return fusion.space.decode(vaes, moved) | {"rho": latent.distances(moved, z, sbar, fusion.space.aspects)}

    return run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Song:
    """A pair, fused.

    Attributes:
        parts: notes int32 [n, 3] of melody and accompaniment.
        chords: int [beats, 3].
        rho: how far each aspect moved, on average over the windows that were fused.
        windows, left_alone: how many there are, and in how many there was nothing to fuse.
    """

    parts: Mapping[str, np.ndarray]
    chords: np.ndarray
    rho: Mapping[str, float]
    windows: int
    left_alone: int


def fuse(pairs: Sequence[Pair], run: Callable[..., dict[str, Any]], *, seeds: Sequence[int], hop: int) -> list[Song]:
    """Pairs fused, window by window.

    A window in which a part begins no note stays as it is: there is nothing to fuse.

    Args:
        pairs: any number of them.
        run: (windows of BATCH examples, seed [BATCH], number [BATCH]) -> fused windows; see `program`.
        seeds: one for each pair.
        hop: beats from one window to the next.
    """
    begins = [windows.starts(pair.steps, STEPS, hop * PER_BEAT) for pair in pairs]
    batches = [cut(pair, begin) for pair, begin in zip(pairs, begins, strict=True)]
    counts = [len(begin) for begin in begins]
    batch = {name: np.concatenate([one[name] for one in batches]) for name in batches[0]}
    seed = np.repeat(np.asarray(seeds, np.int32), counts)
    number = np.concatenate([np.arange(count, dtype=np.int32) for count in counts])
    out = []
    for first in progress.steps(range(0, len(seed), BATCH), "fusing windows"):
        index = np.minimum(np.arange(first, first + BATCH), len(seed) - 1)
        part = {name: x[index] for name, x in batch.items()}
        out.append(jax.device_get(run(part, seed[index], number[index])))
    generated = jax.tree.map(lambda *x: np.split(np.concatenate(x)[: len(seed)], np.cumsum(counts)[:-1]), *out)
    of_pair = jax.tree.transpose(jax.tree.structure(out[0]), jax.tree.structure([0] * len(pairs)), generated)
    return [_joined(*own) for own in zip(pairs, begins, batches, of_pair, strict=True)]


def cut(pair: Pair, begins: np.ndarray) -> dict[str, np.ndarray]:
    """The pair's windows as model input (see dataset.cut), NumPy."""
    tokens = melody.tokens_from_notes(pair.melody, pair.steps)
    pitch, duration = polyphony.slots_from_notes(pair.accompaniment, pair.steps)
    steps = begins[:, None] + np.arange(STEPS)
    beats = begins[:, None] // PER_BEAT + np.arange(BEATS)
    return {
        "melody": melody.without_carry(tokens[steps]).astype(np.int32),
        "pitch": pitch[steps].astype(np.int32),
        "duration": polyphony.cut(duration[steps]).astype(np.int32),
        "chords": pair.chords[beats].astype(np.int32),
    }


def _joined(pair: Pair, begins: np.ndarray, batch: dict[str, np.ndarray], generated: dict[str, Any]) -> Song:
    """The fused windows of one pair as a song. batch: the windows as they were; generated: as they are now."""
    both = np.any(batch["melody"] < melody.HOLD, 1) & np.any(batch["duration"] > 0, (1, 2))
    lead, back = [], []
    rows = pair.chords.copy()
    ends = np.append(begins[1:], pair.steps)
    for i, begin in enumerate(begins):
        before = [_from(pair.melody, begin), _from(pair.accompaniment, begin)]
        if not both[i]:
            lead.append(before[0])
            back.append(before[1])
            continue
        new = dataset.notes(generated, i)
        lead.append(_lengthened(new["melody"], before[0]))
        back.append(_lengthened(new["accompaniment"], before[1]))
        here, there = begin // PER_BEAT, ends[i] // PER_BEAT
        rows[here:there] = generated["chords"][i, : there - here]
    voice = windows.join(lead, begins, pair.steps)
    voice[:-1, 1] = np.minimum(voice[:-1, 1], np.diff(voice[:, 0]))  # the next window's notes end the last one's
    parts = {"melody": voice, "accompaniment": windows.join(back, begins, pair.steps)}
    rho = {name: float(np.mean(generated["rho"][name][both])) if both.any() else 0.0 for name in ASPECTS}
    return Song(parts=parts, chords=rows, rho=rho, windows=len(begins), left_alone=int(np.sum(~both)))


def _from(notes: np.ndarray, begin: int) -> np.ndarray:
    """The notes that begin in the window at step `begin`, at their full length, counted from there."""
    first, last = np.searchsorted(notes[:, 0], (begin, begin + STEPS))
    return notes[first:last] - np.array([begin, 0, 0], np.int32)


def _lengthened(notes: np.ndarray, before: np.ndarray) -> np.ndarray:
    """A window's new notes; one that sounds to its end and was there before, lasts as long as it did."""
    full = {(onset, pitch): duration for onset, duration, pitch in before.tolist()}
    rows = [(onset, full.get((onset, pitch), 0) if onset + duration == STEPS else 0, 0)
            for onset, duration, pitch in notes.tolist()]
    return np.maximum(notes, np.array(rows, np.int32).reshape(-1, 3))


def spliced(pair: Pair, song: Song, locked: Locked) -> Song:
    """A song with what is locked of an earlier one. Raises MusicFusionError."""
    old = splice.remembered(locked, Song)
    splice.require_as_many("quarters", len(old.chords), len(song.chords))
    steps = sampling.locked_steps(pair, locked, {part: _track(song.parts, part) for part in PARTS})
    parts = {part: splice.splice(song.parts[part], old.parts[part], steps[part], voice=part == "melody")
             for part in PARTS}
    beats = steps["accompaniment"][::PER_BEAT, None]
    return dataclasses.replace(song, parts=parts, chords=np.where(beats, old.chords, song.chords))


# What comes back -----------------------------------------------------------------------------------------------------


def result(pair: Pair, song: Song, notices: tuple[str, ...] = ()) -> SampleResult:
    """The fused song beside the pair as it was; notices beside the usual one."""
    names = [[chords.name(row) for row in rows] for rows in (pair.chords, song.chords)]
    before, after = pair.parts, song.parts
    picture = Picture(title="Notes that changed are marked", draw=functools.partial(
        pianoroll.compare, before=before, after=after, title="Before and after the fusion",
        beats_per_bar=bars.quarters(pair.metres), chords_before=names[0], chords_after=names[1]))
    kept = {f"{part}_notes_kept": float(np.mean(pianoroll.changed(before[part], after[part])[0]))
            for part in PARTS if len(before[part])}
    table = page.Table("How far each aspect moved in latent space (rho)", ["aspect", "distance"],
                       [[name, song.rho[name]] for name in ASPECTS])
    return SampleResult(
        title=DECLARATION.title,
        main="fused",
        scores={"fused": _score(pair, after, "fused"), "before": _score(pair, before, "before")},
        chords={"fused": names[1], "before": names[0]},
        players={"fused": "The fused song", "before": "The two pieces as they were, one over the other"},
        pictures={"fused": picture},
        tables=(table,),
        metadata={"rho": dict(song.rho), "windows": song.windows, "left_alone": song.left_alone, **kept,
                  "beats": pair.steps // PER_BEAT},
        notices=(NOTICE, *_across_bars(pair), *pair.notices, *notices),
        memory=song,
    )


def _across_bars(pair: Pair) -> tuple[str, ...]:
    """What is said of a song whose bars are not those of the windows."""
    if bars.is_common(pair.metres):
        return ()
    return (f"the song is in {bars.named(pair.metres)}: {BEATS} quarters are fused at a time, wherever bars begin",)


def _score(pair: Pair, parts: Mapping[str, np.ndarray], name: str) -> Score:
    """Two named tracks in the tempo and metre of the piece that the pair keeps."""
    return sampling.song(pair, {part: _track(parts, part) for part in PARTS}, name)


def _track(parts: Mapping[str, np.ndarray], part: str) -> tuple[Track, ...]:
    """The one track of a part."""
    return dataset.score({part: parts[part]}, part).tracks
