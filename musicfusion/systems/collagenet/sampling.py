"""A user's melody and accompaniment -> one song.

Reading puts both on one grid of 16ths, beside the notes as they were played. How they are fused stands in
sampling_edits.py and sampling_latent.py.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from musicfusion.codecs import bars, chords, feel, inputs, melody, midi, polyphony, splice
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.feel import Feel
from musicfusion.codecs.score import Score, Track, accompaniment_tracks, melody_tracks, monophonic
from musicfusion.core.contracts import Locked, Sampler
from musicfusion.core.errors import MusicFusionError
from musicfusion.data.corpus import Corpus
from musicfusion.systems.collagenet import dataset
from musicfusion.systems.collagenet.dataset import BEATS, PARTS, PER_BEAT

DEMO_BEATS = 64  # length of the files for a first try


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A melody and an accompaniment on one time line.

    Attributes:
        melody, accompaniment: notes on the grid, int32 [n, 3].
        chords: those that the accompaniment's source names, else estimated, int [beats, 3].
        tempos, metres: as in a Score.
        tracks: of each part, as they are played, in quarters, but for swing and triplets, which are straight; drums are
            with the accompaniment's.
        feels: how each part swings.
        notices: what is to be said of how both fit together.
        voice: of a recorded melody the samples float32 [n] at codecs.audio.RATE, from where the song begins; None where
            the song's tempo is not the melody's.
        is_recorded: whether the melody is a recording.
    """

    melody: np.ndarray
    accompaniment: np.ndarray
    chords: np.ndarray
    tempos: list
    metres: list
    tracks: Mapping[str, tuple[Track, ...]]
    feels: Mapping[str, Feel]
    notices: tuple[str, ...] = ()
    voice: np.ndarray | None = None
    is_recorded: bool = False

    @property
    def steps(self) -> int:
        """Length in 16ths, up to a whole beat."""
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


def sampler(*, settings: Settings, generate: Callable) -> Sampler:
    """A Sampler that reads pairs. generate: (pairs, controls, seeds, locked) -> SampleResults."""

    def read(sources: Mapping[str, Any], controls: Mapping[str, Any]) -> Pair:
        return read_pair(sources["melody"], sources["accompaniment"], length=settings.length, tempo=settings.tempo,
                         bpm=controls["bpm"])

    return Sampler(read=read, generate=generate)


# Reading -------------------------------------------------------------------------------------------------------------


def read_pair(lead: inputs.Notes | inputs.Sound, back: inputs.Notes, *, length: str, tempo: str,
              bpm: float = 0.0) -> Pair:
    """A melody and an accompaniment on one grid of 16ths; each begins with the first bar in which it has a note.

    Args:
        lead, back: files or whatever else codecs.inputs reads: of the first its melody is taken, of the second all but
            the melody. Drums are played along, and count for nothing else. The first may be the recording of a voice,
            or of another instrument that plays one note at a time.
        length, tempo: see Settings.
        bpm: of such a recording, in beats a minute; 0 where that is unknown.

    Raises:
        MusicFusionError: one of them cannot be read, or has drums only.
    """
    is_recorded = inputs.is_recorded(lead, "melody", bpm)
    sung = inputs.read_line(cast(inputs.Sound, lead), "melody", "voice", bpm) if is_recorded else None
    read = {"melody": inputs.read_aligned(cast(inputs.Notes, lead), "melody", pitched=True) if sung is None else
            inputs.aligned(sung.score, inputs.described(lead, "melody")),
            "accompaniment": inputs.read_aligned(back, "accompaniment", pitched=True, charts=True)}
    pitched = {"melody": melody_tracks(read["melody"].score),
               "accompaniment": accompaniment_tracks(read["accompaniment"].score)}
    parts = {part: bars.in_bars(np.concatenate([track.notes for track in tracks]), read[part])
             for part, tracks in pitched.items()}
    steps = (max if length == "loop" else min)(part.steps for part in parts.values())
    steps *= -(-BEATS * PER_BEAT // steps)  # of what is shorter than a window, whole repetitions
    beats = -(-steps // PER_BEAT)
    voice, others = (_fit(part.notes, part.steps, steps) for part in parts.values())
    drums = [track for track in read["accompaniment"].score.tracks if track.is_drum]
    played = {part: _played([*pitched[part], *(drums if part == "accompaniment" else [])], parts[part], steps)
              for part in PARTS}
    played["melody"] = _sung(played["melody"], pitched["melody"], parts["melody"], steps)
    metres = {part: own.own_metres(beats) for part, own in parts.items()}
    rows = chords.by_beat(parts["accompaniment"].chords(beats), beats)
    if not rows[:, 2].any():
        rows = chords.estimate(_on_beats(others, bars.lines(metres["accompaniment"], steps)[:-1]), beats)
    return Pair(melody=monophonic(voice), accompaniment=others, tempos=parts[tempo].tempos(beats),
                metres=metres[tempo], tracks=played, chords=rows,
                feels={part: own.feel(beats) for part, own in parts.items()}, notices=_apart(metres, tempo, steps),
                voice=_from_begin(sung, parts["melody"]) if sung is not None and tempo == "melody" else None,
                is_recorded=is_recorded)


def _from_begin(sung: inputs.Recorded, part: bars.Part) -> np.ndarray:
    """The samples of a recording from where the melody's part begins; silence goes before where it begins earlier."""
    first = round((sung.offset + float(sung.score.seconds(part.offset))) * RATE)
    return np.pad(sung.samples, (max(-first, 0), 0))[max(first, 0) :]


def _on_beats(notes: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Notes as chords are estimated from them: a bar that begins within a beat has all of it, and so its own chord.

    lines: the steps at which bars begin.
    """
    ends = notes[:, 0] + notes[:, 1]
    for line in lines[lines % PER_BEAT != 0].tolist():
        beat = line // PER_BEAT * PER_BEAT
        notes, ends = notes.copy(), np.where((beat < ends) & (ends <= line), beat, ends)
        notes[:, 0] = np.where((beat < notes[:, 0]) & (notes[:, 0] <= line), beat, notes[:, 0])
    rows = np.stack([notes[:, 0], ends - notes[:, 0], notes[:, 2]], 1)
    return rows[rows[:, 1] > 0]


def _apart(metres: Mapping[str, list], kept: str, steps: int) -> tuple[str, ...]:
    """What is said where a bar line of the song, which are those of one part, is none of the other; metres: by part."""
    (other,) = set(PARTS) - {kept}
    if set(bars.lines(metres[kept], steps).tolist()) <= set(bars.lines(metres[other], steps).tolist()):
        return ()
    both = ", ".join(f"the {part} {'is ' * (part == PARTS[0])}in {bars.named(metres[part])}" for part in PARTS)
    return (f"{both}: their bar lines do not all fall together, and the song has the {kept}'s",)


def _played(tracks, part: bars.Part, steps: int) -> tuple[Track, ...]:
    """Tracks as they are played in a part, repeated until so many 16ths are full, and cut there."""
    length, end, found = part.quarters, steps / PER_BEAT, []
    for track in tracks:
        notes = track.notes - np.array([part.offset, 0, 0, 0])
        own = on_step(notes)
        notes = notes[(own >= 0) & (own < part.steps)]
        copies = -(-steps // part.steps)
        looped = np.tile(notes, (copies, 1))
        looped[:, 0] = np.maximum(looped[:, 0] + np.repeat(np.arange(copies) * length, len(notes)), 0)
        looped = looped[on_step(looped) < steps]
        looped[:, 1] = np.minimum(looped[:, 1], end - looped[:, 0])
        found.append(dataclasses.replace(track, notes=looped[looped[:, 1] > 0], pedal=(), lyrics=()))
    return tuple(found)


def _sung(tracks: tuple[Track, ...], sources: list[Track], part: bars.Part, steps: int) -> tuple[Track, ...]:
    """Played tracks with their words, repeated and cut as their notes are; words of no track go to the first."""
    length, found = part.quarters, []
    for k, (track, source) in enumerate(zip(tracks, sources, strict=True)):
        words = source.lyrics or (part.source.score.lyrics if k == 0 else ())
        begins = np.array([at for at, _ in words]).reshape(-1, 1) - part.offset
        rows = [(max(at + turn * length, 0.0), text) for turn in range(-(-steps // part.steps))
                for at, step, (_, text) in zip(begins[:, 0].tolist(), on_step(begins).tolist(), words, strict=True)
                if 0 <= step < part.steps and step + turn * part.steps < steps]
        found.append(dataclasses.replace(track, lyrics=tuple(rows)))
    return tuple(found)


def on_step(notes: np.ndarray) -> np.ndarray:
    """The 16th at which each note [n, 4] in quarters begins on the grid: int [n]."""
    return np.floor(notes[:, 0] * PER_BEAT + 0.5).astype(int)


def _fit(notes: np.ndarray, length: int, steps: int) -> np.ndarray:
    """Repeats notes that last `length` steps until so many steps are full, or cuts them."""
    copies = -(-steps // length)
    shift = np.arange(copies)[:, None] * length
    looped = np.tile(notes, (copies, 1))
    looped[:, 0] += np.broadcast_to(shift, (copies, len(notes))).reshape(-1)
    looped = looped[looped[:, 0] < steps]
    looped[:, 1] = np.minimum(looped[:, 1], steps - looped[:, 0])
    return looped


def song(pair: Pair, tracks: Mapping[str, Sequence[Track]], name: str) -> Score:
    """Tracks of both parts as a score, in the tempo and metre that the pair keeps; each part swings as it did."""
    parts = [feel.played(Score(tuple(tracks[part]), np.array(pair.tempos), tuple(pair.metres), name), pair.feels[part])
             for part in PARTS]
    return dataclasses.replace(parts[0], tracks=parts[0].tracks + parts[1].tracks)


def locked_steps(pair: Pair, locked: Locked, tracks: Mapping[str, Sequence[Track]]) -> dict[str, np.ndarray]:
    """The 16ths at which each part is locked, bool [T]; tracks: of each part, in the main score."""
    times = {part: splice.played_steps(pair.steps, [pair.feels[part]]) for part in PARTS}
    names = {part: [track.name for track in tracks[part]] for part in PARTS}
    return splice.locked_steps(locked, names, times, pair.steps / PER_BEAT)


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
