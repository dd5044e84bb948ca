"""One folder per paper. A system imports no other system; what two of them share moves down.

    musicfusion.systems()    every system by name: what it takes and offers
"""

import importlib
import os
import pkgutil
import sys
from types import ModuleType

from musicfusion.core.contracts import Declaration


def declarations() -> dict[str, Declaration]:
    """Every system in this folder, and in those that were registered, by name; none of them imports jax yet."""
    found = (
        importlib.import_module(f"{__name__}.{module.name}").DECLARATION
        for module in pkgutil.iter_modules(__path__)
    )
    return {declaration.name: declaration for declaration in found}


def register(folder: str | os.PathLike[str]) -> None:
    """Adds the systems in another folder, each a package with a DECLARATION as here."""
    if os.fspath(folder) not in __path__:
        __path__.append(os.fspath(folder))
        importlib.invalidate_caches()


class _Systems(ModuleType):
    """This package, which can be called: musicfusion.systems() is declarations()."""

    def __call__(self) -> dict[str, Declaration]:
        return declarations()


sys.modules[__name__].__class__ = _Systems
