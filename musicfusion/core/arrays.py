"""Types in signatures, beside those of jaxtyping, which give kind and shape of arrays: Integer[AnyArray, "*B T"]."""

from typing import Any

AnyArray = Any  # of NumPy or JAX
ArrayModule = Any  # numpy or jax.numpy, for functions that run on the host and inside a compiled step
