"""The methods that Tables 1 to 3 compare (paper 000, section 4.2), each a way from pairs to music.

Music is a dict of arrays, one row a pair: "melody" tokens [B, 32], "pitch" and "duration" [B, 32, 14], "chords"
[B, 8, 3] (not from vanilla), and, from methods that move latents, "rho_melody" and "rho_accompaniment" [B].
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import losses
from musicfusion.systems.collagenet import actor_critic, baselines, nets

Music = dict[str, Any]
DESCENTS = (25, 50, 100, 200)  # iterations of the data-driven method; the paper does not say how many it took
SLOW = 1000  # pairs on which it is measured: each of them asks the critic 200 times


class Method(NamedTuple):
    """run(music of unrelated pairs, rows [B]) -> music: what the method makes of them; rows seed what it draws.

    most: on how many pairs it is measured, evenly chosen; None: all.
    """

    name: str
    run: Callable[[Music, np.ndarray], Music]
    most: int | None = None


class Space(NamedTuple):
    """The latent space of two trained VAEs: the way there (posterior mean), moves in it, the way back (greedy).

    Compiled once each, whatever is moved and by whose parameters.
    aspects: latent sizes in the order in which z holds them;  sbar [d]
    encode: music -> z [B, d];  decode: z [B, d] -> music
    move: an actor's parameters, z [B, d], controls [B, 4] -> z' [B, d]
    """

    aspects: dict[str, int]
    sbar: jax.Array
    encode: Callable[[Music], jax.Array]
    decode: Callable[[jax.Array], Music]
    move: Callable[[Any, jax.Array, jax.Array], jax.Array]

    def rho(self, moved: jax.Array, z: jax.Array) -> dict[str, jax.Array]:
        """rho of the whole melody's latent and of the whole accompaniment's, [B] each (Table 1)."""
        cut = actor_critic.melody_size(self.aspects)
        both = {"rho_melody": slice(None, cut), "rho_accompaniment": slice(cut, None)}
        return {name: losses.log_distance(moved[:, part], z[:, part], self.sbar[part]) for name, part in both.items()}


def space(config, results) -> Space:
    """The latent space of a run."""
    sides = nets.models(config)
    mover = nets.mover(config, sides)
    params = nets.vaes(results)

    def encode(params, music):
        return nets.encode(sides, params, music)[0]

    def decode(params, z):
        decoded = nets.decode(sides, params, z)
        decoded["melody"] = decoded.pop("tokens")
        del decoded["rhythm"]
        return decoded

    def move(params, actor, z, controls):
        return mover(params | {"actor": actor}, z, controls)

    compiled = [functools.partial(jax.jit(way), params) for way in (encode, decode, move)]
    return Space(nets.aspects(sides), results("latents")["sbar"], *compiled)


def methods(config, results, here: Space) -> Iterator[Method]:
    """Every method whose stages are trained, in Table 1's order; those that learn nothing come first."""
    yield unchanged("disharmonic pairs")
    yield Method("transposition", _melody_by(here, baselines.transposed))
    yield Method("rule-based", _melody_by(here, lambda *pair: baselines.rule_based(*pair, seed=config.seed)))
    yield from _data_driven(config, results, here)
    if results.has("vanilla_fusion"):
        view, under = nets.view(config, "vanilla"), nets.prefixed(results, "vanilla_")
        yield _collagenet("CollageNet-vanilla", view, under, space(view, under))
    for value, stage in nets.sweep(config):
        if results.has(stage):
            yield _collagenet(f"CollageNet, lambda {value:g}", config, results, here, stage)


def at_controls(config, results, here: Space, value: float) -> Method:
    """The run's own actor with all controls at one value."""
    return _collagenet(f"controls {value:g}", config, results, here, controls=value)


def unchanged(name: str) -> Method:
    """Pairs as they are."""
    return Method(name, lambda music, rows: music)


def reconstruction(here: Space) -> Method:
    """Through the VAEs and back, nothing moved: the ceiling of every method that works on latents."""
    return Method("harmonic pairs through the VAEs", lambda music, rows: here.decode(here.encode(music)))


def prior(here: Space, seed: int) -> Method:
    """z ~ p(z), decoded: what the VAEs make up (Table 3)."""

    def draw(row):
        return jax.random.normal(jax.random.fold_in(jax.random.key(seed), row), here.sbar.shape)

    return Method("VAE prior", lambda music, rows: here.decode(jax.vmap(draw)(rows)))


def _melody_by(here: Space, change: Callable) -> Callable[[Music, np.ndarray], Music]:
    """A method that rewrites the melody alone; how far that is in latent space is measured by encoding it again."""

    def run(music, rows):
        new = music | {"melody": np.asarray(change(music["melody"], music["pitch"], music["duration"]))}
        return new | {"rho_melody": here.rho(here.encode(new), here.encode(music))["rho_melody"]}

    return run


def _data_driven(config, results, here: Space) -> Iterator[Method]:
    """Adam on the latents of each pair, down the slope of a critic that never met an actor (section 4.2)."""
    if not results.has("baseline_critic"):
        return
    sides = nets.models(config)
    _, critic = nets.actor_and_critic(config, sides)
    hear, vaes = nets.hear(config, sides), nets.vaes(results)

    params = results("baseline_critic")["critic"]
    ways: dict[bytes, jax.Array] = {}  # of each z: one descent passes all that is measured

    @jax.jit
    def descend(vaes, params, z):
        return baselines.descend(lambda z: critic.apply({"params": params}, hear(vaes, z)), z, DESCENTS)

    def by(which):
        def run(music, rows):
            z = here.encode(music)
            key = np.asarray(z).tobytes()
            if key not in ways:
                ways[key] = descend(vaes, params, z)
            moved = ways[key][which]
            return here.decode(moved) | here.rho(moved, z)

        return run

    for which, iterations in enumerate(DESCENTS):
        yield Method(f"data-driven, {iterations} iterations", by(which), SLOW)


def _collagenet(name, config, results, here: Space, stage: str = "fusion", controls: float | None = None) -> Method:
    """The actor of one stage; controls ~ U(0, 1), each pair its own, unless one value is given for all."""
    actor, key = results(stage)["actor"], jax.random.fold_in(jax.random.key(config.seed), 1)
    columns = len(actor_critic.controlled(here.aspects))  # vanilla's actor has none

    def draw(row):
        return jax.random.uniform(jax.random.fold_in(key, row), (columns,))

    def run(music, rows):
        z = here.encode(music)
        knobs = jax.vmap(draw)(rows) if controls is None else jnp.full((len(rows), columns), controls)
        moved = here.move(actor, z, knobs)
        return here.decode(moved) | here.rho(moved, z)

    return Method(name, run)
