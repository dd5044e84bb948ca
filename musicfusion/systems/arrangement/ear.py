"""An ear that tells source and target apart: what it hears is measured, no generator learns from it."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from musicfusion import losses
from musicfusion.codecs import mel
from musicfusion.core import optimizers
from musicfusion.core.rows import folded
from musicfusion.core.task import Task
from musicfusion.nn.images import Conv


class Ear(nn.Module):
    """Pictures -> the logits that source and target sound in them; `features` are what it makes of them."""

    width: int = 16
    hidden: int = 64

    def setup(self):
        """Four convolutions, each of half the size, and one hidden layer."""
        self.layers = [Conv(self.width * k, 4, 2, 1, kernel_init=nn.initializers.lecun_normal())
                       for k in (1, 2, 4, 4)]
        self.dense, self.logits = nn.Dense(self.hidden), nn.Dense(2)

    def features(self, pictures: jax.Array) -> jax.Array:
        """[b, T, M, 1] in -1..1 -> [b, hidden]."""
        x = pictures
        for layer in self.layers:
            x = nn.leaky_relu(layer(x), 0.2)
        return nn.relu(self.dense(jnp.concatenate([jnp.mean(x, (1, 2)), jnp.max(x, (1, 2))], -1)))

    def __call__(self, pictures: jax.Array) -> jax.Array:
        """[b, T, M, 1] -> logits [b, 2], of the source and of the target."""
        return self.logits(self.features(pictures))


def together(a: jax.Array, b: jax.Array) -> jax.Array:
    """The picture of two sounds at once, as their powers add up: [...] in -1..1 each."""
    return mel.shown(mel.mel_power(a) + mel.mel_power(b))


def task(ear: Ear, group) -> Task:
    """Binary cross-entropy on crops in which either, both or neither sounds. state: {"params", "optimizer", "step"}."""

    def loss(params, batch):
        coins = jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (2,)))(folded(batch["row_key"], 20))
        gains = jax.vmap(lambda key: jax.random.uniform(key, (2,), minval=-0.25, maxval=0.0))(
            folded(batch["row_key"], 21))  # down to 11 dB less, so that loudness alone tells nothing

        def put(k, x):
            softer = jnp.clip(x + gains[:, k, None, None, None], -1, 1)
            return jnp.where(coins[:, k, None, None, None], softer, -1.0)

        logits = jnp.asarray(ear.apply({"params": params}, together(put(0, batch["a"]), put(1, batch["b"]))))
        value = jnp.mean(losses.binary_cross_entropy(logits, coins.astype(jnp.float32)))
        return value, {"loss": value, "accuracy": jnp.mean((logits > 0) == coins)}

    init, step = optimizers.learner(
        group, lambda key, batch: ear.init(key, batch["a"])["params"],
        lambda params, batch, key, fraction: loss(params, batch))
    return Task(init, step, lambda state, batch, key: loss(state["params"], batch)[1])
