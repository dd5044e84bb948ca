"""Music in the latent space of VAEs, and networks that move it there: what several systems share.

    vae.py -> table.py -> actor_critic.py   train a VAE, encode the corpus once, train an actor against a critic
    space.py                                the parts of a latent, and how far they moved
    negatives.py                            unrelated pairs: partners from other songs
    soft_decode.py                          decoded music as probabilities with a gradient
"""
