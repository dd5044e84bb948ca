"""What the systems' configs share: how a run is run, optimisers, and how a variant is chosen."""

from collections.abc import Callable, Mapping

from ml_collections import ConfigDict

RUN = {
    "parallel": "pmap",  # or shard_map
    "precision": "float32",  # of matrix products; or bfloat16
    "steps_per_dispatch": 20,  # steps that the device takes without asking the host
    "log_every": 100, "validate_every": 500, "checkpoint_every": 500, "show_every": 1000,  # steps
    "validate_batches": 8,
    "tensorboard": True,
    "init": "",  # shipped weights, a folder of weights, or a workdir to begin from, instead of random parameters
}
EVALUATE = {
    "sheet": "",  # a folder: --mode=evaluate makes a listening test there, a page and its key, and measures nothing
    "answers": "",  # what listeners saved, files or folders with commas between: the report tells what they say
    "judges": "",  # shipped weights, a folder of weights, or a workdir whose judges measure instead of the run's own
    "clips": 4,  # of each method that a listener hears
}
QUICK = {"log_every": 20, "validate_every": 100, "checkpoint_every": 100, "show_every": 300, "validate_batches": 4}


def start(system: str, variant: str, variants: Mapping[str, Callable[[ConfigDict], None]]) -> ConfigDict:
    """A config with what every system has: its name, the preset, the seed, and the groups `train`, `run`, `evaluate`.

    Raises:
        ValueError: the variant is none of `variants`.
    """
    if variant not in variants:
        raise ValueError(f"variant {variant!r} is unknown: use one of {', '.join(variants)}")
    config = ConfigDict({"system": system, "preset": variant, "seed": 0})
    config.train = ConfigDict({"baselines": False})  # also train what the paper's tables set beside the model
    config.run = ConfigDict(RUN)  # how, not what: nothing in it but init changes what is learned, up to rounding
    config.evaluate = ConfigDict(EVALUATE)
    return config


def adam(rate: float, *, warmup: int = 0, schedule: str = "cosine", clip: float = 1.0, beta1: float = 0.9,
         beta2: float = 0.999) -> ConfigDict:
    """An optimiser's group: the arguments of core.optimizers.create."""
    return ConfigDict({"rate": rate, "schedule": schedule, "warmup": warmup, "clip": clip,
                       "beta1": beta1, "beta2": beta2})
