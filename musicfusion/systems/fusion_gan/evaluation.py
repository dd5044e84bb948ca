"""Does it blend? Table I and figure 6 of paper 003, and what they cannot see: order, novelty, each melody by itself."""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion.codecs import melody
from musicfusion.core.report import working
from musicfusion.core.rows import numbered
from musicfusion.metrics import histograms, listening
from musicfusion.systems.fusion_gan import adversarial, melodies, nets, published, tables
from musicfusion.systems.fusion_gan.melodies import GENRES, LENGTH

METHODS = {  # name, of its stage where it has one: title
    "random": "random mixing (RM)", "monte_carlo": "Monte Carlo (MC)", "likelihood": "maximum likelihood (MLE)",
    "mixture": "GAN on the mixture", "exchanged": "exchanged critics (RL)", "fusion": "FusionGAN",
}
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
BETWEEN = (0.25, 0.75)  # where the classifier hears neither genre


def evaluate(config, corpus, results) -> tuple[dict, str, Callable[[Path], list[Path]]]:
    """-> (report, its text, draw(folder) -> figures)."""
    count, split = config.evaluate.melodies, config.data.split
    real = {name: melodies.tokens(x) for name, x in melodies.measured(corpus, config, split, count).items()}
    learned = {name: melodies.tokens(x) for name, x in melodies.measured(corpus, config, "train", 10**9).items()}
    judge = _judge(config, results)
    known = Known(learned, melodies.bar(config))
    made = {}
    for name, title in METHODS.items():
        working(title)
        if (found := by(name, config, results, learned, count)) is not None:
            made[name] = found
    of = {name: histograms.counts(x) for name, x in (*real.items(), *made.items())}
    report: dict = {
        "system": "fusion_gan", "preset": config.preset, "data": {"source": corpus.source, "split": split},
        "genres": list(corpus.tags), "melodies": {name: len(x) for name, x in (*real.items(), *made.items())},
        "mode": config.data.mode, "grid": config.data.grid, "titles": METHODS,
        "paper": {"remarks": list(published.REMARKS)},
        "distances": {name: distances(of["a"], of["b"], of[name]) for name in made},
        "raw": {name: distances(of["a"], of["b"], of[name], raw=True) for name in made},
        "heard": {name: heard(judge, known, x) for name, x in (*real.items(), *made.items())},
        "histograms": {kind: {name: histograms.shares(x[kind]).tolist() for name, x in of.items()}
                       for kind in ("durations", "pitch classes")},
    }
    if results.has("fusion") and config.generator.blended:
        blends = {ratio: played(config, results, "fusion", "f", count, ratio) for ratio in RATIOS}
        report["ratios"] = [{"ratio": ratio, **heard(judge, known, made)} for ratio, made in blends.items()]
    if "critics" in (results("fusion") if results.has("fusion") else {}):  # which do not travel
        report["critics"] = critics(config, results, real)
    if config.evaluate.listening:
        report["listening"] = {name: {**said, "level": listening.fusion_level(**said)}
                               for name, said in listening.read(config.evaluate.listening).items()}
    return report, tables.text(report), lambda folder: tables.draw(report, folder)


def by(name: str, config, results, learned: Mapping, count: int) -> np.ndarray | None:
    """Melodies of a method, tokens uint8 [n, 36]; None where its stage was not trained."""
    if name in ("random", "monte_carlo"):
        return from_counts(learned, count, config.seed, even=name == "random")
    if not results.has(name):
        return None
    if name == "exchanged":  # both, since each has gone to the other's genre
        halves = [played(config, results, name, own, -(-count // 2)) for own in GENRES]
        return np.concatenate(halves)[:count]
    return played(config, results, name, "f", count)


def played(config, results, stage: str, who: str, count: int, ratio: float = 0.5) -> np.ndarray:
    """What a generator of a stage plays: tokens uint8 [count, 36]."""
    found = results(stage)
    params = found.get("generators", found)[who]
    generator = nets.generator(config)

    @jax.jit
    def run(params, keys):
        player = adversarial.play(generator, params)
        return player.sample(adversarial.luck(keys, 0, (LENGTH,)), jnp.full(len(keys), ratio))

    keys = numbered(jax.random.key(config.seed), jnp.arange(count))
    return melodies.tokens(run(params, keys))


def critics(config, results, real: Mapping[str, np.ndarray]) -> dict:
    """What the fusion's critics think, on average: {critic: {"x_a", "x_b", "g_a", "g_b", "g_f"}}, and "uneven": by how
    much each misses its balance, equations (9) and (13), in parts of the way between the genres' pieces."""
    count = len(real["a"])
    heard = {f"x_{name}": x for name, x in real.items()}
    heard |= {f"g_{name}": played(config, results, "fusion", name, count) for name in adversarial.NAMES}
    critic, found = nets.critic(config), results("fusion")["critics"]
    run = jax.jit(lambda params, x: critic.apply({"params": params}, x))
    scores = {name: {whom: run(found[name], melodies.symbols(x)) for whom, x in heard.items()}
              for name in adversarial.NAMES}
    means = {name: {whom: float(jnp.mean(x)) for whom, x in of.items()} for name, of in scores.items()}
    apart = {name: abs(of["x_a"] - of["x_b"]) for name, of in means.items()}
    apart["f"] = (apart["a"] + apart["b"]) / 2  # whose pieces are meant to be alike
    uneven = {name: float(x) / max(apart[name], 1e-6) for name, x in adversarial.balance(scores).items()}
    return means | {"uneven": uneven}


def from_counts(learned: Mapping[str, np.ndarray], count: int, seed: int, even: bool) -> np.ndarray:
    """Pitches and durations drawn apart, of those that either genre has: as often as they occur, or alike if `even`."""
    rows = [row for x in learned.values() for row in x[:: max(len(x) // 2000, 1)]]
    notes = np.concatenate([melody.notes_from_tokens(row) for row in rows])
    rng = np.random.default_rng(seed)

    def draw(values, n):
        kinds, often = np.unique(values, return_counts=True)
        return rng.choice(kinds, n, p=None if even else often / often.sum())

    made = np.full((count, LENGTH), melody.REST, np.uint8)
    for row in made:
        durations = draw(notes[:, 1], LENGTH)
        onsets = np.concatenate([[0], np.cumsum(durations)[:-1]])
        row[:] = melody.tokens_from_notes(np.stack([onsets, durations, draw(notes[:, 2], LENGTH)], 1), LENGTH)
    return made


def distances(one: Mapping, other: Mapping, made: Mapping, raw: bool = False) -> dict:
    """{kind of count: {"eud_diff", "eud_ratio", "em_diff", "em_ratio"}}; of shares, or of counts if `raw`."""
    found: dict[str, dict[str, float]] = {}
    for kind in histograms.KINDS:
        a, b, g = (x[kind] if raw else histograms.shares(x[kind]) for x in (one, other, made))
        found[kind] = {}
        for name, distance in (("eud", histograms.euclidean), ("em", histograms.earth_mover)):
            found[kind][f"{name}_diff"], found[kind][f"{name}_ratio"] = histograms.between(a, b, g, distance)
    return found


class Known:
    """What training melodies have: every bar of theirs, and every bar's rhythm."""

    def __init__(self, learned: Mapping[str, np.ndarray], bar: int = 16):
        self._bar = bar
        bars = np.concatenate([_bars(x, bar) for x in learned.values()])
        self._bars = {bar.tobytes() for bar in bars}
        self._rhythms = {melody.rhythm(bar).astype(np.uint8).tobytes() for bar in bars}

    def share(self, tokens: np.ndarray) -> tuple[float, float]:
        """How many bars of melodies [N, 36], and how many of their rhythms, are in some training melody."""
        bars = _bars(tokens, self._bar)
        return (float(np.mean([bar.tobytes() in self._bars for bar in bars])),
                float(np.mean([melody.rhythm(bar).astype(np.uint8).tobytes() in self._rhythms for bar in bars])))


def _bars(tokens: np.ndarray, bar: int) -> np.ndarray:
    """Whole bars, each from its own first note on: [N, 36] -> uint8 [bars, bar]."""
    whole = tokens[:, : LENGTH // bar * bar].reshape(-1, bar)
    return np.ascontiguousarray(melody.without_carry(whole).astype(np.uint8))


def heard(judge: Callable | None, known: Known, tokens: np.ndarray) -> dict:
    """What melodies are like, each by itself.

    first: mean probability of the first genre, spread: its standard deviation, between: share of melodies with one
    within BETWEEN;  copied, rhythms: Known.share;  notes: of a melody;  distinct: share of different melodies
    """
    copied, rhythms = known.share(tokens)
    found = {"copied": copied, "rhythms": rhythms, "notes": float(np.mean(np.sum(tokens < melody.HOLD, 1))),
             "distinct": len({row.tobytes() for row in tokens}) / len(tokens)}
    if judge is None:
        return found
    p = judge(tokens)
    return {"first": float(p.mean()), "spread": float(p.std()),
            "between": float(np.mean((p > BETWEEN[0]) & (p < BETWEEN[1]))), **found}


def _judge(config, results) -> Callable | None:
    """tokens [N, 36] -> the probability of the first genre [N]."""
    if not results.has("genre"):
        return None
    model, params = nets.judge(config), results("genre")
    run = jax.jit(lambda params, x: jax.nn.sigmoid(jnp.asarray(model.apply({"params": params}, x))))
    return lambda tokens: np.asarray(run(params, melodies.symbols(tokens)))
