"""The transcriber of drums: what it learns from, what it finds, and what a measurement says of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sections

from musicfusion.codecs import drum_frames
from musicfusion.codecs.audio import RATE
from musicfusion.codecs.drum_frames import PER_SECOND
from musicfusion.core import optimizers
from musicfusion.core.errors import MusicFusionError
from musicfusion.core.example_keys import numbered
from musicfusion.metrics import drums
from musicfusion.render import kit
from musicfusion.systems.arrangement import drum_evaluation, drum_kits, drum_sounds, drum_transcriber
from musicfusion.systems.arrangement.drum_sounds import CROP, Sounds
from musicfusion.systems.arrangement.drum_transcriber import DrumNet
from musicfusion.systems.arrangement.grid_dataset import KIT, Sections

KEY = jax.random.key(0)
STEPS = 400
NET = DrumNet(width=24, blocks=2)
SOUNDS = Sounds(sections=Sections(seed=0), windows=16)


@pytest.fixture(scope="module")
def corpus():
    return sections.corpus()


@pytest.fixture(scope="module")
def resident(corpus):
    return SOUNDS.resident(corpus)


@pytest.fixture(scope="module")
def learned(resident):
    """A transcriber after a short training, and the loss at first and at last."""
    optimizer = optimizers.create(rate=5e-3, schedule="cosine", warmup=5, clip=1.0, beta1=0.9, beta2=0.999, steps=STEPS)
    task = drum_transcriber.transcriber(NET, optimizer=optimizer, steps=STEPS)
    arrays = jax.tree.map(jnp.asarray, resident.arrays)

    @jax.jit
    def step(state, number):
        key = jax.random.fold_in(KEY, number)
        index = jax.random.randint(key, (8,), 0, resident.train)
        return task.step(state, drum_sounds.examples(arrays, index, numbered(key, jnp.arange(8)), True), {}, key)

    state = task.init(KEY, drum_sounds.examples(arrays, jnp.arange(2), numbered(KEY, jnp.arange(2)), True), {})
    losses = []
    for number in range(STEPS):
        state, metrics = step(state, number)
        losses.append(float(metrics["loss"]))
    own = drum_transcriber.create(NET, state["params"], np.full(KIT, 0.3))
    return own, losses[0], float(np.mean(losses[-10:]))


# What it learns from --------------------------------------------------------------------------------------------------


def test_hits_of_a_window_are_where_a_kit_plays_them(corpus):
    rows = drum_sounds.rows(corpus, 16)
    velocity = corpus.arrays["velocity"][16 * 12 : 32 * 12]
    assert len(rows) == np.count_nonzero(velocity) and (np.diff(rows[:, 0]) >= 0).all()
    snares = rows[rows[:, 1] == sections.SNARE]
    beat = 60 / 100
    np.testing.assert_allclose(snares[:, 0], beat * (np.arange(1, 16, 2) + 40 / 64 / 12), atol=1e-6)
    assert drum_sounds.seconds(corpus, 16) == pytest.approx(16 * beat + drum_sounds.TAIL)


def test_an_altered_kit_sounds_different_with_its_onsets_where_they_were():
    rng = np.random.default_rng(1)
    for synthetic in (0.0, 1.0):
        own = drum_kits.altered(kit.shipped(), rng, synthetic)
        for layers, before in zip(own.instruments, kit.shipped().instruments, strict=True):
            for take in (take for layer in layers for take in layer):
                assert np.isfinite(take).all() and len(take) and take.dtype == np.float32
                loud = np.abs(take) > 0.05 * np.abs(take).max()
                assert np.argmax(loud) < 0.01 * kit.RATE, "it begins at once"
                assert all(take is not old for layer in before for old in layer)


def test_roles_are_exchanged_but_not_times():
    rng, hits = np.random.default_rng(0), np.array([[k / 4, k % 3, 50 + k] for k in range(12)], float)
    every = [drum_sounds.mixed_up(hits, rng) for _ in range(60)]
    assert any(len(own) > len(hits) for own in every)
    assert {int(kind) for own in every for kind in own[:, 1]} == set(range(KIT)), "rare ones, too"
    for own in every:
        np.testing.assert_array_equal(own[: len(hits), 0], hits[:, 0])
        assert set(own[:, 0]) <= set(hits[:, 0])


def test_examples_are_crops_with_their_hits(resident):
    arrays = resident.arrays
    assert arrays["frames"].dtype == np.float16 and len(arrays["frames"]) == len(arrays["hits"])
    keys = numbered(KEY, jnp.arange(3))
    index = jnp.array([0, 2, resident.train])
    plain, varied = (jax.device_get(drum_sounds.examples(arrays, index, keys, training)) for training in (False, True))
    for k, begin in enumerate(arrays["start"][np.asarray(index)]):
        np.testing.assert_array_equal(plain["hits"][k], arrays["hits"][begin : begin + CROP])
        np.testing.assert_array_equal(plain["frames"][k], arrays["frames"][begin : begin + CROP].astype(np.float32))
    assert plain["hits"].any() and (varied["frames"] != plain["frames"]).any()
    assert len(arrays["start"]) == resident.train + resident.validation
    assert arrays["start"][resident.train - 1] + 2 * CROP <= arrays["start"][resident.train] or resident.train < 2
    assert arrays["start"].max() + 2 * CROP <= len(arrays["frames"])


# What it finds --------------------------------------------------------------------------------------------------------


def test_it_learns_kick_and_snare_and_says_when(learned, corpus):
    own, first, last = learned
    assert last < 0.5 * first
    tested = drum_evaluation.windows(corpus, Sections(seed=0), "test", 4)
    for number, window in enumerate(tested):
        found = own.hits(kit.play(window.hits, kit.shipped(), seed=number, rate=RATE, seconds=window.seconds))
        counts = drums.timed_agreement(found, window.hits, KIT)
        assert drums.f1(counts[sections.KICK]) > 0.8 and drums.f1(counts[sections.SNARE]) > 0.5, number
        assert drums.f1(drums.stream_agreement(found[:, 0], window.hits[:, 0])) > 0.7, number
    assert not len(own.hits(np.zeros(RATE))), "nothing is hit in silence"


def test_long_sounds_are_found_block_by_block_as_in_one(learned):
    frames = np.random.default_rng(0).uniform(-60, 0, (2 * drum_transcriber.BLOCK + 100, drum_frames.BANDS))
    run = learned[0].activations
    whole, later = run(frames), run(frames[500:])
    np.testing.assert_allclose(later[50:], whole[550:], atol=1e-5)
    assert whole.shape == (len(frames), KIT, 2)


def test_peaks_are_hits_between_frames_and_no_two_at_once():
    likely = np.zeros((100, KIT, 2))
    likely[20:23, 1, 0], likely[20:23, 1, 1] = (0.3, 0.9, 0.3), 0.5
    likely[60:63, 4, 0] = (0.5, 0.9, 0.9)
    likely[80, 2, 0], likely[82, 2, 0] = 0.9, 0.8
    found = drum_transcriber.peaks(likely, np.full(KIT, 0.5))
    np.testing.assert_array_equal(found[:, 1], [1, 4, 2])
    np.testing.assert_allclose(found[0], [21 / PER_SECOND, 1, 64], atol=1e-6)
    assert found[1, 0] == pytest.approx(61.5 / PER_SECOND)


def test_thresholds_lie_where_what_is_true_parts_from_what_is_not():
    likely = np.zeros((400, KIT, 2))
    likely[10::20, 0, 0], likely[15::40, 0, 0] = 0.7, 0.4
    truth = np.stack([np.arange(10, 400, 20) / PER_SECOND, np.zeros(20), np.full(20, 90)], 1)
    found = drum_transcriber.thresholds([likely], [truth])
    assert 0.4 <= found[0] < 0.7 and found[5] == pytest.approx(drum_transcriber.THRESHOLDS[-1])


def test_the_network_of_the_config_is_small():
    from micro import variant

    net = DrumNet(**variant("arrangement", "lite").transcriber.size)
    params = jax.eval_shape(net.init, KEY, jnp.zeros((1, 8, drum_frames.BANDS)))
    assert sum(x.size for x in jax.tree.leaves(params)) * 2 < 300_000, "bytes as float16"


# What a measurement says ----------------------------------------------------------------------------------------------


def test_the_table_knows_what_is_true_from_what_is_not(corpus, tmp_path):
    tested = drum_evaluation.windows(corpus, Sections(seed=0), "test", 3)

    class Knows:
        def __init__(self, change):
            self.left, self.change = [own.hits for own in tested] * 9, change

        def hits(self, samples):
            return self.change(self.left.pop(0))

    found = drum_evaluation.table(Knows(lambda hits: hits), Knows(lambda hits: hits[:0]), tested,
                                  drum_evaluation.players(""))
    values = {row.name: {name: value.mean for name, value in row.values.items()} for row in found.rows}
    assert values["the transcriber, shipped kit"]["mean"] == 1 == values["the transcriber, shipped kit"]["one_stream"]
    assert values["the transcriber, shipped kit"]["velocity"] == 0
    assert values["the same, untrained, shipped kit"]["one_stream"] == 0
    flux = values["every onset a closed hat, shipped kit"]
    assert flux["kick"] == 0 and flux["one_stream"] > 0.8, "onsets are found, and nothing else"
    assert values["another window's hits"]["kick"] < 1
    assert "closed hat" not in found.measures, "nobody plays it"


def test_other_kits_are_named_and_a_folder_without_drums_is_one_line(tmp_path):
    from musicfusion.render.audio import write_wav

    (tmp_path / "mine").mkdir()
    write_wav(tmp_path / "mine" / "kick.wav", np.hanning(3000).astype(np.float32), kit.RATE)
    found = drum_evaluation.players(str(tmp_path / "mine"))
    assert list(found) == ["shipped kit", "mine"]
    hit = np.array([[0.1, 0, 127]])
    one, other = (play(hit, 0.5, 0) for play in found.values())
    assert len(one) == len(other) and not np.allclose(one, other)
    with pytest.raises(MusicFusionError, match="no file in it is named like a drum"):
        drum_evaluation.players(str(tmp_path))
