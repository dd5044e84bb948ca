"""Weights as the tests of test_pretrained.py and test_hub.py use them; their fixtures are in conftest.py."""

from musicfusion import launch

FILES = ["README.md", "config.json", "manifest.json", "model.safetensors"]
QUIET = "--config.sample.audio=false"


def main(*flags: str) -> int:
    return launch.main(["musicfusion", *flags])


def refused(capfd, *flags: str) -> str:
    """The one line with which the command line refuses these flags."""
    capfd.readouterr()
    assert main(*flags) == 2
    error = capfd.readouterr().err
    assert error.startswith("musicfusion: ") and error.count("\n") == 1 and "Traceback" not in error
    return error
