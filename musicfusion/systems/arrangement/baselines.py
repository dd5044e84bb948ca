"""What CycleGAN is set beside, and takes no training: silence, the source, another song's target, a steady beat."""

from collections.abc import Sequence

import numpy as np

from musicfusion.data.corpus import Corpus
from musicfusion.metrics import onsets
from musicfusion.systems.arrangement.dataset import RATE, Song, restored

ONSET = 8  # frames of one beat's sound


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


def steady_beat(songs: Sequence[Song], corpus: Corpus, start: np.ndarray, *, length: int) -> list[np.ndarray]:
    """The target's mean onset on every beat of the source's tempo, from the source's first onset on: [T, M].

    The tempo is one number for the whole song, so the beat drifts where it is a little off. A source without a tempo
    counts as 120 beats a minute. start, length: of training crops of the target, in frames.
    """
    sound = mean_onset(corpus, start, length)
    found = []
    for song in songs:
        mels, times = np.full_like(song.source, -1), onsets.onsets(song.source, RATE)
        tempo = onsets.tempo(song.source, RATE) or 120.0
        for time in onsets.beats(tempo, len(mels) / RATE, times[0] if len(times) else 0.0):
            frame = round(time * RATE)
            mels[frame : frame + ONSET] = sound[: len(mels) - frame]
        found.append(mels)
    return found


def mean_onset(corpus: Corpus, start: np.ndarray, length: int) -> np.ndarray:
    """The mean of ONSET frames from an onset on, over about a hundred crops of the target: [ONSET, M]."""
    found = []
    for first in start[:: max(len(start) // 100, 1)]:
        mels = restored(corpus.arrays["target"][first : first + length])
        frames = np.rint(onsets.onsets(mels, RATE) * RATE).astype(int)
        found += [mels[frame : frame + ONSET] for frame in frames if frame + ONSET <= len(mels)]
    return np.mean(found, 0) if found else np.full((ONSET, corpus.arrays["target"].shape[1]), -1.0)
