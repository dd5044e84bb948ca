"""What all tests share: the real corpora where they are at hand, and one small trained run."""

import atexit
import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Here and in the processes that tests start: compiling takes longer than running.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["OMP_NUM_THREADS"] = "1"  # of BLAS: with a test on every core, its threads wait for one another
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # one for all tests of a run, and for the processes that they start
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="musicfusion-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

# XLA's fusion emitters take several times as long to compile as what they replaced. XLA reads its flags for every
# program where they ask for it, and ends the process where it does not know one.
EMITTERS = "--xla_cpu_use_fusion_emitters=false"
if EMITTERS not in os.environ.get("XLA_FLAGS", ""):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_flags_reset=true {EMITTERS}".strip()
    known = subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], capture_output=True, check=False,
                           env=os.environ | {"XLA_FLAGS": flags})
    if known.returncode == 0:
        os.environ["XLA_FLAGS"] = flags
XLA_FLAGS = os.environ.get("XLA_FLAGS", "")

import jax  # noqa: E402
import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402
from typechecked import MODULES  # noqa: E402

install_import_hook(MODULES, "typechecked.checked")  # before these modules are imported

from micro import ROOT, launch, micro_flags  # noqa: E402
from weights import main  # noqa: E402

from musicfusion.data import chorales  # noqa: E402
from musicfusion.data.corpus import Corpus  # noqa: E402

# Files that take minutes. The first trains the micro run while another process is busy with those that need none.
LONGEST = ("test_train.py", "test_runs.py", "test_system.py", "test_colab.py", "test_api.py")
OPTIMISED = ("test_same_music.py",)  # what users get, to the bit


def pytest_collection_modifyitems(items):
    """What takes minutes is begun first, or one of two processes would wait for it at the end."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="module", autouse=True)
def compiled_soon(request):
    """A compiler in a hurry, mostly; and no program outlives its tests, or a process runs out of memory maps."""
    hurried = request.path.name not in OPTIMISED
    jax.config.update("jax_disable_most_optimizations", hurried)
    os.environ["XLA_FLAGS"] = XLA_FLAGS if hurried else XLA_FLAGS.replace(EMITTERS, "")
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """Chorales, enough for several songs in every split."""
    return chorales.read(100)


@pytest.fixture(scope="session")
def pop909_root() -> Path:
    """The POP909 folder beside the project, or at $POP909; tests that need it are skipped where it is absent."""
    root = Path(os.environ.get("POP909", ROOT.parent / "shared" / "data" / "POP909-Dataset"))
    if not root.is_dir():
        pytest.skip("POP909 is not at ../shared/data/POP909-Dataset; set POP909 to its folder to run this test")
    return root


@pytest.fixture(scope="session")
def micro_run(tmp_path_factory) -> Path:
    """The workdir of a finished micro run; of two processes that share the tests, one trains it for both."""
    folder = tmp_path_factory.getbasetemp()
    folder = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    workdir, finished = folder / "micro", folder / "micro.finished"
    with open(folder / "micro.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            done = launch(*micro_flags(), f"--workdir={workdir}")
            assert done.returncode == 0, done.stderr
            finished.touch()
    return workdir


@pytest.fixture(scope="session")
def weights(micro_run, tmp_path_factory) -> Path:
    """The micro run, exported; made once, read by all."""
    folder = tmp_path_factory.mktemp("export") / "tiny"
    assert main("--mode=export", f"--workdir={micro_run}", f"--out={folder}") == 0
    return folder


@pytest.fixture(scope="session")
def pair(micro_run) -> str:
    """--inputs of a soprano and the other voices of another chorale, neither of them trained on."""
    about = json.loads((micro_run / "samples" / "1" / "metadata.json").read_text())
    return "--inputs=" + ",".join(f"{name}={path}" for name, path in about["inputs"].items())
