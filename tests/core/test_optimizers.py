"""The schedules of learning rates, by the steps that they make Adam take."""

import jax.numpy as jnp
import pytest

from musicfusion.core import optimizers
from musicfusion.core.errors import MusicFusionError

STEPS = 100


def rates(schedule, warmup=0, updates=1):
    """How far Adam goes at each update down a steady slope: its learning rate."""
    optimizer = optimizers.create(rate=0.5, schedule=schedule, warmup=warmup, clip=0.0, steps=STEPS, updates=updates)
    params = {"x": jnp.zeros(())}
    state, found = optimizer.init(params), []
    for _ in range(updates * (STEPS + 5)):
        updates, state = optimizer.update({"x": jnp.ones(())}, state, params)
        found.append(-float(updates["x"]))
    return found


def test_constant_is_constant_and_linear_holds_for_half_and_then_falls_to_nothing():
    assert rates("constant") == pytest.approx([0.5] * (STEPS + 5), rel=1e-4)
    linear = rates("linear")
    assert linear[:50] == pytest.approx([0.5] * 50, rel=1e-4)
    assert linear[75] == pytest.approx(0.25, rel=1e-2) and linear[STEPS:] == pytest.approx([0] * 5, abs=1e-6)


def test_cosine_warms_up_and_ends_at_a_hundredth_and_decay_falls_slowly():
    cosine = rates("cosine", warmup=10)
    assert cosine[0] == 0 and max(cosine) == pytest.approx(0.5, rel=1e-2)
    assert cosine[STEPS] == pytest.approx(0.005, rel=1e-2)
    decay = rates("decay")
    assert decay[100] == pytest.approx(0.5 * 0.9999**100, rel=1e-4)


@pytest.mark.parametrize(("schedule", "warmup"), [("cosine", 10), ("decay", 0), ("linear", 0)])
def test_with_several_updates_a_step_schedule_and_warm_up_count_the_steps(schedule, warmup):
    plain, several = rates(schedule, warmup), rates(schedule, warmup, updates=5)
    assert several[::5] == pytest.approx(plain, rel=1e-3, abs=1e-6)
    assert several[4::5] == pytest.approx(plain, rel=1e-3, abs=1e-6), "one rate for all updates of a step"


def test_an_unknown_schedule_is_refused():
    with pytest.raises(MusicFusionError, match="use constant, cosine, decay, linear"):
        optimizers.create(rate=1.0, schedule="steps", steps=10)


def test_a_step_of_one_group_leaves_the_others_alone():
    params = {"critics": {"a": jnp.ones(2), "b": jnp.ones(2)}, "actor": jnp.ones(2)}
    optimizer = optimizers.create(rate=0.1, schedule="constant", steps=STEPS)
    moments = {"critics": {name: optimizer.init(p) for name, p in params["critics"].items()},
               "actor": optimizer.init(params["actor"])}
    state = {"params": params, "optimizer": moments, "step": 7}
    after = optimizers.update(optimizer, state, ("critics", "b"), jnp.ones(2))
    assert after["params"]["critics"]["b"] == pytest.approx([0.9, 0.9], rel=1e-4)
    assert after["params"]["critics"]["a"] is params["critics"]["a"] and after["params"]["actor"] is params["actor"]
    assert after["optimizer"]["actor"] is moments["actor"] and after["step"] == 7
