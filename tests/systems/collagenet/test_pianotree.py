import jax
import jax.numpy as jnp
import numpy as np
import pytest

from musicfusion.codecs import pianotree
from musicfusion.systems.collagenet import dataset
from musicfusion.systems.collagenet.pianotree import PianoTreeDecoder, PianoTreeEncoder

EXAMPLES, LATENT = 8, 24
KEY = jax.random.key(5)
DECODER = PianoTreeDecoder(LATENT, embedding=12, z_input=8, time=32, note=24, duration=8)


@pytest.fixture(scope="module")
def grid(corpus):
    """Eight real segments, each from another song of the chorales."""
    starts, _ = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0).windows(corpus, "train")
    starts = starts[:: len(starts) // EXAMPLES][:EXAMPLES]
    arrays = jax.device_get(jax.jit(dataset.cut)(corpus.arrays, starts, np.zeros_like(starts)))
    return pianotree.grid_from_slots(arrays["pitch"], arrays["duration"])


def test_the_encoder_reads_order_but_nothing_after_a_steps_end(grid):
    encoder = PianoTreeEncoder(8, 8, 8)
    weights = jax.jit(encoder.init)(KEY, grid)
    read = jax.jit(encoder.apply)
    code = np.asarray(read(weights, grid))
    assert code.shape == (EXAMPLES, 16)
    after = np.arange(pianotree.TOKENS) >= pianotree.lengths(grid)[..., None]
    rubbish = np.where(after[..., None], grid[:, :1, 1:2], grid)
    assert (rubbish != grid).any((1, 2, 3)).all()
    np.testing.assert_array_equal(read(weights, rubbish), code)
    assert (np.abs(read(weights, grid[:, ::-1]) - code).max(1) > 1e-4).all()


def test_scores_of_what_was_fed_have_the_decoded_notes_as_their_argmax(grid):
    shapes = jax.eval_shape(DECODER.init, KEY)
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: rng.uniform(-0.2, 0.2, s.shape).astype(np.float32), shapes)
    latents = jax.random.normal(jax.random.key(1), (EXAMPLES, LATENT))
    masks = {"summary": rng.random(32) < 0.5, "note": rng.random((32, 15)) < 0.5}

    @jax.jit
    def run(params):
        decoder = DECODER.apply(params)
        decoded, fed = decoder.choose(latents, grid, masks)
        return decoded, fed, decoder.logits(latents, fed)

    decoded, fed, (pitch, bits) = run(params)
    chosen = np.asarray(decoded).swapaxes(0, 1)[:, :, 1:]
    np.testing.assert_array_equal(jnp.argmax(pitch, -1), chosen[..., 0])
    is_note = chosen[..., 0] < pianotree.SOS
    np.testing.assert_array_equal(jnp.argmax(bits, -1)[is_note], chosen[..., 1:][is_note])
    assert (chosen[..., 1:][~is_note] == 2).all()
    true, own = np.asarray(grid).swapaxes(0, 1), np.asarray(decoded).swapaxes(0, 1)
    np.testing.assert_array_equal(fed["steps"], np.where(masks["summary"][:, None, None, None], true, own))
    notes = np.where(masks["note"][:, None, :, None], true[:, :, 1:], chosen)
    np.testing.assert_array_equal(fed["notes"][:, :, 1:], notes[:, :, :-1])
