import jax
import pytest
from micro import micro_config

from musicfusion import benchmark
from musicfusion.systems.collagenet.system import SYSTEM

SILENT = ["latents", "harmony_evaluator", "key_evaluator"]  # they make no music
STAGES = ["melody_vae", "accompaniment_vae", "latents", "fusion", "harmony_evaluator", "key_evaluator"]


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Figures are not the point; compiling takes longer than running here."""
    monkeypatch.setattr(benchmark, "SECONDS", 0.1)
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def test_every_stage_is_timed_and_nothing_is_left_behind(tmp_path):
    config = micro_config(run__steps_per_dispatch=2)
    about = benchmark.measure(SYSTEM, config, tmp_path / "none", SYSTEM.corpus(config))
    assert [row["stage"] for row in about["stages"]] == STAGES
    assert about["matrix_product_tflops"] > 0
    for row in about["stages"]:
        assert row["compile_seconds"] > 0 and row["step_gflop"] > 0 and row["peak_gib"] > 0.1
        assert row["examples_per_second"] > row["steps_per_second"] > 0
        assert (row["decode_per_second"] is None) == (row["stage"] in SILENT)
    text = benchmark.table(about)
    assert all(f"| {stage} " in text for stage in STAGES)
    assert not list(tmp_path.iterdir())
