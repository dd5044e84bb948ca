"""Devices and processes: the only file that knows pmap, shard_map and jax.distributed.

A step is written once, as a function of the whole state and of one device's part of the batch. It
knows the axis through `mean`, `total`, `gather`, `masked_mean` and `example_numbers`, and nothing else.
`Parallel.compile` puts `jax.pmap` or `jax.shard_map` around it; both take and return fully
replicated state, so the choice is one word in the config.
"""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from musicfusion.core.errors import MusicFusionError

AXIS = "data"
MODES = ("pmap", "shard_map")
Tree = Any
_Fn = Callable[..., Any]
_Axes = tuple[int | None, ...]
_single = False


# Processes ----------------------------------------------------------------------------------------


def initialise(coordinator: str = "", processes: int = 1, process: int = 0) -> None:
    """Joins this process to the others; must run before anything touches a device.

    Args:
      coordinator: "" for one process, or for a job step of Slurm or a TPU pod, which the environment tells; "auto" to
        let JAX find it; else "host:port" of process 0.
      processes: number of processes, where the coordinator is given.
      process: number of this process, 0 .. processes - 1.

    Raises:
      MusicFusionError: several processes without a coordinator, or a process number out of range.
    """
    if jax.distributed.is_initialized():
        return
    if coordinator == "auto" or (not coordinator and processes == 1 and _announced()):
        jax.distributed.initialize()
        return
    if not coordinator and processes == 1:
        return
    if not coordinator:
        raise MusicFusionError(f"{processes} processes need a coordinator: give the host:port of process 0, or auto")
    if not 0 <= process < processes:
        raise MusicFusionError(f"process {process} of {processes} does not exist: use 0 to {processes - 1}")
    jax.distributed.initialize(coordinator, processes, process)


def _announced() -> bool:
    """Whether the environment says that this is one of several processes."""
    steps = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    return (steps.isdigit() and int(steps) > 1) or "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def is_main() -> bool:
    """Whether this process is the one that writes files and prints."""
    return jax.process_index() == 0


@contextmanager
def single_process() -> Iterator[None]:
    """For what one process does and the others do not: nothing inside waits for them."""
    global _single
    before, _single = _single, True
    try:
        yield
    finally:
        _single = before


def is_distributed() -> bool:
    """Whether there are other processes that run the same code now (not inside `single_process`)."""
    return jax.process_count() > 1 and not _single


def agree(text: str) -> bool:
    """Whether all processes call this with the same text; the same answer in every process."""
    if not is_distributed():
        return True
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    digests = multihost_utils.process_allgather(digest)  # [process, 32]
    return bool(np.all(digests == digests[0]))


def wait_for_all(name: str) -> None:
    """Returns when every process has come here; `name` must be the same in all of them."""
    if is_distributed():
        multihost_utils.sync_global_devices(name)


# Inside a compiled step ---------------------------------------------------------------------------
# Without the axis (a task function called on its own, in a test) each of these means one device.


def mean(tree: Tree) -> Tree:
    """The mean over the devices of every leaf."""
    return lax.pmean(tree, AXIS) if _mapped() else tree


def total(tree: Tree) -> Tree:
    """The sum over the devices of every leaf."""
    return lax.psum(tree, AXIS) if _mapped() else tree


def shares(counts: Mapping[str, tuple[jax.Array, jax.Array]]) -> dict[str, jax.Array]:
    """{measure: (right, of how many)} of this device -> {measure: share over all devices}, NaN where there are none."""
    return {name: jnp.where(whole > 0, right / jnp.maximum(whole, 1), jnp.nan)
            for name, (right, whole) in total(dict(counts)).items()}


def gather(tree: Tree) -> Tree:
    """Every device's part of every leaf, joined along axis 0 in the order of the global batch."""
    return lax.all_gather(tree, AXIS, tiled=True) if _mapped() else tree


def masked_mean(x: jax.Array, mask: jax.Array) -> jax.Array:
    """This device's share of a mean over the masked elements of the global batch.

    Devices may hold unequal numbers of masked elements. `mean` of the result is the global masked
    mean, and `mean` of its gradients is the gradient of the global masked mean.

    Args:
      x: values [...].
      mask: 0 or 1, of a shape that broadcasts to that of x.

    Returns:
      A scalar; 0 where the mask is empty on every device.
    """
    weight = jnp.broadcast_to(mask, x.shape).astype(x.dtype)
    # where, not times: an element outside the mask may be infinite.
    value = jnp.sum(jnp.where(weight > 0, x * weight, 0))
    return value / jnp.maximum(lax.stop_gradient(mean(jnp.sum(weight))), 1e-8)


def example_numbers(local: int) -> jax.Array:
    """The numbers in the global batch of this device's `local` examples, int32 [local]."""
    first = lax.axis_index(AXIS) * local if _mapped() else 0
    return first + jnp.arange(local, dtype=jnp.int32)


def _mapped() -> bool:
    try:
        lax.axis_index(AXIS)
    except NameError:  # JAX's error for an axis that no transformation has bound
        return False
    return True


def host(tree: Tree) -> Tree:
    """The host copy (NumPy) of one local replica of every leaf, in one transfer."""
    return jax.device_get(jax.tree.map(lambda x: x.addressable_data(0) if isinstance(x, jax.Array) else x, tree))


# Around a step ------------------------------------------------------------------------------------


def check_batch(batch: int, count: int) -> None:
    """Raises MusicFusionError if `batch` examples do not divide over `count` devices."""
    if batch > 0 and batch % count == 0:
        return
    lower = batch // count * count
    fitting = f"{lower} or {lower + count}" if lower > 0 else f"{count}"
    raise MusicFusionError(f"a batch of {batch} does not divide over {count} devices: use {fitting}")


def create(mode: str = "pmap", devices: Sequence[jax.Device] | None = None) -> "Parallel":
    """Chooses the wrapper and the devices.

    Args:
      mode: "pmap" or "shard_map".
      devices: the global devices, equal in every process; all devices by default.

    Raises:
      MusicFusionError: unknown mode.
    """
    if mode not in MODES:
        raise MusicFusionError(f"parallel = {mode!r} is unknown: use {' or '.join(MODES)}")
    return Parallel(mode, tuple(jax.devices() if devices is None else devices))


@dataclasses.dataclass(frozen=True)
class Program:
    """A function that runs on every device at once; see `Parallel.compile`."""

    compiled: Any
    prepare: Callable[[tuple], tuple]

    def __call__(self, *args: Tree) -> Tree:
        """Runs it."""
        return self.compiled(*self.prepare(args))

    def lower(self, *args: Tree) -> jax.stages.Lowered:
        """Traces it for these arguments without running it."""
        return self.compiled.lower(*self.prepare(args))


@dataclasses.dataclass(frozen=True)
class Parallel:
    """Where and how compiled functions run; see `create`."""

    mode: str
    devices: tuple[jax.Device, ...]

    @property
    def count(self) -> int:
        """The global number of devices."""
        return len(self.devices)

    @functools.cached_property
    def mesh(self) -> Mesh:
        """The devices as one row, named by the axis."""
        return Mesh(np.array(self.devices), (AXIS,), axis_types=(AxisType.Auto,))

    def replicate(self, tree: Tree) -> Tree:
        """Copies a host tree, equal in every process, to every device.

        The copy shares no memory with the original, which therefore survives a donation.
        """
        return jax.tree.map(self._replicate, tree)

    def get(self, tree: Tree) -> Tree:
        """See `host`."""
        return host(tree)

    def compile(
        self,
        fn: Callable[..., Tree],
        sharded: Sequence[int | None],
        donate: Sequence[int] = (),
    ) -> "Program":
        """Wraps `fn` to run on every device at once; compiled on the first call for each shape.

        Args:
          fn: a pure function of positional arguments, whose results are equal on all devices (it
            calls `mean` or `total` itself).
          sharded: for each argument, the axis along which every leaf is split over the devices, or
            None. A split argument is a tree of host arrays with the GLOBAL batch, equal in every
            process; the other arguments are replicated.
          donate: the arguments whose memory the results may take over.

        Returns:
          A function of the same arguments. Its `lower(*args)` gives a `jax.stages.Lowered`, whose
          `compile()` can be timed.

        Raises:
          MusicFusionError: on a call with a batch that does not divide over the devices.
        """
        wrap = self._pmap if self.mode == "pmap" else self._shard_map
        return Program(*wrap(fn, tuple(sharded), tuple(donate)))

    def _pmap(self, fn: _Fn, sharded: _Axes, donate: tuple[int, ...]) -> tuple[Any, _Fn]:
        here = jax.process_index()
        local = [i for i, device in enumerate(self.devices) if device.process_index == here]
        # pmap wants one mapped argument at least: number the devices where the caller has none.
        numbered = all(axis is None for axis in sharded)
        compiled = jax.pmap(
            (lambda *args: fn(*args[:-1])) if numbered else fn,
            axis_name=AXIS,
            in_axes=(*sharded, 0) if numbered else sharded,
            out_axes=None,
            devices=self.devices,
            donate_argnums=donate,
        )

        def split(x, axis):
            x = np.asarray(x)
            check_batch(x.shape[axis], self.count)
            x = x.reshape(*x.shape[:axis], self.count, -1, *x.shape[axis + 1 :])
            return x if len(local) == self.count else x.take(local, axis)

        def prepare(args):
            args = tuple(
                arg if axis is None else jax.tree.map(lambda x, axis=axis: split(x, axis), arg)
                for arg, axis in zip(args, sharded, strict=True)
            )
            return (*args, np.zeros(len(local), np.int32)) if numbered else args

        return compiled, prepare

    def _shard_map(self, fn: _Fn, sharded: _Axes, donate: tuple[int, ...]) -> tuple[Any, _Fn]:
        specs = tuple(PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, AXIS) for axis in sharded)
        # check_vma would sum gradients over the devices by itself; a step averages them, as in
        # pmap.
        mapped = jax.shard_map(fn, mesh=self.mesh, in_specs=specs, out_specs=PartitionSpec(), check_vma=False)
        compiled = jax.jit(mapped, donate_argnums=donate)

        def split(x, sharding, axis):
            x = np.asarray(x)
            check_batch(x.shape[axis], self.count)
            return jax.make_array_from_callback(x.shape, sharding, x.__getitem__)

        def whole(x):
            # One process: jit places what is not on the devices yet, without a wait.
            ready = jax.process_count() == 1 or not isinstance(x, jax.Array)
            return x if ready or not x.is_fully_addressable else self._replicate(x)

        def prepare(args):
            shardings = [NamedSharding(self.mesh, spec) for spec in specs]
            return tuple(
                jax.tree.map(whole, arg)
                if axis is None
                else jax.tree.map(lambda x, s=s, axis=axis: split(x, s, axis), arg)
                for arg, s, axis in zip(args, shardings, sharded, strict=True)
            )

        return compiled, prepare

    def _replicate(self, x: Any) -> jax.Array:
        if isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            data = self._replicate(jax.random.key_data(x))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
        value = host(x)
        copies = [
            jax.device_put(value, device, may_alias=False)
            for device in self.devices
            if device.process_index == jax.process_index()
        ]
        sharding = NamedSharding(self.mesh, PartitionSpec())
        return jax.make_array_from_single_device_arrays(copies[0].shape, sharding, copies)
