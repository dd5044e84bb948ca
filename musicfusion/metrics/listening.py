"""What listeners answered (render/sheet.py asks them): read, checked, counted.

Intervals are 95 %, drawn over listeners: one listener's answers are alike.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.evaluation import Measure, Row, Table, row
from musicfusion.core.listening import MUSICALITY, RESEMBLANCE
from musicfusion.metrics import bootstrap

ANSWERS, KEY = "musicfusion answers 1", "musicfusion key 1"  # schemas of the two files
KEY_FILE = "key.json"
LEVELS = {"": None, "trained": True, "not trained": False}  # of listeners, in words

Interval = tuple[float, float, float]  # mean, low, high; NaN for what there is not


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        listener, trained: whose it is, and whether that listener is musically trained.
        section, question: what was asked.
        screen, clip: of what; their names on the sheet.
        method, item, facts: what the clip was, by the key.
        value: the answer as it is saved.
        seconds: how long the listener had seen the screen by then.
    """

    listener: str
    trained: bool
    section: str
    question: str
    screen: str
    clip: str
    method: str
    item: str
    facts: Mapping[str, Any]
    value: str
    seconds: float

    @property
    def number(self) -> float:
        """The answer on a scale."""
        return float(self.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    """All that listeners said about one sheet.

    Attributes:
        sheet: its id.
        listeners: {listener: whether trained}.
        minutes: {listener: how long it took}.
        given: every answer.
        methods: {section: its methods}, in the order of a report.
        facts: of the whole test, from the key.
    """

    sheet: str
    listeners: Mapping[str, bool]
    minutes: Mapping[str, float]
    given: tuple[Answer, ...]
    methods: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Any]

    def to(self, section: str, question: str = "") -> list[Answer]:
        """The answers of a section, to one of its questions or to all."""
        return [one for one in self.given if one.section == section and question in ("", one.question)]

    def by_method(self, section: str, question: str = "") -> dict[str, list[Answer]]:
        """The same by the method of their clip; of a method that nobody heard there is none."""
        given = self.to(section, question)
        found = {method: [one for one in given if one.method == method] for method in self.methods.get(section, ())}
        return {method: own for method, own in found.items() if own}


# Read ----------------------------------------------------------------------------------------------------------------


def read(places: str, sheet: str = "", system: str = "") -> Answers:
    """The answers in files or folders, with commas between, checked against the key of their sheet.

    Args:
        places: files that the page saved, or folders with such files (every .json in them but the key).
        sheet: the folder of the sheet, which holds its key; "": the key lies beside the answers.
        system: whose answers are wanted; "" for anybody's.

    Raises:
        MusicFusionError: a file cannot be read, is of another form, sheet or system, or is incomplete; two are of one
            listener; there is none, or no key.
    """
    files = _files(places)
    key = _key(files, sheet, system)
    found: dict[str, tuple[Path, dict]] = {}
    for path in files:
        answers = _json(path, ANSWERS, "answers")
        _same_sheet(path, answers, key)
        listener = str(answers.get("listener", "")).strip()
        if not listener:
            raise MusicFusionError(f"{path}: names no listener")
        if listener in found:
            raise MusicFusionError(f"{path}: listener {listener} has answered in {found[listener][0]}, too: keep one")
        found[listener] = path, answers
    return _joined(found, key)


def _files(places: str) -> list[Path]:
    files: list[Path] = []
    for name in filter(None, (place.strip() for place in places.split(","))):
        place = Path(name).expanduser()
        if place.is_dir():
            own = sorted(path for path in place.glob("*.json") if path.name != KEY_FILE)
            if not own:
                raise MusicFusionError(f"{place}: holds no answers; accepted are the .json files that the sheet saves")
            files += own
        elif place.is_file():
            files.append(place)
        else:
            raise MusicFusionError(f"{place}: there are no such answers")
    return files


def _key(files: Sequence[Path], sheet: str, system: str) -> dict:
    folders = [Path(sheet).expanduser()] if sheet else list(dict.fromkeys(path.parent for path in files))
    path = next((folder / KEY_FILE for folder in folders if (folder / KEY_FILE).is_file()), None)
    if path is None:
        raise MusicFusionError(f"{folders[0] if folders else sheet}: there is no {KEY_FILE}, which says what the clips"
                               " are: put it beside the answers, or give its folder as evaluate.sheet")
    key = _json(path, KEY, "the key of a sheet")
    if system and key.get("system") != system:
        raise MusicFusionError(f"{path}: the key of a sheet of {key.get('system')}; wanted are answers on {system}")
    return key


def _json(path: Path, schema: str, what: str) -> dict:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not JSON"
        raise MusicFusionError(f"{path}: cannot be read as {what}: {reason}") from None
    if not isinstance(found, dict) or found.get("schema") != schema:
        own = found.get("schema") if isinstance(found, dict) else None
        raise MusicFusionError(f"{path}: not {what}: its schema is {own!r}, accepted is {schema!r}")
    return found


def _same_sheet(path: Path, answers: Mapping, key: Mapping) -> None:
    if answers.get("sheet") != key["sheet"]:
        raise MusicFusionError(f"{path}: answers on sheet {answers.get('sheet')}; the key is that of sheet"
                               f" {key['sheet']}")


def _joined(found: Mapping[str, tuple[Path, dict]], key: Mapping) -> Answers:
    given: list[Answer] = []
    listeners, minutes = {}, {}
    for listener, (path, answers) in found.items():
        try:
            listeners[listener] = _trained(path, answers, key)
            own = _checked(path, answers, key, listener, listeners[listener])
            minutes[listener] = sum(float(x) for x in answers["seconds"].values()) / 60
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MusicFusionError(f"{path}: damaged answers ({type(error).__name__}: {error})") from None
        given += own
    return Answers(sheet=key["sheet"], listeners=listeners, minutes=minutes, given=tuple(given), facts=key["facts"],
                   methods={section["name"]: tuple(section["methods"]) for section in key["sections"]})


def _trained(path: Path, answers: Mapping, key: Mapping) -> bool:
    """Whether a listener is trained: who says yes to any of the questions (CollageNet, section 4.5)."""
    said = answers["background"]
    missing = [question["name"] for question in key["background"]
               if said.get(question["name"]) not in question["answers"]]
    if missing:
        raise MusicFusionError(f"{path}: incomplete: about the listener, {', '.join(missing)} is not answered")
    return any(said[question["name"]] == "yes" for question in key["background"])


def _checked(path: Path, answers: Mapping, key: Mapping, listener: str, trained: bool) -> list[Answer]:
    """A file's answers, each with what the clip was; complete, and none that was not asked for."""
    wanted: dict[tuple[str, str], tuple[Mapping, Mapping, str]] = {}
    screens = set()
    for section in key["sections"]:
        form = answers["forms"][section["name"]]
        if form not in range(section["forms"]):
            raise MusicFusionError(f"{path}: form {form} of {section['name']}: there are {section['forms']}")
        for screen in section["screens"]:
            if screen["form"] in (None, form):
                screens.add(screen["id"])
                wanted |= {(clip, question["name"]): (section, question, screen["id"])
                           for clip in screen["clips"] for question in section["questions"]}
    if sorted(answers["order"]) != sorted(screens):
        raise MusicFusionError(f"{path}: its order holds other screens than a listener of its form gets")
    given: dict[tuple[str, str], Answer] = {}
    for one in answers["answers"]:
        place = str(one["clip"]), str(one["question"])
        if place not in wanted or place in given:
            why = "twice" if place in given else "which was not asked"
            raise MusicFusionError(f"{path}: answers {place[1]} of clip {place[0]} {why}")
        section, question, screen_id = wanted[place]
        value = str(one["answer"])
        if value not in question["answers"]:
            raise MusicFusionError(f"{path}: clip {place[0]}: {question['name']} = {value!r}: accepted are"
                                   f" {', '.join(question['answers'])}")
        about = key["clips"][place[0]]
        given[place] = Answer(
            listener=listener, trained=trained, section=section["name"], question=question["name"], screen=screen_id,
            clip=place[0], method=about["method"], item=about["item"], facts=about["facts"], value=value,
            seconds=float(one["seconds"]))
    if missing := [place for place in wanted if place not in given]:
        shown = ", ".join(f"{question} of clip {clip}" for clip, question in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise MusicFusionError(f"{path}: incomplete: {len(missing)} of {len(wanted)} answers are missing"
                               f" ({shown}{more})")
    return [given[place] for place in wanted]


# Count ---------------------------------------------------------------------------------------------------------------


def mean(answers: Sequence[Answer], value: Callable[[Answer], float] = lambda one: one.number) -> Interval:
    """The mean of a number of each answer, with its interval over listeners; no interval where there is one listener.

    NaN where there are no answers.
    """
    listeners = np.array([one.listener for one in answers])
    found = bootstrap.interval(np.array([value(one) for one in answers], float), listeners)
    return found if len(np.unique(listeners)) > 1 else (found[0], np.nan, np.nan)


def statistic(answers: Sequence[Answer], choices: Sequence[str], function: Callable[[np.ndarray], np.ndarray]
              ) -> Interval:
    """A function of how often each choice was made, with its interval over listeners.

    function: how often each of the choices was made [..., n] -> [...].
    """
    names = sorted({one.listener for one in answers})
    counts = np.zeros((len(names), len(choices)))
    for one in answers:
        counts[names.index(one.listener), choices.index(one.value)] += 1
    return bootstrap.statistic(counts, function) if len(names) > 1 else (float(function(counts.sum(0))), np.nan, np.nan)


def by_level(answers: Sequence[Answer], name: str, value: Callable[[Answer], float] = lambda one: one.number
             ) -> dict[str, Interval]:
    """Means of all listeners, of trained and of other ones: {name, "NAME_trained", "NAME_not_trained"}."""
    return {_of_level(name, level): mean([one for one in answers if wanted in (None, one.trained)], value)
            for level, wanted in LEVELS.items()}


def level_measures(name: str, measure: Measure) -> dict[str, Measure]:
    """The columns of `by_level`."""
    return {_of_level(name, level): dataclasses.replace(
        measure, label=f"{measure.label}, {level}" if level else measure.label) for level in LEVELS}


def _of_level(name: str, level: str) -> str:
    return "_".join(filter(None, (name, level.replace(" ", "_"))))


def table_of_listeners(answers: Answers) -> Table:
    """How many listeners there are, how many answers they gave, and how long that took them."""
    rows: list[Row] = []
    for level, wanted in LEVELS.items():
        names = [name for name, trained in answers.listeners.items() if wanted in (None, trained)]
        count = sum(one.listener in names for one in answers.given)
        minutes = float(np.median([answers.minutes[name] for name in names])) if names else None
        rows.append(row(level or "all", {"listeners": len(names), "answers": count, "minutes": minutes}))
    return Table(
        name="listeners", title="Who listened", first="listeners", rows=tuple(rows), measures={
            "listeners": Measure(label="listeners", digits=0), "answers": Measure(label="answers", digits=0),
            "minutes": Measure(label="time, median", unit="minutes", digits=1)},
        note=f"Sheet {answers.sheet}. Trained: who masters an instrument, had vocal training, or learned music theory"
             " systematically. All intervals of what listeners said are drawn over listeners.")


def resemblance(answers: Answers, section: str, note: str) -> Table:
    """The answers to core.listening.MUSICALITY and RESEMBLANCE, by method."""
    kinds = {"first": "like the first", "second": "like the second", "both": "like both", "neither": "like neither"}
    heard = answers.by_method(section, RESEMBLANCE.name)
    rows = tuple(row(method, by_level(own, MUSICALITY.name) | shares(heard[method], kinds))
                 for method, own in answers.by_method(section, MUSICALITY.name).items())
    measures = level_measures(MUSICALITY.name, Measure(label="musicality, 1 to 5", digits=2, better="higher"))
    measures |= {kind: Measure(label=label, unit="%", scale=100, digits=0) for kind, label in kinds.items()}
    return Table(name="listening", title="What listeners said", measures=measures, rows=rows, note=note)


def shares(answers: Sequence[Answer], choices: Iterable[str]) -> dict[str, Interval]:
    """How often each choice was made, as a share, with intervals over listeners."""
    return {choice: mean(answers, lambda one: float(one.value == choice)) for choice in choices}


def fusion_level(counts: np.ndarray) -> np.ndarray:
    """FL = 1 - (|first - second| + neither) / (first + second + mixture + neither) (FusionGAN, section IV-B).

    counts: how often listeners heard the first genre, the second, a mixture, neither [..., 4], or shares -> [...].
    """
    first, second, _, neither = np.moveaxis(np.asarray(counts, float), -1, 0)
    return np.asarray(1 - (np.abs(first - second) + neither) / np.maximum(np.sum(counts, -1), 1e-12))
