"""Weights that the studio offers, and the models that it keeps ready."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from musicfusion import pretrained
from musicfusion.core.contracts import Declaration
from musicfusion.core.errors import MusicFusionError

if TYPE_CHECKING:
    from musicfusion.api import Model

KEPT = 3  # models with their compiled programs


class Shelf:
    """Models by the names of their weights; the latest ones stay ready.

    Attributes:
        busy: held by whoever works with a model: one at a time.
    """

    def __init__(self, kept: int = KEPT):
        self.busy = threading.Lock()
        self._kept, self._models, self._lock = kept, OrderedDict[str, "Model"](), threading.Lock()

    def __call__(self, name: str) -> "Model":
        """The model of these weights, loaded if it is not here. MusicFusionError if it cannot be."""
        with self._lock:
            model = self._models.get(name)
            if model is None:
                from musicfusion import api

                model = api.load(name)
                _ = model.controls  # builds what samples
            self._models[name] = model
            self._models.move_to_end(name)
            while len(self._models) > self._kept:
                self._models.popitem(last=False)
        return model


def offered(declarations: Mapping[str, Declaration], named: Sequence[str] = ()) -> dict[str, list[str]]:
    """The weights of each system, those that were named first, then those that ship with it.

    Args:
        declarations: of the systems, by name.
        named: weights or workdirs, as `musicfusion.load` takes them.

    Raises:
        MusicFusionError: something that was named is not there, or is of no system.
    """
    found: dict[str, list[str]] = {name: [] for name in declarations}
    for name in named:
        _, config, _ = pretrained.opened(name)
        system = config.get("system")
        if system not in found:
            raise MusicFusionError(f"{name}: its system {system!r} is unknown: there are {', '.join(found)}")
        found[system].append(name)
    for name in pretrained.names():
        manifest = json.loads((pretrained.SHIPPED / name / pretrained.MANIFEST).read_text())
        if manifest.get("system") in found and name not in found[manifest["system"]]:
            found[manifest["system"]].append(name)
    return found
