"""A listening test as data: what listeners hear, what they are asked, and which listener hears what.

A system says it (core.contracts.Listening), render/sheet.py makes a page of it, metrics/listening.py reads the answers.
"""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from musicfusion.core.evaluation import Table

LISTENS = 1.5  # how often a clip is played, about
ANSWER, TURN = 4.0, 2.0  # seconds for an answer, and from one screen to the next
BEGINNING = 60.0  # seconds for the first screen


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """A question, and the answers of which a listener chooses one.

    Attributes:
        name: of the question in the files.
        text: what is asked.
        answers: what is saved -> what is read. Of a scale "1", "2", ..., with words at its ends and "" between.
        scale: whether the answers are numbers.
    """

    name: str
    text: str
    answers: Mapping[str, str]
    scale: bool = False


def scale(name: str, text: str, low: str, high: str, steps: int = 5) -> Question:
    """A question whose answers are 1 to `steps`; low, high: what the ends mean."""
    words = {"1": low} | {str(k): "" for k in range(2, steps)} | {str(steps): high}
    return Question(name=name, text=text, answers=words, scale=True)


YES_OR_NO = {"yes": "yes", "no": "no"}
# CollageNet, section 4.5: who answers yes to any of these is trained.
TRAINING = (
    Question(name="instrument", text="Do you master any musical instruments?", answers=YES_OR_NO),
    Question(name="voice", text="Have you received vocal training before?", answers=YES_OR_NO),
    Question(name="theory", text="Have you learned music theory systematically before?", answers=YES_OR_NO),
)


# For papers that had no listening test. Two open references stand beside what was made of them.
MUSICALITY = scale("musicality", "How musical is this clip?", "not at all", "very")
RESEMBLANCE = Question(name="resemblance", text="Which of the two sources does it resemble?", answers={
    "first": "the first", "second": "the second", "both": "both alike", "neither": "neither"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Clip:
    """Something that is judged; its listeners see no name.

    Attributes:
        method: what made it; clips of one method stand in one row of the report. Real music is a method, too.
        item: what it was made of; clips of one item are versions of the same music.
        sound: a codecs.audio.Audio, as loud as it may be: the page levels all sounds.
        facts: what else the key says of it; JSON.
    """

    method: str
    item: str
    sound: Any
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reference:
    """Something that stands beside clips for comparison, and is named: an open reference."""

    label: str
    sound: Any  # a codecs.audio.Audio


@dataclasses.dataclass(frozen=True, kw_only=True)
class Screen:
    """What is played and judged together: every question of the section, of each clip.

    form: the listeners who get it, those of that number; None: all.
    """

    clips: tuple[Clip, ...]
    references: tuple[Reference, ...] = ()
    form: int | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """What is compared between screens."""
        return tuple(clip.method for clip in self.clips)

    @property
    def sounds(self) -> list[Any]:
        """All sounds that are played on it."""
        return [*(clip.sound for clip in self.clips), *(one.sound for one in self.references)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the test with its own questions.

    name: in the files; title, text: what listeners read before and above its screens.
    """

    name: str
    title: str
    text: str
    questions: tuple[Question, ...]
    screens: tuple[Screen, ...]

    @property
    def forms(self) -> int:
        """How many kinds of listeners there are, who get different screens."""
        return max((screen.form + 1 for screen in self.screens if screen.form is not None), default=1)

    def of_form(self, form: int) -> tuple[Screen, ...]:
        """The screens of one kind of listeners."""
        return tuple(screen for screen in self.screens if screen.form in (None, form))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListeningTest:
    """A whole test.

    Attributes:
        system, preset: what is judged.
        title, text: what listeners read first. They do not tell which methods there are.
        sections: in their order.
        background: what is asked about the listener; who answers "yes" to any of it is trained.
        facts: of the whole, for the report; JSON.
    """

    system: str
    preset: str
    title: str
    text: str
    sections: tuple[Section, ...]
    background: tuple[Question, ...] = TRAINING
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def minutes(self) -> float:
        """How long it takes a listener, about."""
        return (BEGINNING + sum(_seconds(section, screen) for section in self.sections
                                for screen in section.of_form(0))) / 60


def _seconds(section: Section, screen: Screen) -> float:
    seconds = sum(sound.seconds for sound in screen.sounds)
    return LISTENS * seconds + ANSWER * len(section.questions) * len(screen.clips) + TURN


def rotated(versions: Sequence[Mapping[str, Hashable]]) -> list[tuple[int, int, str]]:
    """A Latin square: every listener gets every item once, every method equally often, and the forms exchange them.

    Args:
        versions: for each item, its versions by method; all items have the same methods.

    Returns:
        (form, number of the item, method) of every screen. In form f item i has method (i + f) modulo their number.
    """
    methods = list(versions[0]) if versions else []
    return [(form, number, methods[(number + form) % len(methods)])
            for form in range(len(methods)) for number in range(len(versions))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
    """What listeners said, for a report: tables, and file name -> a pure function that draws a figure to a path."""

    tables: tuple[Table, ...]
    figures: Mapping[str, Callable[[Path], Path]] = dataclasses.field(default_factory=dict)
    remarks: tuple[str, ...] = ()
