"""What MusAE does with a user's songs."""

import dataclasses

import jax
import numpy as np
import pytest
from musae_songs import DEFAULTS, GENRES, components, identity, part, sample, tokens, write

from musicfusion.codecs import midi, tracks
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import voices
from musicfusion.latent import vae
from musicfusion.systems.musae import flow, latent_space, lite, sampling
from musicfusion.systems.musae.harmony import no_harmony


def test_a_song_begins_with_the_bar_of_its_first_note(tmp_path):
    song = sampling.read_song(write(tmp_path / "a.mid", part(33, 40, 2, start=9.0)), "song", "band")
    assert np.argmax(song.tokens[:, 1] != REST) == 4 and np.all(song.tokens[:, [0, 2, 3]] == REST)


def test_a_song_is_called_by_its_file_and_keeps_its_tempo(tmp_path):
    path = write(tmp_path / "a.mid", part(33, 40, 2), tempo=90.0)
    song = sampling.read_song(path, "song", "band")
    assert song.title == "a" and song.tempo == pytest.approx(90.0)
    assert sampling.read_song(path.read_bytes(), "song", "band").title == "song"
    assert sampling.read_song(midi.read(path), "song", "band").tokens.shape == (32, 4)


def test_of_a_piece_for_voices_the_four_fullest_tracks_are_read_the_highest_first(tmp_path):
    path = write(tmp_path / "a.mid", *(part(0, pitch, 2) for pitch in (40, 70, 60, 50)), part(0, 90, 1))
    song = sampling.read_song(path, "song", "voices")
    assert song.tokens[0].tolist() == [70, 60, 50, 40]


def test_a_file_without_such_tracks_is_refused_and_named(tmp_path):
    path = write(tmp_path / "a.mid", part(125, 60, 2))
    with pytest.raises(MusicFusionError, match=r"a\.mid: no track for drums, bass, guitar, strings"):
        sampling.read_song(path, "song", "band")
    with pytest.raises(MusicFusionError, match="there is no such file"):
        sampling.read_song(tmp_path / "b.mid", "song", "band")


def test_a_song_of_hours_is_refused(tmp_path):
    with pytest.raises(MusicFusionError, match="longer than 1000 bars"):
        sampling.read_song(write(tmp_path / "a.mid", part(33, 40, 1), part(33, 40, 1, start=5000.0)), "song", "band")


def test_genres_are_words_that_the_weights_know():
    words = sampling.create(identity()).words
    assert words == {"genre": GENRES, "to": GENRES}
    with pytest.raises(MusicFusionError, match="genre is missing: there are rock, swing"):
        sample(identity())
    for given in ({"genre": "rock"}, {"angle": 0.0}):
        with pytest.raises(MusicFusionError, match="is unknown: the songs of the training had no genres"):
            sample(identity(components=components(())), **given)


def test_a_genre_and_an_angle_are_not_given_together(tmp_path):
    inputs = {"song": write(tmp_path / "a.mid", part(33, 40, 2))}
    with pytest.raises(MusicFusionError, match="to=swing and angle=90: only one of them is accepted"):
        sample(identity(), inputs=inputs, to="swing", angle=90.0)
    with pytest.raises(MusicFusionError, match="genre=rock and angle=0: only one of them is accepted"):
        sample(identity(), genre="rock", angle=0.0)
    assert sample(identity(), inputs=inputs, genre="rock", angle=90.0).title == "a: toward 90 degrees"


# Songs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bars", [1, 2, 5, 8])
def test_a_song_of_any_length_comes_back_whole(tmp_path, bars):
    path = write(tmp_path / "a.mid", part(0, 36, bars, True), part(33, 40, bars, length=4.0 / 3), part(0, 60, bars),
                 tempo=90.0)
    result = sample(identity(), inputs={"song": path})
    before, after = (tokens(result.scores[name], 16 * bars) for name in ("before", "song"))
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(before, sampling.read_song(path, "song", "band").tokens)
    assert result.scores["song"].tempos[0, 1] == pytest.approx(90.0) and result.main == "song"
    assert result.metadata["rhythm_kept"] == result.metadata["notes_kept"] == 1
    assert result.metadata["genre"] in GENRES and result.title == "a: through the latent space"


def written(bars, quarters=4, seed=0):
    """Random voices as tokens [T, 4], with notes and rests of up to three bars."""
    rng, steps = np.random.default_rng(seed), bars * quarters * 4
    columns = []
    for low in (36, 30, 50, 70):
        column = np.full(steps, REST)
        begin = 0
        while begin < steps:
            length = int(rng.choice([1, 2, 4, 7, 16, 25, 48]))
            if begin == 0 or rng.random() < 0.8:
                column[begin : begin + length] = HOLD
                column[begin] = low + rng.integers(12)
            begin += length
        columns.append(column)
    return np.stack(columns, 1)


@pytest.mark.parametrize("size", [2, 16])
@pytest.mark.parametrize("quarters", [4, 3])
@pytest.mark.parametrize("bars", [1, 2, 3, 16, 17, 40])
def test_a_song_comes_back_note_for_note_where_the_codes_keep_everything(bars, quarters, size):
    expected = written(bars, quarters)
    score = tracks.score(expected, "band")
    given = Score(score.tracks, score.tempos, ((0.0, quarters, 4),), "a")
    np.testing.assert_array_equal(sampling.read_song(given, "song", "band").tokens, expected)
    result = sample(identity(bars=size), inputs={"song": given})
    np.testing.assert_array_equal(result.memory, expected)
    np.testing.assert_array_equal(tokens(result.scores["song"], len(expected)), expected)
    assert result.scores["song"].metres == ((0.0, quarters, 4),)


def test_a_note_ends_where_the_next_window_has_another():
    """Each window decodes one note as long as the window, another pitch for each."""
    def decode(z):
        found = np.full((len(z), 32, 4), HOLD)
        found[:, 0] = 40 + np.arange(len(z))[:, None]
        return found

    memory = sample(identity(decode=decode), inputs={"song": tracks.score(written(4), "band")}).memory
    begun = [[0, 40], [16, 41], [32, 42]]
    assert [[k, x] for k, x in enumerate(memory[:, 1]) if x < HOLD] == begun and REST not in memory[:, 1]


def drummed(path, bars):
    """A song whose drums, of which no range is kept, tell how far its notes were moved."""
    return write(path, part(0, 40, bars, drums=True, length=0.25), part(33, 40, bars, length=0.25))


def moved_by(result):
    """Semitones by which the first track's notes were moved."""
    before, after = (result.scores[name].tracks[0].notes[:, 2] for name in ("before", "song"))
    (found,) = np.unique(after - before)
    return found


@pytest.mark.parametrize("to, semitones", [("swing", 12), ("tango", -12), ("samba", 0), ("rock", 0)])
def test_a_song_is_moved_from_its_own_position_to_a_genre_s(tmp_path, to, semitones):
    inputs = {"song": drummed(tmp_path / "a.mid", 5)}
    result = sample(identity(), inputs=inputs, to=to, amount=1.0)
    assert moved_by(result) == semitones
    assert result.title == f"a: toward {to}" and result.metadata["genre"] == "rock"
    position = {"swing": [0, 1], "tango": [0, -1], "samba": [-1, 0], "rock": [1, 0]}[to]
    np.testing.assert_allclose(result.metadata["plane"]["moved"], [position], atol=1e-6)
    assert result.metadata["plane"]["song"] == [[1, 0]]


def test_the_amount_says_how_much_of_the_way_is_gone(tmp_path):
    inputs = {"song": drummed(tmp_path / "a.mid", 2)}
    assert [moved_by(sample(identity(), inputs=inputs, to="swing", amount=x)) for x in (0.0, 0.25, 0.5)] == [0, 3, 6]
    still = sample(identity(), inputs=inputs, to="swing", amount=0.0)
    assert still.metadata["plane"] == {"song": [[1, 0]], "moved": [[1, 0]]}


def test_an_angle_leads_around_the_circle_and_between_its_genres_too(tmp_path):
    inputs = {"song": drummed(tmp_path / "a.mid", 2)}
    found = {angle: sample(identity(), inputs=inputs, angle=angle, amount=1.0) for angle in (0, 30, 90, 270, 330, 360)}
    assert [moved_by(result) for result in found.values()] == [0, 6, 12, -12, -6, 0]
    for angle, result in found.items():
        around = np.radians(angle)
        np.testing.assert_allclose(result.metadata["plane"]["moved"], [[np.cos(around), np.sin(around)]], atol=1e-3)
    assert found[30].title == "a: toward 30 degrees"
    swing = sample(identity(), inputs=inputs, to="swing", amount=1.0)
    np.testing.assert_array_equal(swing.memory, found[90].memory)


def test_tracks_that_do_not_move_stay_to_the_note(tmp_path):
    inputs = {"song": write(tmp_path / "a.mid", part(0, 36, 5, drums=True), part(33, 40, 5), part(27, 52, 5),
                            part(48, 60, 5))}
    changed = {}
    for names in ("drums+bass", "drums", "all"):
        result = sample(identity(), inputs=inputs, to="swing", amount=0.5, tracks=names)
        before = result.scores["before"]
        assert [track.name for track in before.tracks] == ["DRUMS", "BASS", "GUITAR", "STRINGS"]
        changed[names] = [not np.array_equal(one.notes, other.notes) for one, other in
                          zip(before.tracks, result.scores["song"].tracks, strict=True)]
    assert changed == {"drums+bass": [True, True, False, False], "drums": [True, False, False, False],
                       "all": [True] * 4}
    voices = identity(components=dataclasses.replace(components(), instrumentation="voices"))
    result = sample(voices, inputs=inputs, to="swing", amount=0.5, tracks="drums")
    assert result.metadata["notes_kept"] == 0, "voices move whole"


def test_what_moves_keeps_its_range(tmp_path):
    result = sample(identity(), inputs={"song": drummed(tmp_path / "a.mid", 2)}, to="swing", amount=1.0)
    (drums, bass), (_, before) = (result.scores[name].tracks for name in ("song", "before"))
    np.testing.assert_array_equal(bass.notes, before.notes)  # an octave higher, and back
    assert drums.notes[:, 2].min() == 52


def test_a_song_keeps_its_harmony_on_the_way(tmp_path):
    """The flow is given what sounds in the song's own windows, one after the other."""
    given = []
    plain = identity(harmony=lambda tokens: tokens[:, :1])

    def rest(z, position, harmony=None, time=0.0):
        given.append(harmony)
        return plain.rest(z, position, harmony, time)

    song = drummed(tmp_path / "a.mid", 5)
    sample(dataclasses.replace(plain, rest=rest), inputs={"song": song}, to="swing", amount=0.5)
    windows = sampling.create(plain).read({"song": song}, DEFAULTS).windows
    np.testing.assert_array_equal(given[0], windows[:, :1])


def test_a_song_without_a_genre_moves_from_the_middle(tmp_path):
    inputs = {"song": drummed(tmp_path / "a.mid", 2)}
    result = sample(identity(own=(0.01, -0.02)), inputs=inputs, to="swing", amount=1.0)
    assert moved_by(result) == 12 and result.metadata["genre"] == ""
    assert result.metadata["plane"] == {"song": [[0.01, -0.02]], "moved": [[0, 1]]}


def test_a_song_s_genre_is_that_of_the_mean_of_its_windows(tmp_path):
    inputs = {"song": write(tmp_path / "a.mid", part(33, 40, 4))}

    def placed(*positions):
        plain = identity()
        return identity(encode=lambda x: np.concatenate([positions, plain.encode(x)[:, 2:]], 1, dtype=np.float32))

    assert sample(placed([0.1, 0.0], [0.1, 1.2], [0.1, 1.4]), inputs=inputs).metadata["genre"] == "swing"
    assert sample(placed([1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]), inputs=inputs).metadata["genre"] == ""
    nameless = identity(components=components(()))
    assert sample(nameless, inputs=inputs).metadata["genre"] == ""


def test_a_change_of_genre_and_new_music_need_the_flow(tmp_path):
    inputs = {"song": write(tmp_path / "a.mid", part(33, 40, 2))}
    without = identity(rest=None, code=None, harmony=None)
    for given in ({"inputs": inputs, "to": "swing"}, {"inputs": inputs, "angle": 10.0}, {"genre": "swing"}):
        with pytest.raises(MusicFusionError, match="the stage flow_2 was not trained: train it with the same --work"):
            sample(without, **given)
    assert sample(without, inputs=inputs).title == "a: through the latent space"


@pytest.mark.parametrize("metre, bar", [((3, 4), 3), ((6, 8), 3), ((5, 4), 5), ((7, 8), 3.5)])
def test_a_song_in_another_metre_keeps_its_bars_and_is_said_to_be_new_to_the_networks(metre, bar):
    bass = Track("", 33, False, np.array([(bar * k, bar - 0.5, 40 + k % 5, 80) for k in range(2, 9)]))
    result = sample(identity(), inputs={"song": Score((bass,), np.array([[0.0, 90.0]]), ((0.0, *metre),), "a")})
    for score in (result.scores["song"], result.scores["before"]):
        assert score.metres == ((0.0, *metre),)
        np.testing.assert_array_equal(score.tracks[0].notes[:, 0], bar * np.arange(7))
    said = f"the song is in {metre[0]}/{metre[1]}: the networks know 4/4, and take 8 quarters at a time"
    assert said in result.notices


def test_a_metre_that_changes_stays_where_it_was():
    bass = Track("", 33, False, np.array([(k, 0.5, 40, 80) for k in range(4, 22)], float))
    given = Score((bass,), np.array([[0.0, 90.0]]), ((0.0, 4, 4), (16.0, 3, 4)), "a")
    result = sample(identity(), inputs={"song": given})
    assert result.scores["song"].metres == ((0.0, 4, 4), (12.0, 3, 4))
    assert len(sampling.read_song(given, "song", "band").tokens) == 72


def test_bars_of_single_quarters_tell_nothing_and_are_taken_to_be_in_common_time():
    given = Score((part(33, 40, 2, start=5.0),), np.array([[0.0, 90.0]]), ((0.0, 1, 4),), "a")
    song = sampling.read_song(given, "song", "band")
    assert song.metres == ((0.0, 4, 4),) and np.argmax(song.tokens[:, 1] != REST) == 4


def test_an_interpolation_says_which_of_its_ends_is_not_in_common_time():
    waltz, march = (Score((part(33, 40, 2),), np.array([[0.0, 90.0]]), ((0.0, n, 4),), "a") for n in (3, 4))
    result = sample(identity(), inputs={"start": march, "end": waltz}, steps=1)
    assert [notice for notice in result.notices if "know 4/4" in notice] == [
        "the end is in 3/4: the networks know 4/4, and take 8 quarters at a time"]


# Interpolations and new music ----------------------------------------------------------------------------------------


def test_an_interpolation_goes_from_the_start_to_the_end(tmp_path):
    start = write(tmp_path / "one.mid", part(33, 40, 4), tempo=90.0)
    end = write(tmp_path / "two.mid", part(33, 50, 1))
    result = sample(identity(), inputs={"end": end, "start": start}, steps=3)
    assert result.title == "From one to two" and result.scores["song"].tempos[0, 1] == pytest.approx(90.0)
    found = tokens(result.scores["song"], 5 * 32).reshape(5, 32, 4)
    np.testing.assert_array_equal(found[0], sampling.read_song(start, "start", "band").tokens[:32])
    np.testing.assert_array_equal(found[-1][:16], sampling.read_song(end, "end", "band").tokens)
    changed = result.metadata["changed_steps"]
    assert len(changed) == 5 and changed[0] == 0 and changed[-1] > 0


def varied():
    """A space whose new music has notes about middle C."""
    def decode(z):
        return np.round(60 + 5 * z[:, 2:]).astype(np.int32).reshape(len(z), -1, 4)

    return identity(decode=decode)


def test_new_music_depends_on_the_seed():
    one, same, other = (sample(varied(), genre="samba", n=2, seed=seed) for seed in (1, 1, 2))
    assert same_music(one.scores["song"], same.scores["song"])
    assert not same_music(one.scores["song"], other.scores["song"])
    assert one.scores["song"].length <= 2 * 8 and one.title == "New: samba"
    np.testing.assert_allclose(one.metadata["plane"]["new"], [[-1, 0]] * 2, atol=1e-6)


def test_new_music_lies_at_an_angle_and_the_farther_from_its_middle_the_greater_the_spread():
    seen = []

    def code(rest, position, harmony=None, guidance=0.0, time=0.0):
        seen.append((rest, guidance, time))
        return np.concatenate([position, rest], 1)

    space = identity(code=code, decode=lambda z: np.full((len(z), 32, 4), REST))
    far, near = (sample(space, angle=45.0, n=64, spread=spread) for spread in (1.4, 0.0))
    assert far.title == "New: 45 degrees" and np.std(seen[0][0]) == pytest.approx(1.4, rel=0.05)
    assert seen[0][0].shape == (64, 128) and not seen[1][0].any() and all(x[1:] == (0, 0) for x in seen)
    for result in (far, near):
        np.testing.assert_allclose(result.metadata["plane"]["new"], np.full((64, 2), 0.5**0.5), atol=1e-3)


def test_pictures_are_drawn_when_they_are_asked_for(tmp_path):
    path = write(tmp_path / "a.mid", part(33, 40, 2))
    for result in (sample(identity(), inputs={"song": path}), sample(varied(), genre="rock", n=3),
                   sample(identity(), inputs={"start": path, "end": path}, steps=1)):
        for name, picture in result.pictures.items():
            assert picture.draw(tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


# Many at once --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    """A space with a real, if untrained, network."""
    model = lite.Autoencoder(2, width=16, depth=1, latent=64, parts=2, shared=16)
    batch = {"tracks": np.full((1, 32, 4), REST)}
    params = vae.init(model, jax.random.key(0), batch)
    velocity, plane = flow.Velocity(8, 1, parts=2, shared=16), np.zeros((1, 2))
    learned = velocity.init(jax.random.key(1), np.zeros((1, 62)), np.zeros(1), plane, no_harmony(1, 2, 2))["params"]
    tables = {name: np.random.default_rng(0).uniform(0.5, 2, (33, 64)) for name in ("mean", "deviation")}
    return latent_space.create(model, params, components=components(), bars=2, batch=8, flow=flow.Flow(
        velocity=velocity, params=learned, tables=tables, components=4, steps=2))


def songs(folder):
    return [write(folder / f"{bars}.mid", part(33, 40 + bars, bars), part(0, 60, bars)) for bars in (3, 7, 2)]


def same_music(one, other):
    return len(one.tracks) == len(other.tracks) and all(
        np.array_equal(a.notes, b.notes) for a, b in zip(one.tracks, other.tracks, strict=True))


def test_a_song_in_company_sounds_as_it_does_alone(trained, tmp_path):
    sampler, controls = sampling.create(trained), DEFAULTS | {"to": "tango"}
    pieces = [sampler.read({"song": path}, controls) for path in songs(tmp_path)]
    together = sampler.generate(pieces, controls, [0, 1, 2], [None] * 3)
    alone = [sampler.generate([piece], controls, [seed], [None])[0] for seed, piece in enumerate(pieces)]
    assert [result.title for result in together] == ["3: toward tango", "7: toward tango", "2: toward tango"]
    assert all(same_music(a.scores["song"], b.scores["song"]) for a, b in zip(together, alone, strict=True))
    new = DEFAULTS | {"genre": "rock", "n": 3}
    nothing = sampler.read({}, new)
    both = sampler.generate([nothing, nothing], new, [5, 6], [None, None])
    assert same_music(both[1].scores["song"], sampler.generate([nothing], new, [6], [None])[0].scores["song"])


def test_a_second_song_of_another_length_compiles_nothing(trained, tmp_path, caplog):
    sampler, controls = sampling.create(trained), DEFAULTS | {"to": "tango"}
    first, second, _ = songs(tmp_path)
    sampler.generate([sampler.read({"song": first}, controls)], controls, [0], [None])
    caplog.clear()
    with jax.log_compiles(), caplog.at_level("WARNING"):
        sampler.generate([sampler.read({"song": second}, controls)], controls, [0], [None])
    assert not [record for record in caplog.records if "ompil" in record.getMessage()]


# Demonstration -------------------------------------------------------------------------------------------------------


def test_demo_inputs_are_eight_bars_of_test_songs(tmp_path):
    corpus = voices.read(limit=90)
    written = sampling.demo_inputs(corpus, tmp_path, seed=0, bars=2, count=2)
    assert [set(one) for one in written] == [{"song"}] * 2
    for one in written:
        assert 0 < midi.read(one["song"]).length <= 32
