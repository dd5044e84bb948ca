"""What a trained system does with songs that it never saw: table 1 and figures 3 to 5 of paper 004, and beyond."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from musicfusion import priors
from musicfusion.codecs import tracks
from musicfusion.codecs.melody import HOLD, VOCABULARY
from musicfusion.core.report import working
from musicfusion.core.rows import numbered
from musicfusion.metrics import arrangement, bootstrap
from musicfusion.systems.musae import (
    adversarial,
    genre,
    nets,
    petals,
    published,
    sampling,
    space,
    styles,
    tables,
    windows,
)

PAIRS = 256  # of interpolations (section 4.3), and of windows in a plane of figure 5
SHARES = np.linspace(0, 1, 11)
A_PETAL = 256  # draws from each petal (section 4.4.1)
DIRECTIONS = 256  # of the sliced Wasserstein distance
AMOUNTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # of a change of genre
SPREADS = (0.5, 0.7, 1.0)  # of draws from where a genre's codes lie


class Inputs(NamedTuple):
    """Windows that are measured: tokens int32 [n, T, 4], genre [n] (-1: none), petal [n], song [n]."""

    tokens: np.ndarray
    genre: np.ndarray
    petal: np.ndarray
    song: np.ndarray


def evaluate(config, corpus, results) -> tuple[dict, str, Callable[[Path], list[Path]]]:
    """-> (report, its text, draw(folder) -> figures)."""
    found = results("petals")
    judge = _judge(config, results)
    report: dict = {
        "system": "musae", "preset": config.preset, "data": {"source": corpus.source, "split": config.data.split},
        "genres": petals.around(found), "tracks": [part.name for part in tracks.LINEUPS[corpus.lineup]],
        "table1": [], "interpolation": {}, "fit": [], "paper": {"remarks": list(published.REMARKS)}, "windows": {}}
    drawn: dict = {}
    for bars in config.lengths:
        inputs = read(config, corpus, bars, found)
        report["windows"][str(bars)] = len(inputs.tokens)
        report["table1"] += [_majority(config, corpus, inputs, bars)]
        curves: dict[str, list[float]] = {"data space": in_data_space(inputs, config.seed)}
        for kind in _trained(results, bars):
            working(f"{bars} bars: {kind.title}")
            net = space.load(config, results, bars, kind.name)
            z = net.encode(inputs.tokens)
            report["table1"].append(_reconstruction(kind, bars, inputs, net.decode(z)))
            curves[kind.title] = interpolated(net, inputs, z, config.seed)
            if kind.prior:
                report["fit"].append(fit(config, results, kind, bars, inputs, z))
            if kind.name == "flower" and bars == min(config.lengths):
                drawn |= _flower(config, results, net, inputs, z, judge, report)
        report["interpolation"][str(bars)] = curves
    return report, tables.text(report), lambda folder: tables.draw(report, drawn, folder)


def read(config, corpus, bars: int, found: Mapping) -> Inputs:
    """The measured windows of config.data.split."""
    table = windows.measured(corpus, config, bars)
    arrays = windows.fixed(corpus, table["start"], found)
    run = jax.jit(lambda arrays, index, keys: windows.examples(
        arrays, index, keys, False, bars=bars, encoding=config.data.encoding))
    index = jnp.arange(len(table["start"]))
    batch = jax.device_get(run(arrays, index, numbered(jax.random.key(config.seed), index)))
    return Inputs(batch["tracks"], batch["genre"], batch["petal"], table["song"])


def _trained(results, bars: int) -> Iterator[nets.Kind]:
    return (kind for kind in nets.KINDS if results.has(f"{kind.name}_{bars}"))


def _judge(config, results) -> Callable | None:
    """tokens [n, T, 4] -> probabilities of genres, in the corpus's order [n, 32], of windows of any length."""
    if not results.has("genre"):
        return None
    model, params = genre.Genre(**dict(config.genre.size)), results("genre")
    run = jax.jit(lambda params, tokens: jax.nn.softmax(jnp.asarray(model.apply({"params": params}, tokens))))
    return space.rows(run, params, config.evaluate.batch)


def _reconstruction(kind: nets.Kind, bars: int, inputs: Inputs, made: np.ndarray) -> dict:
    """A row of table 1: accuracy of steps and of onsets, by track, and their means with intervals over songs."""
    right, onset = inputs.tokens == made, inputs.tokens < HOLD
    count = onset.sum((0, 1))
    there = count > 0
    onsets = np.where(there, (right & onset).sum((0, 1)) / np.maximum(count, 1), np.nan)
    mean, *ci = bootstrap.interval(right.mean((1, 2)), inputs.song, 0)
    each = (right & onset).sum(1) / np.where(onset.sum(1) > 0, onset.sum(1), np.nan)  # [n, 4]
    heard, *heard_ci = bootstrap.interval(np.nanmean(each, 1), inputs.song, 0)
    return {"kind": kind.name, "title": kind.title, "bars": bars, "accuracy": right.mean((0, 1)).tolist(), "mean": mean,
            "onsets": [None if np.isnan(x) else float(x) for x in onsets], "onsets_mean": heard,
            "ci": {"mean": ci, "onsets_mean": heard_ci}}


def _majority(config, corpus, inputs: Inputs, bars: int) -> dict:
    """The baseline that says at every step what its track says most in training."""
    chosen = windows.windows(corpus, "train", config.seed, bars)["start"]
    steps = chosen[:: max(len(chosen) // 2000, 1), None] * 4 + np.arange(bars * windows.BAR)
    tokens = tracks.without_carry(corpus.arrays["tracks"][steps])
    tokens = tracks.merged(tokens) if config.data.encoding == "paper" else tokens
    said = [int(np.argmax(np.bincount(tokens[..., k].ravel(), minlength=VOCABULARY))) for k in range(tracks.TRACKS)]
    made = np.broadcast_to(np.array(said), inputs.tokens.shape)
    return _reconstruction(nets.Kind("majority", "majority token", ""), bars, inputs, made)


def pairs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two different windows, PAIRS times."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, count, PAIRS)
    return one, (one + rng.integers(1, max(count, 2), PAIRS)) % count


def interpolated(net: space.Space, inputs: Inputs, z: np.ndarray, seed: int) -> list[float]:
    """Figure 4: share of steps that differ from the first window's, along the way to another: at each of SHARES."""
    one, other = pairs(len(z), seed)
    return [float(np.mean(net.decode(((1 - a) * z[one] + a * z[other]).astype(np.float32)) != inputs.tokens[one]))
            for a in SHARES]


def in_data_space(inputs: Inputs, seed: int) -> list[float]:
    """The same where each step is taken from the one or the other by chance."""
    one, other = pairs(len(inputs.tokens), seed)
    rng = np.random.default_rng(seed)
    coins = rng.uniform(size=inputs.tokens[one].shape)
    return [float(np.mean(np.where(coins < a, inputs.tokens[other], inputs.tokens[one]) != inputs.tokens[one]))
            for a in SHARES]


def fit(config, results, kind: nets.Kind, bars: int, inputs: Inputs, z: np.ndarray) -> dict:
    """How well the aggregated posterior fits the prior. Distances are shares of the prior's own standard deviation.

    mean: of dimensions' means from the prior's;  variance: mean ratio to the prior's;  wasserstein: sliced, and beside
    it that between two draws from the prior;  gap: the critic's, where one was trained;  recovered: of windows with a
    genre, how many lie nearest to its petal.
    """
    count, size = int(results("petals")["count"]), z.shape[1]
    keys = numbered(jax.random.key(config.seed), jnp.arange(2 * len(z)))
    batch = {"petal": jnp.tile(jnp.asarray(inputs.petal), 2), "petals": jnp.full(2 * len(z), count)}
    prior, again = np.split(np.asarray(adversarial.draw(kind.prior, keys, batch, size)), 2)
    spread = again.std(0)
    params = results(f"{kind.name}_{bars}")["critic"]
    told = adversarial.told(kind.prior, jax.tree.map(lambda x: x[: len(z)], batch))
    score = jax.jit(lambda z: nets.critic(config, kind.prior).apply({"params": params}, z, *told))
    gap = float(np.mean(score(prior)) - np.mean(score(z))) if kind.drawn else None
    known = inputs.genre >= 0
    near = np.asarray(priors.nearest_petal(jnp.asarray(z), count)) == inputs.petal
    return {"kind": kind.name, "title": kind.title, "bars": bars,
            "mean": float(np.sqrt(np.mean(((z.mean(0) - prior.mean(0)) / spread) ** 2))),
            "variance": float(np.mean(z.var(0) / spread**2)),
            "wasserstein": sliced(z / spread, prior / spread, config.seed),
            "wasserstein_prior": sliced(again / spread, prior / spread, config.seed), "gap": gap,
            "recovered": float(near[known].mean()) if known.any() else None}


def sliced(one: np.ndarray, other: np.ndarray, seed: int) -> float:
    """The sliced Wasserstein-1 distance of two samples of one size, over random directions."""
    directions = np.random.default_rng(seed).normal(size=(one.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    return float(np.mean(np.abs(np.sort(one @ directions, 0) - np.sort(other @ directions, 0))))


def _flower(config, results, net, inputs: Inputs, z: np.ndarray, judge, report: dict) -> dict:
    """What only a flower of genres has: figures 3 and 5, draws from petals, changes of genre. Adds to the report."""
    report["petals"], heat = by_petal(config, net, judge, results)
    if not net.genres:
        return {"heat": heat}
    report["separable"], planes = separable(inputs, z, results, config.seed)
    if judge:
        report["transfer"] = transferred(net, inputs, z, judge, results, config.seed)
        report["judge"] = float(np.mean(np.argmax(judge(inputs.tokens), 1)[inputs.genre >= 0]
                                        == inputs.genre[inputs.genre >= 0]))
    return {"heat": heat, "planes": planes}


def by_petal(config, net, judge, results) -> tuple[dict, dict[str, np.ndarray]]:
    """Figure 3: low-level numbers of draws from each petal, relative to their mean over all petals.

    -> {"rank_correlation" between how far petals lie apart and how much their numbers differ, "judged": share of draws
    that the classifier gives to their petal's genre, "from_styles": the same of draws from where its codes lie, by
    their spread}, and {measure: [petals, tracks]}.
    """
    count, size = net.petals, config[f"musae_{net.bars}"].size.latent
    petal = np.repeat(np.arange(count), A_PETAL)
    keys = numbered(jax.random.key(config.seed), jnp.arange(len(petal)))
    made = net.decode(np.asarray(priors.flower(keys, priors.angle(jnp.asarray(petal), count), size)))
    numbers = {name: np.asarray(x).reshape(count, A_PETAL, -1)
               for name, x in jax.jit(arrangement.low_level)(made).items()}
    heat = {}
    for name, x in numbers.items():
        with np.errstate(invalid="ignore"):
            local = np.nansum(x, 1) / np.maximum(np.sum(~np.isnan(x), 1), 1)
        whole = local.mean(0)
        heat[name] = (local - whole) / np.where(np.abs(whole) > 1e-6, np.abs(whole), 1.0)
    about: dict = {"rank_correlation": around(np.concatenate(list(heat.values()), 1))}
    if judge and net.genres:
        place = np.asarray(results("petals")["place"])[: len(net.genres)]

        def judged(made) -> float:
            return float(np.mean(place[np.minimum(np.argmax(judge(made), 1), len(place) - 1)] == petal))

        about["judged"] = judged(made)
        if net.styles is not None:
            for spread in SPREADS:
                there = net.decode(styles.drawn(net.styles, petal, spread, config.seed))
                about.setdefault("from_styles", {})[str(spread)] = judged(there)
    return about, heat


def around(rows: np.ndarray) -> float | None:
    """Spearman's correlation of how far two petals lie apart on the circle and how much their rows differ: [n, f]."""
    n = len(rows)
    if n < 4:
        return None
    i, j = np.triu_indices(n, 1)
    steps = np.minimum(j - i, n - (j - i))
    scaled = rows / np.maximum(rows.std(0), 1e-9)
    differ = np.sqrt(np.mean((scaled[i] - scaled[j]) ** 2, 1))
    return float(np.corrcoef(ranks(steps), ranks(differ))[0, 1])


def ranks(x: np.ndarray) -> np.ndarray:
    """Each number's rank; equal ones share theirs."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def separable(inputs: Inputs, z: np.ndarray, results, seed: int) -> tuple[dict, list]:
    """Figure 5: two genres' codes in their first two principal components, and how well a line parts them.

    The line is found by least squares on one half of the windows, songs apart, and tried on the other; in the plane,
    and in all of z. -> {"plane", "all": mean over pairs}, and the pairs parted worst, middling and best, by PCA and,
    where scikit-learn is installed, by t-SNE.
    """
    names, found = petals.names(results("petals")), []
    for a in range(len(names)):
        for b in range(a + 1, len(names)):
            rows = np.flatnonzero((inputs.genre == a) | (inputs.genre == b))
            label = np.where(inputs.genre[rows] == a, 1.0, -1.0)
            half = inputs.song[rows] % 2 == 0
            if min(np.sum(half & (label > 0)), np.sum(half & (label < 0)),
                   np.sum(~half & (label > 0)), np.sum(~half & (label < 0))) < 3:
                continue
            shares = (parted(principal(z[rows]), label, half), parted(z[rows], label, half))
            found.append((*shares, f"{names[a]} and {names[b]}", rows, label))
    if not found:
        return {"plane": None, "all": None, "pairs": 0}, []
    found.sort(key=lambda row: row[0])
    about = {"plane": float(np.mean([row[0] for row in found])), "all": float(np.mean([row[1] for row in found])),
             "pairs": len(found)}
    chosen = [found[k] for k in sorted({0, len(found) // 2, len(found) - 1})]
    planes = []
    for share, _, title, rows, label in chosen:
        planes.append((f"{title}, PCA: {share:.0%}", principal(z[rows]), label))
        if (neighbours := by_neighbours(z[rows], seed)) is not None:
            planes.append((f"{title}, t-SNE", neighbours, label))
    return about, planes


def by_neighbours(x: np.ndarray, seed: int) -> np.ndarray | None:
    """t-SNE: [n, d] -> [n, 2]; None where scikit-learn is not installed."""
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError:
        return None
    return TSNE(perplexity=min(30.0, (len(x) - 1) / 3), random_state=seed).fit_transform(x)


def principal(x: np.ndarray) -> np.ndarray:
    """The first two principal components: [n, d] -> [n, 2]."""
    centred = x - x.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return centred @ axes[:2].T


def parted(x: np.ndarray, label: np.ndarray, half: np.ndarray) -> float:
    """Balanced share of the other half on its side of the line that least squares (ridge) finds in one half."""
    x = (x - x[half].mean(0)) / np.maximum(x[half].std(0), 1e-6)
    x = np.concatenate([x, np.ones((len(x), 1))], 1)
    weight = np.where(label > 0, 1 / np.sum(half & (label > 0)), 1 / np.sum(half & (label < 0)))[half, None]
    ridge = 1e-2 * np.eye(x.shape[1])
    line = np.linalg.solve(x[half].T @ (weight * x[half]) + ridge, x[half].T @ (weight[:, 0] * label[half]))
    right = np.sign(x[~half] @ line) == label[~half]
    return float(np.mean([np.mean(right[label[~half] > 0]), np.mean(right[label[~half] < 0])]))


def transferred(net, inputs: Inputs, z: np.ndarray, judge, results, seed: int) -> list[dict]:
    """Windows moved toward another genre, drawn for each: how often the classifier hears it, and what survives.

    around: their two numbers on the flower are turned; straight: the petals' difference is added; means: the difference
    of the two genres' mean codes of training windows, in all dimensions.
    """
    place = np.asarray(results("petals")["place"])
    known = np.flatnonzero(inputs.genre >= 0)
    genres = len(net.genres)
    if genres < 2 or not len(known):
        return []
    source, z = inputs.genre[known], z[known]
    target = (source + np.random.default_rng(seed).integers(1, genres, len(known))) % genres
    here, there = place[source], place[target]
    centres = np.asarray(priors.centre(priors.angle(jnp.arange(net.petals), net.petals)))
    shorter = ((there - here) / net.petals + 0.5) % 1.0 - 0.5  # way around, in turns

    def straight(amount):
        return np.concatenate([z[:, :2] + amount * (centres[there] - centres[here]), z[:, 2:]], 1)

    ways = {"around": lambda amount: priors.turned(jnp.asarray(z), 2 * np.pi * amount * shorter), "straight": straight}
    if net.styles is not None:
        ways["means"] = lambda amount: styles.moved(net.styles, z, here, there, amount)
    rows = []
    for (way, to), amount in itertools.product(ways.items(), AMOUNTS):
        made = net.decode(np.asarray(to(amount), np.float32))
        heard = np.argmax(judge(made), 1)
        kept = sampling.survives(inputs.tokens[known], made)
        rows.append({"way": way, "amount": amount, "target": float(np.mean(heard == target)),
                     "source": float(np.mean(heard == source)),
                     **{name: float(np.mean(x)) for name, x in kept.items()}})
    return rows
