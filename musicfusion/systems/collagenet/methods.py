"""The methods that Tables 1 to 3 compare (paper 000, section 4.2), each a way from pairs to music.

Music is a dict of arrays, one row a pair: "melody" tokens [B, 32], "pitch" and "duration" [B, 32, 14], "chords"
[B, 8, 3] (not from vanilla), and, from methods that move latents, "rho_melody" and "rho_accompaniment" [B].
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import losses
from musicfusion.systems.collagenet import actor_critic, baselines, nets

Music = dict[str, Any]
DESCENTS = (25, 50, 100, 200)  # iterations of the data-driven method; the paper does not say how many it took


class Method(NamedTuple):
    """run(music of unrelated pairs, rows [B]) -> music: what the method makes of them; rows seed what it draws."""

    name: str
    run: Callable[[Music, np.ndarray], Music]


@dataclasses.dataclass(frozen=True)
class Space:
    """The latent space of two trained VAEs: the way there (posterior mean) and back (greedy), and its distance."""

    sides: dict
    params: dict
    sbar: jax.Array

    @property
    def aspects(self) -> dict[str, int]:
        """Latent sizes in the order in which z holds them."""
        return nets.aspects(self.sides)

    def encode(self, music: Music) -> jax.Array:
        """Music -> z [B, d]."""
        return nets.encode(self.sides, self.params, music)[0]

    def decode(self, z: jax.Array) -> Music:
        """z [B, d] -> music."""
        decoded = nets.decode(self.sides, self.params, z)
        decoded["melody"] = decoded.pop("tokens")
        del decoded["rhythm"]
        return decoded

    def rho(self, moved: jax.Array, z: jax.Array) -> dict[str, jax.Array]:
        """rho of the whole melody's latent and of the whole accompaniment's, [B] each (Table 1)."""
        cut = actor_critic.melody_size(self.aspects)
        both = {"rho_melody": slice(None, cut), "rho_accompaniment": slice(cut, None)}
        return {name: losses.log_distance(moved[:, part], z[:, part], self.sbar[part]) for name, part in both.items()}


def space(config, results) -> Space:
    """The latent space of a run."""
    params = {side: results(f"{side}_vae") for side in nets.SIDES}
    return Space(nets.models(config), params, results("latents")["sbar"])


def methods(config, results) -> Iterator[Method]:
    """Every method whose stages are trained, in Table 1's order; those that learn nothing come first."""
    here = space(config, results)
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
    return Method("harmonic pairs through the VAEs", jax.jit(lambda music, rows: here.decode(here.encode(music))))


def prior(here: Space, seed: int) -> Method:
    """z ~ p(z), decoded: what the VAEs make up (Table 3)."""

    @jax.jit
    def run(music, rows):
        del music
        draw = jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(jax.random.key(seed), row), (here.sbar.size,)))
        return here.decode(draw(rows))

    return Method("VAE prior", run)


def _melody_by(here: Space, change: Callable) -> Callable[[Music, np.ndarray], Music]:
    """A method that rewrites the melody alone; how far that is in latent space is measured by encoding it again."""
    distance = jax.jit(lambda new, old: here.rho(here.encode(new), here.encode(old)))

    def run(music, rows):
        new = music | {"melody": np.asarray(change(music["melody"], music["pitch"], music["duration"]))}
        return new | {"rho_melody": distance(new, music)["rho_melody"]}

    return run


def _data_driven(config, results, here: Space) -> Iterator[Method]:
    """Adam on the latents of each pair, down the slope of a critic that never met an actor (section 4.2)."""
    if not results.has("baseline_critic"):
        return
    _, critic = nets.actor_and_critic(config, here.sides)
    params, hear = results("baseline_critic")["critic"], nets.hear(config, here.sides)

    def judge(z):
        return jnp.asarray(critic.apply({"params": params}, hear(here.params, z)))

    def by(iterations):
        @jax.jit
        def run(music, rows):
            z = here.encode(music)
            moved = baselines.descend(judge, z, (iterations,))[0]
            return here.decode(moved) | here.rho(moved, z)

        return run

    for iterations in DESCENTS:
        yield Method(f"data-driven, {iterations} iterations", by(iterations))


def _collagenet(name, config, results, here: Space, stage: str = "fusion", controls: float | None = None) -> Method:
    """The actor of one stage; controls ~ U(0, 1), each pair its own, unless one value is given for all."""
    move = nets.mover(config, here.sides)
    params = here.params | {"actor": results(stage)["actor"]}

    @jax.jit
    def run(music, rows):
        z = here.encode(music)
        key = jax.random.fold_in(jax.random.key(config.seed), 1)
        draw = jax.vmap(lambda row: jax.random.uniform(jax.random.fold_in(key, row), (len(actor_critic.ASPECTS),)))
        knobs = draw(rows) if controls is None else jnp.full((len(rows), len(actor_critic.ASPECTS)), controls)
        moved = move(params, z, knobs)
        return here.decode(moved) | here.rho(moved, z)

    return Method(name, run)
