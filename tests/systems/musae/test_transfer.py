"""Changes of genre, on a toy problem in which a genre is a pitch."""

import dataclasses

import numpy as np
import pytest

from musicfusion.codecs.melody import HOLD, REST
from musicfusion.systems.musae import transfer
from musicfusion.systems.musae.components import Components
from musicfusion.systems.musae.dataset import UNTAGGED
from musicfusion.systems.musae.examples import Examples


def moved(toy, familiar=None, **changes):
    """{(way, amount): what was found}; changes: of the toy problem."""
    own = toy._replace(**changes)
    found = transfer.transferred(own.space, own.examples, own.z, own.judges, 0, familiar)
    return {(one.way, one.amount): one for one in found}


@pytest.fixture(scope="module")
def found(toy):
    return moved(toy)


def test_all_ways_are_measured_at_all_their_amounts(found):
    assert set(found) == {(way, amount) for way, amounts in transfer.AMOUNTS.items() for amount in amounts} | {
        (f"position, {tracks}", amount) for tracks, amounts in transfer.TRACKS.items() for amount in amounts} | {
        (way, 1.0) for way in transfer.FOOLS}
    assert all(set(one.target) == {"judge", "second judge"} for one in found.values())


def test_without_the_flow_s_way_a_song_stays_as_it_is(found):
    none = found["position", 0.0]
    assert none.source == 1 and none.target["judge"][0] == 0 and none.notes[0] == none.rhythm[0] == 1
    assert none.rest is None


def test_by_the_flow_the_genre_changes_and_the_rhythm_stays(found):
    whole = found["position", 1.0]
    assert whole.target["judge"] == (1, 1, 1) and whole.source == 0
    assert whole.rhythm[0] == 1 and whole.notes[0] == 0
    shares = [found["position", amount].target["judge"][0] for amount in transfer.AMOUNTS["position"]]
    assert shares == sorted(shares) and 0 < shares.index(1) < len(shares) - 1, "guidance: before the end of the way"


def test_the_leaps_of_the_bass_are_measured(toy, found):
    assert all(one.leap == 0 for one in found.values()), "its pitch is always the same"
    bass = np.array([[40, HOLD, 52, 45], [40, REST, REST, 41], [40, HOLD, HOLD, REST]])
    assert transfer.bass_leap(bass) == pytest.approx((9.5 + 1) / 2)
    assert transfer.bass_leap(bass[2:]) is None


def test_the_rest_is_kept_where_it_is_decoded_and_encoded_and_else_not(toy, found):
    assert found["position", 1.0].rest > 0.95
    assert all(one.rest is None for key, one in found.items() if key != ("position", 1.0))
    other = dataclasses.replace(toy.space, decode=lambda z: toy.space.decode(z * [*[1] * 6, -1, -1]))
    assert moved(toy, space=other)["position", 1.0].rest < 0


def test_moving_by_the_difference_of_the_means_changes_the_genre(found):
    assert found["means", 1.0].target["judge"][0] == 1 and found["means", 1.0].source == 0
    assert found["means", 1.0].rhythm[0] > 0.85 and found["means", 1.0].notes[0] == 0


def test_where_the_plane_tells_a_decoder_nothing_exchanging_it_changes_nothing(found):
    assert found["plane", 1.0].source == 1 and found["plane", 1.0].target["judge"][0] == 0


def test_each_judge_speaks_for_itself_and_the_first_for_the_genre_before(toy, found):
    """The second judge calls everything rock: a quarter of the windows go there, none from there."""
    shares = {one.target["second judge"][0] for one in found.values()}
    assert len(shares) == 1 and 0.15 < shares.pop() < 0.35
    turned = moved(toy, judges={"second judge": toy.judges["second judge"], "judge": toy.judges["judge"]})
    assert turned["position", 1.0].source == 0.25


def test_of_tracks_that_do_not_move_everything_stays(found):
    """The judge reads the drums, and all four tracks are alike."""
    whole = found["position", 1.0]
    for tracks, share in (("drums+bass", 1 / 2), ("drums", 3 / 4)):
        alone = found[f"position, {tracks}", 1.0]
        assert alone.target == whole.target and alone.notes[0] == pytest.approx(share)
    assert found["position, drums", 1.0].harmony[0] == 1 and whole.harmony[0] == 0


def test_fools_take_what_they_need_from_windows_of_known_grooves_where_there_are_such(toy):
    first = np.arange(toy.examples.tokens.shape[1])[None, :, None] == 0
    short = dataclasses.replace(toy.examples, tokens=np.where(first, toy.examples.tokens, 128))  # one note each
    ways = ["a window of the target", *(f"{tracks} of a window of the target" for tracks in transfer.TRACKS)]
    found, plain = moved(toy, familiar=short), moved(toy)
    rhythm = [found[way, 1.0].rhythm[0] for way in ways]
    np.testing.assert_allclose(rhythm, [2 * 4 / (12 + 4), 2 * 8 / (12 + 8), 2 * 10 / (12 + 10)], rtol=1e-6)
    few = moved(toy, familiar=toy.examples.only(toy.examples.genre == 1))
    assert set(few) == set(plain), "of some genres there is none"


def test_fools_please_the_judge_or_nobody_and_keep_little(found):
    other, target = (found[way, 1.0] for way in transfer.FOOLS[:2])
    assert found["drums of a window of the target", 1.0].target["judge"][0] == 1, "the judge reads the drums"
    assert target.target["judge"][0] == 1 and target.notes[0] == 0, "a real window of the target is of the target"
    assert 0.1 < other.target["judge"][0] < 0.5 and other.notes[0] < 0.5 and other.rhythm[0] < 1


def test_without_flow_means_or_judges_what_is_left_is_measured(toy):
    plain = moved(toy, space=dataclasses.replace(toy.space, means=None, rest=None, code=None, harmony=None))
    assert set(plain) == {("plane", 1.0), *((way, 1.0) for way in transfer.FOOLS)}
    silent = moved(toy, judges={})["position", 1.0]
    assert silent.target == {} and silent.source is None and silent.rhythm[0] == 1


def test_windows_without_a_genre_are_moved_from_the_mean_of_all_music(toy):
    untagged = dataclasses.replace(toy.examples, genre=np.full(len(toy.z), -1),
                                   component=np.full(len(toy.z), UNTAGGED))
    found = moved(toy, examples=untagged)
    assert all(one.source is None for one in found.values())
    assert 0.2 < found["position", 0.0].target["judge"][0] < 0.3, "a genre is drawn for each, its own among them"
    assert found["means", 1.25].target["judge"][0] == found["position", 1.0].target["judge"][0] == 1


def test_without_two_genres_nothing_is_moved(toy):
    none = Components(component=np.arange(32), count=32, genres=(), instrumentation="band")
    assert moved(toy, space=dataclasses.replace(toy.space, components=none)) == {}


def test_the_chosen_examples_keep_all_that_belongs_to_them(toy):
    chosen = toy.examples.genre == 2
    own = toy.examples.only(chosen)
    assert isinstance(own, Examples) and set(own.genre) == {2} and len(own.tokens) == len(own.family) == chosen.sum()
    np.testing.assert_array_equal(own.tokens, toy.examples.tokens[chosen])


def test_notes_are_in_the_harmony_of_the_half_bar_that_they_begin_in():
    before, after = np.full((1, 32, 4), 128), np.full((1, 32, 4), 128)
    before[0, 0, 1:] = 60, 64, 67
    before[0, 1:8, 1:] = 129
    after[0, [0, 2], 1] = 48, 61  # a C that sounded, and a C sharp that did not
    after[0, 8, 2] = 72  # a C in the next half bar, where nothing sounded
    after[0, 0, 0] = 36  # drums do not count
    pitched = np.array([False, True, True, True])
    np.testing.assert_allclose(transfer.harmony_kept(before, after, pitched), [1 / 3])
    assert np.isnan(transfer.harmony_kept(before, before[:, ::-1] * 0 + 128, pitched))
