"""Bigram: a minute on a CPU.

    python -m musicfusion.launch --config=docs/example/bigram.py --workdir=runs/bigram
"""

from pathlib import Path

from ml_collections import ConfigDict

from musicfusion import systems
from musicfusion.configs import common

systems.register(Path(__file__).parent / "systems")  # not needed for a folder in musicfusion/systems


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration."""
    config = common.start("bigram", variant or "lite", {"lite": lambda config: None})
    config.data = ConfigDict({"root": "", "songs": 0, "split": "test"})
    config.bigram = ConfigDict({"steps": 400, "batch": 64, "optimizer": common.adam(0.1, clip=0.0)})
    config.sample = ConfigDict({"steps": 64, "audio": True})  # steps: 16ths that are added
    config.run.update(common.QUICK)
    return config
