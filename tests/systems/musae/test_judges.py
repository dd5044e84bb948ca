"""The genre classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.core import optimizers
from musicfusion.core.example_keys import numbered
from musicfusion.systems.musae import judges
from musicfusion.systems.musae.dataset import BAR

BATCH = 6
KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def batch():
    tokens = np.random.default_rng(0).integers(40, 130, (BATCH, 2 * BAR, 4))
    return {"tracks": jnp.asarray(tokens, jnp.int32), "genre": jnp.arange(BATCH) - 1,
            "example_key": numbered(KEY, jnp.arange(BATCH))}


@pytest.fixture(scope="module")
def task():
    optimizer = optimizers.create(rate=1e-2, schedule="constant", steps=60)
    return judges.task(judges.GenreClassifier(width=16, depth=1, dropout=0.0), optimizer=optimizer, steps=60)


def test_windows_without_a_genre_teach_the_classifier_nothing(task, batch):
    state = task.init(KEY, batch, {})
    known = {name: x[1:] for name, x in batch.items()}
    all_of_them, some = (task.validate(state, part, {}, KEY) for part in (batch, known))
    assert float(all_of_them["loss"]) == pytest.approx(float(some["loss"]), rel=1e-5)


def test_it_learns_the_genres_of_a_few_windows(task, batch):
    state, step = task.init(KEY, batch, {}), jax.jit(task.step)
    for _ in range(60):
        state, _ = step(state, batch, {}, KEY)
    assert float(task.validate(state, batch, {}, KEY)["accuracy"]) == 1.0
