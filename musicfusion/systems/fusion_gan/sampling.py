"""Melodies of the fusion, or of either genre; made up, or going on from a user's."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import bars, melody, midi
from musicfusion.codecs.score import Score, from_notes, monophonic, pick_melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.rows import numbered
from musicfusion.core.task import Made
from musicfusion.systems.fusion_gan import adversarial, melodies, nets
from musicfusion.systems.fusion_gan.melodies import LENGTH

TEMPO, METRE = (0.0, 110.0), (0.0, 4, 4)  # of what is made up
VIOLIN = 40
GENERATORS = {"fusion": "f", "a": "a", "b": "b"}
HEARD = 8  # bars of a prompt; what was before is kept, and not listened to


def sample(config, results, inputs: dict, controls: dict, folder: Path, seed: int) -> Made:
    """--inputs=prompt=... or none -> melodies 1.mid, 2.mid..., their pictures, sound."""
    genre = controls["genre"]
    if genre not in GENERATORS:
        raise MusicFusionError(f"--controls: genre={genre} is unknown: use {', '.join(GENERATORS)}")
    stage = next((name for name in ("fusion", "gan", "likelihood") if results.has(name)), "fusion")
    found = results(stage)
    player = nets.generator(config), found.get("generators", found)[GENERATORS[genre]]
    prompt, key, score = _prompt(inputs["prompt"], config) if "prompt" in inputs else (np.zeros(0, np.int32), 0, None)
    made = _played(player, prompt[-HEARD * melodies.bar(config) :], controls, config.sample.steps, seed)
    back = [np.asarray(melody.transpose(melodies.tokens(row), (key + 6) % 12 - 6)).astype(np.uint8) for row in made]
    begun = np.zeros(0, np.uint8) if score is None else score[0]
    tempo = TEMPO if score is None else score[1]
    return _written([np.concatenate([begun, row]) for row in back], begun, tempo, genre, config, folder)


def _prompt(file, config) -> tuple[np.ndarray, int, tuple]:
    """A file's melody: symbols in C, its tonic, and (tokens as they are, the tempo at its beginning)."""
    score = midi.read(file)
    midi.require_pitched(score, file)
    part = bars.in_bars(pick_melody(score).notes, score)
    tokens = melody.tokens_from_notes(monophonic(part.notes), part.steps)
    tokens = melody.finer(tokens) if melodies.bar(config) == 32 else tokens
    tonic = melodies.key_of(tokens) % 12
    return melodies.symbols(melodies.in_c(tokens, tonic)), tonic, (tokens, tuple(score.tempos[0]))


def _played(player, prompt: np.ndarray, controls, steps: int, seed: int) -> np.ndarray:
    """symbols int32 [n, steps]."""
    generator, params = player
    count = controls["n"]

    @jax.jit
    def run(params, prompt, keys):
        return adversarial.play(generator, params).go_on(
            prompt, adversarial.luck(keys, 0, (steps,)), jnp.full(count, controls["ratio"]))

    heard = np.repeat(prompt[None], count, 0)
    return np.asarray(run(params, heard, numbered(jax.random.key(seed), jnp.arange(count))))


def notes(symbols) -> np.ndarray:
    """Symbols [T] -> notes int32 [n, 3]."""
    return melody.notes_from_tokens(melodies.tokens(symbols))


def _written(made: list[np.ndarray], begun: np.ndarray, tempo, genre: str, config, folder: Path) -> Made:
    """The files, and what the page shows of them."""
    from musicfusion.render import page, pianoroll
    from musicfusion.render.players import players

    rolls = [melody.notes_from_tokens(tokens) for tokens in made]
    songs = {}
    for k, roll in enumerate(rolls, start=1):
        track = from_notes("melody", VIOLIN, roll, melodies.bar(config) // 4)
        songs[str(k)] = (f"Melody {k}", Score((track,), np.array([tempo]), (METRE,), str(k)))
        midi.write(folder / f"{k}.mid", songs[str(k)][1])
    heard, sound = players(folder, songs) if config.sample.audio else ([], {})
    columns = max(1, min(4, len(rolls)))
    cells = [(str(k), {"melody": roll}) for k, roll in enumerate(rolls, start=1)]
    grid = [cells[i : i + columns] for i in range(0, len(cells), columns)]
    title = {"fusion": "Between two genres", "a": "Of the first genre", "b": "Of the second genre"}[genre]
    picture = pianoroll.gallery(folder / "melodies.png", grid, len(made[0]), title)
    yours = f"; each begins with {len(begun)} steps of yours" if len(begun) else ""
    facts = {"prompt_steps": len(begun), "steps": config.sample.steps,
             "note": f"melodies of one voice, {config.data.grid} steps a bar{yours}"}
    return Made("1.mid", [*heard, page.Picture(title, picture)], {**facts, **sound})


def examples(config, corpus, folder: Path) -> list[dict[str, str]]:
    """Beginnings of a few test melodies of either genre, as files that `sample` goes on from: [{"prompt"}]."""
    found, bar = melodies.measured(corpus, config, "test", config.sample.examples), melodies.bar(config)
    written: list[dict[str, str]] = []
    for k in range(config.sample.examples):
        rows = found[melodies.GENRES[k % 2]]
        row = rows[k // 2 % len(rows)][: LENGTH // bar * bar]
        path = folder / f"{k + 1}-prompt.mid"
        begun = from_notes("melody", VIOLIN, notes(row), bar // 4)
        midi.write(path, Score((begun,), np.array([TEMPO]), (METRE,), path.stem))
        written.append({"prompt": str(path)})
    return written
