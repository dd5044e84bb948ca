"""A transcriber of drums: sound -> hits of nine instruments, as render.kit plays them.

A network over time sees the frames of codecs.drum_frames around each, and says of each instrument how likely it is hit
there, and how hard. Hits are the peaks above a threshold, which was chosen on validation.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from musicfusion.codecs import drum_frames
from musicfusion.codecs.drum_frames import BANDS, PER_SECOND, QUIETEST
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task, Tree
from musicfusion.metrics import drums
from musicfusion.nn.frames import windows
from musicfusion.systems.arrangement.grid_dataset import KIT

THRESHOLDS = np.arange(0.06, 0.9, 0.04)  # that are tried
BLOCK, MARGIN = 1024, 40  # frames that are transcribed at once, and what is seen around them
NEAR = 3  # frames: the next peak of an instrument is farther away
BESIDE = 0.4  # how likely a hit is said to be in the frames before and after its own
LOUDNESS = 2.0  # weight of the error of velocities


class DrumNet(nn.Module):
    """Frames -> what is hit: residual blocks of dilated convolutions over time, all bands at once.

    width: of the features; blocks: each sees twice as far as the one before.
    """

    width: int = 80
    blocks: int = 4

    @nn.compact
    def __call__(self, frames: jax.Array) -> jax.Array:
        """Logits of a hit, and of its velocity: dB [B, T, BANDS] -> [B, T, 9, 2]."""
        x = nn.Dense(self.width, name="enter")(windows(frames / 20 + 2, 3))
        for block in range(self.blocks):
            h = windows(nn.LayerNorm(name=f"norm_{block}")(x), 3, dilation=2**block)
            x = x + nn.Dense(self.width, name=f"mix_{block}")(nn.gelu(nn.Dense(self.width, name=f"see_{block}")(h)))
        x = nn.gelu(nn.LayerNorm(name="leave")(x))
        return nn.Dense(2 * KIT, name="hits")(x).reshape(*frames.shape[:2], KIT, 2)


def transcriber(net: DrumNet, *, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """Learns what is hit: cross-entropy of hits, nats a frame, and the squared error of their velocities.

    steps: of the training.
    """

    def parameters(key, batch, frozen):
        return net.init(key, batch["frames"])["params"]

    def loss(params, batch, frozen, key, fraction):
        scores: Any = net.apply({"params": params}, batch["frames"])
        hit = (batch["hits"] > 0).astype(jnp.float32)
        padded = jnp.pad(hit, ((0, 0), (1, 1), (0, 0)))
        likely = jnp.maximum(hit, BESIDE * jnp.maximum(padded[:, :-2], padded[:, 2:]))
        hits = jnp.mean(jnp.sum(optax.sigmoid_binary_cross_entropy(scores[..., 0], likely), -1))
        away = jnp.sum(hit * (jax.nn.sigmoid(scores[..., 1]) - batch["hits"] / 127) ** 2)
        velocity = away / jnp.maximum(jnp.sum(hit), 1)
        total = hits + LOUDNESS * velocity * jnp.mean(jnp.sum(hit, -1))
        return total, {"loss": total, "hits": hits, "velocity": jnp.sqrt(velocity)}

    def validate(state, batch, frozen, key):
        return loss(state["params"], batch, frozen, key, 1.0)[1]

    def generate(params, batch, frozen, key):
        """How likely each instrument is hit at each frame."""
        scores: Any = net.apply({"params": params}, batch["frames"])
        return {"hits": jax.nn.sigmoid(scores[..., 0])}

    start, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=loss)
    return Task(init=start, step=step, validate=validate, generate=generate)


# Use -----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transcriber:
    """A trained network in use.

    activations: frames [T, BANDS] -> how likely each instrument is hit, and its velocity in 0..1: float [T, 9, 2].
    thresholds: from which on that is a hit, float [9].
    """

    activations: Callable[[np.ndarray], np.ndarray]
    thresholds: np.ndarray

    def hits(self, samples: np.ndarray) -> np.ndarray:
        """The hits of mono samples [n] at codecs.audio.RATE: float [n, 3] (seconds, instrument, velocity), by time."""
        return peaks(self.activations(drum_frames.frames(samples)), self.thresholds)


def create(net: DrumNet, params: Tree, thresholds: np.ndarray) -> Transcriber:
    """A transcriber of these parameters."""
    return Transcriber(activations=activations(net, params), thresholds=np.asarray(thresholds))


def activations(net: DrumNet, params: Tree) -> Callable[[np.ndarray], np.ndarray]:
    """The network as a function of the frames of sounds of any length, as Transcriber has it."""

    @jax.jit
    def program(params, frames):
        scores: Any = net.apply({"params": params}, frames)
        return jax.nn.sigmoid(scores)

    def run(params, frames: np.ndarray) -> np.ndarray:
        size = BLOCK + 2 * MARGIN
        found = []
        for begin in range(0, len(frames), BLOCK):
            part = np.full((1, size, BANDS), QUIETEST, np.float32)
            first, last = max(begin - MARGIN, 0), min(begin + BLOCK + MARGIN, len(frames))
            part[0, first - begin + MARGIN : last - begin + MARGIN] = frames[first:last]
            found.append(np.asarray(program(params, part))[0, MARGIN : MARGIN + BLOCK])
        return np.concatenate(found)[: len(frames)]

    return functools.partial(run, params)


def peaks(likely: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Hits at peaks of activations [T, 9, 2] above the thresholds [9]: float [n, 3] (seconds, instrument, velocity).

    A peak is the highest within NEAR frames; its time lies between frames, on the parabola through its neighbours.
    """
    hit = likely[..., 0]
    padded = np.pad(hit, ((NEAR, NEAR), (0, 0)), constant_values=-1.0)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEAR + 1, 0)
    first = (hit > around[..., :NEAR].max(-1)) & (hit >= around[..., NEAR + 1 :].max(-1))  # of equal ones the first
    frame, kind = np.nonzero(first & (hit > thresholds))
    before, here, after = (padded[frame + NEAR + k, kind] for k in (-1, 0, 1))
    before, after = np.maximum(before, 0), np.maximum(after, 0)
    bend = before - 2 * here + after
    moved = np.where(bend < -1e-6, 0.5 * (before - after) / np.minimum(bend, -1e-6), 0.0)
    when = np.maximum(frame + np.clip(moved, -0.5, 0.5), 0) / PER_SECOND
    velocity = np.clip(np.rint(likely[frame, kind, 1] * 127), 1, 127)
    found = np.stack([when, kind, velocity], 1)
    return found[np.lexsort((kind, when))]


def thresholds(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> np.ndarray:
    """The thresholds with the highest F1 for each instrument: float32 [9].

    found: activations [T, 9, 2] of sounds; truth: their hits [n, 3]. An instrument that is never hit gets the highest.
    """
    scores = []
    for least in THRESHOLDS:
        counts = [drums.timed_agreement(peaks(own, np.full(KIT, least)), true, KIT)
                  for own, true in zip(found, truth, strict=True)]
        scores.append(drums.f1(np.sum(counts, 0)))
    smooth = np.stack(scores)
    smooth[1:-1] = (smooth[:-2] + smooth[1:-1] + smooth[2:]) / 3  # less by chance
    chosen = THRESHOLDS[np.argmax(smooth, 0)]
    hit = np.isin(np.arange(KIT), np.concatenate([own[:, 1] for own in truth]) if len(truth) else [])
    return np.where(hit, chosen, THRESHOLDS[-1]).astype(np.float32)
