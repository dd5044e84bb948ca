import jax
import jax.numpy as jnp
import numpy as np
import pytest
from micro import micro_config

from musicfusion.codecs import melody
from musicfusion.metrics import reconstruction
from musicfusion.systems.collagenet import dataset, system
from musicfusion.systems.collagenet.actor_critic import Actor, Critic
from musicfusion.systems.collagenet.latent_space import Fusion, reconstruction_counts

EXAMPLES = 6
SIZES = {f"{part}_vae__size__{name}": value for part in dataset.PARTS for name, value in (("width", 16), ("depth", 1))}
FUSION = system.build_fusion(micro_config(**SIZES))
SPACE = FUSION.space


@pytest.fixture(scope="module")
def batch(corpus):
    starts, _ = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0).windows(corpus, "train")
    starts = starts[:: len(starts) // EXAMPLES][:EXAMPLES]
    return jax.device_get(jax.jit(dataset.cut)(corpus.arrays, starts, np.zeros_like(starts)))


@pytest.fixture(scope="module")
def vaes():
    rng, modules = np.random.default_rng(1), system.modules(micro_config(**SIZES))
    return {part: jax.tree.map(lambda s: rng.uniform(-0.3, 0.3, s.shape).astype(np.float32), modules[f"{part}_vae"])
            for part in dataset.PARTS}


def test_z_holds_the_melody_and_then_the_accompaniment(batch, vaes):
    assert list(SPACE.aspects) == ["pitch", "rhythm", "chord", "texture"]
    assert (SPACE.cut, SPACE.size) == (256, 640)
    encode = jax.jit(SPACE.encode)
    mean, std = encode(vaes, batch)
    assert mean.shape == std.shape == (EXAMPLES, SPACE.size)
    other, _ = encode(vaes, batch | {"melody": np.roll(batch["melody"], 1, 0)})
    np.testing.assert_array_equal(other[:, SPACE.cut :], mean[:, SPACE.cut :])
    assert (other[:, : SPACE.cut] != mean[:, : SPACE.cut]).any(1).all()


def test_each_vae_decodes_its_own_half_of_z(vaes):
    decode, z = jax.jit(SPACE.decode), 3 * np.random.default_rng(0).normal(size=(EXAMPLES, SPACE.size))
    decoded = decode(vaes, z)
    assert set(decoded) == {"tokens", "rhythm", "pitch", "duration", "chords"}
    lead, back = z.copy(), z.copy()
    lead[:, : SPACE.cut] *= -1
    back[:, SPACE.cut :] *= -1
    other_melody, other_accompaniment = decode(vaes, lead), decode(vaes, back)
    np.testing.assert_array_equal(other_melody["chords"], decoded["chords"])
    np.testing.assert_array_equal(other_accompaniment["tokens"], decoded["tokens"])
    assert np.any(other_melody["tokens"] != decoded["tokens"])
    assert np.any(other_accompaniment["chords"] != decoded["chords"])


def test_networks_read_the_decoded_features_and_z_or_as_published_z_alone(vaes):
    z = jnp.ones((2, SPACE.size))
    features = FUSION.features(vaes, z)
    assert FUSION.decoded and {"lead", "back", "root", "z"} <= set(features)
    np.testing.assert_array_equal(features["z"], z)
    published = Fusion(space=SPACE, actor=Actor(SPACE.aspects, 8, 1), critic=Critic(SPACE.aspects, 8, 1), decoded=False)
    assert published.features(vaes, z) is z
    controls = jnp.ones((2, 4))
    actor, critic = (network.init(jax.random.key(0), z, *more)["params"]
                     for network, more in ((published.actor, [controls]), (published.critic, [])))
    assert published.move(vaes, actor, z, controls).shape == z.shape
    assert published.judge(vaes, critic, z).shape == (2,)


def test_accuracies_count_what_was_decoded(batch):
    perfect = {"tokens": batch["melody"], "pitch": batch["pitch"], "duration": batch["duration"],
               "chords": batch["chords"]}
    counts = reconstruction_counts(batch, perfect)
    assert all(int(right) == int(whole) > 0 for right, whole in counts.values())
    wrong = perfect | {"tokens": np.where(batch["melody"] < melody.HOLD, 5, batch["melody"])}
    right, whole = reconstruction.melody_counts(wrong["tokens"], batch["melody"])["onset_accuracy"]
    assert int(right) == 0 and int(whole) == (batch["melody"] < melody.HOLD).sum()
    assert int(reconstruction_counts(batch, wrong)["rhythm_accuracy"][0]) == batch["melody"].size
