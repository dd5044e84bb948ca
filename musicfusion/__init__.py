"""musicfusion makes one piece of music out of two: five published systems in one JAX/Flax house.

    import musicfusion as mf

    model = mf.load("collagenet-lite")
    song = model.sample(melody="a.mid", accompaniment="b.mid", pitch=0.8, seed=1)
    song.save("fused")

api.py has the whole of it. Nothing heavy is imported before it is used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from musicfusion.api import Model as Model
    from musicfusion.api import config as config
    from musicfusion.api import load as load
    from musicfusion.api import systems as systems
    from musicfusion.api import train_model as train_model
    from musicfusion.core.contracts import Locked as Locked
    from musicfusion.core.errors import MusicFusionError as MusicFusionError
    from musicfusion.core.evaluation import Evaluation as Evaluation
    from musicfusion.render.result import SampleResult as SampleResult

_PUBLIC = {
    "Evaluation": "musicfusion.core.evaluation",
    "Locked": "musicfusion.core.contracts",
    "Model": "musicfusion.api",
    "MusicFusionError": "musicfusion.core.errors",
    "SampleResult": "musicfusion.render.result",
    "config": "musicfusion.api",
    "load": "musicfusion.api",
    "systems": "musicfusion.systems",  # the package itself, which can be called
    "train_model": "musicfusion.api",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(_PUBLIC[name])
    return module if name == "systems" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
