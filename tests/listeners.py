"""Made-up listening tests, and listeners who answer them."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from musicfusion.codecs.audio import Audio
from musicfusion.core.listening import Clip, ListeningTest, Question, Reference, Screen, Section, rotated, scale
from musicfusion.metrics.listening import ANSWERS

RATE = 22050
METHODS = ("machine", "rule", "human")


def tone(frequency: float, seconds: float = 0.5, level: float = 0.2) -> Audio:
    """A sine."""
    time = np.arange(round(seconds * RATE)) / RATE
    return Audio((level * np.sin(2 * np.pi * frequency * time)).astype(np.float32), RATE)


def example(items: int = 3) -> ListeningTest:
    """Two sections: single clips in a Latin square, and three versions beside their original."""
    rated = tuple(
        Screen(form=form, clips=(Clip(
            method=method, item=str(item), facts={"song": f"song {item}"},
            sound=tone(200 + 50 * item + 9 * len(method), level=0.05 * len(method))),))
        for form, item, method in rotated([dict.fromkeys(METHODS)] * items))
    compared = Screen(
        clips=tuple(Clip(method=f"{value}", item="0", facts={"value": value}, sound=tone(300 + value))
                    for value in (0, 1, 2)),
        references=(Reference(label="The original", sound=tone(300)),))
    return ListeningTest(
        system="example", preset="lite", title="A test <of listeners>", text="Please listen.",
        facts={"best": "machine"},
        sections=(
            Section(name="rated", title="Clips", text="One clip at a time.", screens=rated, questions=(
                scale("quality", "How good is it?", "bad", "good"),
                Question(name="maker", text="Who made it?", answers={"human": "a human", "machine": "a machine"}))),
            Section(name="compared", title="Versions", text="Versions of one sound.", screens=(compared,), questions=(
                scale("difference", "How different is it?", "alike", "different"),))))


def answered(folder: Path, listener: str, *, trained: bool = True, seed: int = 0,
             say: Callable[[str, str, dict], str] | None = None) -> dict:
    """What a listener saves; say(section, question, what the key says of the clip) -> an answer, else at random."""
    key = json.loads((folder / "key.json").read_text())
    rng = random.Random(f"{listener} {seed}")
    found: dict = {
        "schema": ANSWERS, "sheet": key["sheet"], "listener": listener, "forms": {}, "order": [], "clips": {},
        "background": {question["name"]: "yes" if trained else "no" for question in key["background"]},
        "answers": [], "seconds": {}, "plays": {}}
    for section in key["sections"]:
        form = int(listener) % section["forms"]
        found["forms"][section["name"]] = form
        own = [screen for screen in section["screens"] if screen["form"] in (None, form)]
        rng.shuffle(own)
        for screen in own:
            found["order"].append(screen["id"])
            found["clips"][screen["id"]] = screen["clips"]
            found["seconds"][screen["id"]] = 30.0
            for clip in screen["clips"]:
                for question in section["questions"]:
                    said = say and say(section["name"], question["name"], key["clips"][clip])
                    found["answers"].append({"clip": clip, "question": question["name"], "seconds": 12.5,
                                             "answer": said or rng.choice(list(question["answers"]))})
    return found


def save(answers: dict, folder: Path) -> Path:
    """As the page does."""
    folder.mkdir(exist_ok=True)
    path = folder / f"answers-{answers['listener']}.json"
    path.write_text(json.dumps(answers))
    return path
