"""A user's two files -> one song: windows, latents, actor, decoders, and the windows joined again."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import bars, chords, melody, midi, polyphony, windows
from musicfusion.codecs.score import Score, from_notes, monophonic, pick_accompaniment, pick_melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.rows import numbered
from musicfusion.core.task import Made
from musicfusion.latent import space
from musicfusion.systems.collagenet import actor_critic, nets, segments

VIOLIN, PIANO = 40, 0
BATCH = 64  # windows that are fused at once; the last batch is filled up, so that one program serves every length


@dataclasses.dataclass(frozen=True)
class Pair:
    """A melody and an accompaniment on one grid.

    melody, accompaniment: notes int32 [n, 3]; chords int [beats, 3], estimated; tempos and metres as in a Score.
    """

    melody: np.ndarray
    accompaniment: np.ndarray
    chords: np.ndarray
    tempos: list
    metres: list

    @property
    def steps(self) -> int:
        """Length in 16ths."""
        return len(self.chords) * segments.PER_BEAT


def sample(config, results, inputs: dict, controls: dict, folder: Path, seed: int) -> Made:
    """--inputs=melody=...,accompaniment=... -> fused.mid, before.mid, piano rolls, sound."""
    missing = [name for name in ("melody", "accompaniment") if name not in inputs]
    if missing:
        raise MusicFusionError(f"--inputs: {' and '.join(missing)} missing: give melody=FILE,accompaniment=FILE")
    pair = read_pair(inputs["melody"], inputs["accompaniment"], config)
    fused, about = fuse(pair, config, results, controls, seed)
    return made(pair, fused, about, config, folder)


def read_pair(melody_file, accompaniment_file, config) -> Pair:
    """Two MIDI files on one grid of 16ths; each begins with the first bar in which it has a note."""
    leads, backs = (midi.read(path) for path in (melody_file, accompaniment_file))
    midi.require_pitched(leads, melody_file)
    midi.require_pitched(backs, accompaniment_file)
    parts = {"melody": bars.in_bars(pick_melody(leads).notes, leads),
             "accompaniment": bars.in_bars(pick_accompaniment(backs), backs)}
    kind = config.sample.length
    if kind not in ("loop", "cut"):
        raise MusicFusionError(f"sample.length = {kind!r} is unknown: use loop or cut")
    if config.sample.tempo not in parts:
        raise MusicFusionError(f"sample.tempo = {config.sample.tempo!r} is unknown: use melody or accompaniment")
    steps = (max if kind == "loop" else min)(part.steps for part in parts.values())
    beats = max(-(-steps // segments.PER_BEAT), segments.BEATS)
    lead, back = (_fit(part.notes, part.steps, beats * segments.PER_BEAT) for part in parts.values())
    kept = parts[config.sample.tempo]
    length = kept.steps / segments.PER_BEAT
    tempos = bars.cut_out(kept.score.tempos.tolist(), kept.begin + kept.phase, length, beats)
    metres = bars.cut_out(kept.score.metres, kept.begin, length, beats)
    return Pair(monophonic(lead), back, chords.estimate(back, beats), tempos, metres)


def _fit(notes: np.ndarray, length: int, steps: int) -> np.ndarray:
    """Repeats notes that last `length` steps until so many steps are full, or cuts them."""
    copies = -(-steps // length)
    shift = np.arange(copies)[:, None] * length
    looped = np.tile(notes, (copies, 1))
    looped[:, 0] += np.broadcast_to(shift, (copies, len(notes))).reshape(-1)
    looped = looped[looped[:, 0] < steps]
    looped[:, 1] = np.minimum(looped[:, 1], steps - looped[:, 0])
    return looped


def fuse(pair: Pair, config, results, controls: dict, seed: int) -> tuple[dict, dict]:
    """The pair fused -> ({"melody", "accompaniment", "chords"}, {"rho": per aspect, "windows", "left_alone"}).

    z is drawn from q(z|x) with the seed (sample.noise 0 takes its mean). A window in which a part begins no note stays
    as it is: there is nothing to fuse.
    """
    hop = config.sample.hop
    if not 1 <= hop <= segments.BEATS:
        raise MusicFusionError(f"sample.hop = {hop} is out of range: accepted are 1 to {segments.BEATS} beats")
    begins = windows.starts(pair.steps, segments.STEPS, hop * segments.PER_BEAT)
    batch = cut(pair, begins)
    knobs = np.array([controls[name] for name in actor_critic.ASPECTS], np.float32)
    run = program(config)
    params = nets.parameters(config, results)
    out = []
    for first in range(0, len(begins), BATCH):
        rows = np.minimum(np.arange(first, first + BATCH), len(begins) - 1)
        part = {name: x[rows] for name, x in batch.items()}
        made = jax.device_get(run(params, part, knobs, config.sample.noise, seed, first))
        full = len(begins) - first
        out.append(jax.tree.map(lambda x, full=full: x[:full], made))
    made = jax.tree.map(lambda *x: np.concatenate(x), *out)

    both = np.any(batch["melody"] < melody.HOLD, 1) & np.any(batch["duration"] > 0, (1, 2))
    lead, back = [], []
    rows = pair.chords.copy()
    ends = np.append(begins[1:], pair.steps)
    for i, begin in enumerate(begins):
        before = [_from(pair.melody, begin), _from(pair.accompaniment, begin)]
        if not both[i]:
            lead.append(before[0])
            back.append(before[1])
            continue
        lead.append(_lengthened(melody.notes_from_tokens(made["tokens"][i]), before[0]))
        back.append(_lengthened(polyphony.notes_from_slots(made["pitch"][i], made["duration"][i]), before[1]))
        here, there = begin // segments.PER_BEAT, ends[i] // segments.PER_BEAT
        rows[here:there] = made["chords"][i, : there - here]
    voice = windows.join(lead, begins, pair.steps)
    voice[:-1, 1] = np.minimum(voice[:-1, 1], np.diff(voice[:, 0]))  # the next window's notes end the last one's
    fused = {"melody": voice, "accompaniment": windows.join(back, begins, pair.steps), "chords": rows}
    rho = {name: float(np.mean(x[both])) if both.any() else 0.0 for name, x in made["rho"].items()}
    return fused, {"rho": rho, "windows": len(begins), "left_alone": int(np.sum(~both))}


def _from(notes: np.ndarray, begin: int) -> np.ndarray:
    """The notes that begin in the window at step `begin`, at their full length, counted from there."""
    first, last = np.searchsorted(notes[:, 0], (begin, begin + segments.STEPS))
    return notes[first:last] - np.array([begin, 0, 0], np.int32)


def _lengthened(notes: np.ndarray, before: np.ndarray) -> np.ndarray:
    """A window's new notes; one that sounds to its end and was there before, lasts as long as it did."""
    full = {(onset, pitch): duration for onset, duration, pitch in before.tolist()}
    rows = [(onset, full.get((onset, pitch), 0) if onset + duration == segments.STEPS else 0, 0)
            for onset, duration, pitch in notes.tolist()]
    return np.maximum(notes, np.array(rows, np.int32).reshape(-1, 3))


def cut(pair: Pair, begins: np.ndarray) -> dict[str, np.ndarray]:
    """The pair's windows as model input (see segments.cut), NumPy."""
    tokens = melody.tokens_from_notes(pair.melody, pair.steps)
    pitch, duration = polyphony.slots_from_notes(pair.accompaniment, pair.steps)
    steps = begins[:, None] + np.arange(segments.STEPS)
    beats = begins[:, None] // segments.PER_BEAT + np.arange(segments.BEATS)
    return {
        "melody": melody.without_carry(tokens[steps]).astype(np.int32),
        "pitch": pitch[steps].astype(np.int32),
        "duration": polyphony.cut(duration[steps]).astype(np.int32),
        "chords": pair.chords[beats].astype(np.int32),
    }


def program(config):
    """The compiled way from windows to fused windows: encode, act, decode."""
    sides = nets.models(config)
    move, aspects = nets.mover(config, sides), nets.aspects(sides)

    @jax.jit
    def run(params, batch, knobs, noise, seed, first):
        size = batch["melody"].shape[0]
        row_keys = numbered(jax.random.key(seed), first + jnp.arange(size))
        mean, std = nets.encode(sides, params, batch)
        z = mean + noise * std * jax.vmap(lambda key: jax.random.normal(key, mean.shape[1:]))(row_keys)
        controls = jnp.broadcast_to(knobs, (size, len(knobs)))
        moved = move(params, z, controls)
        rho = space.distances(moved, z, params["sbar"], aspects)
        return nets.decode(sides, params, moved) | {"rho": rho}

    return run


def made(pair: Pair, fused: dict, about: dict, config, folder: Path) -> Made:
    """Writes fused.mid, before.mid, the piano roll and the sound; returns what the page shows."""
    from musicfusion.render import page, pianoroll
    from musicfusion.render.players import players

    before = {"melody": pair.melody, "accompaniment": pair.accompaniment}
    after = {name: fused[name] for name in before}
    songs = {"fused": ("The fused song", _score(pair, after)),
             "before": ("The two pieces as they were, one over the other", _score(pair, before))}
    for name, (_, score) in songs.items():
        midi.write(folder / f"{name}.mid", score)
    names = [[chords.name(row) for row in rows] for rows in (pair.chords, fused["chords"])]
    picture = pianoroll.compare(
        folder / "fused.png", before, after, title="Before and after the fusion",
        chords_before=names[0], chords_after=names[1])
    kept = {f"{name}_notes_kept": float(np.mean(pianoroll.changed(before[name], after[name])[0]))
            for name in before if len(before[name])}
    heard, sound = players(folder, songs) if config.sample.audio else ([], {})
    table = [[name, about["rho"][name]] for name in actor_critic.ASPECTS]
    sections = [*heard, page.Picture("Notes that changed are marked", picture),
                page.Table("How far each aspect moved in latent space (rho)", ["aspect", "distance"], table)]
    about = about | sound | kept | {
        "beats": pair.steps // segments.PER_BEAT,
        "note": "the melody was made one voice by its highest notes; both parts are quantised to 16ths",
    }
    return Made("fused.mid", sections, about)


def _score(pair: Pair, parts: dict) -> Score:
    """Two named tracks in the tempo and metre of the piece that the pair keeps."""
    tracks = (
        from_notes("MELODY", VIOLIN, parts["melody"], velocity=100),
        from_notes("ACCOMPANIMENT", PIANO, parts["accompaniment"], velocity=70),
    )
    return Score(tracks, np.array(pair.tempos), tuple(pair.metres), "fused")


def examples(config, corpus, folder: Path) -> list[dict[str, str]]:
    """A few unrelated pairs out of held-out songs, as files that `sample` takes: [{"melody", "accompaniment"}].

    The melody of one test song, the accompaniment of the next, 16 bars of each.
    """
    begins, songs = segments.windows(corpus, config, "test", ("melody", "accompaniment"))
    chosen = np.unique(songs)
    firsts = [int(begins[songs == song][0]) // 4 * 4 for song in chosen]
    count = min(config.sample.examples, len(chosen) - 1)
    written = []
    for i in range(count):
        files = {}
        for side, k in (("melody", i), ("accompaniment", i + 1)):
            end = min(firsts[k] + 64, int(corpus.first_beat[chosen[k] + 1]))
            notes = _song_part(corpus, side, firsts[k], end)
            name = corpus.songs[chosen[k]].replace("/", "_")
            path = folder / f"{i + 1}-{side}-{name}.mid"
            tracks = (from_notes(side.upper(), VIOLIN if side == "melody" else PIANO, notes),)
            midi.write(path, Score(tracks, np.array([[0.0, 90.0]]), ((0.0, 4, 4),), name))
            files[side] = str(path)
        written.append(files)
    return written


def _song_part(corpus, side: str, begin: int, end: int) -> np.ndarray:
    """Notes of one part of the corpus between two beats."""
    steps = slice(begin * segments.PER_BEAT, end * segments.PER_BEAT)
    if side == "melody":
        return melody.notes_from_tokens(melody.without_carry(corpus.arrays["melody"][steps]))
    return polyphony.notes_from_slots(corpus.arrays["pitch"][steps], corpus.arrays["duration"][steps])
