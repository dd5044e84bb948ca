"""Connective Fusion's VAEs, actors, critics and classifier, on soprano lines of real chorales."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from micro import micro_config, variant

from musicfusion import losses
from musicfusion.codecs import melody
from musicfusion.core.errors import MusicFusionError
from musicfusion.data import tunes
from musicfusion.latent import soft, vae
from musicfusion.latent.space import distances
from musicfusion.systems.connective_fusion import actor_critic, frames, hearing, nets, reality, windows
from musicfusion.systems.connective_fusion.lite import MelodyVAE
from musicfusion.systems.connective_fusion.lstm import LSTMVAE, START

ROWS = 16
KEY = jax.random.key(3)
VAES = {"lite": MelodyVAE(width=32, depth=1, latent=32), "lstm": LSTMVAE(hidden=64, latent=32)}
STEPS = {"lite": 150, "lstm": 250}
HOLD = melody.PITCHES


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def sides():
    """Both sides of sixteen windows, each of another song."""
    corpus = tunes.read("chorales", limit=100)
    table = windows.windows(corpus, "train-1", 0)
    _, first = np.unique(table["song"], return_index=True)
    starts = table["start"][first[:ROWS]]
    return jax.device_get(windows.cut({"melody": jnp.asarray(corpus.arrays["melody"])}, starts, np.zeros_like(starts)))


@pytest.fixture(scope="module", params=VAES)
def learned(request, sides):
    """A VAE that has learned sixteen sides, and is not the worse for a few steps more: (its name, params)."""
    model, batch = VAES[request.param], {"melody": sides["left"]}
    params = jax.jit(lambda: vae.init(model, KEY, batch))()
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))

    @jax.jit
    def step(params, inner, key):
        def loss(params):
            mean, _ = model.apply({"params": params}, batch, method="encode")
            terms = model.apply({"params": params}, mean, batch, key, 0.5, method="losses")
            return jnp.mean(sum(terms.values()))

        updates, inner = optimizer.update(jax.grad(loss)(params), inner)
        return optax.apply_updates(params, updates), inner

    inner = optimizer.init(params)
    for i in range(STEPS[request.param]):
        params, inner = step(params, inner, jax.random.fold_in(KEY, i))
    return request.param, params


def test_z_tells_the_decoder_which_side_it_was(learned, sides):
    name, params = learned
    model, batch = VAES[name], {"melody": sides["left"]}
    z, _ = model.apply({"params": params}, batch, method="encode")

    def nats(z):
        return np.mean(model.apply({"params": params}, z, batch, KEY, 1.0, method="losses")["symbols"])

    assert nats(z) < 40 and nats(np.roll(z, 1, 0)) > nats(z) + 20, "64 symbols of 32 are 222 nats"
    if name == "lite":
        made = model.apply({"params": params}, z, method="decode")["melody"]
        assert np.mean(made == batch["melody"]) > 0.95
        tokens = melody.from_symbols(made)
        onset = tokens < melody.HOLD
        heard = model.apply({"params": params}, z, method="hear")["lead_onsets"]
        assert np.mean((np.sum(heard, -1) > 0.5) == onset) > 0.95, "actor and critic hear what z decodes to"
        assert np.mean(np.argmax(np.asarray(heard)[onset], -1) == tokens[onset] % 12) > 0.95


def test_posteriors_have_a_spread_and_the_size_that_is_asked_for(learned, sides):
    name, params = learned
    mean, std = VAES[name].apply({"params": params}, {"melody": sides["right"]}, method="encode")
    assert mean.shape == std.shape == (ROWS, 32) and np.all(std > 0)


def test_what_is_seen_from_beside_its_frame_is_the_same_music(sides):
    aside = np.arange(ROWS) % 12 - 6
    model = VAES["lite"].bind({})
    frame, seen = model._seen({"melody": sides["left"], "aside": aside})
    own, canonical = model._seen({"melody": sides["left"]})
    np.testing.assert_array_equal(frame - own, aside)
    np.testing.assert_array_equal(frames.absolute(seen, frame), sides["left"])
    assert np.mean(np.any(seen != canonical, 1)) > 0.8


def test_word_dropout_hides_what_is_fed_and_no_symbol_is_the_start(sides):
    model = VAES["lstm"]
    batch = {"melody": sides["left"]}
    params = vae.init(model, KEY, batch)
    z = jnp.zeros((ROWS, 32))

    def nats(shown):
        return np.asarray(model.apply({"params": params}, z, batch, KEY, shown, method="losses")["symbols"])

    assert np.all(nats(1.0) != nats(0.0)) and np.all(nats(0.0) != nats(0.5))
    assert model.teacher(0.0) == model.teacher(1.0) == 0.7
    assert sides["left"].max() < START == melody.SYMBOLS


def test_a_symbol_that_is_shown_changes_what_is_said_of_those_behind_it_and_a_hidden_one_does_not(sides):
    model = VAES["lstm"]
    params = vae.init(model, KEY, {"melody": sides["left"]})
    z = jax.random.normal(KEY, (ROWS, 32))
    swapped = sides["left"].copy()
    swapped[:, 0] = (swapped[:, 0] + 1) % melody.PITCHES

    def behind(shown):
        """Nats of everything but the first symbol, with either first symbol."""
        run = jax.jit(lambda fed: model.apply({"params": params}, z, fed, method=LSTMVAE._write))
        fed = [np.where(shown, x, START) for x in (sides["left"], swapped)]
        return [np.asarray(run(x))[:, 1:] for x in fed]

    assert np.abs(np.subtract(*behind(True))).max() > 1e-3
    assert np.abs(np.subtract(*behind(False))).max() == 0


# Actor and critic ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heard(sides):
    """Eight bars as sure decoders of this very music would let them be heard."""
    return sounds(sides["left"], sides["right"])


def sounds(left, right):
    def sure(symbols):
        return soft.melody(40.0 * (2 * jax.nn.one_hot(symbols, melody.SYMBOLS) - 1), melody.LOWEST, height=True)

    return hearing.joined(sure(left), sure(right), jax.random.normal(KEY, (len(left), 128)))


def transposed(symbols, by):
    return np.where(symbols < melody.PITCHES, np.clip(symbols + by, 0, melody.PITCHES - 1), symbols)


def test_the_critic_says_the_same_in_every_key_and_hears_one_side_move_alone(sides, heard):
    inside = [np.where((x < 25) | (x >= melody.PITCHES), x, 24) for x in (sides["left"], sides["right"])]
    critic = hearing.Critic({}, 16, 1)
    params = critic.init(KEY, heard)
    run = jax.jit(critic.apply)
    here = run(params, sounds(*inside))
    assert here.shape == (ROWS,)
    up = [transposed(x, 5) for x in inside]
    np.testing.assert_allclose(run(params, sounds(*up)), here, rtol=1e-3, atol=1e-4)
    assert np.abs(run(params, sounds(inside[0], up[1])) - here).max() > 1e-3


def frames_of(z) -> list[np.ndarray]:
    """The last number of each bar, which is the frame's: of the left side, of the right one [ROWS, 4] x 2."""
    return np.split(np.asarray(z).reshape(ROWS, 2 * windows.BARS, -1)[..., -1], 2, 1)


def test_an_untrained_actor_hears_everything_moves_notes_little_and_the_right_frame_most_of_the_way(heard):
    actor, style = hearing.Actor({}, 16, 1), jnp.full((ROWS, 2), 0.5)
    params = actor.init(KEY, heard, style)
    moved = np.asarray(actor.apply(params, heard, style))
    notes = (moved - heard["z"]).reshape(ROWS, 2 * windows.BARS, -1)[..., :-1]
    assert 0 < np.linalg.norm(notes) < 0.2 * np.linalg.norm(heard["z"])
    left, right = frames_of(heard["z"])
    share = np.sum((frames_of(moved)[1] - right) * (left - right)) / np.sum((left - right) ** 2)
    assert 0.5 < share < 0.95

    def influence(heard, style):
        return jnp.sum(jnp.abs(actor.apply(params, heard, style)[:, :8]))  # the first half bar

    by_sound, by_style = jax.jit(jax.grad(influence, (0, 1)))(heard, style)
    assert np.all(np.abs(by_style) > 0)
    for name in ("z", "lead", "lead_states", "leaps", "height"):
        assert np.any(by_sound[name][:, -1] != 0), name  # of what lies at the end, too


def test_one_side_takes_over_the_others_frame_whole_or_in_part(heard):
    """`who`: nobody, the left side, the right side."""
    actor, style = hearing.Actor({}, 16, 1), jnp.full((ROWS, 2), 0.5)
    params = actor.init(KEY, heard, style)["params"]

    def frames_after(*who):
        said = {"kernel": jnp.zeros_like(params["who"]["kernel"]), "bias": jnp.log(jnp.array(who))}
        moved = actor.apply({"params": params | {"who": said}}, heard, style)
        return frames_of(moved)

    left, right = frames_of(heard["z"])
    for who, wanted in (((1.0, 0.0, 0.0), (left, right)), ((0.0, 1.0, 0.0), (right, right)),
                        ((0.0, 0.0, 1.0), (left, left)), ((0.75, 0.0, 0.25), (left, 0.75 * right + 0.25 * left))):
        np.testing.assert_allclose(frames_after(*who), wanted, atol=1e-6)


def test_the_papers_networks_have_five_layers_and_read_all_that_they_are_given():
    z, style = jnp.ones((2, 128)), jnp.ones((2, 4))
    parts = actor_critic.parts(64)
    actor = jax.eval_shape(actor_critic.Actor(parts).init, KEY, z, style)["params"]
    critic = jax.eval_shape(actor_critic.Critic(parts).init, KEY, z)["params"]
    hidden = 1024
    between = 3 * (hidden**2 + hidden)
    assert count(actor) == (132 * hidden + hidden) + between + (hidden * 256 + 256), "gate and change of 128 each"
    assert count(critic) == (128 * hidden + hidden) + between + (hidden + 1)
    matrices = [leaf for leaf in jax.tree.leaves(actor) if leaf.ndim == 2]
    assert sum(leaf.shape[1] for leaf in matrices) == 4 * hidden + 256


def test_a_move_costs_what_both_sides_moved_whatever_the_style():
    z, sbar = jnp.zeros((3, 8)), jnp.full(8, 0.5)
    moved = z.at[0, 0].set(0.5).at[1, 7].set(1.0)
    rho = distances(moved, z, sbar, actor_critic.parts(4))
    cost = actor_critic.similarity_loss(rho, jnp.ones((3, 2)))
    # equation (7): 1/d sum log(1 + (z' - z)^2) / sbar^2 of each side
    want = [np.log(1 + 0.5**2) / 0.5**2 / 4, np.log(1 + 1.0) / 0.5**2 / 4, 0.0]
    np.testing.assert_allclose(cost, want, rtol=1e-6)
    assert set(rho) == set(windows.SIDES)


def test_each_half_bar_has_its_own_part_of_z():
    spans = hearing.in_time(jnp.arange(128.0)[None])
    assert spans.shape == (1, 16, 8)
    assert spans[0, 1].tolist() == list(range(8, 16)) and spans[0, 8, 0] == 64, "the right side's first"


# Together -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset, players", [("quick", "lite"), ("quick", "perceptron"), ("paper", "perceptron")])
def test_eight_bars_go_to_z_and_back_left_and_right_in_their_places(preset, players, sides):
    config = micro_config("connective_fusion")
    if preset == "paper":
        config.melody_vae = variant("connective_fusion", "paper").melody_vae
        config.melody_vae.size.hidden = 32
    if players == "perceptron":
        config.fusion = variant("connective_fusion", "paper").fusion
    side = nets.model(config)
    params = vae.init(side, KEY, {"melody": sides["left"]})
    mean, std = nets.encode(side, params, sides)
    assert mean.shape == std.shape == (ROWS, 128)
    again, _ = nets.encode(side, params, {"left": sides["right"], "right": sides["left"]})
    np.testing.assert_allclose(np.roll(again, 64, 1), mean, rtol=1e-4, atol=1e-5)
    made = nets.decode(side, params, mean)
    swapped = nets.decode(side, params, again)
    np.testing.assert_array_equal(made["left"], swapped["right"])
    actor, critic = nets.actor_and_critic(config, side)
    sound = nets.hear(config, side)(params, mean)
    style = jnp.full((ROWS, config.fusion.style), 0.5)
    moved = actor.apply(actor.init(KEY, sound, style), sound, style)
    assert moved.shape == mean.shape and critic.apply(critic.init(KEY, sound), sound).shape == (ROWS,)


def test_a_model_that_nobody_knows_is_refused_in_one_line():
    with pytest.raises(MusicFusionError, match=r"melody_vae.model = 'gru' is unknown: use lite or lstm"):
        nets.model(micro_config("connective_fusion", melody_vae__model="gru"))
    config = micro_config("connective_fusion")
    config.melody_vae = variant("connective_fusion", "paper").melody_vae
    with pytest.raises(MusicFusionError, match=r"fusion.model = 'lite' hears a latent that lies in time"):
        nets.actor_and_critic(config, nets.model(config))
    config = micro_config("connective_fusion", fusion__model="none")
    with pytest.raises(MusicFusionError, match=r"fusion.model = 'none' is unknown"):
        nets.actor_and_critic(config, nets.model(config))


def test_reconstruction_is_counted_by_symbols_and_by_onsets():
    truth = np.array([[3, HOLD, 5, HOLD + 1]])
    made = np.array([[3, HOLD, 6, HOLD + 1]])
    found = nets.counts({"melody": truth}, {"melody": made})
    assert {name: (int(right), int(whole)) for name, (right, whole) in found.items()} == {
        "symbol_accuracy": (3, 4), "onset_accuracy": (1, 2)}


# The classifier -----------------------------------------------------------------------------------------------------


def test_the_classifiers_negatives_are_of_another_song_in_a_key_of_their_own():
    corpus = tunes.read("chorales", limit=100)
    config = micro_config("connective_fusion", data__root="chorales")
    resident = windows.resident(corpus, config, "train-2", "validation-2")
    arrays, index = resident.arrays, np.arange(64)
    keys = jax.random.split(KEY, 64)
    batch = jax.device_get(reality.examples(arrays, index, keys, True))
    own = jax.device_get(windows.cut(arrays["corpus"], arrays["starts"][index], np.zeros(64, np.int32)))
    assert np.all((batch["left"] < HOLD) == (own["left"] < HOLD)), "the same rhythm in another key"
    both = [np.concatenate([batch[name], own[name]]) for name in ("left", "right")]
    pitches = [np.where(x < HOLD, x, 0).max(1) for x in both]
    moved = [top[:64] - top[64:] for top in pitches]
    np.testing.assert_array_equal(*moved)  # both sides of a real pair together
    assert len(set(moved[0].tolist())) > 5
    still = jax.device_get(reality.examples(arrays, index, keys, False))
    same = np.all(still["other"][:, None] == own["right"][None], -1)
    song = arrays["low"][index]
    assert not np.any(same & (song[:, None] == song[None])), "no right side of its own song"


def test_the_classifier_learns_pairs_and_its_loss_is_that_of_both_halves(sides):
    model = reality.Reality(width=16, depth=1, dropout=0.0)
    group = micro_config("connective_fusion").reality
    group.optimizer.update({"rate": 1e-2, "warmup": 0, "schedule": "constant"})
    task = reality.task(model, group)
    batch = {**sides, "other": np.roll(sides["right"], 1, 0), "row_key": jax.random.split(KEY, ROWS)}
    state = task.init(KEY, batch)
    rights = (sides["right"], batch["other"])
    real, shuffled = (model.apply({"params": state["params"]}, sides["left"], right) for right in rights)
    bce = losses.binary_cross_entropy
    before = task.evaluate(state, batch, KEY)
    np.testing.assert_allclose(before["loss"], 0.5 * (np.mean(bce(real, 1.0)) + np.mean(bce(shuffled, 0.0))), rtol=1e-5)
    step = jax.jit(task.step)
    for _ in range(60):
        state, _ = step(state, batch, KEY)
    after = task.evaluate(state, batch, KEY)
    assert after["accuracy"] > 0.9 and after["reality_real"] > after["reality_shuffled"] + 0.5
