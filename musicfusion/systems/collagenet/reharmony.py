"""An accompaniment under other chords: every note keeps its place in time.

    OPTIONS        the chords that a half bar may get: what it has, or a quality on a root, in one of two ways
    pitch_maps     where each pitch goes when a chord takes the place of another
    ChordModel     how likely one chord follows another, and a melody's note sounds over it, learned from songs

In parallel, notes move as their chord's root does: a chord tone goes to the tone of the new chord at its degree, so the
voicing stays as it is relative to the chord. The near way takes each chord tone to the nearest tone of the new chord,
so what both chords share stays. Other tones go to the nearest of the song's scale. The map from pitches to pitches
never falls either way, so voices do not cross, in no track.
"""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer

from musicfusion.codecs import chords, melody, polyphony
from musicfusion.core import parallel
from musicfusion.core.arrays import AnyArray, ArrayModule
from musicfusion.core.contracts import Precompute

OCTAVE = 12
NEW = ("maj", "min", "7", "min7", "maj7", "sus4", "sus2")  # qualities that a new chord may have
TONES = np.array([sum(1 << tone for tone in chords.QUALITIES[name][1]) for name in NEW])  # masks on root 0
CHORDS = OCTAVE * len(NEW)
OWN = 0  # the option of a chord that stays
OPTIONS = 1 + 2 * CHORDS  # then quality by quality every root, in parallel; then all of them the near way
NEAREST = (0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, 6)  # semitones, in the order in which ties are settled
HALF = 2  # beats from chord to chord in the transitions
SMOOTHING = 0.5  # added to the count of every transition


def option_rows() -> Integer[np.ndarray, "options 3"]:
    """Root, bass and mask of every option; OWN has zeros."""
    quality, root = np.divmod(np.arange(CHORDS), OCTAVE)
    rows = chords.transpose(np.stack([0 * root, 0 * root, TONES[quality]], 1).astype(np.int32), root)
    return np.concatenate([np.zeros((1, 3), np.int32), rows, rows])


def option_qualities() -> Integer[np.ndarray, " options"]:
    """The number in NEW of every option; OWN has 0."""
    return np.concatenate([[0], *2 * [np.repeat(np.arange(len(NEW)), OCTAVE)]])


def is_near(option: Integer[AnyArray, "..."]) -> AnyArray:
    """Whether options go the near way, so that the voicing changes."""
    return option > CHORDS


def pitch_maps(
    rows: Integer[np.ndarray, "rows 3"], scale: int
) -> tuple[Integer[np.ndarray, "rows options 128"], Integer[np.ndarray, "rows options 3"]]:
    """Where each pitch goes under every option in the place of each chord, and the chord that then sounds.

    Args:
        rows: chords as they are.
        scale: bit p says that pitch class p belongs to the song's scale; other tones than the chord's go there.

    A beat without a chord stays as it is whatever the option.
    """
    new, pitches = option_rows()[1 : CHORDS + 1], np.arange(polyphony.PITCHES)
    maps = np.tile(pitches.astype(np.int16), (len(rows), OPTIONS, 1))
    after = np.tile(rows[:, None], (1, OPTIONS, 1)).astype(np.int32)
    for i, (root, bass, mask) in enumerate(rows.tolist()):
        if not mask:
            continue
        own, above = _turned(mask, -root), (pitches - root) % OCTAVE
        for option, (to, _, tones) in enumerate(new.tolist(), 1):
            degrees = _degrees(own, _turned(tones, -to), _turned(scale, -to))
            maps[i, option] = _folded(pitches - above + (to - root + 6) % OCTAVE - 6 + degrees[above])
            maps[i, option + CHORDS] = _nearest(mask, tones, scale)
            for way in (option, option + CHORDS):
                low = int(maps[i, way, 60 + bass]) % OCTAVE
                after[i, way] = to, low, tones | 1 << low
    return maps, after


def _turned(mask: int, by: int) -> int:
    """A mask of pitch classes moved up by some semitones."""
    by %= OCTAVE
    return (mask << by | mask >> (OCTAVE - by)) & 0xFFF


@functools.lru_cache(1 << 16)
def _degrees(own: int, new: int, scale: int) -> Integer[np.ndarray, " 12"]:
    """Semitones above the old root -> above the new one, for each of 12; masks are counted from their own root.

    The values ascend, from 0 to 12 at most.
    """
    tones = [tone for tone in range(OCTAVE) if own >> tone & 1]
    targets = np.array([0, *(tone for tone in range(1, OCTAVE) if new >> tone & 1), OCTAVE])
    found = np.full(OCTAVE + 1, -1)
    found[0], found[OCTAVE] = 0, OCTAVE
    low = 0
    for tone in tones:
        if tone:
            low = max(low, int(targets[int(np.argmin(abs(targets - tone)))]))
            found[tone] = low
    known = np.flatnonzero(found >= 0)
    for tone in np.flatnonzero(found < 0).tolist():
        before, behind = found[known[known < tone][-1]], found[known[known > tone][0]]
        near = min((0, -1, 1), key=lambda by: (not scale >> (tone + by) % OCTAVE & 1, abs(by)))
        found[tone] = np.clip(tone + near, before, behind)
    return np.maximum.accumulate(found[:OCTAVE])


@functools.lru_cache(1 << 16)
def _nearest(own: int, new: int, scale: int) -> Integer[np.ndarray, " 128"]:
    """Each pitch of a chord at the nearest tone of another, any other pitch at the nearest of scale and chord."""
    pitches = np.arange(polyphony.PITCHES)

    def nearest(tones: int) -> np.ndarray:
        reach = pitches[:, None] + NEAREST
        return pitches + np.array(NEAREST)[np.argmax(tones >> reach % OCTAVE & 1, 1)]

    tone = own >> pitches % OCTAVE & 1 > 0
    of_chord, of_scale = nearest(new), nearest(new | scale)
    below = np.maximum.accumulate(np.where(tone, of_chord, -OCTAVE))
    above = np.minimum.accumulate(np.where(tone, of_chord, polyphony.PITCHES + OCTAVE)[::-1])[::-1]
    return _folded(np.where(tone, of_chord, np.clip(np.maximum.accumulate(of_scale), below, above)))


def _folded(pitches: np.ndarray) -> np.ndarray:
    """Pitches beyond 0..127 an octave nearer."""
    return np.where(pitches < 0, pitches + OCTAVE, np.where(pitches > 127, pitches - OCTAVE, pitches))


# Progressions --------------------------------------------------------------------------------------------------------


def qualities(rows: Integer[AnyArray, "*B 3"], xp: ArrayModule = np) -> Integer[AnyArray, "*B"]:
    """The nearest of NEW for each chord, counted from its root; len(NEW) for no chord."""
    own = chords.transpose(rows, -rows[..., 0].astype(np.int32), xp)[..., 2].astype(np.int32)
    classes = np.arange(OCTAVE)
    apart = xp.sum(((own[..., None] ^ xp.asarray(TONES))[..., None] >> classes) & 1, -1)
    return xp.where(own == 0, len(NEW), xp.argmin(apart, -1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChordModel:
    """What songs taught about chords.

    Attributes:
        transitions: nats of a chord after the one of two beats before: by quality, by the interval from root to root,
            by quality  # [q, 12, q]
        melody: nats of a melody's pitch class, counted from the root, under each quality  # [q, 12]
    """

    transitions: Float[np.ndarray, "q 12 q"]
    melody: Float[np.ndarray, "q 12"]


def chord_model(counts: Mapping[str, Float[AnyArray, "..."]]) -> ChordModel:
    """From what `statistics` counted: {"transitions", "melody"}; every case counts SMOOTHING more."""
    smooth = {name: np.asarray(count, np.float64) + SMOOTHING for name, count in counts.items()}
    return ChordModel(
        transitions=-np.log(smooth["transitions"] / smooth["transitions"].sum((1, 2), keepdims=True)),
        melody=-np.log(smooth["melody"] / smooth["melody"].sum(1, keepdims=True)))


def statistics() -> Precompute:
    """Counts over segments: of chord after chord, and of melody notes over chords, by step that they sound."""
    kinds = len(NEW) + 1
    shapes = {"transitions": (kinds, OCTAVE, kinds), "melody": (kinds, OCTAVE)}

    def init(key, batch, frozen):
        del key, batch, frozen
        return {"params": {name: jnp.zeros(shape) for name, shape in shapes.items()}}

    def step(state, batch, frozen):
        del frozen
        new = parallel.total({"transitions": _transitions(batch["chords"]),
                              "melody": _melody_classes(batch["melody"], batch["chords"])})
        return {"params": jax.tree.map(jnp.add, state["params"], new)}

    return Precompute(init=init, step=step)


def _transitions(rows: Integer[jax.Array, "B beats 3"]) -> Float[jax.Array, "q 12 q"]:
    kind = jax.nn.one_hot(qualities(rows, jnp), len(NEW) + 1)
    step = jax.nn.one_hot((rows[:, HALF:, 0] - rows[:, :-HALF, 0]) % OCTAVE, OCTAVE)
    return jnp.einsum("btp,bts,btq->psq", kind[:, :-HALF], step, kind[:, HALF:])


def _melody_classes(
    tokens: Integer[jax.Array, "B T"], rows: Integer[jax.Array, "B beats 3"]
) -> Float[jax.Array, "q 12"]:
    rows = jnp.repeat(rows, tokens.shape[1] // rows.shape[1], 1)
    pitch = melody.sounding(tokens, jnp)
    above = jax.nn.one_hot((pitch - rows[..., 0]) % OCTAVE, OCTAVE) * (pitch >= 0)[..., None]
    return jnp.einsum("btq,btc->qc", jax.nn.one_hot(qualities(rows, jnp), len(NEW) + 1), above)
