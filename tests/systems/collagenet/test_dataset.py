import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import melody, polyphony
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import chorales, splits
from musicfusion.data.corpus import concatenate
from musicfusion.systems.collagenet import dataset

SEGMENTS = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0)


@pytest.fixture(scope="module")
def cut():
    return jax.jit(dataset.cut)


@pytest.fixture(scope="module")
def drawn(corpus):
    """examples(training, seed) of 256 training segments, and the same untransposed."""
    resident = SEGMENTS.resident(corpus)
    run = jax.jit(dataset.examples, static_argnums=3)
    index = np.arange(256) * 3

    def draw(training, seed):
        return run(resident.arrays, index, jax.random.split(jax.random.key(seed), 256), training)

    return draw


def relative(notes, first):
    """Notes that begin in the 32 steps from `first`, counted from there and cut at their end."""
    notes = notes[(notes[:, 0] >= first) & (notes[:, 0] < first + 32)] - [first, 0, 0]
    notes[:, 1] = np.minimum(notes[:, 1], 32 - notes[:, 0])
    return notes.tolist()


def test_a_segment_holds_the_notes_that_begin_in_it_and_nothing_else(corpus, cut):
    lead = melody.notes_from_tokens(corpus.arrays["melody"])
    others = polyphony.notes_from_slots(corpus.arrays["pitch"], corpus.arrays["duration"])
    starts, _ = SEGMENTS.windows(corpus, "train")
    starts = starts[::17]
    got = jax.device_get(cut(dict(corpus.arrays), starts, np.zeros_like(starts)))
    carried = 0
    for row, start in enumerate(starts):
        tokens = got["melody"][row]
        carried += corpus.arrays["melody"][start * 4] == melody.HOLD
        assert melody.notes_from_tokens(tokens).tolist() == relative(lead, start * 4)
        assert tokens[0] != melody.HOLD  # what began before leaves no trace
        slots = got["pitch"][row], got["duration"][row]
        assert polyphony.notes_from_slots(*slots).tolist() == relative(others, start * 4)
        np.testing.assert_array_equal(got["chords"][row], corpus.arrays["chords"][start : start + 8])
    assert carried > 10


def test_a_note_that_reaches_the_end_keeps_its_full_length(cut):
    notes = np.array([[0, 32, 60], [32, 64, 62]])  # the second is carried over from window to window
    pitch, duration = polyphony.slots_from_notes(notes, 96)
    song = {"melody": melody.tokens_from_notes(notes, 96), "pitch": pitch, "duration": duration,
            "chords": np.zeros((24, 3), np.int16)}
    starts = np.array([0, 4, 8, 16])
    got = jax.device_get(cut(song, starts, np.zeros_like(starts)))
    for row, expected in enumerate([[[0, 32, 60]], [[16, 16, 62]], [[0, 32, 62]], []]):
        assert melody.notes_from_tokens(got["melody"][row]).tolist() == expected
        assert polyphony.notes_from_slots(got["pitch"][row], got["duration"][row]).tolist() == expected


def test_transposition_moves_melody_accompaniment_and_chords_alike(drawn):
    plain, moved = (jax.device_get(drawn(training, 1)) for training in (False, True))
    onset = plain["melody"] < melody.HOLD
    # Holds stay holds and rests stay rests in every key.
    np.testing.assert_array_equal(melody.rhythm(moved["melody"]), melody.rhythm(plain["melody"]))
    np.testing.assert_array_equal(moved["duration"], plain["duration"])
    shift = np.array([new[o][0] - old[o][0] for new, old, o in
                      zip(moved["melody"], plain["melody"], onset, strict=True)])
    assert set(shift) == set(range(-6, 6))
    for row, s in enumerate(shift):
        np.testing.assert_array_equal((moved["melody"] - plain["melody"])[row][onset[row]], s)
        there = plain["duration"][row] > 0
        np.testing.assert_array_equal((moved["pitch"] - plain["pitch"])[row][there], s)
        assert not moved["pitch"][row][~there].any()
        old, new = plain["chords"][row], moved["chords"][row]
        np.testing.assert_array_equal(new[:, :2], (old[:, :2] + s) % 12)
        tones = [[p for p in range(12) if mask >> p & 1] for mask in (*old[:, 2], *new[:, 2])]
        assert [sorted((p + s) % 12 for p in t) for t in tones[:8]] == tones[8:]


def test_keys_are_drawn_evenly_by_the_example_and_validation_keeps_its_own(drawn, corpus):
    first, again, other = (drawn(True, seed)["melody"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any(1).mean() > 0.8
    np.testing.assert_array_equal(drawn(False, 1)["melody"], drawn(False, 2)["melody"])
    keys = jax.random.split(jax.random.key(3), 6000)
    flat = {"corpus": {"melody": np.full(32, 60, np.uint8), "pitch": np.zeros((32, 14), np.uint8),
                       "duration": np.zeros((32, 14), np.uint8), "chords": np.zeros((8, 3), np.int16)},
            "starts": np.zeros(1, np.int32)}
    tokens = dataset.examples(flat, jnp.zeros(6000, jnp.int32), keys, True)["melody"][:, 0]
    counts = np.bincount(np.asarray(tokens) - 54, minlength=12)
    assert len(counts) == 12 and counts.min() > 400  # 500 expected


def test_no_song_has_windows_in_two_splits_and_none_leaves_its_song(corpus):
    songs = {}
    for split in dataset.SPLITS:
        starts, of_song = SEGMENTS.windows(corpus, split)
        songs[split] = set(of_song.tolist())
        assert (corpus.first_beat[of_song] <= starts).all()
        assert (starts + dataset.BEATS <= corpus.first_beat[of_song + 1]).all()
    assert all(len(part) > 2 for part in songs.values())
    assert sum(map(len, songs.values())) == len(set.union(*songs.values())) == len(corpus.songs)


def test_judges_learn_from_songs_of_their_own_and_validation_and_test_are_the_papers(corpus):
    assert list(dataset.SPLITS) == ["train", "judges", "validation", "test"]
    assert sum(dataset.SPLITS.values()) == pytest.approx(1)

    def of(shares):
        names = [(splits.of_song(name, seed, shares), name, seed) for name in corpus.families for seed in range(20)]
        return {split: {song[1:] for song in names if song[0] == split} for split in shares}

    paper, ours = of(splits.SPLITS), of(dataset.SPLITS)
    for split in ("validation", "test"):
        assert ours[split] == paper[split] != set()
    assert ours["train"] | ours["judges"] == paper["train"] and not ours["train"] & ours["judges"]
    assert len(ours["judges"]) == pytest.approx(len(ours["train"]), rel=0.15)
    own, other = (SEGMENTS.resident(corpus, split=split) for split in ("train", "judges"))
    for resident, split in ((own, "train"), (other, "judges")):
        first, last = (SEGMENTS.windows(corpus, name)[0] for name in (split, "validation"))
        np.testing.assert_array_equal(resident.arrays["starts"], [*first, *last])
        assert (resident.train, resident.validation) == (len(first), len(last))
    assert not {*own.arrays["starts"][: own.train].tolist()} & {*other.arrays["starts"][: other.train].tolist()}


def test_a_segment_is_given_in_its_own_key_where_that_is_asked_for(corpus):
    resident = SEGMENTS.resident(corpus)
    keys = jax.random.split(jax.random.key(1), 256)
    for training in (True, False):
        got = dataset.in_own_key(resident.arrays, np.arange(256) * 3 % resident.train, keys, training)
        assert (np.asarray(got["melody"]) == dataset.examples(
            resident.arrays, np.arange(256) * 3 % resident.train, keys, False)["melody"]).all()


def test_training_segments_come_first_and_validation_follows(corpus):
    resident = SEGMENTS.resident(corpus, ("melody",))
    train, validation = (SEGMENTS.windows(corpus, split, ("melody",))[0] for split in ("train", "validation"))
    assert (resident.train, resident.validation) == (len(train), len(validation))
    np.testing.assert_array_equal(resident.arrays["starts"], [*train, *validation])


def test_every_segment_knows_which_others_are_of_its_song(corpus):
    resident = SEGMENTS.resident(corpus)
    arrays, total = resident.arrays, resident.train + resident.validation
    assert arrays["bounds"].tolist() == [0, resident.train, total]
    song = np.searchsorted(corpus.first_beat, arrays["starts"], "right") - 1
    for i in range(0, total, 7):
        np.testing.assert_array_equal(np.flatnonzero(song == song[i]), np.arange(arrays["low"][i], arrays["high"][i]))


def test_silence_has_the_form_of_a_segment_and_no_note(corpus, cut):
    silence = dataset.silence(3)
    got = cut(dict(corpus.arrays), np.zeros(3, np.int32), np.zeros(3, np.int32))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), silence) == jax.tree.map(lambda x: (x.shape, x.dtype), got)
    assert len(melody.notes_from_tokens(silence["melody"][0])) == 0
    assert len(polyphony.notes_from_slots(silence["pitch"][0], silence["duration"][0])) == 0


def test_a_split_without_a_song_is_refused_in_one_line():
    one = chorales.read(1)
    with pytest.raises(MusicFusionError, match=r"no (train|validation) song .* 1 songs were read"):
        SEGMENTS.resident(one)
    silent = {"melody": np.full(64, melody.REST, np.uint8), "pitch": np.zeros((64, 14), np.uint8),
              "duration": np.zeros((64, 14), np.uint8), "chords": np.zeros((16, 3), np.int16)}
    with pytest.raises(MusicFusionError, match="no train song has a segment of 8 beats with melody"):
        SEGMENTS.resident(concatenate([("a", silent)], {}, "made up"), ("melody",))


def test_measured_segments_are_evenly_chosen_whole_batches(corpus):
    _, songs = SEGMENTS.windows(corpus, "test")
    chosen, of_song = SEGMENTS.measured(corpus, "test", count=100, batch=30)
    assert len(chosen) == len(of_song) == 90 and set(of_song) == set(songs)
    few, _ = SEGMENTS.measured(corpus, "test", count=20, batch=30)  # less than a batch: all of them are one
    assert len(few) == 20


def test_a_split_of_one_song_cannot_be_paired(corpus):
    class OneSong(dataset.Segments):
        def windows(self, *args):
            starts, songs = super().windows(*args)
            return starts[songs == songs[0]], songs[songs == songs[0]]

    segments = OneSong(melody_onsets=2, accompaniment_onsets=8, seed=0)
    with pytest.raises(MusicFusionError, match="all split that are measured belong to one song: two are needed"):
        segments.measured(corpus, "all", count=100, batch=50)


def test_a_segments_notes_and_their_score_are_those_of_its_arrays(corpus, cut):
    starts, _ = SEGMENTS.windows(corpus, "test")
    arrays = jax.device_get(cut(dict(corpus.arrays), starts[:3], np.zeros(3, np.int32)))
    parts = dataset.notes(arrays, 2)
    assert set(parts) == {"melody", "accompaniment"}
    np.testing.assert_array_equal(parts["melody"], melody.notes_from_tokens(arrays["melody"][2]))
    other = arrays | {"tokens": np.roll(arrays["melody"], 1, 0)}  # decoded tokens count before those of the batch
    np.testing.assert_array_equal(dataset.notes(other, 2)["melody"], melody.notes_from_tokens(arrays["melody"][1]))
    assert set(dataset.notes({"tokens": arrays["melody"], "rhythm": None}, 0)) == {"melody"}
    score = dataset.score(parts, "both")
    assert [(track.name, track.program, track.is_drum) for track in score.tracks] == [
        ("MELODY", 40, False), ("ACCOMPANIMENT", 0, False)]
    for track, notes in zip(score.tracks, parts.values(), strict=True):
        np.testing.assert_array_equal(track.notes[:, :3] * [4, 4, 1], notes)
