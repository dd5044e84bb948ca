"""The report of translations as text, pictures, and clips to listen to."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from musicfusion.codecs import mel
from musicfusion.metrics import grades, onsets
from musicfusion.render import audio, figures
from musicfusion.render.tables import markdown
from musicfusion.systems.arrangement import songs

REMARK = "Frechet distance and log-density are of features by {}."
OWN = ("Features are those of the ear, which was trained here: Inception's weights, which the paper takes, do not come"
       " along; evaluate.features=MODULE:FUNCTION takes others.")


def text(report: Mapping) -> str:
    """The whole report as Markdown."""
    source, target = report["parts"]
    names = [name for name in report["titles"] if name in report["methods"]]
    ahead = report.get("ahead", {})
    rows = [[report["titles"][name], *_cells(report["methods"][name], ahead.get(name))] for name in names]
    rows.append([f"real {target}", *_cells(report["methods"]["real"])])
    blocks = [
        f"# Arrangement, preset {report['preset']}",
        f"From {source} to {target}: {report['songs']} songs, {report['seconds'] / 60:.0f} minutes"
        f" ({report['data']['split']} split of {report['data']['source']}).",
        markdown(["", f"{target} heard", f"{source} heard", "strokes F", "CycleGAN ahead by", f"with {source} F",
                  "tempo", "dB apart", "pearson", "Frechet", "log-density"], rows),
        f"{target}, {source} heard: % of crops in which an ear hears that part, where the {source} sounds; strokes:"
        " F-measure of onsets (70 ms) with those of the true one, with intervals over songs, and by how much the last"
        " CycleGAN's is higher, song by song; tempo: % of songs with its tempo, an octave allowed."
        f" {REMARK.format(report['features']) if report['features'] else OWN}",
    ]
    if "densities" in report:
        rows = [[row["density"], row["level"]] for row in report["densities"]]
        blocks += [f"## How dense the {target} are", markdown(["density", "level"], rows)]
    if "grades" in report:
        said = report["grades"]
        matrix = [[name, *row] for name, row in zip(said["annotators"], said["agreement"], strict=True)]
        blocks += ["## What listeners said",
                   f"{said['clips']} clips, {100 * said['good']:.0f} % good; foretold from the picture:"
                   f" {100 * said['foretold']:.0f} % (paper 87 %).",
                   markdown(["correlation", *said["annotators"]], matrix)]
    return "\n\n".join(blocks)


def _cells(of: Mapping, ahead: Sequence[float] | None = None) -> list:
    """A method's row; ahead: (mean, low, high)."""
    def percent(key):
        return f"{100 * of[key]:.0f}" if key in of else "-"

    low, high = of["ci"]["strokes"]
    return [percent("target"), percent("source"), f"{of['strokes']:.2f} [{low:.2f}, {high:.2f}]",
            "{:.2f} [{:.2f}, {:.2f}]".format(*ahead) if ahead else "-",
            f"{of['with_source']:.2f}", percent("tempo"), f"{of['apart']:.1f}", f"{of['pearson']:.2f}",
            *(f"{of[key]:.4g}" if key in of else "-" for key in ("frechet", "density"))]


def draw(report: Mapping, tested, made: Mapping, best: str | None, clips, config, folder: Path) -> list[Path]:
    """translations.png, onsets.png; listening/ with a sheet and clips."""
    source, target = report["parts"]
    if best is None:
        return []
    rows = [[(source, _lit(clip.source)), (f"{target}, made", _lit(clip.made)), (f"{target}, real", _lit(clip.target))]
            for clip in clips[:4]]
    found = [figures.images(folder / "translations.png", rows, "Mel pictures: time to the right")] if rows else []
    song, picture = tested[0], made[best][0]
    length = min(len(picture), 4 * config.data.crop)
    x = np.arange(length) * mel.HOP / mel.RATE
    lines = {source: onsets.flux(song.source)[:length], f"{target}, made": onsets.flux(picture)[:length],
             f"{target}, real": onsets.flux(song.target)[:length]}
    found.append(figures.curves(folder / "onsets.png", x, lines, xlabel="seconds", ylabel="flux", title=song.name))
    if clips:
        listening = folder / "listening"
        for clip in clips:
            length = len(clip.made) * mel.HOP
            parts = [songs.sound(x, length, config.seed, config.sample.iterations) for x in (clip.source, clip.made)]
            mix = parts[0] + parts[1]
            audio.write_wav(listening / f"{clip.name}.wav", mix / max(1.0, float(np.abs(mix).max())), mel.RATE)
        grades.sheet(listening / "sheet.csv", [clip.name for clip in clips])
        found.append(listening / "sheet.csv")
    return found


def _lit(picture: np.ndarray) -> np.ndarray:
    return (picture.T + 1) / 2
