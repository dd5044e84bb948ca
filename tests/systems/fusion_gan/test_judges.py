"""FusionGAN's genre classifier."""

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.core import optimizers
from musicfusion.systems.fusion_gan import dataset, judges
from musicfusion.systems.fusion_gan.dataset import LENGTH
from musicfusion.systems.fusion_gan.judges import GenreClassifier

KEY = jax.random.key(0)


def test_it_learns_to_tell_two_genres_apart():
    keys = jax.random.split(KEY, 16)
    low = jax.random.randint(KEY, (16, LENGTH), 10, 20)
    batch = {"a": low, "b": low + 20, "example_key": keys}
    model = GenreClassifier(width=16, depth=1)
    own = judges.task(model, optimizers.create(rate=1e-2, schedule="constant", steps=60), steps=60)
    state = own.init(KEY, batch, {})
    step = jax.jit(own.step)
    for _ in range(60):
        state, metrics = step(state, batch, {}, KEY)
    assert np.isfinite(float(metrics["loss"]))
    assert float(own.validate(state, batch, {}, KEY)["accuracy"]) == 1.0
    probability = judges.probability(model, state["params"])
    first, second = (probability(dataset.tokens(batch[genre])) for genre in ("a", "b"))
    assert first.shape == (16,) and first.min() > 0.5 > second.max()


def test_dropout_is_on_only_where_examples_have_keys():
    model = GenreClassifier(width=16, depth=1, dropout=0.5)
    symbols = jnp.zeros((3, LENGTH), jnp.int32)
    params = {"params": model.init(KEY, symbols)["params"]}
    np.testing.assert_array_equal(model.apply(params, symbols), model.apply(params, symbols))
    dropped = model.apply(params, symbols, jax.random.split(KEY, 3))
    assert np.any(dropped != model.apply(params, symbols))
