"""A recording of one part -> the part that it lacks, and both together."""

from pathlib import Path

import numpy as np

from musicfusion.codecs import audio as files
from musicfusion.codecs import mel
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import Made
from musicfusion.data import recordings
from musicfusion.systems.arrangement import crops, evaluation, songs

PEAK = 0.95


def sample(config, results, inputs: dict, controls: dict, folder: Path, seed: int) -> Made:
    """--inputs=source=... -> TARGET.wav, mix.wav, their pictures."""
    from musicfusion.render import audio, page

    if "source" not in inputs:
        raise MusicFusionError("--inputs: source=FILE is needed, a recording")
    source, target = config.data.source, config.data.target
    own = files.read(inputs["source"])
    picture = np.asarray(mel.restored(recordings.pictured(own, config.data.bands)))
    if (picture.mean() + 1) / 2 < crops.SOUNDS / 10:
        raise MusicFusionError(f"{inputs['source']}: hardly a sound in it")
    stage = next((name for name in ("tuned", "cyclegan") if results.has(name)), "cyclegan")
    made = songs.translated(config, results(stage), picture, controls["density"])
    part = songs.sound(made, len(own), seed, config.sample.iterations)
    mix = own + part
    loudest = max(float(np.abs(mix).max()), float(np.abs(part).max()))
    gain = min(1.0, PEAK / loudest) if loudest else 1.0
    players = [page.Audio(title, audio.write_wav(folder / f"{name}.wav", gain * x, mel.RATE)) for name, title, x in (
        ("mix", f"Your {source} with {target}", mix), (target, f"The {target}", part), (source, f"Your {source}", own))]
    picture_file = _drawn(folder / "pictures.png", {f"your {source}": picture, target: made})
    facts = {"seconds": len(own) / mel.RATE, "gain": gain, "stage": stage,
             "note": f"{target} of {len(own) / mel.RATE:.0f} s, {mel.RATE} Hz, one channel"
                     + ("" if gain == 1 else f"; all {-20 * np.log10(gain):.1f} dB softer, so that nothing clips")}
    return Made("mix.wav", [*players, page.Picture("Mel pictures", picture_file)], facts)


def _drawn(path: Path, pictures: dict[str, np.ndarray]) -> Path:
    """Whole songs' pictures, one above the other."""
    from musicfusion.render import figures

    return figures.spectrograms(path, pictures, mel.HOP / mel.RATE)


def examples(config, corpus, folder: Path) -> list[dict[str, str]]:
    """Some seconds of a few test songs' source, turned into sound, as files that `sample` takes: [{"source"}]."""
    from musicfusion.render import audio

    written = []
    for number, song in enumerate(evaluation.test_songs(config, corpus)[: config.sample.examples], start=1):
        length = min(len(song.source), int(config.sample.seconds * evaluation.RATE))
        samples = songs.sound(song.source[:length], length * mel.HOP, config.seed, config.sample.iterations)
        path = audio.write_wav(folder / f"{number}-{config.data.source}.wav", samples, mel.RATE)
        written.append({"source": str(path)})
    return written
