"""Audio files <-> samples: WAV, FLAC, OGG, MP3, by soundfile; one channel, one rate."""

from pathlib import Path

import numpy as np

from musicfusion.codecs.mel import RATE
from musicfusion.core.errors import MusicFusionError

KINDS = (".wav", ".flac", ".ogg", ".mp3")
LONGEST = 1800.0  # seconds


def read(path: str | Path, rate: int = RATE) -> np.ndarray:
    """A file's samples float32 [n], all channels in one, at `rate`; as loud as they are there.

    Raises MusicFusionError for a file that cannot be read, is empty, or lasts longer than half an hour.
    """
    import soundfile
    import soxr

    try:
        about = soundfile.info(str(path))
        if about.frames > LONGEST * about.samplerate:
            raise MusicFusionError(f"{path}: lasts {about.duration / 60:.0f} minutes; at most 30 can be read")
        samples, own = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise MusicFusionError(f"{path}: cannot be read as audio ({reason}); accepted are {', '.join(KINDS)}") from None
    if not len(samples):
        raise MusicFusionError(f"{path}: holds no sound")
    if not np.isfinite(samples).all():
        raise MusicFusionError(f"{path}: holds samples that are no numbers")
    mono = samples.mean(axis=1)
    return soxr.resample(mono, own, rate).astype(np.float32) if own != rate else mono
