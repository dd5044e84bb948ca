"""One folder per paper. A system imports no other system; what two of them share moves down."""

import importlib
import pkgutil

from musicfusion.core.task import Declaration


def declarations() -> dict[str, Declaration]:
    """Every system in this folder by name; none of them imports jax yet."""
    found = (
        importlib.import_module(f"{__name__}.{module.name}").DECLARATION
        for module in pkgutil.iter_modules(__path__)
    )
    return {declaration.name: declaration for declaration in found}
