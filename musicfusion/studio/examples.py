"""Music that comes with the studio: old tunes (ABC), chord charts, and what is made of them.

The tunes are in the public domain; their transcriptions and the charts are musicfusion's own.
"""

import dataclasses
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from musicfusion.core.errors import MusicFusionError

FOLDER = Path(__file__).parent / "examples"
LICENCE = ("The tunes that come along are in the public domain; their transcriptions and the chord charts are"
           " musicfusion's own, under its licence (Apache-2.0).")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A first try of a system: files for its inputs, and controls that are not as by default."""

    label: str
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    controls: Mapping[str, Any] = dataclasses.field(default_factory=dict)


ODE, GREEN, FAIR, GRACE = "ode-to-joy.abc", "greensleeves.abc", "scarborough-fair.abc", "amazing-grace.abc"
BLUES, TURN, WALTZ = "twelve-bar-blues.txt", "one-six-four-five.txt", "three-four-chords.txt"
ODE_BAND, BLUES_BAND, BASS = "ode-to-joy-band.mid", "twelve-bar-blues-band.mid", "twelve-bar-blues-bass.wav"

EXAMPLES: Mapping[str, tuple[Example, ...]] = {
    "collagenet": (
        Example(label="Ode to Joy, over I vi IV V", files={"melody": ODE, "accompaniment": TURN}),
        Example(label="Ode to Joy, over a blues", files={"melody": ODE, "accompaniment": BLUES}),
        Example(label="Greensleeves, over I vi IV V", files={"melody": GREEN, "accompaniment": TURN}),
        Example(label="Scarborough Fair, over chords in 3/4", files={"melody": FAIR, "accompaniment": WALTZ}),
    ),
    "connective_fusion": (
        Example(label="Ode to Joy, then Amazing Grace", files={"left": ODE, "right": GRACE}),
        Example(label="Greensleeves, then Scarborough Fair", files={"left": GREEN, "right": FAIR}),
        Example(label="Ode to Joy, then something new", files={"left": ODE}),
    ),
    "fusion_gan": (
        Example(label="Ode to Joy, continued", files={"prompt": ODE}, controls={"n": 4}),
        Example(label="Amazing Grace, continued", files={"prompt": GRACE}, controls={"n": 4}),
        Example(label="New melodies", controls={"n": 4}),
    ),
    "musae": (
        Example(label="From Ode to Joy to a blues", files={"start": ODE_BAND, "end": BLUES_BAND}),
        Example(label="Ode to Joy, played by a band", files={"song": ODE_BAND}),
    ),
    "arrangement": (
        Example(label="A band that plays a blues, as notes", files={"source": BLUES_BAND}),
        Example(label="A recorded bass line over a blues", files={"source": BASS}),
    ),
}


def make(name: str, folder: Path) -> Path:
    """The file of an example, in a folder; it is made there if it is missing.

    Raises:
        MusicFusionError: it cannot be written.
    """
    target = folder / name
    if not target.is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            MADE.get(name, _copied)(target)
        except OSError as error:
            raise MusicFusionError(f"the example {name} cannot be written ({error.strerror})") from None
    return target


def _copied(target: Path) -> None:
    target.write_bytes((FOLDER / target.name).read_bytes())


# Made of others ------------------------------------------------------------------------------------------------------


def _band(tune: str, chart: str) -> Callable[[Path], None]:
    """A band: bass and guitar play the chart, strings the tune, over a plain beat; without a tune the chords' tops."""

    def write(target: Path) -> None:
        import numpy as np

        from musicfusion.codecs import inputs, midi
        from musicfusion.codecs.score import Score, Track

        chords = inputs.read_score(FOLDER / chart, "chart", charts=True)
        notes = chords.tracks[0].notes
        low = notes[:, 2] < GUITAR
        lead = inputs.read_score(FOLDER / tune, "tune").tracks[0].notes if tune else _tops(notes[~low])
        length = int(chords.length)
        times = max(-(-int(lead[-1, 0] + lead[-1, 1]) // length), 1)
        laps = np.concatenate([notes + (lap * length, 0, 0, 0) for lap in range(times)])
        low = np.tile(low, times)
        beat = [(0, KICK), (0, HAT), (0.5, HAT), (1, SNARE), (1, HAT), (1.5, HAT)]
        drums = np.array([(2 * k + at, 0.25, pitch, 90) for k in range(times * length // 2) for at, pitch in beat])
        tracks = (Track("Drums", 0, True, drums), Track("Bass", 33, False, laps[low]),
                  Track("Guitar", 27, False, laps[~low]), Track("Strings", 48, False, lead))
        midi.write(target, Score(tracks, chords.tempos, chords.metres, target.stem))

    return write


def _tops(notes: Any) -> Any:
    """The highest note of each onset, an octave up: [n, 4] -> [m, 4]."""
    import numpy as np

    tops = np.array([max(notes[notes[:, 0] == onset].tolist(), key=lambda row: row[2])
                     for onset in np.unique(notes[:, 0])])
    return tops + (0, 0, 12, 0)


def _bass(chart: str) -> Callable[[Path], None]:
    """A walking bass through a chart's chords, as a recording."""

    def write(target: Path) -> None:
        import numpy as np

        from musicfusion.codecs import inputs
        from musicfusion.codecs.score import Score, Track
        from musicfusion.render import audio

        chords = inputs.read_score(FOLDER / chart, "chart", charts=True)
        starts = [*chords.chords, (chords.length, 0, 0, 0)]
        notes = []
        for (begin, root, _, _), (end, *_) in pairwise(starts):
            for k, at in enumerate(np.arange(begin, end, 0.5)):
                notes.append((at, 0.5, LOWEST + (root - LOWEST) % 12 + WALK[k % len(WALK)], 100 - 20 * (k % 2)))
        score = Score((Track("Bass", 33, False, np.array(notes)),), chords.tempos, chords.metres, target.stem)
        sound = audio.synthesise(score, RATE)
        audio.write_wav(target, sound.samples, sound.rate)

    return write


GUITAR = 48  # the pitch from which on a chart's notes are the guitar's
KICK, SNARE, HAT = 36, 38, 42
LOWEST, RATE = 28, 22050  # E1; Hz
WALK = (0, 0, 7, 7, 10, 10, 7, 7)  # semitones above the root, by eighths
MADE: Mapping[str, Callable[[Path], None]] = {
    ODE_BAND: _band(ODE, TURN),
    BLUES_BAND: _band("", BLUES),
    BASS: _bass(BLUES),
}
