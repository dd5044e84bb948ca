"""The grid's listening test: basses with drums that the same kit plays, and the paper's questions (section 4.4).

What is graded is which drums are written: all but the real ones are played by the same network.
"""

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from musicfusion.codecs import drums
from musicfusion.codecs.audio import Audio
from musicfusion.codecs.drums import Hits
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.listening import Clip, ListeningTest, Reference, Screen, Section
from musicfusion.core.report import working
from musicfusion.data.corpus import Corpus
from musicfusion.render import audio, kit
from musicfusion.systems.arrangement import grid_baselines, grid_dataset, listening
from musicfusion.systems.arrangement.grid_dataset import BARS, BEATS, Sections, Windows, read
from musicfusion.systems.arrangement.grid_evaluation import Play, Write

NEAREST, RULE = "the training drums with the nearest bass", "bass, snare and eighths"
LEVEL = 0.7  # of the bass beside the drums
TAIL = 0.6  # seconds after the last bar


def test(corpus: Corpus, sections: Sections, *, split: str, clips: int, write: Mapping[str, Write], play: Play,
         density: float, preset: str) -> ListeningTest:
    """Four bars of a bass with each method's drums over it. All listeners grade the same clips.

    Args:
        corpus, sections: the songs, and how they are cut.
        split: which songs.
        clips: of each method, each of another song or rhythm pattern where there are so many.
        write: networks by the names of their rows, the trained one first.
        play: how hits are played.
        density: at which networks write.
        preset: of the config.

    Raises:
        MusicFusionError: no song has four bars of bass and drums.
    """
    tested = _chosen(corpus, sections, split, clips)
    learned = sections.windows(corpus, "train", human=False, bass=True)
    known = read(corpus, learned)
    patterns = {RULE: grid_baselines.RULES[RULE](tested.bass),
                NEAREST: grid_baselines.nearest_bass(tested.bass, known.bass, known.pattern, sections.sounding)}
    for name, own in write.items():
        working(name)
        patterns[name] = own(tested, density, 0)
    hits = {name: _played(tested, pattern, play) for name, pattern in patterns.items()}
    hits[listening.REAL + "drums"] = [Hits(*own) for own in zip(tested.velocity, tested.offset, strict=True)]
    return ListeningTest(
        system="arrangement", preset=preset, title="Listening test: drums for a bass",
        text="You will hear four bars of a bass with drums. Some drums are of real pieces, others were made by"
             " machines. The same instruments play all of them.",
        facts={"best": next(iter(write))}, sections=(Section(
            name=listening.SECTION, title="Grades", text="A bass with drums. Please grade from 1 to 10.",
            questions=listening.questions("bass", "drums"), screens=tuple(_screens(tested, hits))),))


def _chosen(corpus: Corpus, sections: Sections, split: str, count: int) -> Windows:
    """Windows of a split, drawn at random: one of each song or rhythm pattern before a second one of any."""
    start = sections.windows(corpus, split, human=False, bass=True)
    if not len(start):
        raise MusicFusionError(f"data: no {split} song has {BARS} bars of bass and drums; data.split=all is accepted")
    order = np.random.default_rng(sections.seed).permutation(len(start))
    _, first = np.unique(read(corpus, start[order]).group, return_index=True)
    first = np.sort(first)
    return read(corpus, start[np.concatenate([order[first], np.delete(order, first)])[:count]])


def _played(tested: Windows, pattern: np.ndarray, play: Play) -> list[Hits]:
    """The hits of patterns bool [n, LENGTH, 9] under the same basses, played by the network."""
    return [Hits(*own) for own in zip(*play(dataclasses.replace(tested, pattern=pattern), 0), strict=True)]


def _screens(tested: Windows, hits: Mapping[str, list[Hits]]) -> Iterator[Screen]:
    """A clip each, beside the bass alone."""
    own = kit.shipped()
    for number, (tokens, tempo) in enumerate(zip(tested.bass, tested.tempo, strict=True)):
        bass = audio.synthesise(grid_dataset.as_score(tokens, tempo, "bass"), kit.RATE)
        alone = LEVEL * bass.samples[: round((BEATS * 60 / tempo + TAIL) * kit.RATE)]
        reference = Reference(label="The bass alone", sound=Audio(alone, kit.RATE))
        for method, made in hits.items():
            played = drums.played(made[number])
            rows = np.stack([played.quarter * 60 / tempo, played.instrument, played.velocity], 1)
            part = kit.play(rows, own, seed=number, seconds=len(alone) / kit.RATE)
            yield Screen(references=(reference,), clips=(
                Clip(method=method, item=str(number), sound=Audio(audio.mixed([alone, part]), kit.RATE)),))
