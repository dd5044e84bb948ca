"""Music in the latent space of VAEs, and networks that move it there: what several systems share.

    vae.py -> table.py -> fusion.py   train a VAE, encode the corpus once, train an actor against a critic
    space.py partners.py              parts of a latent and how far they moved; who is unrelated to whom
"""
