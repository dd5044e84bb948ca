import numpy as np
import pytest
from micro import micro_config

from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.collagenet import evaluation, methods, published, tables


@pytest.fixture(scope="module")
def pairs(corpus):
    return evaluation.read(micro_config(data__split="all"), corpus)


def numbers(music, old):
    return {name: np.asarray(x) for name, x in evaluation._numbers({}, music, old).items()}


def test_an_unrelated_accompaniment_is_another_songs_and_stays_whole(pairs):
    assert len(pairs.songs) == 100 and np.all(pairs.songs[pairs.partner] != pairs.songs)
    np.testing.assert_array_equal(pairs.unrelated["melody"], pairs.real["melody"])
    for name in ("pitch", "duration", "chords"):
        np.testing.assert_array_equal(pairs.unrelated[name], pairs.real[name][pairs.partner])


def test_partners_come_from_the_seed_and_never_from_the_same_song():
    songs = np.repeat([0, 1], [98, 2])  # hard: nearly everything is one song
    partner = evaluation.unrelated(songs, 3)
    assert np.all(songs[partner] != songs)
    np.testing.assert_array_equal(partner, evaluation.unrelated(songs, 3))
    assert np.any(partner != evaluation.unrelated(songs, 4))


def test_a_split_of_one_song_cannot_be_paired(corpus, monkeypatch):
    config = micro_config(data__split="all")
    windows = evaluation.segments.windows
    monkeypatch.setattr(evaluation.segments, "windows",
                        lambda *args: tuple(x[windows(*args)[1] == 0] for x in windows(*args)))
    with pytest.raises(MusicFusionError, match="all split that are measured belong to one song: two are needed"):
        evaluation.read(config, corpus)


def test_what_is_not_changed_is_all_kept_and_differs_in_nothing(pairs):
    own, same = numbers(pairs.real, pairs.real), numbers(pairs.unrelated, pairs.unrelated)
    for name in ("onsets_kept", "pitches_kept", "notes_kept", "chords_kept"):
        assert np.all(same[name] == 1)
    assert np.all(same["changed"] == 0)
    for name, x in evaluation._differences(same, pairs, own).items():
        np.testing.assert_allclose(x[~np.isnan(x)], 0, atol=1e-6, err_msg=name)
        assert np.mean(np.isnan(x)) < 0.2


def test_another_songs_accompaniment_keeps_no_more_than_chance_and_fits_worse(pairs):
    own = numbers(pairs.real, pairs.real)
    other = numbers(pairs.unrelated, pairs.real)
    assert np.all(other["pitches_kept"] == 1) and np.mean(other["notes_kept"]) < 0.3
    assert 0.35 < np.mean(other["changed"]) < 0.51  # all of one part, none of the other
    assert np.mean(other["pch_kld"]) > 1.5 * np.mean(own["pch_kld"])
    assert np.mean(other["pch_oa"]) < np.mean(own["pch_oa"])


def test_a_row_has_a_mean_and_an_interval_around_it_and_none_where_nothing_was_measured(pairs):
    own = numbers(pairs.real, pairs.real)

    def interval(values):
        return evaluation.bootstrap.interval(values, pairs.songs)

    row = evaluation._row("harmonic pairs", own, evaluation.TABLE1, interval)
    assert row["method"] == "harmonic pairs" and row["notes_kept"] == 1
    assert row["harmony_rate"] is row["rho_melody"] is row["ci"]["rho_melody"] is None
    row = evaluation._row("harmonic pairs", own, evaluation.TABLE2, interval)
    for name in evaluation.TABLE2:
        low, high = row["ci"][name]
        assert low < row[name] < high


def test_an_evaluator_is_right_where_real_pairs_pass_and_others_do_not():
    found = evaluation._accuracy(np.array([1, 1, 1, 0.0]), np.array([0, 0, 0, 1.0]), np.array([1, 1, 0, 0.0]))
    assert found["accuracy_random"] == 0.75 and found["accuracy_key_matched"] == 0.625


def test_a_slow_method_is_measured_on_some_pairs_evenly_chosen_and_no_number_is_lost_or_moved():
    music = {"melody": np.arange(12)[:, None]}

    def numbers(new, old):
        return {"pair": 1.0 * old["melody"][:, 0], "made": 1.0 * new["melody"][:, 0]}

    def run(block, rows):
        np.testing.assert_array_equal(block["melody"][:, 0], rows)
        return {"melody": block["melody"] + 100}

    found = evaluation._measure(methods.Method("all", run), music, numbers, 3)
    np.testing.assert_array_equal(found["made"], np.arange(12) + 100)
    for most, expected in ((6, [0, 2, 4, 6, 8, 10]), (5, [0, 4, 8]), (2, [0, 4, 8]), (100, range(12))):
        found = evaluation._measure(methods.Method("slow", run, most), music, numbers, 3)
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(found["pair"])), expected)
        np.testing.assert_array_equal(found["pair"][list(expected)], expected)


# The text ------------------------------------------------------------------------------------------------------------

CURVE = [{"method": f"controls {c}", "changed": changed, "harmony_rate": rate, "harmony_rate_key_matched": rate - 0.2}
         for c, changed, rate in ((1, 0.1, 0.3), (0.5, 0.3, 0.7), (0, 0.5, 0.9))]


@pytest.mark.parametrize(
    "changed, expected", [(0.1, "30.0 / 10.0"), (0.2, "50.0 / 30.0"), (0.6, "-"), (0.05, "-"), (None, "-")])
def test_methods_are_compared_with_collagenet_at_equal_change(changed, expected):
    assert tables._at_equal_change(CURVE[::-1], {"changed": changed}) == expected


def test_the_papers_rows_stand_beside_our_own_names():
    known = tables._published(published.TABLE2, {"lambda": 0.5})
    assert known["CollageNet, lambda 0.5"]["pch_oa"] == 0.588
    assert known["data-driven, 100 iterations"]["pch_oa"] == 0.397
    assert set(known) - {"CollageNet, lambda 0.5", "data-driven, 100 iterations"} == {
        "harmonic pairs", "disharmonic pairs", "rule-based"}


def test_every_published_row_is_a_method_that_we_measure():
    names = {"harmonic pairs", "disharmonic pairs", "test set", "VAE prior", "data-driven", "rule-based",
             "CollageNet", "CollageNet-vanilla", *(f"CollageNet, lambda {x:g}" for x in (0.1, 0.5, 1, 2))}
    for table in (published.TABLE1, published.TABLE2, published.TABLE3):
        assert set(table) <= names
    assert 100 in methods.DESCENTS


def test_a_distance_falls_only_if_every_step_of_it_does():
    assert tables.falls([3, 2, 1]) and not tables.falls([3, 2, 2]) and not tables.falls([1, 2, 1])
