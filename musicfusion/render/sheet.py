"""A listening test as one page that works without a network, and its key, which listeners do not get.

sheet.html, sheet.css and sheet.js, which lie beside this file, become one index.html with all sounds inside. The page
knows no methods: sounds, clips and screens have numbers that were drawn.
"""

import base64
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from musicfusion.codecs import audio as audio_files
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.score import Score, from_notes
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.files import atomic_folder, atomic_write
from musicfusion.core.listening import ListeningTest, Section
from musicfusion.metrics.listening import ANSWERS, KEY, KEY_FILE
from musicfusion.render import audio, loudness

RATE = 22050  # Hz, of scores that are played
# Bytes of a page, as of render.page.EMBED. Mail servers take 20 to 25 MB, and a third of that is lost in transit.
LARGEST = 12 * 2**20
SOUND = LARGEST * 3 // 4 - 2**18  # bytes of sound: in a page it grows by a third; the rest is for everything else
PRACTICE = ((0, 60), (1, 64), (2, 67), (3, 72))  # (quarter, pitch) of the sound by which listeners set their volume


def play(score: Score) -> Audio:
    """A score as a clip."""
    sound = audio.synthesise(score, RATE)
    return Audio(sound.samples, sound.rate)


def write(test: ListeningTest, folder: str | Path, *, seed: int = 0, origin: Mapping[str, Any] | None = None
          ) -> list[Path]:
    """Writes FOLDER/index.html, the page for listeners, and FOLDER/key.json, what every clip is; returns them.

    Args:
        test: what is asked.
        folder: made if it is not there.
        seed: of the numbers that sounds, clips and screens get.
        origin: whose parameters made the clips, for the key.

    Raises:
        MusicFusionError: there is nothing to hear, the sounds do not fit a page, or the folder holds the key of another
            sheet, without which its answers could not be read any more.
    """
    folder = Path(folder).expanduser()
    rng = np.random.default_rng(seed)
    sounds = _Sounds(test, rng)
    page, key = _described(test, sounds, rng)
    key |= {"sheet": _identity(key, sounds), "made": {"seed": seed, **(origin or {})}}
    _keep_other(folder, key["sheet"])
    oggs = audio_files.oggs(sounds.levelled, SOUND)
    if (size := sum(map(len, oggs))) > SOUND:
        raise MusicFusionError(f"evaluate.clips: {len(oggs)} sounds take {size / 1e6:.1f} MB even at the lowest"
                               f" quality; {SOUND / 1e6:.1f} MB fit into a page: ask for fewer clips")
    encoded = {name: base64.b64encode(ogg).decode() for name, ogg in zip(sounds.names, oggs, strict=True)}
    with atomic_folder(folder) as work:
        atomic_write(work / "index.html", _html(test.title, page | {"sheet": key["sheet"], "sounds": encoded}))
        atomic_write(work / KEY_FILE, json.dumps(key, indent=1) + "\n")
    return [folder / "index.html", folder / KEY_FILE]


class _Sounds:
    """All sounds of a test at one loudness, each once: names, drawn, and `levelled`, [n] each."""

    def __init__(self, test: ListeningTest, rng: np.random.Generator):
        heard = [sound for section in test.sections for screen in section.screens for sound in screen.sounds]
        if not heard:
            raise MusicFusionError("evaluate.sheet: there is nothing to hear")
        practised = practice()
        self._index = {_digest(sound): sound for sound in (practised, *heard)}
        self.levelled = loudness.matched(list(self._index.values()))
        self.names = _names("s", len(self._index), rng)
        self.practice = self.name(practised)

    def name(self, sound: Audio) -> str:
        """The name of a sound."""
        return self.names[list(self._index).index(_digest(sound))]


def practice() -> Audio:
    """A broken chord, by which listeners set their volume."""
    notes = np.array([(4 * quarter, 4, pitch) for quarter, pitch in PRACTICE], np.int32)
    track = from_notes("practice", 0, notes, velocity=80)
    return play(Score((track,), np.array([[0.0, 90.0]]), ((0.0, 4, 4),), "practice"))


def _digest(sound: Audio) -> str:
    samples = np.rint(np.clip(np.asarray(sound.samples, np.float32), -1, 1) * 32767).astype("<i2")
    return hashlib.sha256(samples.tobytes() + str(sound.rate).encode()).hexdigest()


def _identity(key: Mapping[str, Any], sounds: _Sounds) -> str:
    """The sheet's id: the same for the same questions about the same sounds."""
    text = json.dumps([key, list(map(_digest, sounds.levelled))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _keep_other(folder: Path, sheet: str) -> None:
    path = folder / KEY_FILE
    if not path.is_file():
        return
    try:
        other = json.loads(path.read_text(encoding="utf-8"))["sheet"]
    except (OSError, ValueError, KeyError, TypeError):
        other = "that cannot be read"
    if other != sheet:
        raise MusicFusionError(f"{folder} holds the key of another sheet, {other}; without it that sheet's answers mean"
                               " nothing: give another folder as evaluate.sheet")


# Page and key --------------------------------------------------------------------------------------------------------


def _described(test: ListeningTest, sounds: _Sounds, rng: np.random.Generator) -> tuple[dict, dict]:
    """What the page knows, and the key."""
    screens = iter(_names("p", sum(len(section.screens) for section in test.sections), rng))
    clips = iter(_names("c", sum(len(screen.clips) for section in test.sections for screen in section.screens), rng))
    background = [dataclasses.asdict(question) for question in test.background]
    found = [_section(section, sounds, screens, clips, rng) for section in test.sections]
    page = {"answers": ANSWERS, "title": test.title, "text": test.text, "minutes": math.ceil(test.minutes),
            "background": background, "practice": sounds.practice, "sections": [shown for shown, _, _ in found]}
    key = {"schema": KEY, "system": test.system, "preset": test.preset, "facts": dict(test.facts),
           "background": background, "sections": [known for _, known, _ in found],
           "clips": {name: about for _, _, own in found for name, about in own.items()}}
    return page, key


def _section(section: Section, sounds: _Sounds, screens: Iterator[str], clips: Iterator[str],
             rng: np.random.Generator) -> tuple[dict, dict, dict]:
    """A section for the page, for the key, and what the key says of its clips.

    Screens and clips stand in the order of their drawn names, which tells nothing. Their condition, a drawn number too,
    says which of them are of one kind, so that the page can balance its order.
    """
    methods = list(dict.fromkeys(clip.method for screen in section.screens for clip in screen.clips))
    of_method = dict(zip(methods, rng.permutation(len(methods)).tolist(), strict=True))
    kinds = list(dict.fromkeys(screen.methods for screen in section.screens))
    of_kind = dict(zip(kinds, rng.permutation(len(kinds)).tolist(), strict=True))
    shown: list[dict] = []
    about: dict[str, dict] = {}
    for screen in section.screens:
        own = {next(clips): clip for clip in screen.clips}
        about |= {name: {"method": clip.method, "item": clip.item, "sound": sounds.name(clip.sound),
                         "facts": dict(clip.facts)} for name, clip in own.items()}
        shown.append({
            "id": next(screens), "form": screen.form, "condition": of_kind[screen.methods],
            "clips": [{"id": name, "sound": sounds.name(clip.sound), "condition": of_method[clip.method]}
                      for name, clip in sorted(own.items())],
            "references": [{"label": one.label, "sound": sounds.name(one.sound)} for one in screen.references]})
    shown.sort(key=lambda screen: screen["id"])
    both = {"name": section.name, "title": section.title, "forms": section.forms,
            "questions": [dataclasses.asdict(question) for question in section.questions]}
    known = {"methods": methods, "screens": [
        {**screen, "clips": [clip["id"] for clip in screen["clips"]]} for screen in shown]}
    return {**both, "text": section.text, "screens": shown}, {**both, **known}, about


def _names(letter: str, count: int, rng: np.random.Generator) -> list[str]:
    """As many different names, in an order that tells nothing."""
    return [f"{letter}{number:03}" for number in rng.permutation(count) + 1]


def _html(title: str, data: Mapping[str, Any]) -> str:
    """The page: template, style, program and data in one file."""
    own = Path(__file__).with_name
    page = own("sheet.html").read_text(encoding="utf-8")
    parts: dict[str, Callable[[], str]] = {
        "/* style */": lambda: own("sheet.css").read_text(encoding="utf-8"),
        "/* program */": lambda: own("sheet.js").read_text(encoding="utf-8"),
        "{/* data */}": lambda: json.dumps(data).replace("<", "\\u003c"),
        "<!-- title -->": lambda: title.replace("&", "&amp;").replace("<", "&lt;")}
    for mark, text in parts.items():
        before, found, after = page.partition(mark)
        assert found, mark
        page = before + text() + after
    return page
