"""How FusionGAN's generators learn: rewards by critics (equation 4) and their policy gradient (Algorithm 1).

The paper's reward of a fusion is the sum of three critics' scores. Each symbol's share of it is estimated from several
completions of every prefix. Two terms are ours and have a weight each, 0 in the preset "paper": each fusion is to lie
at its own position between the genres (`reward`), and G_F is drawn to symbols that both genres play (`geometric_mean`).
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import lax

from musicfusion import losses
from musicfusion.core import parallel
from musicfusion.systems.fusion_gan.dataset import GENRES
from musicfusion.systems.fusion_gan.generator import Player, uniforms


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyGradient:
    """The settings of a generator's objective.

    Attributes:
        rollouts: completions of each prefix.
        likelihood_weight: of the negative log-likelihood of pieces.
        entropy_weight: of the entropy of each symbol's distribution, which is kept up.
        balance_weight: of each fusion's distance from its position between the genres.
        geometric_mean_weight: of G_F's KL divergence from the geometric mean of both genres' generators, which then
            takes the place of the likelihood.
    """

    rollouts: int
    likelihood_weight: float
    entropy_weight: float
    balance_weight: float
    geometric_mean_weight: float


Scores = Mapping[str, jax.Array]  # by critic, "a", "b", "f"
RealScores = Mapping[str, Mapping[str, jax.Array]]  # by critic, of pieces of either genre, "a", "b"


def position(scores: Scores, real: RealScores) -> jax.Array:
    """Where melodies lie between the genres: about 1 where pieces of the first do, 0 where those of the second do.

    Args:
        scores: of D_A and D_B, [...].
        real: their scores of pieces, [B] each.

    Returns:
        [...].
    """
    between = scores["a"] - scores["b"]
    first, second = (parallel.mean(jnp.mean(real["a"][genre] - real["b"][genre])) for genre in GENRES)
    return (between - second) / jnp.maximum(first - second, 1e-3)


def reward(scores: Scores, real: RealScores, ratio: jax.Array | None, balance_weight: float) -> jax.Array:
    """What the critics say of melodies (equation 4), in standard deviations of each critic's scores of pieces.

    Of fusions, D_A and D_B count in proportion to `ratio`, and `balance_weight` times the distance from the position
    `ratio` is taken away. That term is ours: melodies of which every second one is all of one genre get the same sum of
    D_A and D_B on average as melodies that all lie between the genres.

    Args:
        scores: of the critics that judge, [..., B].
        real: the scores that they give pieces.
        ratio: the first genre's share in fusions, [B]; None where the melodies are of one genre.
        balance_weight: see above.

    Returns:
        [..., B].
    """
    total = jnp.zeros(())
    for critic, own in scores.items():
        pieces = jnp.concatenate([real[critic][genre] for genre in GENRES])
        centre = parallel.mean(jnp.mean(pieces))
        spread = jnp.sqrt(parallel.mean(jnp.mean((pieces - centre) ** 2)) + 1e-8)
        weight = 1.0 if ratio is None else {"a": 2 * ratio, "b": 2 * (1 - ratio)}.get(critic, 1.0)
        total += weight * (own - centre) / spread
    if ratio is None or not balance_weight:
        return total
    return total - balance_weight * jnp.abs(position(scores, real) - ratio)


def advantage(
    player: Player, symbols: jax.Array, ratio: jax.Array, *, value: Callable[[jax.Array], jax.Array], rollouts: int,
    example_keys: jax.Array,
) -> jax.Array:
    """By how much each symbol of melodies changes the expected reward.

    The expectation after a symbol is the mean over completions from there; it is compared with that after the symbol
    before, for the first one with the batch's mean.

    Args:
        player: the generator that played the melodies, and completes them.
        symbols: the melodies, int [B, T].
        ratio: the first genre's share, [B].
        value: mean reward of completions int [n, B, T] -> [B].
        rollouts: n.
        example_keys: [B].

    Returns:
        [B, T].
    """
    length = symbols.shape[1]
    completed = player.rollouts(symbols, uniforms(example_keys, 80, (length, length // 2, rollouts)), ratio)
    expected = jnp.concatenate([lax.map(value, completed), value(symbols[None])[None]])  # [T, B]
    first = jnp.full((1, expected.shape[1]), parallel.mean(jnp.mean(expected[0])))
    return (expected - jnp.concatenate([first, expected[:-1]])).T


def loss(
    player: Player, symbols: jax.Array, gained: jax.Array, ratio: jax.Array, pieces: jax.Array,
    target: jax.Array | None, settings: PolicyGradient,
) -> jax.Array:
    """What a generator's parameters go down.

    Args:
        player: the generator.
        symbols: melodies that it played, int [B, T]; `gained`, each symbol's `advantage`, [B, T].
        ratio: the first genre's share, [B].
        pieces: real melodies whose likelihood is kept up, int [B, T].
        target: log p [B, T, V] of the distributions that G_F is drawn to instead, or None.
        settings: the weights.
    """
    log_p = player.log_likelihood(symbols, ratio)
    played = jnp.take_along_axis(log_p, symbols[..., None], -1)[..., 0]
    total = -jnp.mean(played * gained) - settings.entropy_weight * jnp.mean(entropy(log_p))
    if target is not None:
        return total + settings.geometric_mean_weight * jnp.mean(kl_divergence(log_p, target))
    if settings.likelihood_weight:
        return total + settings.likelihood_weight * jnp.mean(nats(player, pieces, ratio))
    return total


def nats(player: Player, symbols: jax.Array, ratio: jax.Array) -> jax.Array:
    """Negative log-likelihood of melodies int [B, T], nats a symbol: [B]."""
    return losses.nll(player.log_likelihood(symbols, ratio), symbols) / symbols.shape[1]


def entropy(log_p: jax.Array) -> jax.Array:
    """In nats: [..., V] -> [...]."""
    return -jnp.sum(jnp.exp(log_p) * log_p, -1)


def kl_divergence(log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    """KL(p || q) in nats: [..., V] x 2 -> [...]."""
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), -1)


def geometric_mean(first: jax.Array, second: jax.Array, ratio: jax.Array) -> jax.Array:
    """log of p_A^ratio p_B^(1 - ratio), normalised: the distribution whose KL divergence from both is least.

    It prefers symbols that both genres play, where a mixture keeps those of either one.

    Args:
        first: log p of both genres' generators, [B, T, V]; `second` is the other's.
        ratio: the first genre's share, [B].

    Returns:
        [B, T, V].
    """
    share = ratio[:, None, None]
    return jax.nn.log_softmax(share * first + (1 - share) * second)
