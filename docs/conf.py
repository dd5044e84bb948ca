"""How Sphinx builds these pages: sphinx-build -W -b html docs docs/_build

Nothing is fetched: no intersphinx, no remote fonts.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from musicfusion import __version__

project = "musicfusion"
author = "The musicfusion authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
templates_path: list[str] = []
html_theme = "furo"
html_title = f"musicfusion {version}"
smartquotes = False  # the examples in docstrings are code

myst_heading_anchors = 3  # links to headings, as on a forge
suppress_warnings = ["myst.header"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_preprocess_types = False
