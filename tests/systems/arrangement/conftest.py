"""Small mel-spectrograms, networks and a trained CycleGAN, which several rooms' tests share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import mel
from musicfusion.core import optimizers
from musicfusion.data import marks
from musicfusion.data.corpus import Corpus, concatenate
from musicfusion.nn.frames import FrameNet, FramePatchGAN
from musicfusion.nn.images import PatchGAN, ResNet
from musicfusion.systems.arrangement import objective
from musicfusion.systems.arrangement.dataset import Crops

SIDE = 32  # frames of a crop, and bands
NETWORKS = {"images": (ResNet(4, 1), PatchGAN(4)), "frames": (FrameNet(32, 2), FramePatchGAN(8))}


@pytest.fixture(scope="session")
def cyclegan():
    """Name of networks, changed weights -> a CycleGAN."""
    def create(name="frames", **weights):
        generator, discriminator = NETWORKS[name]
        return objective.CycleGAN(generator=generator, discriminator=discriminator, **{
            "cycle": 10.0, "identity": 0.5, "density": 5.0, "noise": 0.05} | weights)

    return create


@pytest.fixture(scope="session")
def optimizer():
    """Adam as the config has it, but faster."""
    return optimizers.create(rate=2e-3, schedule="constant", steps=100, clip=0.0, beta1=0.5)


def stripes(seed, horizontal, count=2):
    """Mel-spectrograms [count, SIDE, SIDE, 1] with stripes here and there; `horizontal` as an image has it."""
    rng = np.random.default_rng(seed)
    found = np.full((count, SIDE, SIDE, 1), -1.0, np.float32)
    for example in found:
        for first in rng.integers(0, SIDE - 2, 4):
            if horizontal:
                example[first : first + 2] = 0.5
            else:
                example[:, first : first + 2] = 0.5
    return jnp.asarray(found)


@pytest.fixture(scope="session")
def batch():
    """Seed -> a batch; domain a has stripes over the bands, b over time."""
    def create(seed=0):
        return {"a": stripes(seed, False), "b": stripes(seed + 100, True), "pair": stripes(seed, True),
                "example_key": jax.random.split(jax.random.key(seed), 2)}

    return create


@pytest.fixture(scope="session")
def frozen():
    """What tasks read besides the batch."""
    return {"level_quantiles": jnp.linspace(0.0, 0.5, 21)}


@pytest.fixture(scope="session")
def train(batch, frozen):
    """A task, a number of steps -> the first state, the last one, the metrics of each step."""
    def run(task, steps):
        start = state = task.init(jax.random.key(0), batch(), frozen)
        step = jax.jit(task.step)
        found = []
        for k in range(steps):
            state, metrics = step(state, batch(k), frozen, jax.random.key(0))
            found.append({name: float(x) for name, x in metrics.items()})
        return start, state, found

    return run


@pytest.fixture(scope="session", params=NETWORKS)
def trained(request, cyclegan, optimizer, train):
    """The name of networks, and a CycleGAN of them after 60 steps: the first state, the last one, the metrics."""
    return request.param, *train(objective.task(cyclegan(request.param), optimizer), 60)


@pytest.fixture(scope="session")
def crops():
    """How `recordings` are cut."""
    return Crops(length=SIDE, stride=8, seed=0, source="bass", target="drums")


@pytest.fixture(scope="session")
def recordings() -> Corpus:
    """Forty songs of 240 frames, uint8 [240, SIDE].

    The source sounds in frames 40..199, with a pulse every 20 frames, the target in 80..239, with one every 10. A beat
    is 20 frames, a bar four; all this is marked, the target's pulses as hats.
    """
    rng = np.random.default_rng(0)

    def song():
        mels = np.full((2, 240, SIDE), -1.0, np.float32)
        mels[0, 40:200, :8], mels[1, 80:, 16:] = -0.7, -0.6
        for frame in range(40, 200, 20):
            mels[0, frame : frame + 4, :8] = rng.uniform(0.2, 0.6)
        for frame in range(80, 240, 10):
            mels[1, frame : frame + 4, 16:] = rng.uniform(0.2, 0.6)
        known = np.full(240, marks.KNOWN, np.uint8)
        for bit, frames in ((marks.SOURCE, range(40, 200, 20)), (marks.OTHER, range(80, 240, 10)),
                            (marks.BEAT, range(0, 240, 20)), (marks.BAR, range(0, 240, 80))):
            known[list(frames)] |= bit
        return dict(zip(("source", "target"), mel.quantised(mels), strict=True)) | {"marks": known}

    return concatenate([(f"song {k}", song()) for k in range(40)], {}, "pulses", unit="frames")
