"""Intervals of means over segments that come from songs."""

import numpy as np
import pytest

from musicfusion.metrics.bootstrap import interval, statistic

SONGS, EACH = 70, 30


@pytest.fixture(scope="module")
def values() -> tuple[np.ndarray, np.ndarray]:
    """Songs that differ as much as segments within one: values and the song of each."""
    generator = np.random.default_rng(5)
    song = np.repeat(np.arange(SONGS), EACH)
    return generator.normal(size=SONGS)[song] + generator.normal(size=len(song)), song


def width(found: tuple[float, float, float]) -> float:
    return found[2] - found[1]


def test_the_mean_is_that_of_all_values_and_lies_inside():
    values, song = np.array([1.0, 2, 3, 4, 10]), np.array([0, 0, 0, 0, 1])  # not 6.25, the mean of the songs' means
    mean, low, high = interval(values, song)
    assert mean == 4.0
    assert (low, high) == (2.5, 10.0)  # one of the two songs twice


def test_the_interval_is_as_wide_as_theory_says(values):
    mean, low, high = interval(*values, draws=10_000)
    of_songs = values[0].reshape(SONGS, EACH).mean(1)
    error = of_songs.std() / np.sqrt(SONGS)
    np.testing.assert_allclose(mean, of_songs.mean())
    np.testing.assert_allclose([low, high], [mean - 1.96 * error, mean + 1.96 * error], atol=0.1 * error)


def test_songs_that_differ_widen_it_and_segments_within_them_do_not(values):
    numbers, song = values
    shuffled = np.random.default_rng(0).permutation(numbers)
    assert width(interval(numbers, song)) > 3 * width(interval(shuffled, song))
    every_one_a_song = interval(numbers, np.arange(len(numbers)))
    assert width(interval(numbers, song)) > 3 * width(every_one_a_song)


def test_it_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(9)
    song = np.repeat(np.arange(40), 5)
    covered = []
    for _ in range(300):
        _, low, high = interval(generator.normal(size=40)[song] + generator.normal(size=200), song, draws=300)
        covered.append(low <= 0 <= high)
    assert 0.9 < np.mean(covered) < 0.98


def test_a_higher_level_is_wider(values):
    widths = [width(interval(*values, level=level)) for level in (0.5, 0.9, 0.95, 0.99)]
    assert widths == sorted(widths) and widths[0] < widths[-1] / 3


def test_the_same_seed_gives_the_same_interval_whatever_was_drawn_elsewhere(values):
    first = interval(*values)
    np.random.default_rng(0).random(10)
    assert interval(*values) == first == interval(*values, seed=0)
    other = interval(*values, seed=1)
    assert other[0] == first[0] and other[1:] != first[1:]


def test_neither_names_of_songs_nor_the_order_of_segments_matter(values):
    numbers, song = values
    order = np.random.default_rng(2).permutation(len(song))
    np.testing.assert_allclose(interval(numbers[order], 1000 + 7 * song[order]), interval(numbers, song))


def test_values_that_are_not_there_are_left_out(values):
    numbers, song = values
    there = np.random.default_rng(3).random(len(song)) < 0.6
    there[song == 4] = False  # nothing is left of this song
    assert interval(np.where(there, numbers, np.nan), song) == interval(numbers[there], song[there])


def test_one_song_tells_nothing_of_others():
    mean, low, high = interval(np.array([0.1, 0.2, 0.7]), np.zeros(3, int))
    assert mean == low == high == pytest.approx(1 / 3)


@pytest.mark.parametrize("numbers", [[], [np.nan, np.nan]])
def test_without_a_value_there_is_no_mean(numbers):
    assert np.isnan(interval(np.array(numbers), np.zeros(len(numbers), int))).all()


def test_numbers_of_the_device_do(values):
    numbers, song = (np.asarray(part, kind) for part, kind in zip(values, (np.float32, np.int32), strict=True))
    found = interval(numbers, song)
    np.testing.assert_allclose(found, interval(*values), rtol=1e-5)
    assert all(type(number) is float for number in found)


# Values of two songs each -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crossed() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of a melody of one song with an accompaniment of another: values, and the song of either part."""
    generator = np.random.default_rng(6)
    lead = np.repeat(np.arange(SONGS), EACH)
    back = (lead + generator.integers(1, SONGS, len(lead))) % SONGS
    effects = generator.normal(size=(2, SONGS))
    return effects[0][lead] + effects[1][back] + generator.normal(size=len(lead)), lead, back


def test_two_songs_of_each_value_widen_it_and_the_mean_stays(crossed):
    numbers, lead, back = crossed
    one, other, two = interval(numbers, lead), interval(numbers, back), interval(numbers, lead, others=back)
    assert two[0] == pytest.approx(one[0]) and two[1] < two[0] < two[2]
    assert width(two) > 1.15 * max(width(one), width(other))


def test_a_segment_counts_as_often_as_the_one_times_as_often_as_the_other():
    """By hand: all draws of three songs, of which a pair is left out if either is not drawn."""
    numbers, lead, back = np.array([0.0, 1.0, 5.0]), np.array([0, 1, 2]), np.array([1, 2, 0])
    possible = set()
    for draw in np.ndindex(3, 3, 3):
        times = np.bincount(draw, minlength=3)
        weight = times[lead] * times[back]
        if weight.any():
            possible.add(round(float(weight @ numbers / weight.sum()), 9))
    assert possible == {0.0, 1.0, 5.0, 2.0}
    mean, low, high = interval(numbers, lead, others=back, draws=4000)
    assert (mean, low, high) == (2.0, 0.0, 5.0)
    middle = interval(numbers, lead, others=back, draws=4000, level=1e-9)[1]
    assert any(middle == pytest.approx(value) for value in possible)


def test_both_parts_of_one_song_count_it_twice_and_the_interval_stays_about_as_wide(values):
    numbers, song = values
    one, two = interval(numbers, song), interval(numbers, song, others=song)
    assert width(one) < width(two) < 3 * width(one)


def test_of_two_songs_seed_names_order_and_missing_values_matter_as_little(crossed):
    numbers, lead, back = crossed
    first = interval(numbers, lead, others=back)
    assert first == interval(numbers, lead, others=back, seed=0) != interval(numbers, lead, others=back, seed=1)
    order = np.random.default_rng(2).permutation(len(lead))
    again = interval(numbers[order], 1000 + 7 * lead[order], others=1000 + 7 * back[order])
    np.testing.assert_allclose(again, first)
    there = np.random.default_rng(3).random(len(lead)) < 0.6
    assert interval(np.where(there, numbers, np.nan), lead, others=back) == interval(
        numbers[there], lead[there], others=back[there])
    assert np.isnan(interval(np.full(len(lead), np.nan), lead, others=back)).all()


def test_a_song_that_meets_itself_alone_has_an_interval_without_width():
    one = np.zeros(3, int)
    mean, low, high = interval(np.array([0.1, 0.2, 0.7]), one, others=one)
    assert mean == low == high == pytest.approx(1 / 3)


def test_a_statistic_of_counts_is_that_of_all_and_its_interval_is_the_mean_s(values):
    numbers, song = values
    counts = np.stack([np.bincount(song, numbers), np.bincount(song)], 1)
    found = statistic(counts, lambda x: x[..., 0] / x[..., 1], seed=3)
    np.testing.assert_allclose(found, interval(numbers, song, seed=3))
