"""What the curves of paper 001 compare (sections 3.4 to 3.6): random pairs, Latent Perturb, G once and again.

And one transposition, which the paper does not have.

Music is symbols int [n, 128] with the latent z [n, 128] that it was decoded from.
"""

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.core.rows import numbered
from musicfusion.systems.connective_fusion import nets, reality
from musicfusion.systems.connective_fusion.windows import SIDES

ITERATIONS = 5  # of G
SIGMAS = (0.02, 0.05, 0.1, 0.2)  # of Latent Perturb; the paper: between .01 and .2
PERTURBATIONS = 100  # NumIter of algorithm 1
SHOWN = (10, 30, 100)  # after how many of them it is measured
FARTHEST = 12  # semitones of a transposition


class Point(NamedTuple):
    """What a method made of all pairs: its name, its setting, how often it was applied; symbols, and how far z went."""

    method: str
    setting: str
    iteration: int
    symbols: np.ndarray
    distance: np.ndarray


class Networks:
    """The trained networks of a run, compiled once each, for any number of rows; parameters are no constants.

    encode(symbols [n, 128]) -> mean, std [n, 128];  decode(z) -> symbols;  distance(z', z) -> [n]
    """

    def __init__(self, config, results):
        side = nets.model(config)
        actor, _ = nets.actor_and_critic(config, side)
        hear, judge = nets.hear(config, side), reality.Reality(**dict(config.reality.size))
        self.config, self.results, self.latent = config, results, nets.latent(side)
        self.sbar = results("latents")["sbar"]

        def encode(vae, symbols):
            return nets.encode(side, vae, dict(zip(SIDES, jnp.split(symbols, 2, 1), strict=True)))

        def decode(vae, z):
            made = nets.decode(side, vae, z)
            return jnp.concatenate([made[name] for name in SIDES], 1)

        def score(params, symbols):
            return judge.apply({"params": params}, *jnp.split(symbols, 2, 1))

        def move(vae, params, z, style):
            return actor.apply({"params": params}, hear(vae, z), style)

        vae = results("melody_vae")
        self.encode = self._rows(jax.jit(encode), vae)
        self.decode = self._rows(jax.jit(decode), vae)
        self.distance = self._rows(jax.jit(lambda moved, z: losses.squared_distance(moved, z, self.sbar)))
        self._vae, self._score, self._move = vae, jax.jit(score), jax.jit(move)
        self._climb = jax.jit(functools.partial(perturbed, decode, score))

    def _rows(self, run: Callable, *given) -> Callable:
        """run(*given, *rows), as many rows at a time as the config says: on a CPU, large arrays cost more than work."""
        size = self.config.evaluate.batch

        def over(*rows):
            blocks = ([x[i : i + size] for x in rows] for i in range(0, len(rows[0]), size))
            return jax.tree.map(lambda *part: np.concatenate(part), *(jax.device_get(run(*given, *x)) for x in blocks))

        return over

    def move(self, z, style, stage: str = "fusion") -> np.ndarray:
        """G once."""
        return self._rows(self._move, self._vae, self.results(stage)["actor"])(z, style)

    def logits(self, symbols, stage: str = "reality") -> np.ndarray:
        """A classifier's logits [n]."""
        return self._rows(self._score, self.results(stage))(symbols)

    def climb(self, z, sigma: float) -> dict[int, np.ndarray]:
        """Latent Perturb: z after each of SHOWN perturbations."""
        keys = numbered(jax.random.key(self.config.seed), jnp.arange(len(z)))
        run = self._rows(lambda z, keys: self._climb(self._vae, self.results("reality_1"), z, sigma, keys))
        return dict(zip(SHOWN, run(z, keys), strict=True))


def perturbed(decode, score, vae, params, z, sigma, keys) -> tuple[jax.Array, ...]:
    """Algorithm 1: noise is added to both latents and kept where reality rises, PERTURBATIONS times.

    The paper's line 8 says S_min, R_min where the tried ones are meant. -> z after each of SHOWN, a tuple of [n, 128].
    """

    def attempt(carry, step):
        z, best = carry
        noise = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, step), z.shape[1:]))(keys)
        tried = z + sigma * noise
        found = score(params, decode(vae, tried))
        better = found > best
        carry = (jnp.where(better[:, None], tried, z), jnp.where(better, found, best))
        return carry, None

    carry, kept, done = (z, score(params, decode(vae, z))), [], 0
    for count in SHOWN:
        carry, _ = lax.scan(attempt, carry, jnp.arange(done, count))
        kept.append(carry[0])
        done = count
    return tuple(kept)


def transposed(like: Callable[[np.ndarray], np.ndarray], symbols: np.ndarray) -> np.ndarray:
    """Each pair with its right side where a classifier likes it best, an octave away at most: int [n, 128].

    How much of reality is key and height.  like: symbols -> logits [n]. What would leave the range is not tried.
    """
    left, right = np.split(symbols, 2, 1)
    tokens, found, liked = melody.from_symbols(right), [], []
    for shift in range(-FARTHEST, FARTHEST + 1):
        moved = melody.transpose(tokens, shift)
        inside = np.all((moved >= melody.HOLD) | ((moved >= melody.LOWEST) & (moved <= melody.HIGHEST)), 1)
        found.append(np.concatenate([left, melody.symbols(moved)], 1))
        liked.append(np.where(inside, like(found[-1]), -np.inf))
    return np.stack(found)[np.argmax(liked, 0), np.arange(len(symbols))]


def points(networks: Networks, z: np.ndarray, style: np.ndarray, before: np.ndarray) -> Iterator[Point]:
    """Everything that is measured on inputs z [n, 128] with styles [n, d_s]; before: their symbols as they are."""
    nothing = np.zeros(len(z), np.float32)
    yield Point("random pairs", "", 0, before, nothing)
    yield Point("random pairs through the VAE", "", 0, networks.decode(z), nothing)

    if networks.results.has("reality_1"):
        there = transposed(functools.partial(networks.logits, stage="reality_1"), before)
        yield Point("one transposition", "", 0, there, networks.distance(networks.encode(there)[0], z))

    def point(method, setting, iteration, moved):
        return Point(method, setting, iteration, networks.decode(moved), networks.distance(moved, z))

    for distance, stage in sweep(networks.config):
        moved = z
        for iteration in range(1, ITERATIONS + 1) if networks.results.has(stage) else ():
            moved = networks.move(moved, style, stage)
            yield point("Connective Fusion", f"lambda {distance:g}", iteration, moved)
    for sigma in SIGMAS if networks.results.has("reality_1") else ():
        for count, moved in networks.climb(z, sigma).items():
            yield point("Latent Perturb", f"sigma {sigma:g}", count, moved)


def sweep(config) -> list[tuple[float, str]]:
    """Every lambda, ascending, with the stage that trains its actor; config.fusion's own is "fusion"."""
    own = float(config.fusion.distance)
    values = sorted({own, *map(float, config.compare.lambdas)})
    return [(value, "fusion" if value == own else f"fusion_{value}") for value in values]
