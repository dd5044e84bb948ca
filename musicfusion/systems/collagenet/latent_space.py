"""The latent space of both VAEs (CollageNet, section 3.1), and the actor and critic that work in it.

z is one vector z_p + z_r + z_c + z_t [B, d]: the melody's aspects, then the accompaniment's. Of VAEs that do not tell
aspects apart it is z_mel + z_acc.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from musicfusion.metrics import reconstruction
from musicfusion.systems.collagenet.dataset import PARTS
from musicfusion.systems.collagenet.objective import melody_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """The two VAEs as one. Their parameters are given to each method: {"melody", "accompaniment"}."""

    melody: Any
    accompaniment: Any

    @property
    def vaes(self) -> dict[str, Any]:
        """The networks by part."""
        return {part: getattr(self, part) for part in PARTS}

    @property
    def aspects(self) -> dict[str, int]:
        """Latent sizes in the order in which z holds them."""
        return self.melody.aspects | self.accompaniment.aspects

    @property
    def size(self) -> int:
        """z's dimensions."""
        return sum(self.aspects.values())

    @property
    def cut(self) -> int:
        """Where in z the accompaniment begins."""
        return melody_size(self.aspects)

    def encode(self, params: Mapping[str, Any], batch: Mapping[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """Segments (dataset.cut) -> posterior (mean, std) of z, [B, d] each."""
        both = [vae.apply({"params": params[part]}, batch, method="encode") for part, vae in self.vaes.items()]
        mean, std = (jnp.concatenate(halves, -1) for halves in zip(*both, strict=True))
        return mean, std

    def decode(self, params: Mapping[str, Any], z: jax.Array) -> dict[str, jax.Array]:
        """z [B, d] -> greedy {"tokens", "rhythm" [B, 32], "pitch", "duration" [B, 32, 14], "chords" [B, 8, 3]}.

        VAEs that do not tell aspects apart give no chords.
        """
        return self._apply("decode", params, z)

    def soft_decode(self, params: Mapping[str, Any], z: jax.Array) -> dict[str, jax.Array]:
        """z [B, d] -> the decoded notes as probabilities with a gradient; see lite_actor_critic.py."""
        return self._apply("soft_decode", params, z)

    def _apply(self, method: str, params, z) -> dict[str, jax.Array]:
        halves = {"melody": z[:, : self.cut], "accompaniment": z[:, self.cut :]}
        found: dict[str, jax.Array] = {}
        for part, vae in self.vaes.items():
            found |= vae.apply({"params": params[part]}, halves[part], method=method)
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fusion:
    """Actor G and critic D in a latent space (CollageNet, sections 3.2 to 3.4).

    decoded: whether they read the decoded notes and z, or z alone, as the published perceptrons do.
    """

    space: LatentSpace
    actor: Any
    critic: Any
    decoded: bool

    def features(self, vaes: Mapping[str, Any], z: jax.Array) -> Any:
        """What actor and critic read of z [B, d]. vaes: the VAEs' parameters by part."""
        return self.space.soft_decode(vaes, z) | {"z": z} if self.decoded else z

    def move(self, vaes: Mapping[str, Any], actor: Any, z: jax.Array, controls: jax.Array) -> jax.Array:
        """z' = G(z, c): z [B, d], controls [B, columns] -> z' [B, d]. actor: its parameters."""
        return self.actor.apply({"params": actor}, self.features(vaes, z), controls)

    def judge(self, vaes: Mapping[str, Any], critic: Any, z: jax.Array) -> jax.Array:
        """D(z): z [B, d] -> logits [B]. critic: its parameters."""
        return self.critic.apply({"params": critic}, self.features(vaes, z))


def reconstruction_counts(batch: Mapping[str, jax.Array], decoded: Mapping[str, jax.Array]) -> dict:
    """{measure: (right, all)} of whatever was decoded: a melody, an accompaniment, its chords."""
    counts: dict = {}
    if "tokens" in decoded:
        counts |= reconstruction.melody_counts(decoded["tokens"], batch["melody"])
    if "pitch" in decoded:
        slots = (decoded["pitch"], decoded["duration"])
        counts |= reconstruction.note_counts(slots, (batch["pitch"], batch["duration"]))
    if "chords" in decoded:
        counts |= reconstruction.chord_counts(decoded["chords"], batch["chords"])
    return counts
