"""The masked model of drums, of a corpus in which the kick plays with the bass."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sections

from musicfusion.core import optimizers
from musicfusion.core.example_keys import numbered
from musicfusion.metrics import drums
from musicfusion.systems.arrangement import grid, grid_dataset
from musicfusion.systems.arrangement.grid_dataset import BEATS, HIT, KIT, LENGTH, OFF, OFFSETS, UNKNOWN, VELOCITIES

KEY = jax.random.key(0)
STEPS = 180
NETS = {"patterns": grid.GridNet(1, width=24, depth=1, cell=8),
        "players": grid.GridNet(VELOCITIES + OFFSETS, width=16, depth=1, cell=8)}


@functools.cache
def learned(name):
    """(params, loss at first, loss at last, density quantiles) of a short training."""
    human = True if name == "players" else None
    found = grid_dataset.Sections(seed=0).resident(sections.corpus(), human=human)
    optimizer = optimizers.create(rate=1e-2, schedule="constant", warmup=5, clip=1.0, beta1=0.9, beta2=0.999,
                                  steps=STEPS)
    arrays = jax.tree.map(jnp.asarray, found.arrays)
    task = getattr(grid, name)(NETS[name], optimizer=optimizer, steps=STEPS)

    @jax.jit
    def step(state, number):
        key = jax.random.fold_in(KEY, number)
        index = jax.random.randint(key, (16,), 0, found.train)
        batch = grid_dataset.examples(arrays, index, numbered(key, jnp.arange(16)), True)
        return task.step(state, batch, found.frozen, key)

    batch = grid_dataset.examples(arrays, jnp.arange(2), numbered(KEY, jnp.arange(2)), True)
    state, losses = task.init(KEY, batch, found.frozen), []
    for number in range(STEPS):
        state, metrics = step(state, number)
        losses.append(float(metrics["loss"]))
    return state["params"], losses[0], float(np.mean(losses[-5:])), found.frozen["density_quantiles"]


@pytest.fixture(scope="module")
def drummer():
    return grid.Drummer(patterns=NETS["patterns"], players=NETS["players"], passes=4, temperature=0.3,
                        params={name: learned(name)[0] for name in NETS})


@pytest.fixture(scope="module")
def windows():
    """Basses that were not learned from, and the drums over them."""
    found = grid_dataset.Sections(seed=0).resident(sections.corpus(), human=False)
    index = jnp.arange(found.train, found.train + 6)
    arrays = jax.tree.map(jnp.asarray, found.arrays)
    return grid_dataset.examples(arrays, index, numbered(KEY, jnp.arange(6)), False)


def context(windows, **changes):
    """What is known of six windows: the bass, tempo and position."""
    known = {"bass": windows["bass"], "style": jnp.zeros(6, jnp.int32), "density": jnp.full(6, -1.0),
             "tempo": windows["tempo"], "position": windows["position"]}
    return grid.Context(**known | changes)


def reference(hits=None, onsets=None, kind=grid.NOTHING):
    """The same for six windows, none unless said."""
    return grid.Reference(jnp.zeros((6, LENGTH, KIT)) if hits is None else hits,
                          jnp.zeros((6, LENGTH)) if onsets is None else onsets, jnp.full(6, kind))


def fill(drummer, windows, keys, pattern=None, only=slice(None), candidates=0, free=False,
         allowed=None):
    pattern = jnp.full((6, LENGTH, KIT), UNKNOWN) if pattern is None else pattern
    shown = reference()
    method = drummer.fill
    if candidates:
        shown = jax.tree.map(lambda x: jnp.repeat(x[:, None], candidates, 1), shown)
        method = drummer.chosen
    known, shown = jax.tree.map(lambda x: x[only], (context(windows), shown))
    steps = jnp.tile(jnp.ones(LENGTH, bool) if allowed is None else allowed, (6, 1))[only]
    return np.asarray(jax.jit(method)(pattern[only], known, shown, steps, jnp.full(6, free)[only], keys[only]))


def test_any_share_of_the_cells_is_hidden_and_sometimes_all():
    cells = np.asarray(grid.mask(numbered(KEY, jnp.arange(500))))
    assert cells.shape == (500, BEATS, KIT)
    shares = cells.mean((1, 2))
    assert (shares == 1).mean() > 0.1 and (shares < 0.5).mean() > 0.1
    by_bar = cells.reshape(500, 4, 4, KIT)
    assert ((by_bar == by_bar[:, :, :1, :1]).all((1, 2, 3)) & (shares < 1) & (shares > 0)).any(), "whole bars"
    assert ((cells == cells[:, :1]).all((1, 2)) & (shares < 1) & (shares > 0)).any(), "whole instruments"


def test_hidden_cells_are_unknown_and_the_others_as_they_were():
    pattern = jnp.ones((1, LENGTH, KIT), jnp.int32)
    cells = jnp.zeros((1, BEATS, KIT), bool).at[0, 2, 3].set(True)
    found = np.asarray(grid.hidden(pattern, cells))[0]
    assert (found[24:36, 3] == UNKNOWN).all() and (found == UNKNOWN).sum() == 12


def test_density_is_the_share_of_training_windows_with_fewer_hits():
    quantiles = jnp.linspace(0, 40, 21)
    np.testing.assert_allclose(grid.density_of(jnp.array([0.0, 10, 40, 99]), quantiles), [0, 0.25, 1, 1])


def test_a_density_that_is_not_given_says_nothing(windows):
    known = context(windows, density=jnp.array([0.0, 1, -1, -1, -1, -1]), tempo=jnp.zeros(6))
    given = np.asarray(grid.conditions(known, jnp.array([0, 1, 2, 0, 0, 0])))
    np.testing.assert_allclose(given[:3, :5], [[-1, 1, 0, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 0, 1]])
    np.testing.assert_array_equal(given[:, 5:], windows["position"])


def test_the_kick_is_learned_from_the_bass_and_the_snare_without_it(drummer, windows):
    _, first, last, _ = learned("patterns")
    assert last < 0.3 * first
    filled, truth = fill(drummer, windows, numbered(KEY, jnp.arange(6))), np.asarray(windows["pattern"])
    assert set(np.unique(filled)) == {OFF, HIT}
    for kind in (sections.KICK, sections.SNARE):
        same = (filled[..., kind] == truth[..., kind]).mean()
        assert same > 0.97 and filled[..., kind].any(), kind
    assert not filled[..., sections.HAT].any()


def test_what_is_known_stays(drummer, windows):
    pattern = jnp.full((6, LENGTH, KIT), UNKNOWN).at[:, :48].set(OFF).at[:, ::6, sections.HAT].set(HIT)
    filled = fill(drummer, windows, numbered(KEY, jnp.arange(6)), pattern)
    known = np.asarray(pattern) != UNKNOWN
    np.testing.assert_array_equal(filled[known], np.asarray(pattern)[known])
    assert (filled != UNKNOWN).all()


def test_drums_follow_from_their_keys_whatever_stands_beside_them(drummer, windows):
    keys = numbered(KEY, jnp.arange(6))
    every = fill(drummer, windows, keys)
    np.testing.assert_array_equal(fill(drummer, windows, keys, only=slice(2, 4)), every[2:4])
    warm = grid.Drummer(patterns=drummer.patterns, players=drummer.players, params=drummer.params, passes=4,
                        temperature=3.0)
    one, other = (fill(warm, windows, numbered(jax.random.key(seed), jnp.arange(6))) for seed in (0, 1))
    assert (one != other).any()


def test_only_where_it_is_allowed_are_there_hits(drummer, windows):
    allowed = jnp.arange(LENGTH) % 4 == 0
    filled = fill(drummer, windows, numbered(KEY, jnp.arange(6)), allowed=allowed, free=True)
    assert not filled[:, ~np.asarray(allowed)].any() and filled[:, np.asarray(allowed)].any()


def test_what_is_free_is_drawn_as_learned_and_is_the_first_candidate(drummer, windows):
    keys = numbered(KEY, jnp.arange(6))
    warm = dataclasses.replace(drummer, temperature=1.0)
    free = fill(drummer, windows, keys, candidates=4, free=True)
    first = fill(warm, windows, jax.vmap(lambda key: jax.random.fold_in(key, 0))(keys))
    np.testing.assert_array_equal(free, first)
    assert (free != fill(drummer, windows, keys, candidates=4)).any()


@pytest.mark.parametrize("threshold", [0.2, 0.5])
def test_toward_temperature_0_what_is_likelier_than_the_threshold_is_hit(drummer, windows, threshold):
    cold = dataclasses.replace(drummer, temperature=1e-3, threshold=threshold, passes=1)
    scores = grid.predicted(drummer.patterns, drummer.params["patterns"], jnp.full((6, LENGTH, KIT), UNKNOWN),
                            context(windows), reference())
    expected = np.asarray(jax.nn.sigmoid(scores)) > threshold
    filled = fill(cold, windows, numbered(KEY, jnp.arange(6))) == HIT
    assert (filled == expected).mean() > 0.999 and filled.any()


def test_the_chosen_filling_is_one_of_the_candidates_and_nearer_to_the_others(drummer, windows):
    """Warm drawings differ; of eight the one that agrees best with all is chosen."""
    warm = dataclasses.replace(drummer, temperature=1.5)
    keys = numbered(KEY, jnp.arange(6))
    every = np.stack([fill(warm, windows, jax.vmap(lambda key, k=k: jax.random.fold_in(key, k))(keys))
                      for k in range(8)], 1)
    chosen = fill(warm, windows, keys, candidates=8)
    for own, among in zip(chosen, every, strict=True):
        assert (own == among).all((1, 2)).any()
        one = drums.agreement(np.repeat(own[None] == HIT, 8, 0), among == HIT).sum((0, 1))
        other = np.mean([drums.f1(drums.agreement(np.repeat(x[None] == HIT, 8, 0), among == HIT).sum((0, 1)))
                         for x in among])
        assert drums.f1(one) >= other - 0.02
    np.testing.assert_array_equal(fill(warm, windows, keys, only=slice(2, 4), candidates=8), chosen[2:4])


def test_a_reference_is_seen_and_without_one_nothing_is(drummer, windows):
    unknown = jnp.full((6, LENGTH, KIT), UNKNOWN)

    def scores(**given):
        return np.asarray(grid.predicted(drummer.patterns, drummer.params["patterns"], unknown, context(windows),
                                         reference(**given)))

    shown = {"hits": windows["song_hits"], "onsets": windows["song_onsets"]}
    every = [scores(**shown, kind=kind) for kind in (grid.NOTHING, grid.NEIGHBOUR, grid.SONG)]
    np.testing.assert_array_equal(every[0], scores())
    assert np.abs(every[1] - every[0]).max() > 0.1 and np.abs(every[2] - every[1]).max() > 0.01


def test_what_is_dropped_out_of_an_example_does_not_depend_on_the_others(windows):
    net = dataclasses.replace(NETS["patterns"], dropout=0.5)
    params = net.init(KEY, jnp.zeros((1, BEATS, grid.SEEN + grid.SHOWN)), jnp.zeros(1, jnp.int32),
                      jnp.zeros((1, grid.CONDITIONS)))["params"]
    keys = numbered(KEY, jnp.arange(6))

    def scores(only, keys):
        known, shown = jax.tree.map(lambda x: x[only], (context(windows), reference()))
        return np.asarray(grid.predicted(net, params, windows["pattern"][only], known, shown, keys))

    every = scores(slice(None), keys)
    np.testing.assert_allclose(scores(slice(2, 4), keys[2:4]), every[2:4], atol=1e-5)
    assert np.abs(every - scores(slice(None), None)).max() > 0.01
    assert np.abs(every - scores(slice(None), keys[::-1])).max() > 0.01


def test_how_hits_are_played_is_learned_by_instrument(drummer, windows):
    _, first, last, _ = learned("players")
    assert last < 0.5 * first
    feel = jnp.asarray(grid_dataset.Sections(seed=0).known_feels(sections.corpus())[:6])
    velocity, offset = drummer.play(windows["pattern"], jnp.zeros_like(windows["bass"]), jnp.zeros(6, jnp.int32),
                                    windows["tempo"], feel, numbered(KEY, jnp.arange(6)))
    hit = np.asarray(windows["pattern"]) == HIT

    def typical(classes, kind):
        return np.median(np.asarray(classes)[..., kind][hit[..., kind]])

    for kind, loud in ((sections.KICK, 100), (sections.SNARE, 30)):
        assert typical(velocity, kind) == grid_dataset.velocity_class(loud)
        assert abs(typical(offset, kind) - typical(windows["offset"], kind)) <= 1
    assert typical(offset, sections.SNARE) > typical(offset, sections.KICK) + 3, "it is late"
