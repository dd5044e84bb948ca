"""musicfusion makes one piece of music out of two: five published systems in one JAX/Flax house."""

__version__ = "0.1.0"
