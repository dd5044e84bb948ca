"""musicfusion in Python.

    import musicfusion as mf

    model = mf.load("collagenet-lite")
    song = model.sample(melody="a.mid", accompaniment="b.mid", pitch=0.8, seed=1)
    song.save("fused")

Everything here works from scripts, notebooks and the interpreter alike; the command line is written on top of it.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicfusion.core.contracts import Control, Declaration, Input, Locked, Sampler, System
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems import declarations

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from musicfusion.core.evaluation import Evaluation
    from musicfusion.core.results import Trained
    from musicfusion.render.result import SampleResult


def systems() -> dict[str, Declaration]:
    """Every system by name: what it takes and offers. Costs nothing."""
    return declarations()


def config(name: str, variant: str = "", **changes: Any) -> "ConfigDict":
    """A system's config.

    Args:
        name: of a system, or the path of a config file.
        variant: such as quick, lite or paper; "" is the file's default.
        changes: keys with dots written as two underscores, and their values: data__root="songs", fusion__steps=100.

    Raises:
        MusicFusionError: no such config, variant or key, or a value of another kind.
    """
    from musicfusion.core import config as configs

    path = f"configs/{name}.py" if name in systems() else name
    found = configs.load(f"{path}:{variant}" if variant else path)
    return configs.override(found, {key.replace("__", "."): value for key, value in changes.items()})


def load(source: str | Path, **changes: Any) -> "Model":
    """A trained model.

    Args:
        source: shipped weights ("collagenet-lite"), a folder that `export` wrote, the workdir of a run, or
            hf:OWNER/NAME of a Hub.
        changes: to its config, as in `config`; only what bears on sampling and evaluation: sample__length="cut".

    Raises:
        MusicFusionError: nothing is there, it is damaged, or a change concerns what was learned.
    """
    from musicfusion.core import config as configs
    from musicfusion.pretrained import opened

    name, stored, trained = opened(source)
    changed = configs.override(configs.completed(stored),
                               {key.replace("__", "."): value for key, value in changes.items()})
    configs.check_same(changed, stored, f"{name} is", "only sample and evaluate settings and data.root may change",
                       free_keys(changed))
    return Model(name=name, config=changed, trained=trained)


def train_model(config: "ConfigDict", workdir: str | Path) -> "Model":
    """Trains a config's stages, resumes what is unfinished, skips what is finished; returns the trained model.

    Raises:
        MusicFusionError: the workdir belongs to another config, the corpus is missing, a loss is not finite.
    """
    from musicfusion import evaluate
    from musicfusion import train as training
    from musicfusion.core import config as configs
    from musicfusion.core.results import Results, is_trained, read_config

    workdir = Path(workdir).expanduser()
    if is_trained(workdir):
        configs.check_same(config, read_config(workdir), f"{workdir} is the workdir",
                           "give another --workdir", free_keys(config))
    keep_compiled()
    system = system_of(config)
    init = load(config.run.init).trained if config.run.init else None
    corpus = evaluate.read_corpus(system, config, workdir)
    training.train(system, config, workdir, corpus, init)
    return Model(name=workdir.name, config=config, trained=Results(workdir), corpus=corpus)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Model:
    """A trained system, ready to make music. `load` and `train_model` give one.

    Attributes:
        name: of its weights or its workdir.
        config: the resolved config.
        trained: its parameters (core.results.Trained).
        corpus: what it learned from, where it was trained just now.
    """

    name: str
    config: "ConfigDict"
    trained: "Trained"
    corpus: Any = None

    @property
    def declaration(self) -> Declaration:
        """What the system is called, takes and offers."""
        return systems()[self.config.system]

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The files that `sample` takes, by name."""
        return self.declaration.inputs

    @property
    def controls(self) -> Mapping[str, Control]:
        """The controls that `sample` takes, by name; words that the weights know are listed as choices."""
        return {name: dataclasses.replace(control, choices=tuple(self._sampler.words.get(name, control.choices)))
                if isinstance(control.default, str) else control
                for name, control in self.declaration.controls.items()}

    @property
    def card(self) -> str:
        """What the weights learned from and how well they do, Markdown; "" for a run that was not exported."""
        return getattr(self.trained, "card", "")

    def sample(self, *, seed: int = 0, locked: Locked | None = None, **given: Any) -> "SampleResult":
        """New music from inputs and controls, both by name.

        Args:
            seed: of everything random, 0 to 2**31 - 1.
            locked: what it keeps, note for note, of an earlier result from the same inputs.
            given: inputs (a path, a file's bytes, a note_seq.NoteSequence, a pretty_midi.PrettyMIDI, a Score; for sound
                also (samples, rate)) and controls (numbers, words). `inputs` and `controls` list them.

        Raises:
            MusicFusionError: an unknown name, a value out of range, a file that cannot be used; a lock with a span
                outside the song or an unknown part, or on a result of another system, of other inputs or another
                length, or one that `sample` did not return.
        """
        return self.sample_many([given], seeds=[seed], locked=[locked])[0]

    def sample_many(
        self, requests: Iterable[Mapping[str, Any]], *, seeds: Sequence[int] | None = None,
        locked: Sequence[Locked | None] | None = None, **controls: Any
    ) -> "list[SampleResult]":
        """Music for many requests in one compiled program; each is what `sample` would give for it alone.

        Args:
            requests: the inputs of each, by name.
            seeds: one for each; 0, 1, 2, ... by default.
            locked: what each keeps of an earlier result, None where it keeps nothing.
            controls: for all of them.

        Raises:
            MusicFusionError: as `sample`.
        """
        from musicfusion import sample

        asked = [{**request, **controls} for request in requests]
        chosen = list(range(len(asked))) if seeds is None else list(seeds)
        locks = [None] * len(asked) if locked is None else list(locked)
        for count, what in ((len(chosen), "seeds"), (len(locks), "locks")):
            if count != len(asked):
                raise MusicFusionError(f"sample_many: {count} {what} for {len(asked)} requests: give one for each")
        return sample.sample(self.system, self.config, self.trained, self._sampler, asked, chosen, locks)

    def evaluate(self) -> "Evaluation":
        """The paper's tables on the songs of config.data.split of config.data.root.

        Raises:
            MusicFusionError: no such corpus, or too few songs in it.
        """
        from musicfusion import evaluate

        keep_compiled()
        corpus = self.corpus if self.corpus is not None else evaluate.read_corpus(self.system, self.config)
        return evaluate.measured(self.system, self.config, corpus, self.trained)

    def demo_inputs(self, folder: str | Path, *, songs: int = 100) -> list[dict[str, str]]:
        """Inputs for a first try: files made out of a few held-out songs, written into a folder.

        Args:
            folder: made if it is not there.
            songs: how many of config.data.root, or of the embedded corpus where it is "", are read at most.

        Raises:
            MusicFusionError: no such corpus, or too few songs in it.
        """
        from musicfusion.core import config as configs

        config = configs.override(self.config, {"data.songs": songs})
        Path(folder).mkdir(parents=True, exist_ok=True)
        return self.system.demo_inputs(config, self.system.corpus(config), Path(folder))

    @functools.cached_property
    def system(self) -> System:
        """The system behind the model."""
        return system_of(self.config)

    @functools.cached_property
    def _sampler(self) -> Sampler:
        keep_compiled()
        return self.system.sampler(self.config, self.trained)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, system={self.config.system!r}, preset={self.config.preset!r})"


def system_of(config: "ConfigDict") -> System:
    """The system that a config is of. MusicFusionError for an unknown one."""
    known = systems()
    if config.get("system") not in known:
        raise MusicFusionError(f"system = {config.get('system')!r} is unknown: there are {', '.join(sorted(known))}")
    return known[config.system].load()


def free_keys(config: "ConfigDict") -> tuple[str, ...]:
    """Keys of a system's config that may change after a training, beside those that always may."""
    known = systems()
    return known[config.system].free if config.get("system") in known else ()


def keep_compiled() -> None:
    """Keeps compiled programs in the user's cache folder, unless JAX has a folder of its own."""
    import jax

    from musicfusion.data.cache import folder

    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
