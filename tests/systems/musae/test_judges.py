"""The judges of genre."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs.melody import REST
from musicfusion.core import optimizers
from musicfusion.core.example_keys import numbered
from musicfusion.systems.musae import judges
from musicfusion.systems.musae.dataset import COMPONENTS

BAR = 16  # steps
BATCH = 6
KEY = jax.random.key(0)
MODELS = {"genre_classifier": judges.GenreClassifier(width=16, depth=1, dropout=0.0),
          "second_judge": judges.RecurrentGenreClassifier(hidden=16, dropout=0.0)}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@pytest.fixture(scope="module")
def batch():
    tokens = np.random.default_rng(0).integers(40, 130, (BATCH, 2 * BAR, 4))
    return {"tracks": jnp.asarray(tokens, jnp.int32), "genre": jnp.arange(BATCH) - 1,
            "example_key": numbered(KEY, jnp.arange(BATCH))}


@pytest.fixture(scope="module")
def task():
    optimizer = optimizers.create(rate=1e-2, schedule="constant", steps=60)
    return judges.task(MODELS["genre_classifier"], optimizer=optimizer, steps=60)


def test_windows_without_a_genre_teach_the_classifier_nothing(task, batch):
    state = task.init(KEY, batch, {})
    known = {name: x[1:] for name, x in batch.items()}
    all_of_them, some = (task.validate(state, part, {}, KEY) for part in (batch, known))
    assert float(all_of_them["loss"]) == pytest.approx(float(some["loss"]), rel=1e-5)


def test_it_learns_the_genres_of_a_few_windows(task, batch):
    state, step = task.init(KEY, batch, {}), jax.jit(task.step)
    for _ in range(60):
        state, _ = step(state, batch, {}, KEY)
    assert float(task.validate(state, batch, {}, KEY)["accuracy"]) == 1.0


@each_model
def test_both_judges_give_each_window_a_number_for_each_genre(model, batch):
    params = model.init(KEY, batch["tracks"])
    logits = model.apply(params, batch["tracks"])
    assert logits.shape == (BATCH, COMPONENTS) and np.all(np.isfinite(logits))
    for k in range(4):
        other = model.apply(params, batch["tracks"].at[:, 5, k].set(20))
        assert np.all(np.any(other != logits, 1)), "it reads all tracks"


def test_the_judges_have_names_of_their_own_and_learn_from_different_grooves():
    assert judges.CLASSIFIERS.keys() == judges.SPLITS.keys() == MODELS.keys()
    assert all(isinstance(model, judges.CLASSIFIERS[name]) for name, model in MODELS.items())
    assert len(set(judges.SPLITS.values())) == 2


def test_the_second_judge_learns_which_way_a_figure_goes():
    """Two genres with the same pitches as often: arpeggios upward and downward, begun anywhere, some notes left out."""
    count, steps = 96, 200
    rng = np.random.default_rng(1)
    genre = np.arange(count) % 2
    turn = np.where(genre, 1, -1)[:, None] * np.arange(8) + rng.integers(0, 4, (count, 1))
    tokens = np.full((count, 8, 4), REST)
    tokens[..., 1] = np.where(rng.uniform(size=turn.shape) < 0.1, REST, np.array([60, 64, 67, 72])[turn % 4])
    whole = {"tracks": jnp.asarray(tokens), "genre": jnp.asarray(genre),
             "example_key": numbered(KEY, jnp.arange(count))}
    known, other = (jax.tree.map(lambda x: x[part], whole) for part in (slice(0, 64), slice(64, 96)))
    task = judges.task(MODELS["second_judge"], steps=steps,
                       optimizer=optimizers.create(rate=2e-2, schedule="constant", steps=steps))
    state = task.init(KEY, known, {})
    state = jax.jit(lambda state: jax.lax.fori_loop(
        0, steps, lambda _, state: task.step(state, known, {}, KEY)[0], state))(state)
    assert float(task.validate(state, other, {}, KEY)["accuracy"]) > 0.9


# Windows of any length -----------------------------------------------------------------------------------------------


def by_first_pitch(seen):
    """A classifier that takes two bars; of the pitch 60 + k genre k has 70 %, of a rest all have the same."""

    def run(tokens):
        seen.append(tokens.shape)
        first = tokens[:, 0, 0]
        found = np.full((len(tokens), COMPONENTS), 0.3 / (COMPONENTS - 1))
        found[np.arange(len(tokens)), np.minimum(first - 60, 31)] = 0.7
        return np.where((first == REST)[:, None], 1 / COMPONENTS, found)

    return run


def test_two_bars_are_classified_as_they_are():
    seen, tokens = [], np.full((3, 2 * BAR, 4), 60)
    tokens[1:] += [[[5]], [[9]]]
    assert judges.classified(by_first_pitch(seen), tokens).tolist() == [0, 5, 9] and seen == [tokens.shape]


def test_sixteen_bars_are_cut_into_pieces_of_two_whose_log_probabilities_are_averaged():
    seen, tokens = [], np.full((2, 16 * BAR, 4), REST)
    begins = np.arange(8) * 2 * BAR
    tokens[0, begins[:5], 0], tokens[0, begins[5:], 0] = 61, 64  # five pieces say 1, three say 4
    tokens[1, begins[6], 0] = 63  # all but one say nothing
    assert judges.classified(by_first_pitch(seen), tokens).tolist() == [1, 3]
    assert seen == [(16, 2 * BAR, 4)]


def test_a_judge_that_is_sure_weighs_more_than_two_that_are_not():
    sure = np.full((3, COMPONENTS), 1e-3)
    sure[0, 2], sure[1:, 7], sure[1:, 2], sure[0, 7] = 0.9, 0.5, 0.3, 0.0
    assert judges.classified(lambda tokens: sure, np.zeros((1, 6 * BAR, 4), int)).tolist() == [2]
