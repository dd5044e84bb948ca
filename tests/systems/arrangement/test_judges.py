"""The part classifier: what it learns from, what it says, and features in its place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core import optimizers
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.arrangement import judges


def test_two_sounds_at_once_are_at_least_as_loud_as_either():
    one, other = jnp.full((1, 4, 4, 1), 0.2), jnp.full((1, 4, 4, 1), -1.0)
    np.testing.assert_allclose(judges.mixed(one, other), one, atol=1e-5)
    assert float(judges.mixed(one, one)[0, 0, 0, 0]) == pytest.approx(0.2 + 2 * 10 * np.log10(2) / 90, abs=1e-4)


@pytest.fixture(scope="module")
def learned(crops, recordings):
    """A small classifier after 60 steps: it, its parameters, the accuracy of each step."""
    classifier = judges.PartClassifier(width=4, hidden=16)
    optimizer = optimizers.create(rate=5e-3, schedule="constant", steps=60)
    task = judges.task(classifier, optimizer, steps=60)
    resident = crops.resident(recordings)
    arrays = jax.tree.map(jnp.asarray, resident.arrays)

    @jax.jit
    def batch(k):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(0), k), 16)
        return crops.examples(arrays, jax.random.randint(keys[0], (16,), 0, resident.train), keys, True)

    state, step, accuracy = task.init(jax.random.key(1), batch(0), {}), jax.jit(task.step), []
    for k in range(60):
        state, metrics = step(state, batch(k), {}, jax.random.key(2))
        accuracy.append(float(metrics["accuracy"]))
    return classifier, state["params"], accuracy


def test_it_learns_which_parts_are_heard(learned):
    *_, accuracy = learned
    assert np.mean(accuracy[-10:]) > 0.9 > np.mean(accuracy[:5])


def test_a_judge_hears_the_part_that_is_there_in_any_number_of_crops(learned, crops, recordings):
    classifier, params, _ = learned
    judge = judges.judge(classifier, params)
    for part, column in (("source", 0), ("target", 1)):
        start = crops.starts(recordings, "test")["both"][:50]
        mels = np.stack([recordings.arrays[part][first : first + 32] for first in start]) / 127.5 - 1
        found = judge.detect(mels.astype(np.float32))
        assert found.shape == (len(start), 2) and len(start) % judges.BATCH
        assert np.mean(found[:, column] > 0.5) > 0.9 > np.mean(found[:, 1 - column] > 0.5)
        assert judge.features(mels.astype(np.float32)).shape == (len(start), 16)


def test_features_of_the_user_s_own_are_found_by_name_or_refused(tmp_path, monkeypatch):
    (tmp_path / "my_features.py").write_text("def bands(mels):\n    return mels.mean(1)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert judges.own_features("my_features:bands")(np.zeros((2, 8, 4))).shape == (2, 4)
    for name in ("my_features", "my_features:nothing", "no_such_module:bands", ":"):
        with pytest.raises(MusicFusionError, match="MODULE:FUNCTION"):
            judges.own_features(name)
