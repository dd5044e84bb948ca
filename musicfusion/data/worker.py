"""Work that several processes share: `call_in_processes` starts them, `main` is what runs in each.

multiprocessing would run the user's script again in every process that it starts. These processes import what the
function needs and nothing else, so a script without a __main__ guard, a notebook and a prompt may use them alike.
"""

import contextlib
import functools
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

CHUNK = 8  # items that a process gets at a time
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from musicfusion.data import worker; worker.main()"
_NOT_DONE = (False, None)


def call_in_processes(function: Callable[[Any], Any], items: Sequence[Any],
                      processes: int) -> Generator[Any, None, None]:
    """Yields function(item) of every item, in order: by `processes` others, or by this one if they are fewer than two.

    The function and the items are pickled. What the others cannot do (one dies, a module is missing, the function
    raises) this one does itself: so an exception is raised here, with a traceback that means something.
    """
    try:
        pickled = pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError):  # of a function that has no module
        processes = 0
    if processes < 2 or not sys.executable or getattr(sys, "frozen", False):
        yield from map(function, items)
        return
    started: list[subprocess.Popen] = []
    threads = ThreadPoolExecutor(processes)
    try:
        idle: queue.SimpleQueue = queue.SimpleQueue()
        for _ in range(processes):
            started.append(_start())
            idle.put((started[-1], pickled))
        chunks = [items[first : first + CHUNK] for first in range(0, len(items), CHUNK)]
        for chunk, found in zip(chunks, threads.map(functools.partial(_done, idle=idle), chunks), strict=True):
            for item, (done, result) in zip(chunk, found, strict=True):
                yield result if done else function(item)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in started:
            process.kill()
        threads.shutdown()
        for process in started:
            with contextlib.suppress(OSError), process:  # closes its pipes, waits for it
                pass


def _start() -> subprocess.Popen:
    """A process that runs `main`. An accelerator belongs to the process that asks, so this one has the CPU only."""
    command = [sys.executable, "-c", _START, json.dumps([str(path) for path in sys.path])]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                            env=os.environ | {"JAX_PLATFORMS": "cpu"})


def _done(chunk: Sequence[Any], idle: queue.SimpleQueue) -> list[tuple[bool, Any]]:
    """A chunk done by an idle process: (whether it is done, result) of each item. A process that fails is given up."""
    process, greeting = idle.get()
    if process is not None:
        try:
            process.stdin.write(greeting + pickle.dumps(list(chunk)))
            process.stdin.flush()
            found = pickle.load(process.stdout)
            idle.put((process, b""))
            return found
        except Exception:  # dead, or it sent what cannot be read
            process.kill()
    idle.put((None, b""))
    return [_NOT_DONE] * len(chunk)


def main() -> None:
    """Reads a function, then chunks of items, from standard input; writes what `_done` returns to standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked, which ends this one
    given, answer = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    function = pickle.load(given)
    while True:
        try:
            chunk = pickle.load(given)
        except EOFError:
            return
        answer.write(_pickled([_result(function, item) for item in chunk]))
        answer.flush()


def _result(function: Callable[[Any], Any], item: Any) -> tuple[bool, Any]:
    try:
        return True, function(item)
    except Exception:
        return _NOT_DONE


def _pickled(found: list[tuple[bool, Any]]) -> bytes:
    try:
        return pickle.dumps(found)
    except Exception:  # whatever an object of another library raises
        return pickle.dumps([_NOT_DONE] * len(found))
