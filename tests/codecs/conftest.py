"""Real music for the codecs' round trips."""

import pytest

from musicfusion.data import chorales, pop909
from musicfusion.data.corpus import Corpus


@pytest.fixture(scope="session", params=["chorales", "pop909"])
def real_corpus(request) -> Corpus:
    """A few songs of each corpus."""
    if request.param == "chorales":
        return chorales.read(6)
    return pop909.read(request.getfixturevalue("pop909_root"), limit=4)
