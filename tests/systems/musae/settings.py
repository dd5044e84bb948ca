"""The quick variant shrunk until all stages train in about a minute."""

MICRO = {
    "data.songs": 90,
    "musae_2.steps": 40,
    "musae_2.batch": 32,
    "musae_2.size.width": 32,
    "musae_2.beta_every": 2,
    "critic.hidden": 32,
    "music_vae.size.hidden": 16,
    "music_vae.size.embedding": 8,
    "genre_classifier.steps": 40,
    "genre_classifier.batch": 32,
    "genre_classifier.size.width": 16,
    "evaluate.windows": 40,
    "evaluate.batch": 20,
    "sample.examples": 1,
}
