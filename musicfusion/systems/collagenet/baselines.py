"""What Tables 1 to 3 set beside CollageNet: the paper's baselines (section 4.2), a transposition, and all as methods.

    FOOLS                    the cheapest rules (rules.py), which nobody would want to hear
    critic_task, descend     the data-driven baseline: a critic alone, and latents that go down its slope
    Method, methods          every method as one function from pairs to music

A pair is a melody `tokens` int [B, 32] and an accompaniment's slots `pitch` and `duration` int [B, 32, 14]; in latent
space it is z [B, d]. Music is a dict of arrays, one example a pair: "melody" tokens [B, 32], "pitch" and "duration"
[B, 32, 14], "chords" [B, 8, 3] (not from vanilla), from methods that move latents "rho_melody" and "rho_accompaniment"
[B], and from edits "melody_shift" and "accompaniment_shift" [B], by how much a part was transposed.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from musicfusion import losses
from musicfusion.core import optimizers
from musicfusion.core.contracts import Task
from musicfusion.core.example_keys import folded
from musicfusion.latent.actor_critic import critic_loss, negatives
from musicfusion.systems.collagenet import rules
from musicfusion.systems.collagenet.latent_space import Fusion
from musicfusion.systems.collagenet.objective import ACCOMPANIMENT, ASPECTS, MELODY, controlled

Music = dict[str, Any]
Edit = Callable[[Music, list[dict[str, Any]]], Music]  # pairs and the controls of each -> the pairs after their edits

RATE = 0.005  # Adam's, on latents
DESCENTS = (25, 50, 100, 200)  # iterations of the data-driven method; the paper does not say how many it took
SLOW = 1000  # pairs on which it is measured: each of them asks the critic 200 times
EDITED = 250  # pairs on which edits are measured: each of them asks its critics some hundred times
CONTROLS = (0.0, 0.25, 0.5, 0.75, 1.0)
HALF = "edits, controls 0.5"
UNTRAINED = "edits, untrained critics"
FIVE_NOTES = "in key, then on five notes"  # the accompaniment's commonest: the best rule that we know
MELODY_HELD, ACCOMPANIMENT_HELD = "edits, melody held", "edits, accompaniment held"


# Rules that a judge must not be pleased by ----------------------------------------------------------------------------


def _in_key(music: Music) -> jax.Array:
    return rules.transposed(music["melody"], music["pitch"], music["duration"])


FOOLS: dict[str, Callable[[Music], Any]] = {
    "every note on a chord tone": lambda music: rules.snapped(music["melody"], music["chords"]),
    "in key, then on a chord tone": lambda music: rules.snapped(_in_key(music), music["chords"]),
    "drone on the root": lambda music: rules.drone(music["melody"], music["chords"]),
    "drone on the third": lambda music: rules.drone(music["melody"], music["chords"], 1),
    "drone on the fifth": lambda music: rules.drone(music["melody"], music["chords"], 2),
    "one note all along": lambda music: rules.commonest(  # no judge met it
        music["melody"], music["pitch"], music["duration"], 1),
}
# The same for methods that change accompaniments: name -> so many of the melody's pitch classes are left.
ACCOMPANIMENT_FOOLS = {
    "acc. on the melody's notes": 12,
    "acc. on three of the melody's notes": 3,  # no judge met it
    "acc. on one pedal note": 1,
}


# Data-driven ---------------------------------------------------------------------------------------------------------


def critic_task(*, critic: Any, features: Callable, loss_weights: Mapping[str, float], prior: float,
                wrong: Callable | None = None, optimizer: optax.GradientTransformation, steps: int) -> Task:
    """D as in fusion, but it never meets an actor (section 4.2): equation (2) on the same examples.

    The raw negatives stand in for the actor's outputs as well, so real pairs weigh against negatives as in fusion.

    Args:
        critic: a network that reads features(vaes, z).
        features: (the VAEs' parameters, z [B, d]) -> what it reads.
        loss_weights, prior, wrong: as in objective.task.
        optimizer, steps: of the whole training.

    Returns:
        A Task with frozen {"vaes", ...} and state {"params": {"critic"}, "optimizer", "step"}.
    """

    def loss(params, batch, frozen, example_keys=None):
        vaes = frozen["vaes"]
        further = [] if wrong is None else [wrong(vaes, batch)]
        z = jnp.concatenate([batch["real"], negatives(batch, prior), *further])
        keys = None if example_keys is None else folded(example_keys, 20, 2 + len(further))
        logits = critic.apply({"params": params["critic"]}, features(vaes, z), keys)
        real, raw = logits[: len(batch["real"])], logits[len(batch["real"]) :]
        value = critic_loss(real, raw, raw, weights=loss_weights)
        return value, {"loss": value, "passes_real": jnp.mean(real > 0), "passes_raw": jnp.mean(raw > 0)}

    def training_loss(params, batch, frozen, key, fraction):
        del key, fraction
        return loss(params, batch, frozen, batch["example_key"])

    def parameters(key, batch, frozen):
        return {"critic": critic.init(key, features(frozen["vaes"], batch["real"]))["params"]}

    def validate(state, batch, frozen, key):
        del key
        return loss(state["params"], batch, frozen)[1]

    init, step = optimizers.learner(optimizer, steps=steps, parameters=parameters, loss=training_loss)
    return Task(init=init, step=step, validate=validate)


def descend(judge: Callable[[jax.Array], jax.Array], z: jax.Array, counts: Sequence[int],
            rate: float = RATE) -> jax.Array:
    """z moved down the slope of -log D(z) by Adam, as it is after each of `counts` iterations, ascending: -> [n, B, d].

    judge(z [B, d]) -> D's logits [B]. The paper gives no number of iterations, and nothing else holds z back. The loss
    is a sum over the pairs, so they do not influence each other. The public code never zeroes the gradients between
    iterations; here each is fresh.
    """
    adam = optax.adam(rate)
    slope = jax.grad(lambda z: jnp.sum(losses.binary_cross_entropy(judge(z), 1.0)))

    def iterate(_, carry):
        z, state = carry
        updates, state = adam.update(slope(z), state)
        return z + updates, state

    carry, kept = (z, adam.init(z)), []
    for begin, end in pairwise((0, *counts)):
        carry = lax.fori_loop(begin, end, iterate, carry)
        kept.append(carry[0])
    return jnp.stack(kept)


# Methods -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Method:
    """run(music of unrelated pairs, index [B]) -> music: what the method makes of them.

    index: the pairs' numbers, which seed what is drawn. most: on how many pairs it is measured, evenly chosen; None:
    all.
    """

    name: str
    run: Callable[[Music, np.ndarray], Music]
    most: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedSpace:
    """The latent space of two trained VAEs: the way there (posterior mean), moves in it, the way back (greedy).

    Compiled once each, whatever is moved and by whose parameters.

    Attributes:
        aspects: latent sizes in the order in which z holds them.
        cut: where in z the accompaniment begins.
        sbar: the average posterior std [d].
        encode: music -> z [B, d], the mean of q(z|x).
        sample: (music, keys [B]) -> z ~ q(z|x) [B, d].
        decode: z [B, d] -> music.
        move: (an actor's parameters, z [B, d], controls [B, columns]) -> z' [B, d].
        descents: (a critic's parameters, z [B, d]) -> z after each of DESCENTS iterations [n, B, d].
    """

    aspects: Mapping[str, int]
    cut: int
    sbar: jax.typing.ArrayLike
    encode: Callable[[Music], jax.Array]
    sample: Callable[[Music, jax.Array], jax.Array]
    decode: Callable[[jax.Array], Music]
    move: Callable[[Any, jax.Array, jax.typing.ArrayLike], jax.Array]
    descents: Callable[[Any, jax.Array], jax.Array]

    def rho(self, moved: jax.Array, z: jax.Array) -> dict[str, jax.Array]:
        """rho of the whole melody's latent and of the whole accompaniment's, [B] each (Table 1)."""
        both = {"rho_melody": slice(None, self.cut), "rho_accompaniment": slice(self.cut, None)}
        sbar = jnp.asarray(self.sbar)
        return {name: losses.log_distance(moved[:, part], z[:, part], sbar[part]) for name, part in both.items()}


def trained_space(fusion: Fusion, *, vaes: Mapping[str, Any], sbar: jax.typing.ArrayLike) -> TrainedSpace:
    """The latent space of trained VAEs, and the networks in it. vaes: their parameters by part."""

    def encode(vaes, music):
        return fusion.space.encode(vaes, music)[0]

    def sample(vaes, music, keys):
        mean, std = fusion.space.encode(vaes, music)
        return mean + std * jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(keys)

    def decode(vaes, z):
        decoded = fusion.space.decode(vaes, z)
        return {"melody": decoded["tokens"]} | {
            name: x for name, x in decoded.items() if name not in ("tokens", "rhythm")}

    def move(vaes, actor, z, controls):
        return fusion.move(vaes, actor, z, controls)

    def descents(vaes, critic, z):
        return descend(lambda z: fusion.judge(vaes, critic, z), z, DESCENTS)

    def compiled(way: Callable) -> Callable:
        return functools.partial(jax.jit(way), vaes)

    return TrainedSpace(aspects=fusion.space.aspects, cut=fusion.space.cut, sbar=sbar, encode=compiled(encode),
                        sample=compiled(sample), decode=compiled(decode), move=compiled(move),
                        descents=compiled(descents))


def methods(space: TrainedSpace, *, seed: int, critic: Any, vanilla: tuple[TrainedSpace, Any] | None,
            actors: Mapping[str, Any], edits: Edit | None, untrained: Edit | None = None,
            edited_pairs: int = EDITED) -> Iterator[Method]:
    """Every method of Table 1, in its order; those that learn nothing come first.

    Args:
        space: of the run's own VAEs.
        seed: of everything that is drawn.
        critic: the data-driven baseline's trained critic; None: there is none.
        vanilla: CollageNet-vanilla's latent space and actor; None: there is none.
        actors: trained actors by the name of their method.
        edits: what finds exact edits; None: no critic is trained.
        untrained: the same with critics that learned nothing; None: not to be measured.
        edited_pairs: on how many pairs edits are measured.
    """
    yield unchanged("disharmonic pairs")
    yield Method("transposition", _melody_by(space, _in_key))
    yield Method(FIVE_NOTES, _melody_by(space, lambda music: rules.commonest(
        _in_key(music), music["pitch"], music["duration"], 5)))
    for name, fool in FOOLS.items():
        yield Method(name, _melody_by(space, fool))
    for name, count in ACCOMPANIMENT_FOOLS.items():
        yield _onto_melody(name, count)
    yield Method("rule-based", _melody_by(space, lambda music: rules.rule_based(
        music["melody"], music["pitch"], music["duration"], seed=seed)))
    if critic is not None:
        yield from _data_driven(space, critic)
    if vanilla is not None:
        yield fused("CollageNet-vanilla", *vanilla, seed=seed)
    for name, actor in actors.items():
        yield fused(name, space, actor, seed=seed)
    if edits is not None:
        edit = functools.partial(edited, edits=edits, most=edited_pairs)
        if untrained is not None:
            yield edited(UNTRAINED, untrained, controls=dict.fromkeys(ASPECTS, 0.5), most=edited_pairs)
        yield edit("edits, random controls", seed=seed)
        for value in CONTROLS:
            yield edit(f"edits, controls {value:g}", controls=dict.fromkeys(ASPECTS, value))
        for name, held in ((MELODY_HELD, MELODY), (ACCOMPANIMENT_HELD, ACCOMPANIMENT)):
            yield edit(name, controls={aspect: float(aspect in held) for aspect in ASPECTS})


def unchanged(name: str) -> Method:
    """Pairs as they are."""
    return Method(name, lambda music, index: music)


def reconstruction(space: TrainedSpace) -> Method:
    """Through the VAEs and back, nothing moved: the ceiling of every method that works on latents."""
    return Method("harmonic pairs through the VAEs", lambda music, index: space.decode(space.encode(music)))


def prior(space: TrainedSpace, seed: int) -> Method:
    """z ~ p(z), decoded: what the VAEs make up (Table 3)."""

    def draw(number):
        return jax.random.normal(jax.random.fold_in(jax.random.key(seed), number), jnp.shape(space.sbar))

    return Method("VAE prior", lambda music, index: space.decode(jax.vmap(draw)(index)))


def fused(name: str, space: TrainedSpace, actor: Any, *, seed: int = 0,
          controls: Mapping[str, float] | None = None) -> Method:
    """An actor's outputs, z ~ q(z|x) as in sampling; controls ~ U(0, 1), each pair its own, unless they are given."""
    names = controlled(space.aspects)  # vanilla's actor has none

    def run(music, index):
        z = space.sample(music, keys_of(seed, 2, index))
        asked = drawn_controls(seed, index)[:, : len(names)] if controls is None else jnp.tile(
            jnp.array([controls[aspect] for aspect in names]), (len(index), 1))
        moved = space.move(actor, z, asked)
        return space.decode(moved) | space.rho(moved, z)

    return Method(name, run)


def edited(name: str, edits: Edit, *, seed: int = 0, controls: Mapping[str, float] | None = None,
           most: int = EDITED) -> Method:
    """The outcome of exact edits; controls as of `fused`, either key may hold. most: of the Method."""

    def run(music, index):
        rows = drawn_controls(seed, index).tolist()
        asked = [controls or dict(zip(ASPECTS, row, strict=True)) for row in rows]
        return edits(music, [{"key": "either"} | dict(own) for own in asked])

    return Method(name, run, most)


def drawn_controls(seed: int, index: np.ndarray) -> jax.Array:
    """The controls of each pair, ~ U(0, 1): its numbers [B] -> [B, 4]."""
    return jax.vmap(lambda key: jax.random.uniform(key, (len(ASPECTS),)))(keys_of(seed, 1, index))


def keys_of(seed: int, what: int, index: np.ndarray) -> jax.Array:
    """A key for each pair by its number [B]; `what` tells apart what is drawn."""
    key = jax.random.fold_in(jax.random.key(seed), what)
    return jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.asarray(index))


def _onto_melody(name: str, count: int) -> Method:
    return Method(name, lambda music, index: music | {"pitch": np.asarray(
        rules.onto_melody(music["pitch"], music["duration"], music["melody"], count))})


def _melody_by(space: TrainedSpace, change: Callable[[Music], Any]) -> Callable[[Music, np.ndarray], Music]:
    """A method that rewrites the melody alone; how far that is in latent space is measured by encoding it again."""

    def run(music, index):
        new = music | {"melody": np.asarray(change(music))}
        return new | {"rho_melody": space.rho(space.encode(new), space.encode(music))["rho_melody"]}

    return run


def _data_driven(space: TrainedSpace, critic: Any) -> Iterator[Method]:
    """Adam on the latents of each pair, down the slope of a critic that never met an actor (section 4.2)."""
    descents: dict[bytes, jax.Array] = {}  # of each z: one descent passes through all that is measured

    def by(which):
        def run(music, index):
            z = space.encode(music)
            key = np.asarray(z).tobytes()
            if key not in descents:
                descents[key] = space.descents(critic, z)
            moved = descents[key][which]
            return space.decode(moved) | space.rho(moved, z)

        return run

    for which, iterations in enumerate(DESCENTS):
        yield Method(f"data-driven, {iterations} iterations", by(which), SLOW)
