"""A result as data for its player: what player.js draws and plays.

    {"title": str, "rate": Hz, "versions": [version, ...], "locked": [[quarter, quarter, part or null], ...]}
    version: {"name", "label": str, "seconds": float, "tracks": [track, ...], "chords": [[second, name], ...],
        "bars": [[second, quarter], ...], "stems": [{"part": str, "src": address}, ...]};
        of a recording also "peaks": [0..1, ...] and "picture": address
    track: {"part", "name": str, "colour": "#RRGGBB", "drums": bool, "notes": [[second, seconds, pitch, mark], ...],
        "lanes": [[pitch, name], ...]}

Lanes are the rows of a track of drums that have names, the upper ones first. A mark is "kept", "new" or "gone". The
last bar line is the end of the last bar; the first lies before quarter 0 where the piece begins with a pickup. The
stems of a version add up to its sound.
"""

import io
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from musicfusion.codecs import audio as audio_files
from musicfusion.codecs import bars, chords
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.general_midi import PROGRAMS
from musicfusion.codecs.score import STEPS_PER_QUARTER, Score, Track
from musicfusion.core import progress
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import audio, page
from musicfusion.render.figures import PALETTE

if TYPE_CHECKING:
    from musicfusion.render.result import SampleResult

RATE = 22050  # Hz, of scores that are played
BEFORE = "before"  # the score that the main one was made of, where there is one
SHIFTS = sorted(range(-12, 13), key=abs)  # semitones by which a track may have been transposed as a whole
PARTS = 4  # stems of a version at most
OTHERS = "others"  # the part of all tracks that have no stem of their own
STEM = 1400  # bytes that a second of a stem takes at the lowest quality, if it is a quiet one
PEAKS = 2000  # of a recording
BANDS, COLUMNS = 64, 1600  # of its spectrogram
KINDS = {".ogg": "audio/ogg", ".jpg": "image/jpeg"}

Sounds = Mapping[str, Mapping[str, Audio]]  # version -> part -> its sound
Address = Callable[[str, bytes], str]  # (name of a file, its bytes) -> where the player finds it


# What changed --------------------------------------------------------------------------------------------------------


def compared(score: Score, before: Score) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Which notes are new in a score, and which notes of another version are gone: bool [n] for each track of either.

    A note is kept if one of its pitch begins on the same 16th in a track of that name. A track that was transposed as a
    whole is compared in its new key.
    """
    new, gone = [], [np.ones(len(track.notes), bool) for track in before.tracks]
    for track in score.tracks:
        own = _onsets(track, 0)
        same = [k for k, other in enumerate(before.tracks) if other.name == track.name]
        kept = {shift: np.isin(own, np.concatenate([_onsets(before.tracks[k], shift) for k in same]))
                for shift in SHIFTS if same}
        shift = max(kept, key=lambda shift: np.sum(kept[shift]), default=0)
        new.append(~kept[shift] if same else np.ones(len(own), bool))
        for k in same:
            gone[k] &= ~np.isin(_onsets(before.tracks[k], shift), own)
    return new, gone


def changes(score: Score, before: Score) -> dict[str, dict[str, int]]:
    """How many notes of each track are kept, new and gone: {name of the track: {"kept", "new", "gone": count}}."""
    found: dict[str, dict[str, int]] = {}
    new, gone = compared(score, before)
    for tracks, masks, mark in ((score.tracks, new, "new"), (before.tracks, gone, "gone")):
        for track, mask in zip(tracks, masks, strict=True):
            counts = found.setdefault(track_name(track), {"kept": 0, "new": 0, "gone": 0})
            counts[mark] += int(np.sum(mask))
            counts["kept"] += int(np.sum(~mask)) if mark == "new" else 0
    return found


def track_name(track: Track) -> str:
    """What a track is called, by its instrument where it has no name."""
    return track.name.strip() or ("drums" if track.is_drum else PROGRAMS[track.program])


def _onsets(track: Track, shift: int) -> np.ndarray:
    """One number for the 16th and the pitch of each note, int [n]; shift: semitones up."""
    steps = np.floor(track.notes[:, 0] * STEPS_PER_QUARTER + 0.5).astype(int)
    return steps * 512 + track.notes[:, 2].astype(int) + shift


# Sound ---------------------------------------------------------------------------------------------------------------


def sounds(result: "SampleResult", play: bool = True) -> tuple[dict[str, dict[str, Audio]], list[str]]:
    """What is listened to, version -> part -> sound: the parts of a version add up to it. And what is to be said of it.

    Scores are played, all or none of them, unless `play` is False; a recording is one part.
    """
    found = {name: {name: result.audio[name]} for name in result.players if name in result.audio}
    notices: dict[str, None] = {}
    part_of = _parts(result, PARTS)
    try:
        for number, name in enumerate(result.players):
            if play and (score := result.scores.get(name)):
                groups: dict[str, list[Track]] = {} if score.tracks else {OTHERS: []}
                for track in score.tracks:
                    groups.setdefault(part_of[track_name(track)], []).append(track)
                with progress.within(number / len(result.players), (number + 1) / len(result.players)):
                    played = audio.synthesise_parts(score, groups, RATE)
                found[name] = {part: Audio(sound.samples, sound.rate) for part, sound in played.items()}
                notices |= dict.fromkeys(sound.notice for sound in played.values() if sound.notice)
    except MusicFusionError as error:  # the notes are there
        return {name: own for name, own in found.items() if name not in result.scores}, [f"no sound: {error}"]
    return found, list(notices)


def mix(parts: Mapping[str, Audio]) -> Audio:
    """The sound of a version."""
    first = next(iter(parts.values()))
    return Audio(audio.mixed([part.samples for part in parts.values()]), first.rate)


def _parts(result: "SampleResult", most: int) -> dict[str, str]:
    """The part of each track, by its name; all tracks after the first ones are one part."""
    names = list(dict.fromkeys(track_name(track) for name in result.players if name in result.scores
                               for track in result.scores[name].tracks))
    own = names if len(names) <= most else names[: most - 1]
    return {name: name if name in own else OTHERS for name in names}


# Data ----------------------------------------------------------------------------------------------------------------


def embedded(name: str, content: bytes) -> str:
    """A file as an address that holds it: a data URI."""
    return page.data_uri(KINDS[PurePath(name).suffix], content)


def data(result: "SampleResult", played: Sounds, address: Address = embedded, *, most: int) -> dict[str, Any]:
    """What the player of a result shows and plays, fit for JSON: the versions of result.players that are there.

    Args:
        result: scores or recordings.
        played: its sounds (see `sounds`); {} for a player that only shows.
        address: writes a sound (NAME.ogg) or a picture (NAME.jpg), or embeds it, and gives its address. Names are
            numbers: nothing in them comes from files.
        most: bytes of all sounds. Where that is too little for a stem of every part, several parts share one.
    """
    names = [name for name in result.players if name in result.scores or name in played]
    pictures = {name: _spectrogram(mix(played[name])) for name in names if name not in result.scores}
    part_of, stems = _stems(result, played, most - sum(map(len, pictures.values())))
    of_version: dict[str, list[dict[str, str]]] = {name: [] for name in names}
    for number, (name, part, ogg) in enumerate(stems, start=1):
        of_version[name].append({"part": part, "src": address(f"{number}.ogg", ogg)})
    marks = _marks(result)
    colours = {name: PALETTE[k % len(PALETTE)] for k, name in enumerate(part_of)}
    versions = []
    for number, name in enumerate(names, start=1):
        sound = mix(played[name]) if name in played else None
        shown: dict[str, Any] = {"name": name, "label": result.players[name], "stems": of_version[name],
                                 "seconds": sound.seconds if sound else 0.0, "tracks": [], "chords": [], "bars": []}
        if score := result.scores.get(name):
            shown["seconds"] = max(shown["seconds"], float(score.seconds(score.length)))
            shown["tracks"] = [
                {"part": part_of[track_name(track)], "name": track_name(track), "colour": colours[track_name(track)],
                 "drums": track.is_drum, "notes": _notes(score, track, mark), "lanes": _lanes(result, track)}
                for track, mark in zip(score.tracks, marks[name], strict=True)]
            shown["chords"] = _chords(result, name, score)
            shown["bars"] = _bars(score)
        elif sound:
            shown["peaks"] = _peaks(sound)
            shown["picture"] = address(f"{number}.jpg", pictures[name])
        versions.append(shown)
    rates = [part.rate for parts in played.values() for part in parts.values()]
    return {"title": result.title, "rate": max(rates, default=RATE), "versions": versions, "locked": []}


def _stems(result: "SampleResult", played: Sounds, most: int) -> tuple[dict[str, str], list[tuple[str, str, bytes]]]:
    """The part of each track, and stems (version, part, OGG): as many parts as fit into `most` bytes."""
    seconds = sum(mix(parts).seconds for parts in played.values())
    count = tried = min(max(int(most / max(seconds * STEM, 1)), 1), PARTS)
    while True:
        part_of = _parts(result, count)
        stems = [(name, part, sound) for name in result.players
                 for part, sound in _joined(played.get(name, {}), part_of).items()]
        sounds = [sound for _, _, sound in stems]
        if count > 1 and audio_files.are_too_large(sounds, most):
            count -= 1
            continue
        with progress.within(1 - count / tried, 1 - (count - 1) / tried):
            oggs = audio_files.oggs(sounds, most)
        if count == 1 or sum(map(len, oggs)) <= most:
            return part_of, [(name, part, ogg) for (name, part, _), ogg in zip(stems, oggs, strict=True)]
        count -= 1


def _joined(parts: Mapping[str, Audio], part_of: Mapping[str, str]) -> dict[str, Audio]:
    """The same sound in fewer parts."""
    groups: dict[str, dict[str, Audio]] = {}
    for part, sound in parts.items():
        groups.setdefault(part_of.get(part, part), {})[part] = sound
    return {part: mix(group) for part, group in groups.items()}


def _marks(result: "SampleResult") -> dict[str, list[np.ndarray]]:
    """For each score that is shown the marks of its tracks' notes, text [n] each; all "kept" where none is compared."""
    before, main = result.scores.get(BEFORE), result.scores.get(result.main)
    found = {}
    for name in result.players:
        if score := result.scores.get(name):
            masks, word = [np.zeros(len(track.notes), bool) for track in score.tracks], "kept"
            if before is not None and name != BEFORE:
                masks, word = compared(score, before)[0], "new"
            elif before is not None and main is not None:
                masks, word = compared(main, before)[1], "gone"
            found[name] = [np.where(mask, word, "kept") for mask in masks]
    return found


def _notes(score: Score, track: Track, marks: np.ndarray) -> list[list]:
    begins = np.asarray(score.seconds(track.notes[:, 0]))
    lasts = score.seconds(track.notes[:, 0] + track.notes[:, 1]) - begins
    columns = begins.round(3), lasts.round(3), track.notes[:, 2].astype(int), marks
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _lanes(result: "SampleResult", track: Track) -> list[list]:
    """The named rows of a track of drums, [[pitch, name], ...], the highest first."""
    own = result.lanes.get(track_name(track), {}) if track.is_drum else {}
    return [[int(pitch), name] for pitch, name in reversed([*own.items()])]


def _chords(result: "SampleResult", name: str, score: Score) -> list[list]:
    """Where a chord begins, [[second, name], ...]; "" where one ends and no other begins."""
    given = [(float(quarter), symbol) for quarter, symbol in enumerate(result.chords.get(name, ()))]
    rows = given or [(row[0], chords.name(row[1:])) for row in score.chords]
    found: list[list] = []
    for quarter, symbol in rows:
        shown = "" if symbol == chords.NO_CHORD else symbol
        if shown != (found[-1][1] if found else ""):
            found.append([round(float(score.seconds(quarter)), 3), shown])
    return found


def _bars(score: Score) -> list[list[float]]:
    """Bar lines, [[second, quarter], ...]; the last one ends the last bar."""
    rows = bars.metres(score)
    steps = int(np.ceil(bars.line_after(rows, score.length) * STEPS_PER_QUARTER))
    quarters = bars.lines(rows, steps) / STEPS_PER_QUARTER
    seconds = np.maximum(score.seconds(quarters), 0)
    return [[round(second, 3), quarter] for second, quarter in zip(seconds.tolist(), quarters.tolist(), strict=True)]


def _peaks(sound: Audio) -> list[float]:
    """The loudest sample in each of PEAKS equal spans of a sound, 0..1."""
    if not len(sound.samples):
        return []
    return np.maximum.reduceat(np.abs(sound.samples), _spans(len(sound.samples), PEAKS)).astype(float).round(3).tolist()


def _spans(count: int, most: int) -> np.ndarray:
    """Where equal spans of `count` numbers begin, as many as `most` allows: int [spans]."""
    spans = min(count, most)
    return np.arange(spans) * count // spans


def _spectrogram(sound: Audio) -> bytes:
    """A recording's mel-spectrogram as a JPEG without margins: time to the right, high above low."""
    from matplotlib import image

    from musicfusion.codecs import mel
    from musicfusion.data import recordings

    samples = audio_files.resampled(sound.samples, sound.rate, mel.RATE)
    found = recordings.mel_spectrogram(samples, BANDS).astype(np.float32)
    spans = _spans(len(found), COLUMNS)
    columns = np.add.reduceat(found, spans, 0) / np.diff(spans, append=len(found))[:, None]
    buffer = io.BytesIO()
    image.imsave(buffer, columns.T, vmin=0, vmax=255, cmap="magma", origin="lower", format="jpg",
                 pil_kwargs={"quality": 80})
    return buffer.getvalue()
