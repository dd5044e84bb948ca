"""The trained networks, compiled: what evaluation and sampling run."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import losses
from musicfusion.core import progress
from musicfusion.core.example_keys import numbered
from musicfusion.core.results import Trained
from musicfusion.systems.connective_fusion import baselines
from musicfusion.systems.connective_fusion.dataset import SIDES
from musicfusion.systems.connective_fusion.pairs import PairVAE

ACTOR, CLASSIFIER, RIVAL = "fusion", "reality_classifier", "reality_classifier_1"  # stages


class Inference:
    """Each program is compiled once, for `batch` examples at a time, and takes any number of them.

    encode: symbols int [n, 128] -> posterior mean and std of z, [n, 2 d_z] each
    decode: z -> symbols int32 [n, 128]
    distance: z', z -> z-distance (section 3.4), the mean over both sides [n]

    Parameters are arguments of the programs, not constants, so that actors of several stages share one.
    """

    def __init__(self, *, pair_vae: PairVAE, actor: nn.Module, features: Callable, classifier: nn.Module,
                 trained: Trained, batch: int):
        self.latent, self.batch = pair_vae.latent, batch
        self._trained = trained
        self._read: dict[str, Any] = {}
        self.sbar = self._params("latents")["sbar"]

        def encode(vae, symbols):
            return pair_vae.encode(vae, dict(zip(SIDES, jnp.split(symbols, 2, 1), strict=True)))

        def decode(vae, z):
            sides = pair_vae.decode(vae, z)
            return jnp.concatenate([sides[name] for name in SIDES], 1)

        def score(params, symbols):
            return classifier.apply({"params": params}, *jnp.split(symbols, 2, 1))

        def move(vae, params, z, style):
            return actor.apply({"params": params}, features(vae, z), style)

        def perturb(vae, params, z, sigma, keys):
            return baselines.latent_perturb(lambda z: decode(vae, z), lambda symbols: score(params, symbols),
                                            z, sigma, keys)

        vae = self._params("melody_vae")
        self.encode = self._batched(jax.jit(encode), vae)
        self.decode = self._batched(jax.jit(decode), vae)
        self.distance = self._batched(jax.jit(lambda moved, z: losses.squared_distance(moved, z, self.sbar)))
        self._vae, self._score, self._move, self._perturb = vae, jax.jit(score), jax.jit(move), jax.jit(perturb)

    def has(self, stage: str) -> bool:
        """Whether a stage was trained."""
        return self._trained.has(stage)

    def move(self, z: np.ndarray, style: np.ndarray, stage: str = ACTOR) -> np.ndarray:
        """G once: z [n, 2 d_z], style [n, d_s] -> z' [n, 2 d_z]."""
        return self._batched(self._move, self._vae, self._params(stage)["actor"])(z, style)

    def logits(self, symbols: np.ndarray, stage: str = CLASSIFIER) -> np.ndarray:
        """A reality classifier's logits: symbols int [n, 128] -> [n]."""
        return self._batched(self._score, self._params(stage))(symbols)

    def latent_perturb(self, z: np.ndarray, sigma: float, seed: int) -> dict[int, np.ndarray]:
        """Latent Perturb by its own classifier: {number of perturbations: z [n, 2 d_z]}."""
        keys = numbered(jax.random.key(seed), jnp.arange(len(z)))
        params = self._params(RIVAL)
        run = self._batched(lambda z, keys: self._perturb(self._vae, params, z, sigma, keys))
        return dict(zip(baselines.PERTURBATIONS, run(z, keys), strict=True))

    def _params(self, stage: str) -> Any:
        """A stage's parameters on the device, read once."""
        if stage not in self._read:
            self._read[stage] = jax.device_put(self._trained(stage))
        return self._read[stage]

    def _batched(self, run: Callable, *given: Any) -> Callable:
        """run(*given, *examples), `batch` examples at a time: on a CPU, moving large arrays costs more than work."""

        def once(*examples):
            progress.tick("running the networks")
            return jax.device_get(run(*given, *examples))

        def over(*examples):
            parts = ([x[i : i + self.batch] for x in examples] for i in range(0, len(examples[0]), self.batch))
            return jax.tree.map(lambda *part: np.concatenate(part), *(once(*x) for x in parts))

        return over
