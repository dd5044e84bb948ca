"""What all tests share: the real corpora where they are at hand, and one small trained run."""

import fcntl
import json
import os
from pathlib import Path

# Here and in the processes that tests start: compiling takes longer than running.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

import jax
import pytest
from jaxtyping import install_import_hook
from typechecked import MODULES

install_import_hook(MODULES, "typechecked.checked")  # before these modules are imported

from micro import ROOT, launch, micro_flags  # noqa: E402
from weights import main  # noqa: E402

from musicfusion.data import chorales  # noqa: E402
from musicfusion.data.corpus import Corpus  # noqa: E402

LONGEST = ("test_train.py", "test_system.py", "test_runs.py", "test_api.py")  # files that take minutes
OPTIMISED = ("test_same_music.py",)  # what users get, to the bit


def pytest_collection_modifyitems(items):
    """What takes minutes is begun first, or one of two processes would wait for it at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="module", autouse=True)
def compiled_soon(request):
    """A compiler in a hurry, mostly; and no program outlives its tests, or a process runs out of memory maps."""
    jax.config.update("jax_disable_most_optimizations", request.path.name not in OPTIMISED)
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
