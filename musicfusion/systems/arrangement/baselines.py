"""What CycleGAN is set beside, and takes no training: silence, the source, other drums that exist, and rules.

Rules put the mean sound of the target's onsets where they want it. All return mel-spectrograms [T, M], one a song.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from musicfusion.data import marks, splits
from musicfusion.data.corpus import Corpus
from musicfusion.metrics import onsets
from musicfusion.systems.arrangement.dataset import RATE, SPLITS, Song, all_marks, restored
from musicfusion.systems.arrangement.timing import BAR, Timing, divided, positions, timing, tracked

ONSET = 8  # frames of one beat's sound
FEWEST = 8  # onsets of an instrument whose mean sound is taken
KICK, SNARE, OTHER = marks.KICK, marks.SNARE, marks.OTHER
PHRASE, STEPS = 16, 12  # beats that are compared, and steps of each
BLUR = (0.5, 1.0, 0.5)  # onsets that are a step apart are half alike

Kit = Mapping[int, np.ndarray]  # bit of data.marks -> [ONSET, M]


def silence(songs: Sequence[Song]) -> list[np.ndarray]:
    """Nothing: mel-spectrograms [T, M] of -1."""
    return [np.full_like(song.source, -1) for song in songs]


def source_itself(songs: Sequence[Song]) -> list[np.ndarray]:
    """The source, unchanged: [T, M]."""
    return [song.source for song in songs]


def other_target(songs: Sequence[Song], corpus: Corpus, start: np.ndarray, *, seed: int) -> list[np.ndarray]:
    """The target of a training song, from one of its crops on, repeated where it is too short: [T, M].

    start: frames at which training crops of the target begin.
    """
    rng = np.random.default_rng(seed)
    found = []
    for song in songs:
        first = int(rng.choice(start))
        end = int(corpus.first_beat[np.searchsorted(corpus.first_beat, first, "right")])
        frames = first + np.arange(len(song.source)) % max(end - first, 1)
        found.append(restored(corpus.arrays["target"][frames]))
    return found


# Rules ----------------------------------------------------------------------------------------------------------------


def steady_beat(songs: Sequence[Song], kit: Kit) -> list[np.ndarray]:
    """An onset on every beat that is tracked in the source's sound, at a tempo that it holds: [T, M]."""
    return [placed(song, {OTHER: tracked(song.source).beats}, kit) for song in songs]


def eighths(songs: Sequence[Song], kit: Kit) -> list[np.ndarray]:
    """An onset on every eighth, in time (`timing`): [T, M]."""
    return [placed(song, {OTHER: divided(timing(song).beats, 2)}, kit) for song in songs]


def bass_and_eighths(songs: Sequence[Song], kit: Kit) -> list[np.ndarray]:
    """The same, and a kick wherever a note of the source begins: [T, M]."""
    times = [timing(song) for song in songs]
    return [placed(song, {KICK: own.onsets, OTHER: divided(own.beats, 2)}, kit)
            for song, own in zip(songs, times, strict=True)]


def backbeat(songs: Sequence[Song], kit: Kit) -> list[np.ndarray]:
    """Eighths, a kick on beats 1 and 3, a snare on 2 and 4: [T, M]."""
    found = []
    for song in songs:
        _, beats, first = timing(song)
        kick, snare = first % 2, (first + 1) % 2
        found.append(placed(song, {KICK: beats[kick::2], SNARE: beats[snare::2], OTHER: divided(beats, 2)}, kit))
    return found


def placed(song: Song, hits: Mapping[int, np.ndarray], kit: Kit) -> np.ndarray:
    """The sounds of a kit at the seconds that are named for each of them, while the source plays: [T, M]."""
    mels = np.full_like(song.source, -1)
    sounding = np.flatnonzero(song.source.max(1) > -1)
    for kind, seconds in hits.items():
        for frame in np.rint(seconds * RATE).astype(int).tolist():
            if len(sounding) and sounding[0] - 1 <= frame <= sounding[-1] and frame >= 0:
                part = mels[frame : frame + len(kit[kind])]
                np.maximum(part, kit[kind][: len(part)], out=part)
    return mels


def kit(corpus: Corpus, start: np.ndarray, length: int) -> Kit:
    """The mean sounds of the target's onsets, [ONSET, M] each: of kicks, of snares, and of whatever else there is.

    Where a kind of onset is not marked often enough in training crops, it has the mean sound of all.

    Args:
        corpus: the songs.
        start, length: of training crops of the target, in frames.
    """
    found, every = {}, mean_onset(corpus, start, length)
    known = all_marks(corpus)
    inside = np.zeros(corpus.beats, bool)
    for first in start:
        inside[first : first + length - ONSET] = True
    hits = known & marks.TARGET
    alone = np.convolve(hits > 0, np.ones(2 * ONSET - 1), "same") == 1  # nothing else begins nearby
    for kind in (KICK, SNARE, OTHER):
        frames = np.flatnonzero(inside & alone & (hits == kind))
        frames = frames[:: max(len(frames) // 200, 1)]
        sounds = [restored(corpus.arrays["target"][frame : frame + ONSET]) for frame in frames]
        found[kind] = np.mean(sounds, 0) if len(sounds) >= FEWEST else every
    return found


def mean_onset(corpus: Corpus, start: np.ndarray, length: int) -> np.ndarray:
    """The mean of ONSET frames from an onset on, over about a hundred crops of the target: [ONSET, M]."""
    found = []
    for first in start[:: max(len(start) // 100, 1)]:
        mels = restored(corpus.arrays["target"][first : first + length])
        frames = np.rint(onsets.onsets(mels, RATE) * RATE).astype(int)
        found += [mels[frame : frame + ONSET] for frame in frames if frame + ONSET <= len(mels)]
    return np.mean(found, 0) if found else np.full((ONSET, corpus.arrays["target"].shape[1]), -1.0)


# Retrieval ------------------------------------------------------------------------------------------------------------


def nearest_bass(songs: Sequence[Song], corpus: Corpus, *, seed: int) -> list[np.ndarray]:
    """Phrase by phrase the target of the training song whose source has the most similar onsets, at the song's tempo.

    Onsets are compared on STEPS steps a beat. A phrase begins on a bar line, as the one that it is compared with does.
    Silence where no training song has a whole phrase. seed: of the splits.
    """
    known = list(_phrases(corpus, seed))
    found = []
    for song in songs:
        mels, own = np.full_like(song.source, -1), timing(song)
        where = positions(np.arange(len(mels)) / RATE, own.beats) - own.first
        phrase = np.floor(where / PHRASE).astype(int)
        for number in np.unique(phrase) if known else ():
            wanted = _print(own, own.first + PHRASE * int(number))
            other, begin, beats, _ = max(known, key=lambda one: float(wanted @ one[3]))
            frames = np.flatnonzero(phrase == number)
            inside = begin + where[frames] - PHRASE * number
            low, high = corpus.first_beat[other : other + 2]
            theirs = np.rint(np.interp(inside, np.arange(len(beats)), beats) * RATE).astype(int)
            mels[frames] = _plain(corpus.arrays["target"][low + np.clip(theirs, 0, high - low - 1)])
        found.append(mels)
    return found


def _phrases(corpus: Corpus, seed: int) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """The phrases of the training songs, from every bar on: (song, beat, beats in seconds, print)."""
    known = all_marks(corpus)
    for number in splits.select(corpus, np.arange(len(corpus.songs)), "train", seed, SPLITS).tolist():
        span = slice(*corpus.first_beat[number : number + 2])
        source = _plain(corpus.arrays["source"][span])
        own = timing(Song(corpus.songs[number], source, source, known[span], group=""))
        for begin in range(own.first % BAR, len(own.beats) - PHRASE, BAR):
            yield number, begin, own.beats, _print(own, begin)


def _plain(mels: np.ndarray) -> np.ndarray:
    """dataset.restored for many lengths: nothing is compiled."""
    return mels.astype(np.float32) / 127.5 - 1


def _print(own: Timing, begin: int) -> np.ndarray:
    """Where the source's onsets are in the phrase from a beat on, a vector of length 1 or 0: [PHRASE * STEPS]."""
    step = np.rint((positions(own.onsets, own.beats) - begin) * STEPS).astype(int)
    step = step[(step >= 0) & (step < PHRASE * STEPS)]
    found = np.zeros(PHRASE * STEPS)
    found[step] = 1
    found = np.convolve(found, BLUR, "same")
    return found / max(float(np.linalg.norm(found)), 1e-9)
