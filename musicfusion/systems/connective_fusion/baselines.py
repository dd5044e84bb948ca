"""What stands beside G: Latent Perturb (Connective Fusion, section 3.5), and one transposition, which is ours."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from musicfusion.codecs import melody

SIGMAS = (0.02, 0.05, 0.1, 0.2)  # of Latent Perturb; between .01 and .2 in the paper
PERTURBATIONS = (10, 30, 100)  # after how many of them it is measured; the last is NumIter of algorithm 1
FARTHEST = 12  # semitones of a transposition


def latent_perturb(decode: Callable, score: Callable, z: jax.Array, sigma: float,
                   keys: jax.Array) -> tuple[jax.Array, ...]:
    """Algorithm 1: noise is added to both latents, and kept where reality rises.

    The algorithm's line 8 prints S_min and R_min where the tried ones are meant.

    Args:
        decode: z [B, 2 d_z] -> music.
        score: music -> logits of a reality classifier [B].
        z: what it starts from.
        sigma: standard deviation of the noise.
        keys: of each example [B].

    Returns:
        z [B, 2 d_z] after each number of PERTURBATIONS.
    """

    def attempt(carry, step):
        z, best = carry
        noise = jax.vmap(lambda key: jax.random.normal(jax.random.fold_in(key, step), z.shape[1:]))(keys)
        tried = z + sigma * noise
        found = score(decode(tried))
        better = found > best
        carry = (jnp.where(better[:, None], tried, z), jnp.where(better, found, best))
        return carry, None

    carry, kept, done = (z, score(decode(z))), [], 0
    for count in PERTURBATIONS:
        carry, _ = lax.scan(attempt, carry, jnp.arange(done, count))
        kept.append(carry[0])
        done = count
    return tuple(kept)


def best_transposition(score: Callable[[np.ndarray], np.ndarray], symbols: np.ndarray) -> np.ndarray:
    """Each pair with its right side where a classifier likes it best, at most an octave away: int [B, 128].

    It shows how much of reality is key and height alone. Transpositions that would leave the range are not tried.
    score: symbols [B, 128] -> logits [B].
    """
    left, right = np.split(symbols, 2, 1)
    tokens, tried, scores = melody.from_symbols(right), [], []
    for shift in range(-FARTHEST, FARTHEST + 1):
        moved = melody.transpose(tokens, shift)
        inside = np.all((moved >= melody.HOLD) | ((moved >= melody.LOWEST) & (moved <= melody.HIGHEST)), 1)
        tried.append(np.concatenate([left, melody.symbols(moved)], 1))
        scores.append(np.where(inside, score(tried[-1]), -np.inf))
    return np.stack(tried)[np.argmax(scores, 0), np.arange(len(symbols))]
