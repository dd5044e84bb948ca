"""The quick variant shrunk until all stages train in about a minute."""

MICRO = {
    "data.bands": 32,
    "data.crop": 32,
    "data.overlap": 8,
    "generator.width": 4,
    "generator.blocks": 1,
    "discriminator.width": 4,
    "cyclegan.steps": 20,
    "cyclegan.batch": 2,
    "pix2pix.steps": 20,
    "pix2pix.batch": 2,
    "part_classifier.steps": 40,
    "part_classifier.batch": 8,
    "part_classifier.size.width": 4,
    "evaluate.songs": 2,
    "evaluate.seconds": 10.0,
    "sample.examples": 1,
    "sample.seconds": 3.0,
    "sample.iterations": 4,
    "run.steps_per_dispatch": 1,
}
