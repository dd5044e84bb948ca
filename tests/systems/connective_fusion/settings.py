"""The quick variant shrunk until all stages train in about a minute."""

MICRO = {
    "data.songs": 100,
    "melody_vae.steps": 40,
    "melody_vae.size.width": 32,
    "melody_vae.size.depth": 1,
    "latents.windows": 100,
    "latents.validation": 40,
    "latents.transpositions": 2,
    "latents.batch": 20,
    "fusion.steps": 40,
    "fusion.actor.width": 32,
    "fusion.critic.width": 32,
    "fusion.actor.depth": 1,
    "fusion.critic.depth": 1,
    "fusion.actor_start": 5,
    "reality_classifier.steps": 40,
    "reality_classifier.size.width": 16,
    "reality_classifier.batch": 32,
    "evaluate.windows": 40,
    "evaluate.batch": 20,
    "sample.examples": 1,
}
