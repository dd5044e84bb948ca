"""Pairs that do not belong together: what judges and critics learn to tell from real ones.

The paper knows one kind, melodies of other songs. Many of those differ from real ones by their key alone. So here are
eight kinds: rules that nobody would want to hear (rules.py) are among them, lest they please a judge.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from musicfusion.codecs import chords
from musicfusion.core.example_keys import folded
from musicfusion.latent import actor_critic
from musicfusion.metrics import statistics
from musicfusion.systems.collagenet import dataset, rules
from musicfusion.systems.collagenet.dataset import PER_BEAT

# Melodies of other songs: as they are; in the key that fits; on chord tones; on one tone of each chord. Then the
# segment's own: its pitches in another order; a third of its notes a semitone or two away. The last two are
# accompaniments that do not belong: half bars of the segment's own have moved; its notes lie on pitch classes of
# another song's melody.
MELODIES = ("random", "key_matched", "snapped", "drone", "shuffled", "moved")
ACCOMPANIMENTS = ("displaced", "fitted")
KINDS = MELODIES + ACCOMPANIMENTS
TONES = 3  # root, third, fifth: a drone is on one of them
LEFT = (1, statistics.CLASSES)  # so many pitch classes of the melody a fitted accompaniment has at most

Music = dict[str, jax.Array]


def wrong(real: Mapping[str, jax.Array], random: jax.Array, foreign: jax.Array, keys: jax.Array) -> dict[str, Music]:
    """Music of every kind to take the place of real segments.

    Args:
        real: segments (dataset.cut).
        random: melodies of other songs, in any key  # [B, 32]
        foreign: the same, transposed by as much as the segments were  # [B, 32]
        keys: one for each segment  # [B]

    Returns:
        Of each of KINDS {"melody" [B, 32], "pitch", "duration" [B, 32, 14], "chords" [B, 8, 3]}. Chords move with a
        displaced accompaniment; a fitted one has its old ones.
    """
    key_key, shuffle_key, move_key, place_key, left_key, tone_key = (folded(keys, i) for i in range(1, 7))
    pitch, duration, rows = real["pitch"], real["duration"], real["chords"]
    matched = rules.transposed(foreign, pitch, duration)
    in_key = jax.vmap(jax.random.bernoulli)(key_key)
    either = jnp.where(in_key[:, None], matched, random)
    melodies = {
        "random": random,
        "key_matched": matched,
        "snapped": rules.snapped(either, rows),
        "drone": rules.drone(either, rows, jax.vmap(lambda key: jax.random.randint(key, (), 0, TONES))(tone_key)),
        "shuffled": rules.shuffled(real["melody"], shuffle_key),
        "moved": rules.moved(real["melody"], move_key),
    }
    found = {name: {"melody": tokens, "pitch": pitch, "duration": duration, "chords": rows}
             for name, tokens in melodies.items()}
    shift = rules.displacement(place_key)
    left = jax.vmap(lambda key: jax.random.choice(key, jnp.asarray(LEFT)))(left_key)
    found["displaced"] = {"melody": real["melody"], "pitch": rules.displaced(pitch, duration, shift),
                          "duration": duration, "chords": chords.transpose(rows, shift[:, ::PER_BEAT], jnp)}
    found["fitted"] = {"melody": either, "pitch": rules.onto_melody(pitch, duration, either, left),
                       "duration": duration, "chords": rows}
    return found


def drawn(music: Mapping[str, Music], kinds: Sequence[str], keys: jax.Array) -> Music:
    """Of each segment one of these kinds, all equally likely; music: of `wrong`. keys [B]."""
    kind = jax.vmap(lambda key: jax.random.randint(key, (), 0, len(kinds)))(keys)
    return jax.tree.map(lambda *each: jnp.stack(each)[kind, jnp.arange(len(kind))], *(music[name] for name in kinds))


def latent_pairs(arrays: Mapping[str, Any], index: jax.Array, keys: jax.Array, training: bool, *, cut: int,
                 controls: int, ends: float, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Pairs for actor and critic (latent.actor_critic.examples), and music of these kinds for the critic, "wrong".

    arrays: those of dataset.Latents.encoded. "noise": by how many posterior stds the latents of wrong music lie from
    their means, as those of real pairs do in training [B, d]: or the critic would tell them by that.
    """
    pairs = actor_critic.examples(arrays, index, keys, training, cut=cut, controls=controls, ends=ends)
    if not kinds:
        return pairs
    start, shift = (arrays["table"][name] for name in ("start", "shift"))
    other = pairs["other"]
    real = dataset.cut(arrays["corpus"], start[index], shift[index])
    random, foreign = (dataset.cut(arrays["corpus"], start[other], by)["melody"] for by in (shift[other], shift[index]))
    kind_key, wrong_key, noise_key = (folded(keys, i) for i in (50, 51, 52))
    noise = training * jax.vmap(lambda key: jax.random.normal(key, pairs["real"].shape[1:]))(noise_key)
    return pairs | {"wrong": drawn(wrong(real, random, foreign, wrong_key), kinds, kind_key), "noise": noise}


def latents(encode: Callable) -> Callable[[Any, Mapping[str, Any]], jax.Array]:
    """(the VAEs' parameters, a batch of `latent_pairs`) -> z of its wrong music [B, d].

    encode: (the VAEs' parameters, music) -> posterior (mean, std), [B, d] each.
    """

    def run(vaes, batch):
        mean, std = encode(vaes, batch["wrong"])
        return mean + std * batch["noise"]

    return run
