"""Soprano lines of real chorales, windows of them, and a VAE that has learned a few of them by heart."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from musicfusion.data import tunes
from musicfusion.data.corpus import Corpus
from musicfusion.latent import vae
from musicfusion.systems.connective_fusion import dataset

COUNT = 16
KEY = jax.random.key(3)


@pytest.fixture(scope="session")
def sopranos() -> Corpus:
    """Enough for several songs in every split."""
    return tunes.read("chorales", limit=120)


@pytest.fixture(scope="session")
def sides(sopranos) -> dict[str, np.ndarray]:
    """Both sides of sixteen windows, each of another song."""
    found = dataset.windows(sopranos, "train-1", 0)
    _, first = np.unique(found["song"], return_index=True)
    starts = found["start"][first[:COUNT]]
    tokens = {"melody": jnp.asarray(sopranos.arrays["melody"])}
    return jax.device_get(dataset.cut(tokens, starts, np.zeros_like(starts)))


@pytest.fixture(scope="session")
def learn(sides):
    """learn(model, steps) -> parameters of a VAE that has learned the sixteen left sides."""

    def learn(model, steps):
        batch = {"melody": sides["left"]}
        params = jax.jit(lambda: vae.init(model, KEY, batch))()
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))

        @jax.jit
        def step(params, inner, key):
            def loss(params):
                mean, _ = model.apply({"params": params}, batch, method="encode")
                terms = model.apply({"params": params}, mean, batch, key, 0.5, method="losses")
                return jnp.mean(sum(terms.values()))

            updates, inner = optimizer.update(jax.grad(loss)(params), inner)
            return optax.apply_updates(params, updates), inner

        inner = optimizer.init(params)
        for i in range(steps):
            params, inner = step(params, inner, jax.random.fold_in(KEY, i))
        return params

    return learn
