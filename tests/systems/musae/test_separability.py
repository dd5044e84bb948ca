"""Whether genres can be read from codes: each measure by a case whose answer is known."""

import numpy as np
import pytest

from musicfusion.systems.musae import separability
from musicfusion.systems.musae.examples import Examples

RNG = np.random.default_rng(0)
FAMILY = np.arange(600) // 10  # sixty songs
GENRE = FAMILY % 4
HALF = separability.halves(FAMILY, 0)
NOISE = RNG.normal(size=(600, 6))


def examples(genre=GENRE, family=FAMILY):
    return Examples(tokens=np.zeros((len(genre), 32, 4), int), genre=genre, component=genre, song=family, family=family)


def test_windows_of_one_family_are_in_one_half():
    for seed in range(5):
        half = separability.halves(FAMILY, seed)
        assert all(len(set(half[family == FAMILY].tolist())) == 1 for family in range(60)) and half.mean() == 0.5
    names = np.array(["b", "a", "b", "c"])
    half = separability.halves(names, 0)
    assert half[0] == half[2] and 0 < half.sum() < 4
    assert np.any(separability.halves(FAMILY, 1) != HALF)
    np.testing.assert_array_equal(separability.halves(FAMILY, 0), HALF)


def test_a_probe_finds_what_is_there():
    directions = 3 * RNG.normal(size=(4, 6))
    assert separability.probe(NOISE + directions[GENRE], GENRE, HALF) > 0.95
    assert separability.probe(1e4 * (NOISE + directions[GENRE]) + 1e5, GENRE, HALF) > 0.95, "whatever the units"


def test_where_nothing_tells_the_genre_a_probe_guesses():
    assert 0.15 < separability.probe(NOISE, GENRE, HALF) < 0.35


def test_a_probe_does_not_profit_from_knowing_songs_by_heart():
    song = 5 * RNG.normal(size=(60, 40))[FAMILY] + 0.1 * RNG.normal(size=(600, 40))
    assert separability.probe(song, RNG.integers(0, 4, 60)[FAMILY], HALF) < 0.5
    mixed = np.arange(600) % 2 == 0  # songs in both halves
    assert separability.probe(song, RNG.integers(0, 4, 60)[FAMILY], mixed) > 0.8


def test_without_two_halves_there_is_no_probe():
    assert separability.probe(NOISE, GENRE, np.ones(600, bool)) is None
    assert separability.probe(NOISE, GENRE, np.zeros(600, bool)) is None


def test_a_line_separates_what_lies_apart_and_guesses_where_nothing_differs():
    sign, half = np.tile([1.0, -1.0], 200), np.arange(400) < 200
    noise = RNG.normal(size=(400, 3))
    assert separability.line_accuracy(noise + 6 * sign[:, None], sign, half) == 1
    assert 0.4 < separability.line_accuracy(noise, sign, half) < 0.6


def test_of_two_genres_the_rare_one_counts_as_much():
    sign, half = np.where(np.arange(400) % 20 == 0, -1.0, 1.0), np.arange(400) < 200
    assert separability.line_accuracy(RNG.normal(size=(400, 3)), sign, half) < 0.8


def test_principal_components_hold_most_of_the_spread():
    x = RNG.normal(size=(200, 5)) * [1, 9, 0.1, 4, 0.1]
    plane = separability.principal(x)
    np.testing.assert_allclose(plane.var(0), [x[:, 1].var(), x[:, 3].var()], rtol=0.05)


def test_t_sne_gives_each_code_a_point():
    pytest.importorskip("sklearn")
    assert separability.embedded(RNG.normal(size=(12, 5)), 0).shape == (12, 2)


@pytest.mark.parametrize("points", [True, False])
def test_pairs_of_genres_from_the_worst_to_the_best(points, monkeypatch):
    monkeypatch.setattr(separability, "embedded", lambda x, seed: x[:, :2] if points else None)
    z = NOISE * [0.3, 0.3, 0.1, 0.1, 0.1, 0.1]
    z[:, 0] += np.array([0.0, 0.0, 4.0, 9.0])[GENRE]  # the first two are alike
    found = separability.separability(examples(), z, ("a", "b", "c", "d"), 0)
    assert found["genre_pairs"] == 6 and 0.85 < found["in_plane"] < 1 and found["in_space"] > 0.85
    titles = [title for title, *_ in found["planes"]]
    assert titles[0].startswith("a and b, PCA: ") and titles[-1].endswith("t-SNE" if points else "PCA: 100%")
    assert len(titles) == (6 if points else 3)
    for _, plane, sign in found["planes"]:
        assert plane.shape == (300, 2) and set(sign.tolist()) == {1, -1}


def test_genres_with_few_windows_are_not_compared(monkeypatch):
    monkeypatch.setattr(separability, "embedded", lambda x, seed: None)
    rare = np.where(FAMILY == 5, 3, GENRE % 3)  # one family cannot be in both halves
    assert separability.separability(examples(rare), NOISE, ("a", "b", "c", "d"), 0)["genre_pairs"] == 3
    assert separability.separability(examples(np.zeros(600, int)), NOISE, ("a", "b"), 0) == {}
