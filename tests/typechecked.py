"""What the tests check at every call: types of arguments and results, and kind and shape of arrays (jaxtyping)."""

from pathlib import Path

from beartype import BeartypeConf, beartype

ROOMS = ("codecs/*.py", "latent/*.py", "metrics/*.py", "nn/*.py", "losses.py", "priors.py")
ANYTHING = {"musicfusion.codecs.inputs"}  # which refuses by itself what it cannot read
_PACKAGE = Path(__file__).parents[1] / "musicfusion"
_FILES = [path.relative_to(_PACKAGE.parent) for room in ROOMS for path in sorted(_PACKAGE.glob(room))]
MODULES = [name for name in (".".join(path.with_suffix("").parts) for path in _FILES) if name not in ANYTHING]
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, too
