"""A user's melody and accompaniment -> one song: windows, latents, actor, decoders, and the windows joined again.

Reading puts both on one grid of 16ths. Generating takes the windows of all pieces through one compiled program, BATCH
at a time.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import bars, chords, inputs, melody, midi, polyphony, windows
from musicfusion.codecs.score import Score, monophonic, pick_accompaniment, pick_melody
from musicfusion.core.contracts import Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import Corpus
from musicfusion.latent import space as latent
from musicfusion.render import page, pianoroll
from musicfusion.render.result import Picture, SampleResult
from musicfusion.systems.collagenet import DECLARATION, dataset
from musicfusion.systems.collagenet.dataset import BEATS, PARTS, PER_BEAT, STEPS
from musicfusion.systems.collagenet.latent_space import Fusion
from musicfusion.systems.collagenet.objective import ASPECTS

BATCH = 64  # windows that are fused at once; the last batch is filled up, so one program serves every length
DEMO_BEATS = 64  # length of the files for a first try
NOTICE = "the melody is one voice, made of its highest notes; both parts are quantised to 16ths"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A melody and an accompaniment on one grid.

    Attributes:
        melody, accompaniment: notes int32 [n, 3].
        chords: estimated, int [beats, 3].
        tempos, metres: as in a Score.
    """

    melody: np.ndarray
    accompaniment: np.ndarray
    chords: np.ndarray
    tempos: list
    metres: list

    @property
    def steps(self) -> int:
        """Length in 16ths."""
        return len(self.chords) * PER_BEAT

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """The notes by part."""
        return {part: getattr(self, part) for part in PARTS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What sampling does beside the controls.

    Attributes:
        hop: beats from one window to the next.
        length: "loop": the shorter piece is repeated to the longer one's length; "cut": the longer one is cut.
        tempo: the part whose tempo and metre the song has.
        noise: how many standard deviations of q(z|x) z lies from its mean; 1 samples from q, 0 takes the mean.

    Raises:
        MusicFusionError: one of them is out of range.
    """

    hop: int
    length: str
    tempo: str
    noise: float

    def __post_init__(self) -> None:
        if not 1 <= self.hop <= BEATS:
            raise MusicFusionError(f"sample.hop = {self.hop} is out of range: accepted are 1 to {BEATS} beats")
        if self.length not in ("loop", "cut"):
            raise MusicFusionError(f"sample.length = {self.length!r} is unknown: use loop or cut")
        if self.tempo not in PARTS:
            raise MusicFusionError(f"sample.tempo = {self.tempo!r} is unknown: use melody or accompaniment")


def sampler(*, fusion: Fusion, params: Mapping[str, Any], settings: Settings) -> Sampler:
    """A Sampler with its compiled program.

    Args:
        fusion: the networks.
        params: trained {"vaes": by part, "actor", "sbar"}.
        settings: see Settings.
    """
    run = functools.partial(program(fusion), jax.device_put(dict(params)), noise=settings.noise)

    def read(sources: Mapping[str, Any], controls: Mapping[str, Any]) -> Pair:
        del controls
        return read_pair(sources["melody"], sources["accompaniment"], length=settings.length, tempo=settings.tempo)

    def generate(pairs: Sequence[Pair], controls: Mapping[str, Any], seeds: Sequence[int]) -> list[SampleResult]:
        asked = np.array([controls[name] for name in ASPECTS], np.float32)
        fused = fuse(pairs, functools.partial(run, controls=asked), seeds=seeds, hop=settings.hop)
        return [result(pair, song) for pair, song in zip(pairs, fused, strict=True)]

    return Sampler(read=read, generate=generate)


# Reading -------------------------------------------------------------------------------------------------------------


def read_pair(lead: inputs.Notes, back: inputs.Notes, *, length: str, tempo: str) -> Pair:
    """A melody and an accompaniment on one grid of 16ths; each begins with the first bar in which it has a note.

    Args:
        lead, back: files or whatever else codecs.inputs reads: of the first its melody is taken, of the second all but
            drums and melody.
        length, tempo: see Settings.

    Raises:
        MusicFusionError: one of them cannot be read, or has drums only.
    """
    sources = {"melody": lead, "accompaniment": back}
    scores = {part: inputs.read_score(source, part, pitched=True) for part, source in sources.items()}
    parts = {"melody": bars.in_bars(pick_melody(scores["melody"]).notes, scores["melody"]),
             "accompaniment": bars.in_bars(pick_accompaniment(scores["accompaniment"]), scores["accompaniment"])}
    steps = (max if length == "loop" else min)(part.steps for part in parts.values())
    beats = max(-(-steps // PER_BEAT), BEATS)
    voice, others = (_fit(part.notes, part.steps, beats * PER_BEAT) for part in parts.values())
    kept = parts[tempo]
    quarters = kept.steps / PER_BEAT
    tempos = bars.cut_out(kept.score.tempos.tolist(), kept.begin + kept.phase, quarters, beats)
    metres = bars.cut_out(kept.score.metres, kept.begin, quarters, beats)
    return Pair(melody=monophonic(voice), accompaniment=others, chords=chords.estimate(others, beats), tempos=tempos,
                metres=metres)


def _fit(notes: np.ndarray, length: int, steps: int) -> np.ndarray:
    """Repeats notes that last `length` steps until so many steps are full, or cuts them."""
    copies = -(-steps // length)
    shift = np.arange(copies)[:, None] * length
    looped = np.tile(notes, (copies, 1))
    looped[:, 0] += np.broadcast_to(shift, (copies, len(notes))).reshape(-1)
    looped = looped[looped[:, 0] < steps]
    looped[:, 1] = np.minimum(looped[:, 1], steps - looped[:, 0])
    return looped


# Generating ----------------------------------------------------------------------------------------------------------


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
    for first in range(0, len(seed), BATCH):
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


# What comes back -----------------------------------------------------------------------------------------------------


def result(pair: Pair, song: Song) -> SampleResult:
    """The fused song beside the pair as it was."""
    names = [[chords.name(row) for row in rows] for rows in (pair.chords, song.chords)]
    before, after = pair.parts, song.parts
    picture = Picture(title="Notes that changed are marked", draw=functools.partial(
        pianoroll.compare, before=before, after=after, title="Before and after the fusion", chords_before=names[0],
        chords_after=names[1]))
    kept = {f"{part}_notes_kept": float(np.mean(pianoroll.changed(before[part], after[part])[0]))
            for part in PARTS if len(before[part])}
    table = page.Table("How far each aspect moved in latent space (rho)", ["aspect", "distance"],
                       [[name, song.rho[name]] for name in ASPECTS])
    return SampleResult(
        title=DECLARATION.title,
        main="fused",
        scores={"fused": _score(pair, after, "fused"), "before": _score(pair, before, "before")},
        players={"fused": "The fused song", "before": "The two pieces as they were, one over the other"},
        pictures={"fused": picture},
        tables=(table,),
        metadata={"rho": dict(song.rho), "windows": song.windows, "left_alone": song.left_alone, **kept,
                  "beats": pair.steps // PER_BEAT},
        notices=(NOTICE,),
    )


def _score(pair: Pair, parts: Mapping[str, np.ndarray], name: str) -> Score:
    """Two named tracks in the tempo and metre of the piece that the pair keeps."""
    return dataset.score(parts, name, tempos=pair.tempos, metres=pair.metres)


# A first try ---------------------------------------------------------------------------------------------------------


def demo_inputs(corpus: Corpus, segments: dataset.Segments, folder: Path, *, count: int) -> list[dict[str, str]]:
    """A few unrelated pairs out of held-out songs, as files: [{"melody", "accompaniment"}].

    The melody of one test song, the accompaniment of the next, 16 bars of each.
    """
    begins, songs = segments.windows(corpus, "test")
    chosen = np.unique(songs)
    firsts = [int(begins[songs == song][0]) // 4 * 4 for song in chosen]
    written = []
    for i in range(min(count, len(chosen) - 1)):
        files = {}
        for part, k in (("melody", i), ("accompaniment", i + 1)):
            end = min(firsts[k] + DEMO_BEATS, int(corpus.first_beat[chosen[k] + 1]))
            name = corpus.songs[chosen[k]].replace("/", "_")
            path = folder / f"{i + 1}-{part}-{name}.mid"
            midi.write(path, dataset.score({part: song_part(corpus, part, firsts[k], end)}, name))
            files[part] = str(path)
        written.append(files)
    return written


def song_part(corpus: Corpus, part: str, begin: int, end: int) -> np.ndarray:
    """Notes of one part of the corpus between two beats."""
    steps = slice(begin * PER_BEAT, end * PER_BEAT)
    if part == "melody":
        return melody.notes_from_tokens(melody.without_carry(corpus.arrays["melody"][steps]))
    return polyphony.notes_from_slots(corpus.arrays["pitch"][steps], corpus.arrays["duration"][steps])
