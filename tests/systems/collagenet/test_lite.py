import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from micro import variant

from musicfusion.codecs import chords, melody, polyphony, tonic
from musicfusion.latent import vae
from musicfusion.systems.collagenet import dataset, lite, system
from musicfusion.systems.collagenet.latent_space import reconstruction_counts
from musicfusion.systems.collagenet.lite import AccompanimentVAE, MelodyVAE

EXAMPLES = 16
MELODY = MelodyVAE(width=32, depth=1, pitch=48, rhythm=24)
ACCOMPANIMENT = AccompanimentVAE(width=32, depth=1, chord=32, texture=64)
VAES = {"melody": MELODY, "accompaniment": ACCOMPANIMENT}
LATENT = {"melody": 72, "accompaniment": 96}
KEY = jax.random.key(5)


@pytest.fixture(scope="module")
def batch(corpus):
    """Sixteen real segments from all over the chorales."""
    starts, _ = dataset.Segments(melody_onsets=2, accompaniment_onsets=8, seed=0).windows(corpus, "train")
    starts = starts[:: len(starts) // EXAMPLES][:EXAMPLES]
    arrays = jax.tree.map(jnp.asarray, dict(corpus.arrays))
    return jax.device_get(dataset.cut(arrays, jnp.asarray(starts), jnp.zeros_like(starts)))


@pytest.fixture(scope="module")
def learned(batch):
    """Both models trained on the sixteen segments for a hundred steps: part -> (params, first, last accuracies)."""

    def learn(model, rate=5e-3, steps=100):
        params = jax.jit(lambda: vae.init(model, KEY, batch))()
        optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))

        def loss(params):
            mean, _ = model.apply({"params": params}, batch, method="encode")
            terms = model.apply({"params": params}, mean, batch, KEY, model.teacher(0.0), method="losses")
            return jnp.mean(sum(terms.values()))

        @jax.jit
        def step(state):
            params, inner = state
            updates, inner = optimizer.update(jax.grad(loss)(params), inner)
            return optax.apply_updates(params, updates), inner

        @jax.jit
        def rates(params):
            mean, _ = model.apply({"params": params}, batch, method="encode")
            counts = reconstruction_counts(batch, model.apply({"params": params}, mean, method="decode"))
            return {name: right / whole for name, (right, whole) in counts.items()}

        before, state = rates(params), (params, optimizer.init(params))
        for _ in range(steps):
            state = step(state)
        return jax.device_get((state[0], before, rates(state[0])))

    return {part: learn(model) for part, model in VAES.items()}


@pytest.fixture(scope="module")
def params(learned):
    return {part: {"params": learned[part][0]} for part in VAES}


@pytest.fixture(scope="module")
def run(batch):
    """run(part, method, params, *args), compiled once for each part and method."""

    def apply(part, method, params, *args):
        return VAES[part].apply(params, *args, method=method)

    compiled = jax.jit(apply, static_argnums=(0, 1))
    return lambda *args: jax.device_get(compiled(*args))


@pytest.fixture(scope="module")
def z(run, params, batch):
    return {part: run(part, "encode", params[part], batch)[0] for part in VAES}


@pytest.fixture(scope="module")
def costs(run, params):
    return lambda part, z, batch: run(part, "losses", params[part], z, batch, KEY, 1.0)


def test_the_lite_sizes_have_the_parameter_counts_that_trained_runs_depend_on():
    modules = system.modules(variant("collagenet", "lite"))
    counts = {name: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree)) for name, tree in modules.items()}
    assert counts["melody_vae"] == 900_688
    assert counts["accompaniment_vae"] == 758_920


def test_encode_losses_and_decode_keep_the_contract(batch, run, params, z, costs):
    terms = {"melody": {"rhythm", "melody", "tonic"},
             "accompaniment": {"root", "bass", "chroma", "heights", "onsets", "durations"}}
    for part, model in VAES.items():
        mean, std = run(part, "encode", params[part], batch)
        assert mean.shape == std.shape == (EXAMPLES, sum(model.aspects.values())) == (EXAMPLES, LATENT[part])
        assert (std > 0).all() and mean.dtype == std.dtype == np.float32
        nats = costs(part, z[part], batch)
        assert {name: term.shape for name, term in nats.items()} == dict.fromkeys(terms[part], (EXAMPLES,))
        assert all((term >= 0).all() for term in nats.values())
        assert model.teacher(0.5) == 1.0
    decoded = run("melody", "decode", params["melody"], z["melody"])
    assert decoded["tokens"].shape == decoded["rhythm"].shape == (EXAMPLES, 32)
    assert decoded["tokens"].dtype == np.int32 and decoded["tokens"].max() < melody.VOCABULARY
    made = run("accompaniment", "decode", params["accompaniment"], z["accompaniment"])
    assert made["pitch"].shape == made["duration"].shape == (EXAMPLES, 32, polyphony.SLOTS)
    np.testing.assert_array_equal(polyphony.cut(made["duration"]), made["duration"])
    assert made["chords"].shape == (EXAMPLES, 8, 3) and made["chords"][..., 2].max() < 4096


def test_a_few_steps_on_real_segments_raise_every_accuracy(learned):
    _, before, after = learned["melody"]
    assert before["onset_accuracy"] < 0.2 and after["onset_accuracy"] > 0.8
    assert after["rhythm_accuracy"] > 0.9
    _, before, after = learned["accompaniment"]
    assert before["note_f1"] < 0.1 and after["note_f1"] > 0.7
    assert after["root_accuracy"] > 0.9


def test_examples_do_not_influence_each_other(batch, run, params):
    turned = {name: np.roll(array, 3, 0) for name, array in batch.items()}
    for part in VAES:
        for straight, moved in zip(*(run(part, "encode", params[part], b) for b in (batch, turned)), strict=True):
            np.testing.assert_allclose(np.roll(straight, 3, 0), moved, rtol=1e-4, atol=1e-5)


# Which part of z holds what -----------------------------------------------------------------------------------------


def test_the_rhythm_is_decoded_from_its_own_part_of_z_alone(run, params, z):
    other_pitch, other_rhythm = z["melody"].copy(), z["melody"].copy()
    other_pitch[:, :48] = np.roll(other_pitch[:, :48], 1, 0)
    other_rhythm[:, 48:] = np.roll(other_rhythm[:, 48:], 1, 0)
    rhythm, notes, _ = run("melody", "logits", params["melody"], z["melody"])
    same_rhythm, other_notes, _ = run("melody", "logits", params["melody"], other_pitch)
    np.testing.assert_allclose(same_rhythm, rhythm, rtol=1e-5, atol=1e-5)
    assert np.abs(other_notes - notes).max((1, 2)).min() > 0.1
    changed, follows, _ = run("melody", "logits", params["melody"], other_rhythm)
    assert np.abs(changed - rhythm).max() > 0.1
    assert np.abs(follows - notes).max() > 0.1  # the melody depends on z_r through the decoded rhythm


def test_the_melody_learns_of_the_rhythm_code_through_the_decoded_rhythm(params, z, batch):
    def loss(params, z):
        return jnp.sum(MELODY.apply(params, z, batch, KEY, 1.0, method="losses")["melody"])

    by_params, by_z = jax.jit(jax.grad(loss, (0, 1)))(params["melody"], np.zeros_like(z["melody"]))
    assert np.abs(by_z[:, 48:]).max() > 1e-3
    assert np.abs(by_params["params"]["rhythm_head"]["kernel"]).max() > 1e-3


def test_the_chords_are_decoded_from_their_own_part_of_z_alone(run, params, z):
    other_texture, other_chords = z["accompaniment"].copy(), z["accompaniment"].copy()
    other_texture[:, 32:] = np.roll(other_texture[:, 32:], 1, 0)
    other_chords[:, :32] = np.roll(other_chords[:, :32], 1, 0)
    chord, (onsets, *_), _ = run("accompaniment", "logits", params["accompaniment"], z["accompaniment"])
    same, (changed, *_), _ = run("accompaniment", "logits", params["accompaniment"], other_texture)
    np.testing.assert_allclose(same, chord, rtol=1e-5, atol=1e-5)
    assert np.abs(changed - onsets).max((1, 2)).min() > 0.1
    other, (follows, *_), _ = run("accompaniment", "logits", params["accompaniment"], other_chords)
    assert np.abs(other - chord).max() > 0.1 and np.abs(follows - onsets).max() > 0.1


# Relative to tonic and root ------------------------------------------------------------------------------------------


def transposed(batch, shift):
    return batch | {
        "melody": melody.transpose(batch["melody"], shift),
        "pitch": polyphony.transpose(batch["pitch"], batch["duration"], shift),
        "chords": chords.transpose(batch["chords"], shift),
    }


TONIC, HEIGHT = np.arange(48) % 6 == 5, np.arange(64) % 8 == 7  # the last number of each beat: of z_p, of z_t


@pytest.mark.parametrize("shift", [-6, -1, 1, 5])
def test_in_another_key_only_chords_tonic_and_heights_differ(shift, batch, run, params):
    """And from F sharp to G as anywhere else."""
    found = {part: run(part, "encode", params[part], batch) for part in VAES}
    other = {part: run(part, "encode", params[part], transposed(batch, shift)) for part in VAES}
    for (mean, std), (moved, moved_std) in ((found[part], other[part]) for part in VAES):
        own = np.r_[~TONIC, np.ones(24, bool)] if mean.shape[1] == 72 else np.r_[np.zeros(32, bool), ~HEIGHT]
        np.testing.assert_allclose(moved[:, own], mean[:, own], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moved_std[:, own], std[:, own], rtol=1e-4, atol=1e-5)
        assert np.abs(moved - mean)[:, ~own].max(1).min() > 1e-3


def test_a_melody_with_another_one_s_tonic_is_the_same_in_that_key(run, params, z):
    of_tonic = np.r_[TONIC, np.zeros(24, bool)]
    other = np.where(of_tonic, np.roll(z["melody"], 1, 0), z["melody"])
    before, after = (run("melody", "decode", params["melody"], x)["tokens"] for x in (z["melody"], other))
    np.testing.assert_array_equal(melody.rhythm(after), melody.rhythm(before))
    onset = before < melody.HOLD
    apart = [set((a - b)[there].tolist()) for a, b, there in zip(after, before, onset, strict=True)]
    assert all(len(distances) == 1 for distances in apart) and len(set.union(*apart)) > 4


def test_decoded_notes_move_with_the_decoded_root(run, params, z):
    made = run("accompaniment", "decode", params["accompaniment"], z["accompaniment"])
    head = params["accompaniment"]["params"]["chord_head"]
    turn = np.r_[np.roll(np.arange(12), 1), 12:36]  # every root one semitone up, nothing else
    turned = {name: x[..., turn] for name, x in head.items()}
    other = {"params": params["accompaniment"]["params"] | {"chord_head": turned}}
    moved = run("accompaniment", "decode", other, z["accompaniment"])
    np.testing.assert_array_equal(moved["chords"][..., 0], (made["chords"][..., 0] + 1) % 12)
    np.testing.assert_array_equal(moved["duration"], made["duration"])
    there = made["duration"] > 0
    assert there.sum() > 200
    _, _, heights = run("accompaniment", "logits", params["accompaniment"], z["accompaniment"])
    turned_round = (made["chords"][..., 0] - np.round(heights)) % 12 == 6
    by_step, apart = np.nonzero(there)[1] // 4, (moved["pitch"] - made["pitch"])[there]
    assert np.mean(apart == 1) > 0.9 and set(apart.tolist()) <= {1, -11}
    for row, beat in zip(np.nonzero(there)[0][apart != 1], by_step[apart != 1], strict=True):
        assert turned_round[row, beat]  # a root half an octave above where roots lie comes back from below


# Decoding and the losses agree -------------------------------------------------------------------------------


def test_decoded_tokens_and_rhythms_are_those_that_score_best(run, params, z, costs):
    decoded = run("melody", "decode", params["melody"], z["melody"])
    best = costs("melody", z["melody"], {"melody": decoded["tokens"]})
    rng = np.random.default_rng(0)
    for _ in range(10):
        other = decoded["tokens"].copy()
        other[np.arange(EXAMPLES), rng.integers(0, 32, EXAMPLES)] = rng.integers(0, melody.VOCABULARY, EXAMPLES)
        assert (costs("melody", z["melody"], {"melody": other})["melody"] >= best["melody"] - 1e-4).all()
    symbols = np.array([60, melody.HOLD, melody.REST])
    best = costs("melody", z["melody"], {"melody": symbols[decoded["rhythm"]]})
    for step in range(0, 32, 5):
        other = decoded["rhythm"].copy()
        other[:, step] = (other[:, step] + 1) % 3
        assert (costs("melody", z["melody"], {"melody": symbols[other]})["rhythm"] > best["rhythm"]).all()


@pytest.fixture(scope="module")
def sure(params):
    """Parameters whose durations are narrowly spread, so that the likeliest is that of the location."""
    changed = jax.tree.map(np.array, params["accompaniment"])
    head = changed["params"]["duration_head"]
    head["kernel"][:, polyphony.PITCHES :] = 0
    head["bias"][polyphony.PITCHES :] = -10
    return changed


def test_decoded_notes_and_chords_are_those_that_score_best(run, sure, z):
    z = z["accompaniment"]
    decoded = run("accompaniment", "decode", sure, z)

    def costs(changed=()):
        return run("accompaniment", "losses", sure, z, decoded | dict(changed), KEY, 1.0)

    def roots(changed=()):
        return np.asarray(lite._roots(decoded | dict(changed)))

    def worse(row, changed, term="onsets"):
        """Dearer; or the notes' mean has moved so far that roots lie in another octave, and so everything else."""
        return costs(changed)[term][row] > best[term][row] or (roots(changed) != roots())[row].any()

    best = costs()
    _, _, heights = run("accompaniment", "logits", sure, z)
    agree = (tonic.nearest(decoded["chords"][..., 0], np.round(heights).astype(int)) == roots()).all(1)
    filled = np.count_nonzero(decoded["duration"], -1)
    assert agree.sum() > EXAMPLES / 2 and filled[agree].sum() > 100 and filled.max() < polyphony.SLOTS
    for row, step in zip(*np.nonzero(filled), strict=True):
        if step % 5 or not agree[row]:
            continue
        last = filled[row, step] - 1
        fewer = decoded["duration"].copy()
        fewer[row, step, last] = 0  # one note less
        assert worse(row, {"duration": fewer})
        more, pitch = decoded["duration"].copy(), decoded["pitch"].copy()
        more[row, step, last + 1], pitch[row, step, last + 1] = 1, pitch[row, step, last] + 1  # one more
        assert worse(row, {"duration": more, "pitch": pitch})
        for difference in (-1, 1):
            length = decoded["duration"][row, step, last] + difference
            if 1 <= length <= 32 - step:
                other = decoded["duration"].copy()
                other[row, step, last] = length
                assert costs({"duration": other})["durations"][row] > best["durations"][row]
    for column, name in enumerate(("root", "bass")):
        # Pitches are counted from the root, so only the chord's own terms are compared.
        other = decoded["chords"].copy()
        other[..., column] = (other[..., column] + 5) % 12
        assert (costs({"chords": other})[name] > best[name]).all()
    for tone in range(12):
        other = decoded["chords"].copy()
        other[..., 2] ^= 1 << tone
        assert (costs({"chords": other})["chroma"] > best["chroma"]).all()


def test_a_duration_that_reaches_the_end_stands_for_every_longer_one(run, sure, z, batch):
    only = {"pitch": np.zeros((EXAMPLES, 32, 14), np.int32), "duration": np.zeros((EXAMPLES, 32, 14), np.int32),
            "chords": batch["chords"]}
    only["pitch"][:, 31, 0], only["duration"][:, 31, 0] = 60, 1
    cost = run("accompaniment", "losses", sure, z["accompaniment"], only, KEY, 1.0)
    np.testing.assert_allclose(cost["durations"], 0, atol=1e-5)  # on the last step no other length is possible
