"""The flow between codes and a rest without genre, by normal codes whose answer is known, and by toy genres."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion import priors
from musicfusion.core import optimizers
from musicfusion.core.example_keys import numbered
from musicfusion.systems.musae import flow, separability
from musicfusion.systems.musae.dataset import COMPONENTS, UNTAGGED
from musicfusion.systems.musae.flow import PLANE
from musicfusion.systems.musae.genre_means import GenreMeans

RNG = np.random.default_rng(0)
COUNT, SIZE = 4, 12  # components; of codes, of which 4 are for the whole window, the plane among them
KEY = jax.random.key(0)
VELOCITY = flow.Velocity(width=32, depth=1, parts=2, shared=4)
CHROMA = 3  # numbers of a made-up harmony


def unknown(count):
    return jnp.zeros((count, 2, CHROMA))


def position(component) -> jax.Array:
    return priors.centre(priors.angle(jnp.asarray(component), COUNT))


def untrained(steps=24, **tables):
    """A flow whose network adds nothing; tables: those that are not made up."""
    made_up = {"mean": RNG.normal(size=(COMPONENTS + 1, SIZE)), "deviation": RNG.uniform(0.3, 1.5, (33, SIZE))}
    params = VELOCITY.init(KEY, jnp.zeros((1, SIZE - PLANE)), jnp.zeros(1), jnp.zeros((1, PLANE)), unknown(1))["params"]
    return flow.Flow(velocity=VELOCITY, params=params, tables=jax.tree.map(jnp.float32, made_up | tables),
                     components=COUNT, steps=steps)


# Where a position lies -----------------------------------------------------------------------------------------------


def test_numbers_at_a_component_s_middle_are_its_own_and_in_the_middle_those_of_all_music():
    table = jnp.asarray(RNG.normal(size=(COMPONENTS + 1, 3)), jnp.float32)
    for count in (1, 3, 16, 32):
        middles = priors.centre(priors.angle(jnp.arange(count), count))
        np.testing.assert_allclose(flow.at(table, middles, count), table[:count], atol=1e-4)
    np.testing.assert_allclose(flow.at(table, jnp.zeros((1, 2)), COUNT)[0], table[COMPONENTS], atol=1e-5)


def test_between_components_numbers_are_linear_in_the_angle_and_in_the_distance_from_the_middle():
    table = jnp.asarray(RNG.normal(size=(COMPONENTS + 1, 3)), jnp.float32)
    for turns, row in ((1.25, 0.75 * table[1] + 0.25 * table[2]), (3.5, 0.5 * table[3] + 0.5 * table[0]),
                       (-0.25, 0.75 * table[0] + 0.25 * table[3])):
        there = priors.centre(jnp.full(1, 2 * np.pi * turns / COUNT))
        np.testing.assert_allclose(flow.at(table, there, COUNT)[0], row, atol=1e-5)
        np.testing.assert_allclose(flow.at(table, 3 * there, COUNT)[0], row, atol=1e-5)  # beyond the circle
        np.testing.assert_allclose(flow.at(table, 0.3 * there, COUNT)[0], 0.3 * row + 0.7 * table[COMPONENTS],
                                   atol=1e-5)


def test_what_the_network_is_told_of_the_angle_fades_toward_the_middle():
    told = np.asarray(flow.about(position([0, 1]) * jnp.array([[1e-3], [2.0]])))
    assert told.shape == (2, 2 * flow.HARMONICS + 1) and np.abs(told[0]).max() < 2e-3
    np.testing.assert_allclose(told[1, -1], 2.0, rtol=1e-5)
    around = flow.about(priors.centre(jnp.array([0.5, 0.5 + 2 * np.pi])))
    np.testing.assert_allclose(around[0], around[1], atol=1e-4)


# A network that adds nothing -----------------------------------------------------------------------------------------


def test_a_rest_taken_back_at_its_own_position_is_the_code_it_was():
    own = untrained(16)
    there = 1.1 * position(np.arange(40) % COUNT)
    z = jnp.concatenate([there, jnp.asarray(RNG.normal(size=(40, SIZE - PLANE)), jnp.float32)], 1)
    np.testing.assert_allclose(own.code(own.rest(z, there, unknown(40)), there, unknown(40)), z, atol=1e-2)


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_normal_codes_become_standard_normal_and_get_the_mean_and_the_deviation_of_where_they_go(guidance):
    own = untrained(64)
    mean, deviation = (np.asarray(own.tables[name])[:, PLANE:] for name in ("mean", "deviation"))
    white = RNG.normal(size=(500, SIZE - PLANE))
    z = jnp.concatenate([jnp.zeros((500, PLANE)), jnp.float32(mean[1] + deviation[1] * white)], 1)
    rest = own.rest(z, jnp.tile(position([1]), (500, 1)), unknown(500))
    np.testing.assert_allclose(rest, white, atol=0.03)
    there = own.code(rest, jnp.tile(position([2]), (500, 1)), unknown(500), guidance)
    np.testing.assert_allclose(there[:, :PLANE], np.tile(position([2]), (500, 1)), atol=1e-6)
    if not guidance:
        np.testing.assert_allclose(there[:, PLANE:], mean[2] + deviation[2] * white, atol=0.05)
    else:
        away = np.mean((np.asarray(there)[:, PLANE:].mean(0) - mean[2]) * (mean[2] - mean[COMPONENTS]))
        assert away > 0.1, "farther from all music"


def test_in_the_middle_of_the_plane_stand_the_numbers_of_all_music():
    own = untrained(64)
    rest = jnp.asarray(RNG.normal(size=(50, SIZE - PLANE)), jnp.float32)
    there = own.code(rest, jnp.zeros((50, PLANE)), unknown(50))
    expected = own.tables["mean"][-1, PLANE:] + own.tables["deviation"][-1, PLANE:] * rest
    np.testing.assert_allclose(there[:, PLANE:], expected, atol=0.03)


def test_at_time_1_nothing_has_been_lost():
    own = untrained()
    z = jnp.asarray(RNG.normal(size=(8, SIZE)), jnp.float32)
    there = position(np.arange(8) % COUNT)
    back = own.code(own.rest(z, z[:, :PLANE], unknown(8), 1.0), there, unknown(8), 1.0, 1.0)
    np.testing.assert_allclose(back[:, PLANE:], z[:, PLANE:], atol=1e-5)
    np.testing.assert_array_equal(back[:, :PLANE], there)


def test_a_part_of_the_way_and_back_is_exact_too():
    own = untrained()
    there = position(np.arange(8) % COUNT)
    z = jnp.concatenate([there, jnp.asarray(RNG.normal(size=(8, SIZE - PLANE)), jnp.float32)], 1)
    np.testing.assert_allclose(own.code(own.rest(z, there, unknown(8), 0.4), there, unknown(8), 0.0, 0.4), z, atol=1e-2)


# Training ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy():
    """Codes of two genres that differ in mean and in how they scatter, two numbers at a time: half of them alike."""
    component = np.arange(1000) % 2
    white = RNG.normal(size=(1000, SIZE - PLANE))
    white[:, 1::2] = white[:, 1::2] + np.where(component[:, None] > 0, 1.5, -1.5) * np.tanh(2 * white[:, ::2])
    plane = np.asarray(priors.flower(numbered(KEY, jnp.arange(1000)), priors.angle(component, 2), PLANE))
    z = np.concatenate([plane, white * np.where(component[:, None], 0.6, 1.2) + component[:, None]], 1)
    return z.astype(np.float32), component


def batch_of(toy, index, key=KEY):
    z, component = toy
    return {"z": jnp.asarray(z)[index], "component": jnp.asarray(component)[index], "harmony": harmonies(toy)[index],
            "components": jnp.full(len(index), 2), "example_key": numbered(key, index)}


def harmonies(toy):
    """The sign of two of a code's numbers stands for its harmony."""
    signs = jnp.sign(jnp.asarray(toy[0][:, [4, 8]]))
    return jnp.stack([signs, jnp.zeros_like(signs), jnp.ones_like(signs)], -1)


@pytest.fixture(scope="module")
def trained(toy):
    """A flow that learned the toy genres: (it, its task, the losses before and after)."""
    means, steps = GenreMeans.fit(*toy), 400
    frozen = {"mean": jnp.asarray(means.mean), "deviation": jnp.asarray(means.deviation)}
    task = flow.task(VELOCITY, untagged=0.1, unharmonised=0.3, steps=steps,
                     optimizer=optimizers.create(rate=3e-3, schedule="cosine", warmup=20, steps=steps))
    everything = batch_of(toy, jnp.arange(1000))

    @jax.jit
    def train(state):
        def step(i, state):
            key = jax.random.fold_in(KEY, i)
            return task.step(state, batch_of(toy, jax.random.randint(key, (128,), 0, 1000), key), frozen, key)[0]

        return jax.lax.fori_loop(0, steps, step, state)

    state = task.init(KEY, everything, frozen)
    after = train(state)
    losses = [float(task.validate(one, everything, frozen, KEY)["loss"]) for one in (state, after)]
    own = flow.Flow(velocity=VELOCITY, params=after["params"], tables=frozen, components=2, steps=12)
    return own, task, frozen, losses


def found_by_a_probe(x, toy):
    """The share of genres that a probe finds in x, and in the squares and products of neighbours in it."""
    x, half = np.asarray(x), np.arange(1000) < 500
    pairs = np.concatenate([x, x**2, x[:, ::2] * x[:, 1::2]], 1)
    return separability.probe(x, toy[1], half), separability.probe(pairs, toy[1], half)


def test_what_is_learned_lowers_the_loss(trained):
    *_, (before, after) = trained
    assert after < 0.95 * before


def test_genres_are_found_in_codes_but_not_in_their_rest(toy, trained):
    own, component = trained[0], toy[1]
    z = jnp.asarray(toy[0])
    assert min(found_by_a_probe(z[:, PLANE:], toy)) > 0.85
    there = priors.centre(priors.angle(component, 2))
    nothing = jax.tree.map(jnp.zeros_like, own.params)
    plain = found_by_a_probe(dataclasses.replace(own, params=nothing).rest(z, there, unknown(1000)), toy)
    assert plain[0] < 0.6 and plain[1] > 0.8, "mean and deviation alone do not tell a number's neighbour"
    rest = np.asarray(own.rest(z, there, unknown(1000)))
    assert max(found_by_a_probe(rest, toy)) < 0.6
    np.testing.assert_allclose(rest.mean(0), np.zeros(SIZE - PLANE), atol=0.2)
    np.testing.assert_allclose(rest.std(0), np.ones(SIZE - PLANE), atol=0.2)


def test_a_rest_taken_to_the_other_genre_is_found_there(toy, trained):
    own, (z, component) = trained[0], toy
    here, there = (priors.centre(priors.angle(k, 2)) for k in (component, 1 - component))
    moved = np.asarray(own.code(own.rest(jnp.asarray(z), here, unknown(1000)), there, unknown(1000)))
    half = np.arange(2000) < 1000
    both = np.concatenate([z, moved])[:, PLANE:]
    both = np.concatenate([both, both[:, ::2] * both[:, 1::2]], 1)
    assert separability.probe(both, np.concatenate([component, 1 - component]), half) > 0.85
    back = own.code(own.rest(jnp.asarray(moved), there, unknown(1000)), here, unknown(1000))
    np.testing.assert_allclose(back[:, PLANE:], z[:, PLANE:], atol=0.15)


def test_a_harmony_that_is_given_stays_in_the_other_genre(toy, trained):
    own, component = trained[0], toy[1]
    here, there = (priors.centre(priors.angle(k, 2)) for k in (component, 1 - component))
    kept = {}
    for name, harmony in (("given", harmonies(toy)), ("unknown", unknown(1000))):
        moved = own.code(own.rest(jnp.asarray(toy[0]), here, harmony), there, harmony)
        kept[name] = float(jnp.mean(harmonies((moved, component))[:, :, 0] == harmonies(toy)[:, :, 0]))
    assert kept["given"] > kept["unknown"] + 0.05, kept


def test_a_step_is_finite_with_and_without_genres(toy, trained):
    _, task, frozen, _ = trained
    step = jax.jit(task.step)
    batch = batch_of(toy, jnp.arange(8))
    state = task.init(KEY, batch, frozen)
    for component in (batch["component"], jnp.full(8, UNTAGGED)):
        batch["component"] = component
        after, metrics = step(state, batch, frozen, KEY)
        assert set(state) == {"params", "optimizer", "step"} and np.isfinite(metrics["loss"])
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(after["params"]))
