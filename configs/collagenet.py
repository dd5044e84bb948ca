"""CollageNet: a melody and an unrelated accompaniment become one song (Wuerkaixi et al., ISMIR 2021).

    python -m musicfusion.launch --config=configs/collagenet.py[:VARIANT] [--config.any.key=value ...]

variants
  quick   minutes on 2 CPU cores, on the embedded chorales: shows that everything works, not how good it gets
  lite    (default) parallel blocks; about an hour on 2 CPU cores with POP909; its weights ship as collagenet-lite
  paper   the published sizes and schedules (EC2-VAE 82.5 M, chord/texture VAE 120.2 M); accelerators only
  paper_polydis   the same with the chord/texture VAE at PolyDis' sizes (27.3 M), actor and critic at z_acc 512
"""

from ml_collections import ConfigDict

from musicfusion.configs import common

MELODIES = ("random", "key_matched", "snapped", "drone", "shuffled", "moved")  # that do not belong
NEGATIVES = (*MELODIES, "displaced", "fitted")  # and accompaniments
JUDGES = ("edit_critic", "second_edit_critic", "evaluator", "judge", "second_judge")  # groups of one kind


def get_config(variant: str = "lite") -> ConfigDict:
    """The whole configuration; each group is the keyword arguments of the thing that it configures."""
    config = common.start("collagenet", variant or "lite", VARIANTS)

    # Which songs. root: POP909's folder or another's, a cache file, several with commas between, "" for the chorales.
    config.data = ConfigDict({
        "root": "",
        "songs": 0,  # read at most so many; 0 = all
        "split": "test",  # what evaluate measures: train, validation, test or all
        "melody_onsets": 2,  # a segment needs at least so many to be an example
        "accompaniment_onsets": 8,
    })

    # The two VAEs. kl: weight of each aspect's KL per nat, against nats per segment.
    config.melody_vae = ConfigDict({
        "model": "lite",
        "size": {"width": 128, "depth": 2, "pitch": 128, "rhythm": 128},
        "kl": {"pitch": 0.1, "rhythm": 0.1},
        "kl_midpoint": 0.0,  # fraction of the steps at which a logistic ramp reaches half; 0 = none
        "steps": 6000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=300),
    })
    config.accompaniment_vae = ConfigDict({
        "model": "lite",
        "size": {"width": 128, "depth": 2, "chord": 128, "texture": 256},
        "kl": {"chord": 0.1, "texture": 0.1},
        "kl_midpoint": 0.0,
        "steps": 8000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=300),
    })

    # Posterior mean and std of so many training segments, each in so many keys. sbar is floored.
    config.latents = ConfigDict({
        "segments": 20_000, "validation": 2000, "transpositions": 12, "batch": 500, "floor": 0.01,
    })

    # Actor and critic. The critic starts before the actor, learns slower, and its loss counts raw negatives more than
    # the actor's outputs: at the public code's weights it soon tells the outputs by faults that are no disharmony.
    config.fusion = ConfigDict({
        "model": "edits",  # what sampling does: edits of the music itself; or latent, the paper's way
        "networks": "lite",  # of latent fusion: they read the decoded notes; perceptron, the paper's, reads z alone
        "actor": {"width": 128, "depth": 4, "gated": True},  # an aspect moves by 1 - its control; the paper's is free
        "critic": {"width": 128, "depth": 2},
        "weights": {"real": 0.5, "raw": 2.0, "fake": 0.1},
        "negatives": (*MELODIES[2:], "displaced"),  # of the critic, beside unrelated pairs; the paper has none
        "prior": 0.0,  # weight of prior pairs beside unrelated pairs; the paper's is 1; 0 draws none
        "ends": 0.5,  # this share of the controls is 0 or 1; the others, in the paper all, are uniform
        "intervals": 1.0,  # price of all melodic intervals where the control of pitch is 1; the paper has none
        "distance": 1.0,  # lambda
        "critic_updates": 1,  # for each update of the actor
        "actor_rate": 7.5,  # the actor's rate as a multiple of the optimizer's
        "actor_start": 500,  # the step from which the actor learns
        "steps": 4000, "batch": 64,
        "optimizer": common.adam(2e-4, warmup=50, beta1=0.5, beta2=0.99),
    })

    # Critics say what exact edits of the music gain (search.py). They are asked some thousand times for a song. So many
    # members are trained of each make; the mean of all guides.
    config.edit_critic = _judge("lite", NEGATIVES)
    config.edit_critic.members = 3
    config.second_edit_critic = _judge("recurrent", (*NEGATIVES, "fitted"))
    config.second_edit_critic.update({"members": 1, "steps": 14_000})

    # Who judges harmony, on songs of their own: as in the paper; two who know what cheap rules do.
    config.evaluator = _judge("lite", ("random",))
    config.judge = _judge("lite", NEGATIVES)
    config.second_judge = _judge("recurrent", (*NEGATIVES, "fitted"))  # which it learns less easily than the others
    config.second_judge.steps = 14_000

    # What Table 1 sets beside this model is trained too where train.baselines is true: the same fusion on VAEs that do
    # not tell aspects apart (vanilla), fusion at other lambdas on the same latents, the data-driven baseline's critic.
    config.train.lambdas = (0.1, 0.5, 2.0)
    config.vanilla = ConfigDict({
        "melody_vae": config.melody_vae.to_dict() | {
            "model": "plain", "size": {"width": 128, "depth": 2, "melody": 256}, "kl": {"melody": 0.1}},
        "accompaniment_vae": config.accompaniment_vae.to_dict() | {
            "model": "plain", "size": {"width": 128, "depth": 2, "accompaniment": 384}, "kl": {"accompaniment": 0.1}},
    })

    # What sampling does where the command line says nothing. hop: beats from one window to the next, in latent fusion.
    config.sample = ConfigDict({
        "hop": 4,
        "length": "loop",  # the shorter piece is repeated to the longer one's length; or cut
        "tempo": "melody",  # whose tempo and metre the song has; or accompaniment
        "noise": 1.0,  # of latent fusion: z ~ q(z|x), as in training; 0 takes its mean
        "edits": {
            # at controls of one half, in nats of a window of eight beats
            "prices": {"chord": 1.0, "voicing": 0.8, "nudge": 0.6, "slide": 0.6},
            "progression": 0.5,  # weight of the nats of chord transitions
            "rounds": 2,  # of chords, then notes
            "variety": 0.1,  # random nats by the seed
        },
        "audio": True,  # also write WAV files
        "examples": 3,  # how many held-out pairs are fused when training ends
    })

    config.evaluate.update({"segments": 5000, "batch": 250, "edited": 250})  # pairs; of them edited, which takes long

    VARIANTS[config.preset](config)
    return config


def _judge(model: str, negatives: tuple[str, ...]) -> ConfigDict:
    """A network that tells real pairs, and the kinds of negatives (judges.KINDS) it learns from, in equal parts."""
    sizes = {"lite": {"width": 64, "depth": 2, "dropout": 0.2},  # wider ones know the songs by heart
             "recurrent": {"width": 160, "hidden": 128, "dropout": 0.35}}
    return ConfigDict({
        "model": model,  # lite, recurrent, or harmony, the paper's
        "size": sizes[model],
        "negatives": negatives,
        "steps": 3000, "batch": 64,
        "optimizer": common.adam(2e-3, warmup=300),
    })


def _lite(config: ConfigDict) -> None:
    """As above."""


def _quick(config: ConfigDict) -> None:
    """Small everything, on a part of the chorales."""
    config.data.songs = 120
    for group in (config, config.vanilla):
        for vae in (group.melody_vae, group.accompaniment_vae):
            vae.size.width = 64
            vae.optimizer.warmup = 50
            for aspect in vae.kl:  # with so few steps a larger weight would leave z unused
                vae.kl[aspect] = 0.02
        group.melody_vae.steps, group.accompaniment_vae.steps = 1200, 1000
    config.latents.update({"segments": 2000, "validation": 200, "batch": 250})
    config.fusion.actor.update({"width": 64, "depth": 2})
    config.fusion.critic.width = 64
    config.fusion.update({"steps": 400, "batch": 64, "actor_start": 60, "actor_rate": 6.0})
    config.fusion.optimizer.rate = 5e-5  # a faster critic learns so few songs by heart
    for name in JUDGES:
        config[name].size.update({"depth": 1} if config[name].model == "lite" else {"width": 64, "hidden": 32})
        config[name].steps = 200
    config.second_edit_critic.members = 0
    config.evaluate.update({"segments": 500, "edited": 40})
    config.run.update(common.QUICK)


def _paper(config: ConfigDict) -> None:
    """The published sizes and schedules: CollageNet, section 3.4, and its public code where the paper is silent.

    Where the two disagree: dropout .5 as in the paper (code: .3); the accompaniment's VAE and the weights of the
    critic's loss as in the code (`paper_polydis` has the paper's VAE; .5, 1/11, 10/11 are the code's in expectation).

    What is not as in either:
        data        splits .4, .4, .1, .1, so that judges and models share no song (the paper: .8 for both); at least 2
                    melody and 8 accompaniment onsets in a segment; versions of a song in one split
        VAEs        no scheduled sampling for the melody (the code's never took effect); the texture encoder's time and
                    channels are not mixed; a GRU has one bias; a row of a batch does not see the others; holds and
                    rests stay what they are in every key
        critic      its loss for negatives is -log(1 - D) (printed: -(1 - log D)); unrelated pairs come from two songs,
                    always; it starts before the actor, the actor after 50 steps (code: the reverse)
        actor       its gate starts nearly closed (code: half open, which halves every latent)
        judges      learn from songs of their own; a second one from eight kinds of negatives
        baselines   data-driven: fresh gradients in each iteration; rule-based: see rules.py
    """
    config.melody_vae = ConfigDict({
        "model": "ec2vae",
        "size": {"hidden": 2048, "pitch": 128, "rhythm": 128},
        "kl": {"pitch": 0.2 / 32, "rhythm": 0.2 / 32},
        "kl_midpoint": 0.0,
        "steps": 375_000, "batch": 256,  # 200 epochs of 480k segments
        "optimizer": common.adam(1e-3, schedule="decay"),
    })
    config.accompaniment_vae = ConfigDict({
        "model": "polydis",
        "size": {"preset": "collagenet"},
        "kl": {"chord": 0.1 / 512, "texture": 0.1 / 1024},  # means over the dimensions, per-token losses
        "kl_midpoint": 1 / 6,  # epoch 5 of 30
        "steps": 80_000, "batch": 180,
        "optimizer": common.adam(1e-3, schedule="decay"),
    })
    config.vanilla.melody_vae = ConfigDict(config.melody_vae.to_dict() | {
        "model": "recurrent", "size": {"hidden": 2048, "melody": 256}, "kl": {"melody": 0.2 / 32}})
    config.vanilla.accompaniment_vae = ConfigDict(config.accompaniment_vae.to_dict() | {
        "model": "pianotree",
        "size": {"accompaniment": 512},
        "kl": {"accompaniment": 0.1 / 512},  # a mean over the dimensions
        "kl_midpoint": 0.0,
    })
    config.latents.update({"segments": 40_000, "validation": 5000})
    config.fusion.update({"model": "latent", "networks": "perceptron", "negatives": (), "ends": 0.0, "intervals": 0.0})
    for name in ("actor", "critic"):
        config.fusion[name] = ConfigDict({"hidden": 1024, "layers": 8, "dropout": 0.5})
    config.fusion.actor.gated = False
    config.fusion.weights.update({"raw": 1 / 11, "fake": 10 / 11})  # the public code's, in expectation
    config.fusion.update({"prior": 1.0, "actor_rate": 1.0, "actor_start": 50, "steps": 8000, "batch": 6000})
    config.fusion.optimizer = common.adam(3e-5, schedule="constant", clip=0.0, beta1=0.0, beta2=0.9)
    for name in ("evaluator", "second_judge"):
        config[name].update({"model": "harmony", "steps": 10_000, "batch": 2000})
        config[name].size = ConfigDict({"dropout": 0.5, "one_key": False})
        config[name].optimizer = common.adam(1e-3, schedule="decay", clip=0.0)
    config.run.update({"validate_every": 1000, "checkpoint_every": 1000})


def _polydis(config: ConfigDict) -> None:
    """As paper, with the chord/texture VAE at the sizes of PolyDis, which the paper's text names."""
    _paper(config)
    config.accompaniment_vae.size.preset = "polydis"
    config.accompaniment_vae.kl = ConfigDict({"chord": 0.1 / 256, "texture": 0.1 / 256})
    config.accompaniment_vae.update({"steps": 80_000, "batch": 128})


VARIANTS = {"quick": _quick, "lite": _lite, "paper": _paper, "paper_polydis": _polydis}
