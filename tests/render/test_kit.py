"""Drum hits with recorded samples: when, how loud and with which they sound, and kits of one's own."""

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicfusion.codecs.drums import INSTRUMENTS
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import kit
from musicfusion.render.kit import RATE, Kit, play, read, shipped

KICK, SNARE, CLOSED, OPEN, LOW, MID, HIGH, CRASH, RIDE = range(9)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


def centroid(samples):
    """Of the power spectrum, in Hz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    return np.sum(np.fft.rfftfreq(len(samples), 1 / RATE) * power) / power.sum()


def one(instrument, velocity=100):
    return play(np.array([(0, instrument, velocity)]), shipped())


def tone(path, frequency=200.0, seconds=0.3, level=0.5, rate=RATE, channels=1):
    """A damped tone as a file."""
    when = np.arange(round(seconds * rate)) / rate
    samples = level * np.cos(2 * np.pi * frequency * when) * np.exp(-when / 0.1)
    soundfile.write(path, np.repeat(samples[:, None], channels, axis=1), rate)
    return path


def pulses(takes=3, layers=1, instrument=KICK, length=100):
    """A kit, silent but for one instrument; each of its samples is a constant of its own."""
    silent = ((np.zeros(1, np.float32),),)
    made = tuple(tuple(np.full(length, 0.01 * (1 + takes * k + j), np.float32) for j in range(takes))
                 for k in range(layers))
    return Kit(tuple(made if k == instrument else silent for k in range(len(INSTRUMENTS))))


# The shipped kit


@pytest.mark.parametrize("instrument", range(9), ids=INSTRUMENTS)
def test_every_instrument_sounds_and_dies_away(instrument):
    samples = one(instrument, 127)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert 0.25 * RATE <= len(samples) <= 2.5 * RATE
    assert rms(samples[: RATE // 10]) > 0.01
    assert rms(samples[-RATE // 100 :]) < 0.01 * np.abs(samples).max()
    assert abs(samples[0]) < 0.01 * np.abs(samples).max()  # no click at either end
    assert abs(samples[-1]) < 1e-3 * np.abs(samples).max()


@pytest.mark.parametrize("instrument", [k for k in range(9) if k != CRASH], ids=lambda k: INSTRUMENTS[k])
def test_onsets_are_crisp(instrument):
    """Within 10 ms half of the loudest millisecond is reached; a crash swells."""
    for layer in shipped().instruments[instrument]:
        for take in layer:
            power = np.square(take[: RATE // 4].astype(np.float64)).reshape(-1, 45).mean(axis=1)
            assert power[:10].max() > 0.25 * power.max()


def test_the_instruments_are_balanced_and_sound_as_what_they_are():
    level = {k: kit.level_of(one(k, 127)) for k in range(9)}
    assert abs(level[KICK] - level[SNARE]) < 3
    assert all(8 < level[SNARE] - level[k] < 12 for k in (CLOSED, RIDE))
    assert all(5 < level[SNARE] - level[k] < 12 for k in (OPEN,))
    assert all(abs(level[SNARE] - level[k]) < 4 for k in (LOW, MID, HIGH, CRASH))
    high = {k: centroid(one(k)) for k in range(9)}
    assert all(high[k] > 10 * high[KICK] for k in (CLOSED, OPEN, CRASH, RIDE))
    assert high[KICK] < high[LOW] < high[MID] < high[HIGH] < high[SNARE] < high[CLOSED]
    ringing = {k: rms(one(k)[RATE // 4 : RATE // 4 + 1000]) / rms(one(k)[:4000]) for k in (CLOSED, OPEN, RIDE)}
    assert ringing[CLOSED] < 0.05 < 0.2 < min(ringing[OPEN], ringing[RIDE])


@pytest.mark.parametrize("instrument", range(9), ids=INSTRUMENTS)
def test_a_louder_velocity_is_louder(instrument):
    levels = [kit.level_of(one(instrument, velocity)[: RATE // 2]) for velocity in range(1, 128)]
    assert np.all(np.diff(levels) > 0.05)
    assert 30 < levels[-1] - levels[0] < 70  # dB
    loudest = [rms(one(instrument, velocity)[: RATE // 3]) for velocity in range(1, 128, 9)]
    assert np.all(np.diff(loudest) > 0)  # by another measure, too


def test_the_shipped_files_are_small_and_of_one_kind():
    files = list(kit.FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) < 1.2e6
    samples = [path for path in files if path.name != "README.md"]
    assert len(samples) == sum(len(layer) for layers in shipped().instruments for layer in layers) > 30
    record = (kit.FOLDER / "README.md").read_text()
    for path in samples:
        found = soundfile.info(path)
        assert (found.samplerate, found.channels, found.subtype) == (RATE, 1, "PCM_16")
        assert np.abs(soundfile.read(path)[0]).max() < 0.9
        assert f"`{path.name}`" in record
    assert "CC0" in record and "Karoryfer" in record and "menegass" in record


def test_the_package_lists_its_samples():
    setup = (Path(kit.__file__).parents[2] / "setup.cfg").read_text()
    assert "    kit/*.flac\n    kit/README.md\n" in setup


def test_the_shipped_kit_is_read_once_and_cannot_be_changed():
    assert shipped() is shipped() and shipped().notices == ()
    with pytest.raises(ValueError, match="read-only"):
        shipped().instruments[0][0][0][:] = 0


# Playing


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_a_hit_sounds_at_its_sample(rate):
    alone = play(np.array([(0, SNARE, 90)]), shipped(), rate=rate)
    for seconds in (0.1, 0.33335, 2.71828):
        samples = play(np.array([(seconds, SNARE, 90)]), shipped(), rate=rate)
        start = round(seconds * rate)
        assert not samples[:start].any() and len(samples) == start + len(alone)
        np.testing.assert_array_equal(samples[start:], alone)


def test_another_rate_gives_the_same_sound():
    low = play(np.array([(0.5, KICK, 90)]), shipped(), rate=22050)
    high = play(np.array([(0.5, KICK, 90)]), shipped(), rate=44100)[::2]
    assert rms(low[: len(high)] - high[: len(low)]) < 0.02 * rms(high)


def test_the_sum_of_parts_is_the_whole():
    hits = np.array([(0.25 * k, instrument, 60 + k) for k in range(8) for instrument in (KICK, SNARE, CLOSED)])
    whole = play(hits, shipped(), seed=3, seconds=3)
    parts = [play(hits[hits[:, 1] == k], shipped(), seed=3, seconds=3) for k in (KICK, SNARE, CLOSED)]
    assert np.abs(whole).max() < kit.PEAK
    np.testing.assert_allclose(sum(parts), whole, atol=1e-6)
    np.testing.assert_array_equal(play(hits[::-1], shipped(), seed=3, seconds=3), whole)  # in any order


def test_a_closed_hat_ends_an_open_one():
    rings = one(OPEN)
    hits = np.array([(0, OPEN, 100), (0.3, CLOSED, 100)])
    samples = play(hits, shipped()) - play(hits[1:], shipped(), seconds=len(play(hits, shipped())) / RATE)
    closed, fade = round(0.3 * RATE), round(kit.CHOKE * RATE)
    assert rms(rings[closed + fade : closed + 5000]) > 1e-3
    np.testing.assert_allclose(samples[:closed], rings[:closed], atol=1e-6)
    np.testing.assert_allclose(samples[closed + fade :], 0, atol=1e-6)
    half = slice(closed + fade // 2 - 50, closed + fade // 2 + 50)
    assert rms(samples[half]) == pytest.approx(rms(rings[half]) / 2, rel=0.1)
    assert np.abs(np.diff(samples[closed : closed + fade])).max() <= np.abs(np.diff(rings)).max()  # no click


def test_only_a_later_closed_hat_ends_an_open_one():
    with_others = np.array([(0, OPEN, 100), (0.2, KICK, 100), (0.3, RIDE, 100), (0.4, OPEN, 100)])
    before = np.array([(0, CLOSED, 100), (0, OPEN, 100)])
    for hits in (with_others, before):
        parts = [play(hits[hits[:, 1] == k], shipped(), seconds=2) for k in np.unique(hits[:, 1])]
        np.testing.assert_allclose(play(hits, shipped(), seconds=2), sum(parts), atol=1e-6)


@pytest.mark.parametrize("takes", [2, 3, 5])
def test_no_take_is_played_twice_in_a_row_and_all_are_played(takes):
    hits = np.array([(k / 100, KICK, 127) for k in range(200)])
    played = play(hits, pulses(takes))[::441].round(4)
    assert np.all(played[1:] != played[:-1])
    assert set(played) == {np.float32(0.01 * (1 + k)).round(4) for k in range(takes)}


def test_a_single_take_is_repeated():
    hits = np.array([(k / 100, KICK, 127) for k in range(20)])
    np.testing.assert_allclose(play(hits, pulses(1))[::441], 0.01)


def test_velocity_chooses_the_layer():
    velocities = np.arange(1, 128)
    hits = np.column_stack([velocities / 100, np.full(127, KICK), velocities])
    samples = play(hits, pulses(1, layers=3))[441::441] / kit.gains(velocities)
    layers = np.rint(samples / 0.01).astype(int)
    assert layers[0] == 1 and layers[-1] == 3 and np.all(np.diff(layers) >= 0)
    assert np.bincount(layers)[1:].min() >= 42


def test_a_seed_gives_one_performance_and_another_seed_another():
    hits = np.array([(k / 8, instrument, 100) for k in range(16) for instrument in (SNARE, CLOSED)])
    first = play(hits, shipped(), seed=1)
    np.testing.assert_array_equal(first, play(hits, shipped(), seed=1))
    others = [play(hits, shipped(), seed=seed) for seed in range(2, 6)]
    assert all(rms(first - other) > 0.1 * rms(first) for other in others)
    np.testing.assert_allclose([rms(other) for other in others], rms(first), rtol=0.1)  # as loud


def test_nothing_clips_and_one_gain_sees_to_it():
    hits = np.array([(0.5 * k, instrument, 127) for k in range(4) for instrument in range(9) for _ in range(3)])
    samples = play(hits, shipped(), seconds=4)
    assert np.abs(samples).max() == pytest.approx(kit.PEAK)
    hits = np.array([(0, KICK, 127)] * 200 + [(1, KICK, 127)] * 100 + [(2, KICK, 127)])  # sums of 2, 1 and 0.01
    np.testing.assert_allclose(play(hits, pulses(1))[[0, RATE, 2 * RATE]], kit.PEAK * np.array([1, 0.5, 0.005]), 1e-5)
    soft = np.array([(0, KICK, 30)])
    assert np.abs(play(soft, shipped())).max() < 0.2  # what is soft is not made louder


def test_a_length_cuts_or_fills():
    hits = np.array([(0.5, CRASH, 100), (3.0, KICK, 100)])
    longest = play(hits, shipped(), seconds=10)
    assert len(longest) == 10 * RATE and not longest[5 * RATE :].any()
    np.testing.assert_array_equal(play(hits, shipped(), seconds=1), longest[:RATE])
    assert len(play(hits, shipped())) > 3.3 * RATE
    assert play(np.zeros((0, 3)), shipped()).shape == (0,)
    assert play(np.zeros((0, 3)), shipped(), seconds=2).shape == (2 * RATE,)


def test_odd_hits():
    early = play(np.array([(-0.01, KICK, 100)]), shipped())
    np.testing.assert_array_equal(early, one(KICK))
    np.testing.assert_array_equal(one(KICK, 500), one(KICK, 127))
    for wrong in ((0, 9, 100), (0, -1, 100), (0, 0.5, 100), (np.nan, 0, 100), (0, 0, np.inf)):
        with pytest.raises(ValueError, match="an instrument 0 to 8"):
            play(np.array([wrong]), shipped())
    with pytest.raises(MusicFusionError, match="the drums last 1667 minutes; at most 30"):
        play(np.array([(1e5, 0, 100)]), shipped())


def test_a_song_takes_less_than_a_second():
    random = np.random.default_rng(0)
    count = 4000
    hits = np.column_stack([random.uniform(0, 240, count), random.integers(9, size=count),
                            random.integers(1, 128, count)])
    shipped()
    began = time.perf_counter()
    samples = play(hits, shipped())
    assert time.perf_counter() - began < 3  # measured: 0.2
    assert len(samples) > 239 * RATE


# Kits of one's own


def test_a_folder_is_read_by_the_names_of_its_files(tmp_path):
    names = ["kick.wav", "Snare-1.WAV", "snare-2a.flac", "snare-2B.flac", "snare-10.wav", "closed hat-2.flac",
             "closed_hat-1.wav", "Open-Hat.ogg", "low_tom 3.aiff", "crash.wav"]
    for k, name in enumerate(names):
        tone(tmp_path / name, 100 + 20 * k)
    (tmp_path / "licence.txt").write_text("mine")
    (tmp_path / "snare.txt").write_text("not a sound")
    (tmp_path / ".kick.wav").write_bytes(b"what a file system left")
    found = read(tmp_path)
    assert [[len(layer) for layer in found.instruments[k]] for k in (KICK, SNARE, CLOSED, OPEN, LOW, CRASH)] == [
        [1], [1, 2, 1], [1, 1], [1], [1], [1]]
    assert loudest(found.instruments[SNARE][0][0]) == pytest.approx(120, abs=3)
    assert loudest(found.instruments[SNARE][2][0]) == pytest.approx(180, abs=3)  # 10 is louder than 2
    assert loudest(found.instruments[CLOSED][0][0]) == pytest.approx(220, abs=3)
    for k in (MID, HIGH, RIDE):
        assert found.instruments[k] is shipped().instruments[k]
    assert found.notices == ("no samples of mid tom, high tom, ride in the folder: those of the shipped kit are"
                             " played",)


def loudest(samples):
    spectrum = np.abs(np.fft.rfft(samples, 8 * RATE))
    return float(np.argmax(spectrum) / 8)


def test_any_sample_has_the_level_of_the_shipped_ones(tmp_path):
    for k, name in enumerate(INSTRUMENTS):
        tone(tmp_path / f"{name}-1.wav", 300, level=0.9)
        tone(tmp_path / f"{name}-2.wav", 300, level=0.02 * (k + 1), rate=48000, channels=2)
    found = read(tmp_path)
    assert found.notices == ()
    for k in range(9):
        mine, theirs = (kit.level_of(play(np.array([(0, k, 127)]), any_kit)) for any_kit in (found, shipped()))
        assert mine == pytest.approx(theirs, abs=0.1)


def test_silence_before_an_onset_is_cut_off(tmp_path):
    soundfile.write(tmp_path / "kick.wav", np.concatenate([np.zeros(8000), np.full(3000, 0.5)]), RATE)
    samples = play(np.array([(0, KICK, 100)]), read(tmp_path))
    assert 0 < np.argmax(samples > 0) <= 22 and len(samples) <= 3022


def test_files_that_are_no_drums_are_mentioned(tmp_path):
    for name in ("kick.wav", "clap.wav", "kick drum.wav", "snare loop.wav", "x1.wav", "x2.wav", "x3.wav", "hat.wav"):
        tone(tmp_path / name)
    notices = read(tmp_path).notices
    assert len(notices) == 2 and all("\n" not in line for line in notices)
    assert notices[1] == ("not used, as no drum is named so: clap.wav, hat.wav, kick drum.wav, snare loop.wav, x1.wav"
                          " and 2 more")


def test_a_folder_that_cannot_be_used_is_refused_in_one_line(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    file = tone(tmp_path / "clap.wav")
    cases = [(tmp_path / "missing", "missing: cannot be read as a folder of drum samples"),
             (file, "clap.wav: cannot be read as a folder"), (empty, "empty: no file in it is named like a drum"),
             (tmp_path, "no file in it is named like a drum, such as kick.wav")]
    for folder, message in cases:
        with pytest.raises(MusicFusionError, match=message) as refused:
            read(folder)
        assert "\n" not in str(refused.value)


def test_a_sample_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "snare-2.wav"
    path.write_bytes(b"RIFF nothing of the sort")
    tone(tmp_path / "kick.wav")
    with pytest.raises(MusicFusionError, match=r"snare-2.wav: "):
        read(tmp_path)
    soundfile.write(path, np.zeros(1000), RATE)
    with pytest.raises(MusicFusionError, match=r"snare-2.wav: is silent"):
        read(tmp_path)
    tone(path, seconds=21)
    with pytest.raises(MusicFusionError, match=r"snare-2.wav: lasts 21 s; a drum hit of at most 20 s"):
        read(tmp_path)
