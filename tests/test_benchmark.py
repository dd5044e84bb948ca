import dataclasses

import pytest
from micro import micro_config, variant

from musicfusion import benchmark
from musicfusion.systems.collagenet.system import SYSTEM

SILENT = ["latents", "harmony_evaluator"]  # they make no music


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Figures are not the point."""
    monkeypatch.setattr(benchmark, "SECONDS", 0.1)


def only(*names):
    """The system with these of its stages."""
    return dataclasses.replace(SYSTEM, stages=lambda config: [x for x in SYSTEM.stages(config) if x.name in names])


def check(about, *names):
    assert [row["stage"] for row in about["stages"]] == list(names)
    assert about["matrix_product_tflops"] > 0
    for row in about["stages"]:
        assert row["compile_seconds"] > 0 and row["step_gflop"] > 0 and row["peak_gib"] > 0.1
        assert row["examples_per_second"] > row["steps_per_second"] > 0
        assert (row["decode_per_second"] is None) == (row["stage"] in SILENT)
    text = benchmark.table(about)
    assert all(f"| {stage} " in text for stage in names)


def test_where_nothing_was_trained_stages_are_timed_upon_hardly_trained_ones_and_nothing_is_left_behind(tmp_path):
    config, names = micro_config(run__steps_per_dispatch=2), ("melody_vae", "accompaniment_vae", "latents")
    check(benchmark.measure(only(*names), config, tmp_path / "none", SYSTEM.corpus(config)), *names)
    assert not list(tmp_path.iterdir())


def test_only_what_is_learned_is_hurried():
    config = variant("musae", "lite")
    benchmark._hurry(config)
    assert config.musae_2.steps == config.flow_16.steps == 2
    assert config.data.steps == 4, "of a quarter, not of a training"


def test_a_trained_runs_stages_are_timed_upon_its_own(micro_run):
    config, names = micro_config(run__steps_per_dispatch=2), ("fusion", "harmony_evaluator")
    check(benchmark.measure(only(*names), config, micro_run, SYSTEM.corpus(config)), *names)
