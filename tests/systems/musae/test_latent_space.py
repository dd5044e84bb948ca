"""What sampling and evaluation share: compiled batches, and how alike two versions of music are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.musae import flow, latent_space, lite
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import COMPONENTS, UNTAGGED
from musicfusion.systems.musae.harmony import no_harmony

BAR = 16  # steps
COUNT, SIZE = 4, 24
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def space():
    """Of networks that learned nothing, with a flow; codes and tables are made up."""
    model = lite.Autoencoder(2, width=8, depth=1, embedding=4, latent=SIZE, parts=2, shared=8)
    params = model.init(jax.random.key(0), {"tracks": jnp.zeros((1, 2 * BAR, 4), jnp.int32)},
                        method=lambda model, batch: model.logits(model.encode(batch)[0]))["params"]
    velocity = flow.Velocity(width=8, depth=1, parts=2, shared=8)
    tables = {"mean": RNG.normal(size=(COMPONENTS + 1, SIZE)), "deviation": RNG.uniform(1, 2, (COMPONENTS + 1, SIZE))}
    own = flow.Flow(velocity=velocity, components=COUNT, steps=8, tables=jax.tree.map(jnp.float32, tables),
                    params=velocity.init(jax.random.key(1), jnp.zeros((1, SIZE - 2)), jnp.zeros(1),
                                         jnp.zeros((1, 2)), no_harmony(1, 2, 2))["params"])
    components = Components(component=np.arange(32), count=COUNT, genres=("a", "b", "c", "d"), instrumentation="band")
    return latent_space.create(model, params, components=components, bars=2, batch=4, flow=own)


def codes(count=6):
    return RNG.normal(size=(count, SIZE)).astype(np.float32)


def test_windows_go_to_codes_and_back(space):
    tokens = np.full((6, 2 * BAR, 4), 60)
    z = space.encode(tokens)
    assert z.shape == (6, SIZE) and space.decode(z).shape == tokens.shape and space.genres == ["a", "b", "c", "d"]


def test_an_amount_of_0_changes_nothing_but_the_plane(space):
    z = codes()
    there = space.position(np.arange(6) % COUNT)
    moved = space.toward(z, there, 0.0)
    np.testing.assert_allclose(moved[:, 2:], z[:, 2:], atol=1e-5)
    np.testing.assert_array_equal(moved[:, :2], there)


def test_the_larger_the_amount_the_more_of_a_code_changes(space):
    z = codes()
    there = space.position(np.arange(6) % COUNT)
    away = [np.abs(space.toward(z, there, amount) - z)[:, 2:].mean() for amount in (0.1, 0.4, 1.0)]
    assert 0.01 < away[0] < away[1] < away[2]


def test_a_code_that_is_moved_to_where_it_lies_stays_as_it_is(space):
    z = codes()
    z[:, :2] = space.position(np.arange(6) % COUNT)
    moved = space.toward(z, z[:, :2], 1.0)
    assert np.abs(moved - z).max() < 0.1 < 0.3 < np.abs(space.toward(z, -z[:, :2], 1.0) - z)[:, 2:].mean()


def test_each_code_is_moved_by_itself_from_its_own_position_to_its_own_target(space):
    z, there = codes(), space.position(np.arange(6) % COUNT)
    alone = np.concatenate([space.toward(z[k : k + 1], there[k : k + 1], 0.8) for k in range(6)])
    np.testing.assert_allclose(space.toward(z, there, 0.8), alone, atol=1e-5)


def test_the_nearest_component_is_none_in_the_middle(space):
    z = codes(COUNT + 2)
    z[:COUNT, :2] = 0.7 * space.position(np.arange(COUNT))
    z[COUNT:, :2] = [[0.1, 0.1], [0.0, -0.4]]
    assert space.nearest(z).tolist() == [0, 1, 2, 3, UNTAGGED, UNTAGGED]


def test_without_a_flow_there_is_no_rest(space):
    plain = latent_space.LatentSpace(encode=space.encode, decode=space.decode, components=space.components, bars=2,
                                     size=SIZE)
    assert plain.rest is None and plain.code is None and plain.harmony is None


def test_batches_are_filled_up_and_cut_again():
    seen = []

    def run(params, x):
        seen.append(len(x))
        return x * params

    np.testing.assert_array_equal(latent_space.batched(run, 2, 4)(np.arange(10)), 2 * np.arange(10))
    assert seen == [4, 4, 4]


def test_what_is_kept_is_counted_both_ways():
    before = np.array([[[60] * 4, [HOLD] * 4, [62] * 4, [REST] * 4]])
    moved = np.array([[[61] * 4, [HOLD] * 4, [62] * 4, [70] * 4]])
    found = latent_space.kept(before, moved)
    assert found["rhythm"][0] == pytest.approx(2 * 2 / (2 + 3)) and found["notes"][0] == pytest.approx(2 * 1 / (2 + 3))
    assert latent_space.kept(before, before)["notes"][0] == 1
    assert latent_space.kept(np.full((1, 4, 4), REST), np.full((1, 4, 4), REST))["rhythm"][0] == 0
