"""Real music for the systems' tests."""

import pytest

from musicfusion.data import chorales
from musicfusion.data.corpus import Corpus


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Chorales, enough for several songs in every split."""
    return chorales.read(100)
