"""Fuzzing by coverage, by the hour: the readers are fed with bytes until one of them breaks.

    pip install 'musicfusion[fuzz]'
    python tests/fuzz.py TARGET [--seconds N] [--corpus DIR]
    python tests/fuzz.py TARGET FILE...

The first form goes on for N seconds. It keeps what reaches new code in DIR, begins there the next time, and writes what
breaks a reader to DIR/crashes, one file for each place in the code. The second form tries files again.
Whatever a reader makes of bytes, it may raise nothing but MusicFusionError, with one line. What its last resort caught
counts as broken, too, where our own code raised it, or where it is a lack of memory or of stack.
"""

import argparse
import contextlib
import functools
import hashlib
import importlib
import importlib.util
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fuzz_seeds
import numpy as np
from fuzz_seeds import scratch

SLOWEST, MEMORY = 10, 2048  # seconds an input, MiB: beyond them it is broken
CODECS = ("musicfusion.codecs.inputs",)
BETWEEN = b"\n=====\n"  # stands between the files of a folder of weights
BOUNDED = (MemoryError, RecursionError)  # no reader may need so much, whatever catches it


class Target(NamedTuple):
    """A reader: what it does with bytes, small sources it knows, words of its format, and what is instrumented."""

    read: Callable[[bytes], Any]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()
    longest: int = 4096  # bytes
    imports: tuple[str, ...] = CODECS
    instrumented: tuple[str, ...] = ("musicfusion.codecs",)


class Broken(Exception):
    """A reader raised something that it should not."""


def run_once(target: str, data: bytes) -> bool:
    """Feeds a reader; returns whether it accepts the bytes.

    Raises Broken, from whatever the reader raised that is not a MusicFusionError of one line.
    """
    from musicfusion.core.errors import MusicFusionError

    try:
        TARGETS[target].read(data)
    except MusicFusionError as error:
        if "\n" in str(error):
            raise Broken(f"{target}: an error of several lines: {error}") from error
        if hidden := error.__context__ if is_ours(error.__context__) else None:
            raise Broken(f"{target}: {where(hidden)}: {type(hidden).__name__}: {hidden}") from hidden
        return False
    except Exception as error:
        raise Broken(f"{target}: {where(error)}: {type(error).__name__}: {error}") from error
    return True


def is_ours(error: BaseException | None) -> bool:
    """Whether an error that a last resort caught is a fault of the package: not one of its own kinds, raised in it."""
    if error is None or isinstance(error, BOUNDED):
        return error is not None
    frames = traceback.extract_tb(error.__traceback__)
    own = type(error).__module__.startswith("musicfusion.")
    return not own and bool(frames) and f"musicfusion{os.sep}codecs{os.sep}" in frames[-1].filename


def mutants(data: bytes, count: int, words: Sequence[bytes] = ()) -> Iterator[bytes]:
    """The same bytes, changed, cut, inserted and repeated, and with other words of the format; the same every time."""
    rng = random.Random(count)
    for _ in range(count):
        found = bytearray(data)
        for _ in range(rng.choice((1, 2, 5, 20))):
            at, other = rng.randrange(len(found)), rng.randrange(len(found))
            new = rng.choice((bytes([rng.randrange(256)]), found[other : other + rng.randrange(60)], rng.choice(words)))
            digits = [k for k, byte in enumerate(found) if 48 <= byte < 58]
            at = rng.choice(digits) if digits and rng.random() < 0.5 else at
            found[at : at + rng.choice((0, 1, 1, 1, 30))] = new
            found = found or bytearray(b"x")
        yield bytes(found)


@contextlib.contextmanager
def limited(seconds: float = SLOWEST, more: int = MEMORY // 2) -> Iterator[None]:
    """Fails where what is done meanwhile takes longer; beyond so many MiB more than now, there is a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    old = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more * 2**20, old[1]))
    began = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)
        if (took := time.process_time() - began) > seconds:
            raise Broken(f"it takes {took:.1f} s")


def where(error: BaseException) -> str:
    """The last line of the package that an error passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "musicfusion" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


# Notes ----------------------------------------------------------------------------------------------------------------


def read_notes(data: bytes) -> Any:
    from musicfusion.codecs import inputs

    with inputs.noticing():
        return inputs.read_score(data, "fuzz", sustain=True)


def read_midi(data: bytes) -> None:
    """What is read can be written, too."""
    from musicfusion.codecs import midi

    midi.write(scratch() / "again.mid", read_notes(data))


def read_chart(data: bytes) -> None:
    from musicfusion.codecs import chord_chart, inputs

    chord_chart.is_chart(data)
    chord_chart.parse(data, "fuzz")
    inputs.read_score(data, "fuzz", charts=True)


# Sound ----------------------------------------------------------------------------------------------------------------


def read_audio(data: bytes) -> None:
    from musicfusion.codecs import inputs

    with inputs.noticing():
        if not np.isfinite(inputs.read_sound(data, "fuzz")).all():
            raise ValueError("samples that are no numbers")


# Configs and weights --------------------------------------------------------------------------------------------------


def read_config(data: bytes) -> None:
    """A stored config, as JSON; or a command line, one word a line."""
    from musicfusion import launch
    from musicfusion.core import config as configs

    if data[:1] == b"{":
        try:
            stored = json.loads(data)
        except (ValueError, RecursionError):
            return
        configs.check_same(configs.completed(stored), stored, "a run", "take another")
        return
    with contextlib.redirect_stdout(io.StringIO()):  # --help
        command = launch.parse(["musicfusion", *data.decode("utf-8", "surrogateescape").splitlines()])
    if command is not None and command.config.partition(":")[0] in configs.names():  # no other file is run
        configs.override(configs.load(command.config), command.overrides)


def read_weights(data: bytes) -> None:
    """A folder of weights, and all that they hold. The manifest may name hashes by what they are of."""
    from musicfusion import pretrained
    from musicfusion.core import config as configs

    parts = [*data.split(BETWEEN, 2), b"", b""][:3]
    for name, content in ((b"CONFIG-HASH", parts[1]), (b"WEIGHTS-HASH", parts[2])):
        parts[0] = parts[0].replace(name, hashlib.sha256(content).hexdigest().encode())
    for file, content in zip((pretrained.MANIFEST, pretrained.CONFIG, pretrained.WEIGHTS), parts, strict=True):
        (scratch() / file).write_bytes(content)
    _, stored, weights = pretrained.opened(scratch())
    configs.check_same(configs.completed(stored), stored, "weights", "take others")
    for stage in weights.stages:
        weights(stage)
        weights.step(stage)
    json.dumps(weights.origin())


TARGETS = {
    "midi": Target(read_midi, fuzz_seeds.midi_seeds, (
        *b"MThd MTrk RIFF RMID data @KMIDI".split(), b"\0\xff\x2f\0", b"\xff\x51\3", b"\xff\x58\4", b"\xff\x20\1",
        b"\xff\x05", b"\xf0\5", b"\xf7")),
    "musicxml": Target(read_notes, fuzz_seeds.musicxml_seeds, (
        *b"<note> </note> <chord/> <backup> <forward> <duration> <grace/> <unpitched> <time-modification>".split(),
        *b"<measure-repeat <attributes> <staves>2</staves> <!ENTITY <![CDATA[ score-timewise <part 0 -1".split(),
        b'<sound tempo="', b'<sound dacapo="yes"/>', b'<tie type="start"/>')),
    "kern": Target(read_notes, fuzz_seeds.kern_seeds, (
        *b"**kern **dynam *^ *v *x *+ *- *M3/8 *MM60 *>A *>[A,B] == :|!|: [ ] q % *Trd1c2".split(), b"\t")),
    "abc": Target(read_notes, fuzz_seeds.abc_seeds, (
        *b"K: Q: V:2 (3 |: :| |1 [1 [K: { } !D.C.! > z x".split(), b"X:1\n", b"L:1/4\n", b"M:3/4\n",
        b"%%MIDI program ")),
    "chart": Target(read_chart, fuzz_seeds.chart_seeds, (
        *b"| |: :| x2 % . N.C. C:maj7 tempo: maj7 / [ {".split(), b"time: 3/4\n", b"pattern: pulse\n")),
    "audio": Target(read_audio, fuzz_seeds.audio_seeds, (
        *b"RIFF WAVE data LIST FORM SSND COMM fLaC OggS OpusHead TAG Xing RF64 ds64 caff".split(), b"fmt ", b"ID3\3",
        b"\xff\xff\xff\xff", b"\xff\xfb"), 1 << 14),
    "config": Target(read_config, fuzz_seeds.config_seeds, tuple(
        b"--config= --config. --inputs= --controls= --flagfile= --undefok= configs/fusion_gan.py .steps= None True"
        b" 1e999 -1 nan (1,2)".split()), 1024, ("musicfusion.launch", "musicfusion.core.config"),
        ("musicfusion.core", "musicfusion.launch")),
    "weights": Target(read_weights, functools.partial(fuzz_seeds.weights_seeds, BETWEEN), (
        *b'CONFIG-HASH WEIGHTS-HASH "stages" "system" "dtype":"BF16" "shape":[ "data_offsets" __metadata__'.split(),
        BETWEEN), 4096, ("musicfusion.pretrained", "musicfusion.core.config"),
        ("musicfusion.pretrained", "musicfusion.core")),
}


# The command ----------------------------------------------------------------------------------------------------------


def fuzz(target: str, corpus: Path, seconds: int) -> None:
    """Runs atheris in this process, which ends with it. What breaks the reader is kept once for each place."""
    import atheris

    known, begun = TARGETS[target], time.monotonic()
    with atheris.instrument_imports(include=list(known.instrumented)):
        for module in known.imports:
            importlib.import_module(module)
    seen: set[str] = set()
    words = corpus / "words.txt"
    words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in known.words))

    def one_input(data: bytes) -> None:
        try:
            run_once(target, data)
        except Broken as error:
            place = error.__cause__
            key = f"{type(place).__name__}-{where(place).replace(':', '-')}" if place else "broken"
            if key not in seen:
                seen.add(key)
                (corpus / "crashes" / key).write_bytes(data)
                print(f"\nbroken: {' '.join(str(error).split())[:300]}", file=sys.stderr)

    left = max(int(seconds - (time.monotonic() - begun)), 1)
    atheris.Setup([
        sys.argv[0], str(corpus / "found"), str(corpus / "seeds"), f"-max_total_time={left}", f"-timeout={SLOWEST}",
        f"-rss_limit_mb={MEMORY}", f"-max_len={known.longest}", f"-artifact_prefix={corpus / 'crashes'}{os.sep}",
        f"-dict={words}", "-verbosity=0", "-print_final_stats=1", "-len_control=0"], one_input)
    atheris.Fuzz()


def prepare(target: str, corpus: Path) -> None:
    """The folders, and the seeds in one of them."""
    for name in ("found", "seeds", "crashes"):
        (corpus / name).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(TARGETS[target].seeds()):
        (corpus / "seeds" / f"{number}").write_bytes(seed)


def tried_again(target: str, files: Iterable[str]) -> int:
    """How many of the files break the reader; says what becomes of each."""
    broken = 0
    for file in files:
        began = time.monotonic()
        try:
            with limited():
                said = "read" if run_once(target, Path(file).read_bytes()) else "refused"
        except Broken as error:
            said, broken = f"BROKEN {error}", broken + 1
        print(f"{file}: {said} ({time.monotonic() - began:.2f} s)")
    return broken


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: nothing broke; 1: something did; 2: atheris is not installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("files", nargs="*", help="try these again, and nothing else")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="a folder in the system's temporary one if not given")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)  # in the process that atheris ends
    given = parser.parse_args(argv)
    if given.files:
        return min(tried_again(given.target, given.files), 1)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install 'musicfusion[fuzz]'", file=sys.stderr)
        return 2
    corpus = given.corpus or Path(tempfile.gettempdir()) / "musicfusion-fuzz" / given.target
    if given.inside:
        fuzz(given.target, corpus, given.seconds)
    prepare(given.target, corpus)
    end = time.monotonic() + given.seconds
    before = {path.name for path in (corpus / "crashes").iterdir()}
    while (left := int(end - time.monotonic())) > 0:  # an input that takes too long ends atheris: on with the next
        try:
            done = subprocess.run([sys.executable, __file__, given.target, "--inside", f"--corpus={corpus}",
                                   f"--seconds={left}"], timeout=left + 6 * SLOWEST)
        except subprocess.TimeoutExpired:  # atheris does not end what is inside a loop; it has kept the input
            break
        if done.returncode in (0, -2):
            break
    for path in (corpus / "crashes").iterdir():
        again = [sys.executable, __file__, given.target, str(path)]
        if path.name not in before and not subprocess.run(again, stdout=subprocess.DEVNULL).returncode:
            path.unlink()  # alone it is read: atheris counts the memory of all inputs, and the time of other processes
    crashes = {path.name for path in (corpus / "crashes").iterdir()}
    print(f"{given.target}: {len(crashes - before)} new crashes, {len(crashes)} in all, in {corpus / 'crashes'}")
    return int(bool(crashes - before))


if __name__ == "__main__":
    sys.exit(main())
