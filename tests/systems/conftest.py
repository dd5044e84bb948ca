"""Real music for the systems' tests, and a compiler that is in a hurry."""

import jax
import pytest

from musicfusion.data import chorales
from musicfusion.data.corpus import Corpus


@pytest.fixture(scope="module", autouse=True)
def compiled_soon():
    """Here compiling takes longer than running."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Chorales, enough for several songs in every split."""
    return chorales.read(100)
