"""Drums for a user's bass: files in, files out, and what stays."""

import numpy as np
import pytest
import soundfile

from musicfusion.codecs import drums, inputs, midi
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drums import INSTRUMENTS, STEPS
from musicfusion.codecs.melody import HOLD, REST
from musicfusion.codecs.score import Score, Track
from musicfusion.core.contracts import Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.systems.arrangement import grid, grid_repertoire, grid_sampling
from musicfusion.systems.arrangement.grid_dataset import BEATS, HIT, KIT, LENGTH, UNKNOWN

KICK, SNARE, CRASH = (INSTRUMENTS.index(name) for name in ("kick", "snare", "crash"))
LOUD, ON_TIME = 12, 12  # classes of velocity and of offset


QUARTERS, SIXTEENTHS = (np.isin(np.arange(LENGTH) % STEPS, steps) for steps in ([0], [0, 3, 6, 9]))
KNOWN = grid_repertoire.of(np.random.default_rng(0).uniform(size=(4, LENGTH, KIT)) < 0.1,
                           np.where([QUARTERS, QUARTERS, SIXTEENTHS, SIXTEENTHS], 40, HOLD),
                           np.array([1, 2, 1, 2], np.uint32))


class Recorder:
    """Networks that are none: a kick under each note of the bass, and a snare where the seed wants one."""

    def __init__(self):
        self.seen, self.contexts, self.references, self.fills, self.allowed = [], [], [], [], []

    def fill(self, pattern, context, reference, allowed, free, keys):
        self.allowed.append(np.asarray(allowed[0, :STEPS]))
        if free[0]:
            self.fills.append(np.array(pattern[0]))
            new = np.where(np.arange(KIT) == KICK, context.bass[..., :1] > 0, np.arange(KIT) == CRASH)
            return np.where(pattern == UNKNOWN, new, pattern)
        self.contexts.append(context)
        self.references.append(reference)
        bass, density, tempo = context.bass, context.density, context.tempo
        self.seen.append((np.array(pattern), np.array(bass), float(density[0]), np.asarray(tempo)))
        new = np.zeros(pattern.shape, np.int32)
        new[..., KICK] = bass[..., 0] > 0
        new[:, :: STEPS * 4, SNARE] = np.random.default_rng(len(self.seen)).integers(2)
        return np.where(pattern == UNKNOWN, new, pattern)

    def play(self, pattern, bass, style, tempo, feel, keys):
        return np.full(pattern.shape, LOUD), np.full(pattern.shape, ON_TIME)


def writer():
    own = Recorder()
    return own, grid_sampling.Writer(fill=own.fill, play=own.play, styles=("rock", "swing"), repertoire=KNOWN,
                                     candidates=2, feels=np.zeros((3, 2), np.float32))


def bass(bars, start=0.0, program=33, pitch=40):
    return Track("Low", program, False, np.array([(start + k, 0.9, pitch + k % 3, 80) for k in range(4 * bars)], float))


def song(*parts, tempo=96.0, metre=(4, 4)):
    return Score(tuple(parts), np.array([[0.0, tempo]]), ((0.0, *metre),), "song")


def sample(source, seed=0, locked=None, samples="", **given):
    recorder, own = writer()
    sampler = grid_sampling.sampler(own, samples)
    controls = {"density": 0.5, "style": "", "intro": 0, "bpm": 0} | given
    (result,) = sampler.generate([sampler.read({"source": source}, controls)], controls, [seed], [locked])
    return result, recorder


@pytest.mark.parametrize("bars", [1, 4, 5, 6, 9])
def test_drums_last_as_long_as_the_bass_and_each_window_knows_the_two_bars_before_it(bars):
    result, recorder = sample(song(bass(bars)))
    assert result.metadata["bars"] == bars and result.metadata["hits"]["kick"] == 4 * bars
    first, *others = [seen[0][0] for seen in recorder.seen[1 + (bars > 4) :]]  # division and groove come first
    assert (first == UNKNOWN).all() and len(others) == max(0, -(-(bars - 4) // 2))
    for pattern in others:
        half = LENGTH // 2
        assert (pattern[:half] != UNKNOWN).all() and (pattern[half:] == UNKNOWN).all()
        assert (pattern[:half, KICK] == HIT).sum() == BEATS // 2


def test_all_windows_see_the_four_bars_that_were_drawn_first():
    """For the most usual bass of the song: here every bar is alike but the first four, which are busy."""
    busy = Track("Low", 33, False, np.array([(k / 4, 0.2, 40, 80) for k in range(64)]
                                            + [(16 + k, 0.9, 40, 80) for k in range(48)]))
    _, recorder = sample(song(busy))
    first, *others = recorder.references
    assert (first.kind == grid.NEIGHBOUR).all() and first.kind.shape == (1, 2)
    for own in first.hits[0]:
        assert any((own == known).all() for known in KNOWN.hits), "drums of another song"
    assert recorder.contexts[0].bass[0, :, 0].sum() == 16
    for reference in others:
        assert (reference.kind == grid.SONG).all()
        np.testing.assert_array_equal(reference.onsets[0, 0], QUARTERS)
        np.testing.assert_array_equal(reference.hits[0, 1, :, KICK], QUARTERS)
    before = [float(context.position[0, 4]) * 8 for context in recorder.contexts[1:]]
    np.testing.assert_allclose(before, [0, 2, 4, 6, 8, 8, 8])


def test_neighbours_are_drawn_by_the_seed_among_those_of_the_style():
    _, own = writer()
    bass = np.full((1, LENGTH), REST)
    bass[0, ::STEPS] = 40
    seen = [own.neighbours(bass, seed, style) for seed in range(8) for style in ("", "swing")]
    which = [[int(np.argmax((KNOWN.hits == hits).all((1, 2)))) for hits in one.hits[0]] for one in seen]
    assert len({tuple(one) for one in which[::2]}) > 2, "another seed, other neighbours"
    assert {k for one in which[1::2] for k, kind in zip(one, [1, 1], strict=True)} == {1, 3}


@pytest.mark.parametrize("intro, ends", [(0, [32, 64]), (2, [8, 40, 72]), (3, [12, 44, 76])])
def test_where_a_phrase_ends_and_the_next_begins_hits_are_drawn_again(intro, ends):
    result, recorder = sample(song(bass(18)), intro=intro)
    crashes = np.flatnonzero(result.memory.velocity[:, CRASH])
    expected = np.concatenate([np.arange((end - 2) * STEPS, (end + 1) * STEPS) for end in ends])
    np.testing.assert_array_equal(crashes, expected)
    assert all((fill == UNKNOWN).any(1).sum() == 3 * STEPS for fill in recorder.fills)


def test_what_is_locked_stays_in_fills_too():
    first, _ = sample(song(bass(18)))
    again, _ = sample(song(bass(18)), locked=Locked(first, ((0, 72, "kick"),)))
    np.testing.assert_array_equal(again.memory.velocity[:, KICK], first.memory.velocity[:, KICK])


def test_a_song_divides_its_beats_in_one_way():
    """By the bass where that says how, by the drums where it does not, and in both ways where nothing does."""
    def low(steps):
        return song(Track("Low", 33, False, np.array([(4 * bar + step / 12, 0.2, 40, 80)
                                                      for bar in range(8) for step in steps])))

    for steps, expected in (([0, 9, 24], [0, 3, 6, 9]), ([0, 8, 24], [0, 4, 8]),
                            ([0, 6, 10], [0, 4, 6, 10])):
        _, recorder = sample(low(steps))
        assert all(np.flatnonzero(own).tolist() == expected for own in recorder.allowed)
    assert all(own.all() for own in sample(low([0, 12]))[1].allowed)
    np.testing.assert_array_equal(np.flatnonzero(grid_sampling.division(np.arange(96) % 12 == 3)), [0, 3, 6, 9])


def test_window_by_window_each_has_neighbours_of_its_own():
    recorder, own = writer()
    tokens = np.full(12 * 4 * STEPS, REST)
    tokens[::STEPS] = 40
    tokens[6 * 48 :: 3] = 43
    found = own.pattern(tokens, np.full(48, 100.0), style="", density=0.5, seed=0, reference=False)
    assert found.shape == (len(tokens), KIT) and found[::STEPS, KICK].all() and not recorder.fills
    assert len(recorder.references) >= 5
    for reference in recorder.references:
        assert reference.kind.shape == (1, 2) and (reference.kind == grid.NEIGHBOUR).all()


def test_a_style_is_one_of_those_that_the_weights_know():
    _, recorder = sample(song(bass(4)), style="rock")
    assert recorder.contexts[0].style[0] == 1
    assert grid_sampling.sampler(writer()[1]).words == {"style": ("rock", "swing")}


@pytest.mark.parametrize("start", [0.0, 4.0, 20.0])
def test_in_an_intro_the_drums_play_alone_and_the_song_moves_where_it_has_no_room(start):
    given = song(bass(4, start=start), Track("Keys", 0, False, np.array([[start, 2.0, 64, 70]])))
    plain, _ = sample(given)
    result, recorder = sample(given, intro=2)
    later = max(8 - start, 0)
    low, keys, hits = result.scores["song"].tracks
    np.testing.assert_allclose(low.notes[:, 0], given.tracks[0].notes[:, 0] + later)
    assert keys.notes[0, 0] == start + later and result.metadata["bars"] == 6
    assert not recorder.contexts[1].bass[0, : 8 * STEPS, 0].any()
    kicks = hits.notes[hits.notes[:, 2] == 36, 0]
    assert kicks.min() == pytest.approx(start + later, abs=0.02)
    snares = hits.notes[hits.notes[:, 2] == 38, 0]
    assert not len(snares) or snares.min() > start + later - 8.1
    assert plain.metadata["bars"] == 4


def test_an_intro_before_a_recording_is_silence_in_it(tmp_path):
    samples, rate = recording()
    plain, _ = sample((samples, rate))
    result, _ = sample((samples, rate), intro=1)
    longer = len(result.audio["source"].samples) - len(samples)
    assert longer / rate == pytest.approx(4 * 0.6 - 0.5, abs=0.1), "half a second of it is there"
    given = result.audio["source"].samples
    assert not given[:longer].any()
    assert result.metadata["bars"] == plain.metadata["bars"] + 1
    kit = np.abs(result.audio["kit"].samples)
    assert kit[int((4 * 0.6 - 0.03) * rate) : int((4 * 0.6 + 0.09) * rate)].max() > 0.02


def test_the_song_keeps_its_tracks_and_gets_drums_that_are_played():
    given = song(bass(4), Track("Keys", 0, False, np.array([[0.5, 2.0, 64, 70]])))
    result, recorder = sample(given, density=0.8)
    written = result.scores["song"]
    assert [track.name for track in written.tracks] == ["Low", "Keys", "DRUMS"]
    np.testing.assert_array_equal(written.tracks[0].notes, given.tracks[0].notes)
    hits = written.tracks[2]
    assert hits.is_drum and set(hits.notes[:, 2]) <= {36.0, 38.0}
    assert set(hits.notes[:, 3] // 8) == {LOUD}
    np.testing.assert_allclose(hits.notes[hits.notes[:, 2] == 36, 0], np.arange(16), atol=0.02)
    assert result.scores["drums"].tracks[0] is hits or len(result.scores["drums"].tracks) == 1
    assert recorder.seen[0][2] == pytest.approx(0.8) and recorder.seen[0][3] == pytest.approx(np.log2(96 / 120))
    assert np.abs(result.audio["kit"].samples).max() > 0.05
    assert result.audio["kit"].seconds == pytest.approx(float(given.seconds(given.length)) + 2.0, abs=0.01)


def test_the_bass_is_the_track_that_is_one_or_the_lowest():
    low = bass(4, program=0, pitch=36)
    high = bass(4, program=0, pitch=70)
    assert sample(song(high, low))[0].metadata["bass"] == "Low"
    lead = Track("Lead", 80, False, np.array([(k / 2, 0.4, 30, 80) for k in range(32)]))
    _, recorder = sample(song(lead, bass(4)))
    np.testing.assert_array_equal(np.flatnonzero(recorder.seen[0][1][0, :, 0]), np.arange(16) * STEPS)


def test_drums_of_its_own_are_left_out_and_that_is_said():
    own = Track("Old", 0, True, np.array([(k, 0.1, 42, 80) for k in range(16)], float))
    result, _ = sample(song(bass(4), own))
    assert [track.name for track in result.scores["song"].tracks] == ["Low", "DRUMS"]
    assert "its own drums were left out" in result.notices


def test_another_metre_is_said():
    result, _ = sample(song(bass(3), metre=(3, 4)))
    assert any("the source is in 3/4: the network knows 4/4" in notice for notice in result.notices)


def test_the_grid_begins_on_the_bar_line_before_the_first_note():
    result, recorder = sample(song(bass(4, start=10.0)))
    np.testing.assert_array_equal(np.flatnonzero(recorder.seen[0][1][0, :, 0])[:2], [2 * STEPS, 3 * STEPS])
    kicks = result.scores["song"].tracks[-1].notes
    assert kicks[kicks[:, 2] == 36, 0].min() == pytest.approx(10.0, abs=0.02)


def test_swing_is_on_the_grid(tmp_path):
    swung = np.array([(k // 2 + (2 / 3 if k % 2 else 0), 0.3, 40 + k % 5, 80) for k in range(64)])
    midi.write(tmp_path / "swing.mid", song(Track("Low", 33, False, swung)))
    _, recorder = sample(tmp_path / "swing.mid")
    steps = np.flatnonzero(recorder.seen[0][1][0, :, 0])
    assert set(steps % STEPS) == {0, 8}


def test_locked_spans_keep_their_hits_and_instruments_can_be_locked_alone():
    first, _ = sample(song(bass(8)))
    moved = song(bass(8, pitch=45))
    whole, _ = sample(moved, locked=Locked(first, ((0, 32, None),)))
    for one, other in zip(first.memory, whole.memory, strict=True):
        np.testing.assert_array_equal(one, other)
    silent = drums.hits_of(np.zeros((8 * 4 * STEPS, KIT)))
    before = first.__class__(title="", main="song", scores=first.scores, memory=silent)
    part, _ = sample(moved, locked=Locked(before, ((4, 8, "drums"),)))
    hit = part.memory.velocity[:, KICK] > 0
    assert not hit[4 * STEPS : 8 * STEPS].any() and hit[: 4 * STEPS].any() and hit[8 * STEPS :].any()
    _, recorder = sample(moved, locked=Locked(before, ((4, 8, "drums"),)))
    assert (recorder.seen[1][0][0, 4 * STEPS : 8 * STEPS] == 0).all(), "the network sees what is kept"
    shorter = song(bass(4))
    with pytest.raises(MusicFusionError, match="locked: the earlier result has 32 quarters, and now there would be 16"):
        sample(shorter, locked=Locked(first, ((0, 4, None),)))


def test_spans_are_quarters_of_the_song_also_where_its_bass_begins_late():
    given = song(bass(8, start=10.0))
    first, _ = sample(given, density=0.1)
    silent = drums.hits_of(np.zeros(first.memory.velocity.shape))
    before = first.__class__(title="", main="song", scores=first.scores, memory=silent)
    for part, keys in (("kick", {36}), ("drums", {36, 38}), (None, {36, 38})):
        result, _ = sample(given, locked=Locked(before, ((16, 24, part),)))
        onsets, pitches = result.scores["song"].tracks[-1].notes[:, [0, 2]].T
        inside = (onsets > 15.9) & (onsets < 23.9)
        assert not set(pitches[inside]) & keys and set(pitches[~inside]) >= {36}, part
    assert first.lanes["DRUMS"][36] == "kick" and first.lanes["DRUMS"][42] == "closed hat"
    sample(given, locked=Locked(first, ((8, 44, None),)))  # the last bar, into which the bass rings


def test_the_tracks_that_were_given_may_be_locked_and_stay_as_they_are():
    given = song(bass(4), Track("", 0, False, np.array([[0.5, 2.0, 64, 70]])))
    first, _ = sample(given)
    for part in ("Low", "Acoustic Grand Piano"):
        second, _ = sample(given, locked=Locked(first, ((0, 4, part),)))
        np.testing.assert_array_equal(second.scores["song"].tracks[0].notes, given.tracks[0].notes)
    with pytest.raises(MusicFusionError, match=r"part 'organ' is unknown: there are drums, kick, .*, Low"):
        sample(given, locked=Locked(first, ((0, 4, "organ"),)))


def recording(bars=8, tempo=100.0, silence=0.5):
    """A sawtooth that plays a bass on every beat, (samples, rate)."""
    beat = 60 / tempo
    time = np.arange(int((silence + bars * 4 * beat) * RATE)) / RATE - silence
    number, within = np.floor(time / beat), np.mod(time, beat)
    pitch = 40 + np.array([0, 0, 7, 5])[np.mod(number, 4).astype(int)]
    phase = np.mod(within * 440 * 2 ** ((pitch - 69) / 12), 1)
    wave = 0.4 * (2 * phase - 1) * np.exp(-2 * within) * (within < 0.9 * beat) * (time >= 0)
    return wave.astype(np.float32), RATE


def test_a_recorded_bass_gets_drums_that_are_as_long_and_fall_on_its_notes(tmp_path):
    samples, rate = recording()
    with inputs.noticing() as said:
        result, _ = sample((samples, rate))
    assert list(result.players) == ["mix", "song", "kit"] and "song" in result.scores
    assert result.main == "mix" and set(result.audio) == {"mix", "kit", "source"}
    assert {len(sound.samples) for sound in result.audio.values()} == {len(samples)}
    assert np.abs(result.audio["mix"].samples).max() <= 0.951
    kit = np.abs(result.audio["kit"].samples)
    beats = 0.5 + 0.6 * np.arange(32)
    near = [kit[int((at - 0.03) * rate) : int((at + 0.09) * rate)].max() > 0.02 for at in beats]
    assert np.mean(near) > 0.9 and kit[: int(0.4 * rate)].max() < 0.01
    soundfile.write(tmp_path / "bass.flac", samples, rate)
    again, _ = sample(tmp_path / "bass.flac")
    assert again.metadata["hits"]["kick"] == result.metadata["hits"]["kick"] > 25
    assert any("tempo of 100" in line for line in said)


def test_a_tempo_that_is_known_is_that_of_the_song_and_notes_have_their_own():
    result, _ = sample(recording(tempo=100.0), bpm=50.0)
    assert np.median(result.scores["song"].tempos[:, 1]) == pytest.approx(50, rel=0.02)
    with pytest.raises(MusicFusionError, match=r"bpm=90: source \(Score\) is notes, which have their tempo"):
        sample(song(bass(4)), bpm=90.0)


def test_a_kit_of_ones_own_plays_the_drums(tmp_path):
    time = np.arange(4410) / 44100
    soundfile.write(tmp_path / "kick.wav", np.sin(2 * np.pi * 1000 * time) * np.exp(-30 * time), 44100)
    own, _ = sample(song(bass(4)), samples=str(tmp_path))
    shipped, _ = sample(song(bass(4)))
    assert any("no samples of snare" in notice for notice in own.notices)
    one, other = (np.abs(np.fft.rfft(result.audio["kit"].samples[:44100])) for result in (own, shipped))
    assert one[900:1100].sum() / one.sum() > 3 * other[900:1100].sum() / other.sum()
    with pytest.raises(MusicFusionError, match="cannot be read as a folder of drum samples"):
        sample(song(bass(4)), samples=str(tmp_path / "nothing"))


@pytest.mark.parametrize("source, words", [
    ((np.zeros(RATE, np.float32), RATE), "no notes were found; a recording of one bass alone is accepted"),
    (b"nothing", r"cannot be read as notes or sound; a MIDI file, a score .* or a recording .* is accepted"),
    (b"MThd and no more", r"source: MIDI of type .*; a standard MIDI file"),
    (song(Track("Old", 0, True, np.array([[0.0, 0.1, 42, 80]]))), "only drums"),
    (song(bass(1), bass(1, start=4004.0)), "longer than 1000 bars; a shorter piece is accepted"),
])
def test_what_cannot_be_used_is_one_line(source, words):
    with pytest.raises(MusicFusionError, match=words) as caught:
        sample(source)
    assert "\n" not in str(caught.value)


def test_the_picture_is_drawn_and_everything_is_written(tmp_path):
    result, _ = sample(song(bass(6)))
    result.save(tmp_path / "out", sound=False)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"song.mid", "drums.mid", "kit.wav", "hits.png", "index.html", "metadata.json"} <= files
    again = midi.read(tmp_path / "out" / "drums.mid")
    assert len(again.tracks) == 1 and again.tracks[0].is_drum
