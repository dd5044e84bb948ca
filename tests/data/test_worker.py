"""Work is shared by several processes, in order; none of it is lost, and nobody notices them."""

import os
import subprocess
import sys

import pytest

from musicfusion.data import worker

PID = "__import__('os').getpid()"  # `eval` is a function with a module, of whatever a test wants
ELSEWHERE = f"{PID} != {os.getpid()}"


def evaluated(*expressions: str) -> list:
    return list(worker.call_in_processes(eval, expressions, 2))


def test_two_other_processes_do_the_work_and_results_come_in_order():
    found = evaluated(*[f"({k}, {PID})" for k in range(40)])
    assert [number for number, _ in found] == list(range(40))
    assert 1 <= len({process for _, process in found} - {os.getpid()}) <= 2
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize("processes", [0, 1])
def test_one_process_does_its_work_itself(processes):
    assert list(worker.call_in_processes(eval, [PID] * 3, processes)) == [os.getpid()] * 3


def test_what_cannot_be_pickled_is_done_here():
    assert list(worker.call_in_processes(lambda x: 2 * x, range(20), 2)) == [2 * x for x in range(20)]
    functions = evaluated(*["lambda: 5"] * 10)
    assert [function() for function in functions] == [5] * 10


def test_a_process_that_dies_costs_no_item():
    found = evaluated(*["1"] * 20, f"__import__('os')._exit(1) if {ELSEWHERE} else 2", *["3"] * 20)
    assert found == [1] * 20 + [2] + [3] * 20


def test_all_processes_may_die():
    assert evaluated(*[f"__import__('os')._exit(1) if {ELSEWHERE} else 2"] * 40) == [2] * 40


def test_an_exception_is_raised_here():
    done = worker.call_in_processes(eval, ["1", "1 / 0", "2"], 2)
    assert next(done) == 1
    with pytest.raises(ZeroDivisionError):
        next(done)


def test_what_is_printed_by_the_way_does_no_harm(capfd):
    assert evaluated(*["print('hello', flush=True)", "__import__('sys').stderr.write('oh')"] * 5) == [None, 2] * 5
    assert capfd.readouterr() == ("", "")


def test_processes_end_when_nobody_wants_their_results_any_more():
    done = worker.call_in_processes(eval, [PID] * 16 + ["__import__('time').sleep(600)"] * 16, 2)
    found = {next(done), next(done)}
    done.close()
    for process in found:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


SCRIPT = """\
import musicfusion.data.worker as worker
from musicfusion.data import chorales

start, started = worker._start, []
worker._start = lambda: started.append(start()) or started[-1]
corpus = chorales.read(60)
print(len(corpus.songs) + len(corpus.skipped), len(started), [process.returncode is not None for process in started])
"""


@pytest.mark.parametrize("how", ["file", "standard input", "prompt"])
def test_a_script_without_a_guard_reads_songs_in_processes_and_says_nothing_of_it(how, tmp_path):
    arguments = {"file": ["script.py"], "standard input": ["-"], "prompt": ["-i", "-q"]}[how]
    (tmp_path / "script.py").write_text("import os\nos.cpu_count = lambda: 2\n" + SCRIPT)
    with open(tmp_path / "script.py") as script:
        run = subprocess.run([sys.executable, *arguments], stdin=script, capture_output=True, text=True, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, "60 2 [True, True]\n")
    assert set(run.stderr.split()) <= {">>>"}
