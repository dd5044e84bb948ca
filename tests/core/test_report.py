"""What a run writes and shows."""

import io
import json
import sys

import numpy as np
import pytest

from musicfusion.core import report
from musicfusion.core.report import Progress, Report


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def event_bytes(folder):
    return b"".join(path.read_bytes() for path in (folder / "tensorboard").iterdir())


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets: clock[0] = seconds."""
    now = [100.0]
    monkeypatch.setattr(report.time, "monotonic", lambda: now[0])
    return now


def test_scalars_are_one_json_object_a_line_at_once(tmp_path):
    told = Report(tmp_path / "run", tensorboard=False)
    told.scalars(10, {"loss": np.float32(0.5), "accuracy": 1})
    told.scalars(20, {"loss": float("nan")})
    first, second = lines(tmp_path / "run")  # before close: a kill loses nothing
    assert first.pop("time") > 1e9
    assert first == {"step": 10, "loss": 0.5, "accuracy": 1.0}
    assert second["loss"] is None


def test_a_resumed_run_drops_what_it_will_write_again(tmp_path):
    with Report(tmp_path, tensorboard=False) as told:
        for step in (10, 20, 30):
            told.scalars(step, {"loss": step})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 15, "lo')  # cut short by a kill
    with Report(tmp_path, tensorboard=False) as told:
        told.rewind(20)
        told.scalars(30, {"loss": 31})
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [
        (10, 10),
        (20, 20),
        (30, 31),
    ]


def test_a_fresh_run_in_an_old_folder_starts_an_empty_file(tmp_path):
    with Report(tmp_path, tensorboard=False) as told:
        told.scalars(0, {"loss": 1})
        told.rewind(-1)
    assert lines(tmp_path) == []


def test_rewinding_what_was_never_written_is_no_error(tmp_path):
    Report(tmp_path / "run").rewind(5)
    assert not (tmp_path / "run").exists()


def test_tensorboard_gets_scalars_pictures_and_sound(tmp_path):
    pytest.importorskip("tensorboardX")
    with Report(tmp_path) as told:
        told.scalars(1, {"loss": 0.5})
        told.image(1, "roll", np.zeros((4, 6, 3), np.uint8))
        told.audio(1, "heard", np.zeros(80), 8000)
    data = event_bytes(tmp_path)
    assert all(word in data for word in (b"loss", b"roll", b"PNG", b"heard", b"WAVE"))


def test_without_tensorboardx_the_metrics_are_written_and_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with Report(tmp_path) as told:
        told.scalars(1, {"loss": 0.5, "accuracy": 1.0})
        told.image(1, "roll", np.zeros((4, 6, 3), np.uint8))
    assert len(lines(tmp_path)) == 1
    error = capsys.readouterr().err
    assert error == "tensorboardX is not installed: no event files for TensorBoard\n"


def test_without_soundfile_everything_but_sound_is_shown(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboardX")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with Report(tmp_path) as told:
        for step in (1, 2):
            told.audio(step, "heard", np.zeros(80), 8000)
            told.scalars(step, {"loss": 0.5})
    assert b"loss" in event_bytes(tmp_path)
    error = capsys.readouterr().err
    assert error == "soundfile is not installed: event files without audio for TensorBoard\n"


def test_only_the_active_process_writes(tmp_path):
    with Report(tmp_path / "run", active=False) as told:
        told.scalars(1, {"loss": 0.5})
        told.image(1, "roll", np.zeros((4, 6, 3), np.uint8))
        told.audio(1, "heard", np.zeros(80), 8000)
        told.rewind(0)
    assert not (tmp_path / "run").exists()
    stream = Terminal()
    progress = Progress("melody_vae", 10, 4, stream, active=False)
    progress.update(5, 1.0)
    progress.done()
    assert stream.getvalue() == ""


def test_the_line_tells_stage_steps_speed_loss_and_the_time_left(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    progress = Progress("melody_vae", 4200, 64, stream)
    progress.update(200, 2.0)
    clock[0] += 100
    progress.update(1200, 1.2344)
    progress.done()
    first, last = stream.getvalue().split("\r")[1:]
    assert first.rstrip() == "melody_vae  200/4200  loss 2.000"
    expected = "1200/4200  10.0 steps/s  640 examples/s  loss 1.234  5:00 left"
    assert last == f"melody_vae  {expected}\n"


def test_the_line_is_rewritten_five_times_a_second_at_most_and_at_the_end(clock):
    stream = Terminal()
    progress = Progress("fusion", 1000, 64, stream)
    for step in range(1001):
        progress.update(step, 1.0)
        clock[0] += 0.001
    assert stream.getvalue().count("\r") == 6
    assert "\rfusion  1000/1000" in stream.getvalue()


def test_a_shorter_line_covers_the_longer_one(clock):
    stream = Terminal()
    progress = Progress("fusion", 1000, 64, stream)
    progress.update(1, 1000000.0)
    clock[0] += 1
    progress._began = None
    progress.update(2, 1.0)
    first, second = stream.getvalue().split("\r")[1:]
    assert len(second) == len(first)


def test_a_narrow_terminal_gets_a_line_that_does_not_wrap(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    progress = Progress("accompaniment_vae", 1000, 64, stream)
    progress.update(1, 1.0)
    assert len(stream.getvalue()) == 20  # the return and 19 characters


def test_hours_are_told():
    assert report._clock(3 * 3600 + 62) == "3:01:02"
    assert report._clock(59.7) == "1:00"


def test_a_stream_that_is_no_terminal_stays_clean():
    stream = io.StringIO()
    progress = Progress("fusion", 10, 4, stream)
    progress.update(10, 1.0)
    progress.done()
    assert stream.getvalue() == ""


def test_somebody_at_a_terminal_is_told_what_is_being_done_and_nobody_else(monkeypatch):
    for stream, said in ((Terminal(), "measuring\n"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        report.working("measuring")
        assert stream.getvalue() == said
