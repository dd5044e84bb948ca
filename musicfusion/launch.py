"""Command line: flags -> config -> mode. Imports late, so that --help answers at once.

    python -m musicfusion.launch --config=configs/NAME.py[:VARIANT] [--mode=...] [--config.any.key=value ...]
    python -m musicfusion.launch --mode=sample --inputs=NAME=FILE,NAME=FILE [--out=DIR]
"""

import difflib
import importlib.util
import json
import os
import re
import shlex
import sys
from pathlib import Path

from absl import flags

from musicfusion.core.errors import MusicFusionError
from musicfusion.core.task import PLACES

MODES = ("train", "evaluate", "sample", "benchmark", "describe", "export")
SIZES = ("batch", "steps", "steps_per_dispatch", "evaluate_batches", "segments", "width", "depth", "hidden", "layers")
FLAGS = flags.FlagValues()

flags.DEFINE_enum("mode", "train", MODES, "What to do.", flag_values=FLAGS)
flags.DEFINE_string(
    "workdir", "", "Folder of the run; runs/SYSTEM-PRESET if not given, and runs/NAME-evaluation with --pretrained.",
    flag_values=FLAGS)
flags.DEFINE_string(
    "inputs", "", "sample: the user's files, NAME=FILE,NAME=FILE.", flag_values=FLAGS)
flags.DEFINE_string(
    "controls", "", "sample: NAME=NUMBER,NAME=NUMBER.", flag_values=FLAGS)
flags.DEFINE_string(
    "out", "", "sample, export: folder for the new files; for samples WORKDIR/samples or fused if not given.",
    flag_values=FLAGS)
flags.DEFINE_string(
    "pretrained", "", "sample, evaluate, describe: shipped weights, or a folder that export wrote, instead of a run.",
    flag_values=FLAGS)
flags.DEFINE_integer(
    "grid", 0, "sample: also draw the style plane, with so many cells a side; where a system has one.",
    lower_bound=0, upper_bound=20, flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "sample: seed of everything random.", flag_values=FLAGS)
flags.DEFINE_enum("format", "text", ("text", "json"), "describe, benchmark: how to print.",
                  flag_values=FLAGS)
flags.DEFINE_bool("print_config", False, "Print the resolved config and stop.", flag_values=FLAGS)
flags.DEFINE_string("coordinator", "", "Several processes: host:port of process 0, or auto.",
                    flag_values=FLAGS)
flags.DEFINE_integer("processes", 1, "Several processes: how many.", flag_values=FLAGS)
flags.DEFINE_integer("process", 0, "Several processes: which one this is.", flag_values=FLAGS)
flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=FLAGS)


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 done, 2 bad input (one line on stderr), 130 interrupted."""
    try:
        return _main(list(sys.argv if argv is None else argv))
    except MusicFusionError as error:
        print(f"musicfusion: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("musicfusion: interrupted; the same command goes on from the last checkpoint",
              file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away (| head)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _main(argv: list[str]) -> int:
    path, overrides, rest = _split(argv[1:])
    FLAGS.unparse_flags()  # main may be called again in one process
    try:
        positional = FLAGS([argv[0], *rest])[1:]
    except flags.Error as error:
        raise MusicFusionError(f"{_line(error)}; --help lists the flags") from None
    if FLAGS.help:
        print(_help())
        return 0
    if positional:
        raise MusicFusionError(f"{positional[0]!r} is not a flag: give --mode, --config, ...; --help lists them")
    weights = _weights(path)
    config = _config(path, overrides, weights)
    if FLAGS.grid:
        if "grid" not in config.sample:
            raise MusicFusionError(f"--grid: {config.system} has no style plane")
        config.sample.grid = FLAGS.grid
    if FLAGS.print_config:
        print(config)
        return 0
    name = f"{weights.name}-evaluation" if weights else f"{config.system}-{config.preset}"
    return _run(config, Path(FLAGS.workdir or f"runs/{name}"), weights)


def _run(config, workdir: Path, weights) -> int:
    """One mode, with exported weights or else with the run in `workdir`."""
    from musicfusion import systems

    declaration = systems.declarations()[config.system]
    mode = FLAGS.mode
    if mode == "sample":  # what can be refused without jax is refused at once
        inputs = _pairs(FLAGS.inputs, "inputs", declaration.inputs)
        controls = _controls(FLAGS.controls, declaration)
        inputs = _files(inputs)
    if mode in ("sample", "export"):
        out = _out(workdir, weights)
    if weights:
        _check_weights(config, weights, workdir)
    elif mode in ("train", "sample", "evaluate", "export"):
        _check_same_run(config, workdir)
    _prepare_jax()
    system = declaration.load()
    if weights and mode != "describe":
        print(f"weights: {weights.name} ({config.system}, preset {config.preset})", flush=True)
    if mode == "describe":
        from musicfusion import describe

        print(describe.describe(system, config, FLAGS.format, weights.source if weights else ""))
    elif mode == "benchmark":
        from musicfusion import benchmark

        print(benchmark.benchmark(system, config, workdir, FLAGS.format))
    elif mode == "sample":
        from musicfusion import sample
        from musicfusion.core.results import Results

        results = weights or Results(workdir)
        _name_files(sample.sample(system, config, results, inputs, controls, out, FLAGS.seed))
    elif mode == "evaluate":
        from musicfusion import evaluate

        _name_files(evaluate.evaluate(system, config, workdir, weights=weights))
    elif mode == "export":
        from musicfusion import evaluate
        from musicfusion.pretrained.export import export

        corpus = evaluate.read_corpus(system, config)
        _name_files(export(system, config, workdir, corpus, out, _command(config)))
    else:
        from musicfusion import evaluate, sample, train
        from musicfusion.core import parallel

        corpus = evaluate.read_corpus(system, config)
        train.train(system, config, workdir, corpus)
        if parallel.is_main():
            with parallel.alone():
                files = evaluate.evaluate(system, config, workdir, corpus)
                files += sample.examples(system, config, workdir, corpus)
                _name_files(files)
        parallel.wait_for_all("end")  # a process that leaves is missed after five minutes
    return 0


# Weights ------------------------------------------------------------------------------------------------------------


def _weights(path: str):
    """The exported weights that the flags ask for (pretrained.Pretrained), or None: a run in a workdir is meant."""
    name = FLAGS.pretrained
    if not name and FLAGS.mode == "sample" and not path and not FLAGS.workdir:
        name = _weights_for_inputs()
    if not name:
        return None
    if FLAGS.mode == "sample" and FLAGS.workdir:
        raise MusicFusionError("--pretrained and --workdir both name weights: give one of them")
    if FLAGS.mode not in ("sample", "evaluate", "describe") and not FLAGS.print_config:
        raise MusicFusionError(f"--pretrained is for sample, evaluate, describe: --mode={FLAGS.mode} takes a --workdir")
    from musicfusion.pretrained import Pretrained

    return Pretrained(name)


def _weights_for_inputs() -> str:
    """The weights shipped for the one system that takes these --inputs."""
    from musicfusion import systems

    declared = systems.declarations()
    if not FLAGS.inputs:
        forms = (f"{','.join(f'{key}=FILE' for key in d.inputs)} ({name})" for name, d in declared.items())
        raise MusicFusionError(f"--mode=sample needs --inputs: {' or '.join(forms)}")
    given = set(_pairs(FLAGS.inputs, "inputs", sorted({key for d in declared.values() for key in d.inputs})))
    fitting = [name for name, d in declared.items() if given == set(d.inputs)]
    fitting = fitting or [name for name, d in declared.items() if given < set(d.inputs)]
    if len(fitting) != 1:
        takes = f"are those of {' and '.join(fitting)}" if fitting else "belong to no one system"
        raise MusicFusionError(f"--inputs: {' and '.join(sorted(given))} {takes}: give --pretrained or --config")
    name = declared[fitting[0]].pretrained
    if not name:
        raise MusicFusionError(f"{fitting[0]} ships no weights: give the --workdir of a run, or --pretrained")
    return name


def _check_weights(config, weights, workdir: Path) -> None:
    """Weights belong to one config, and their report does not replace that of a run."""
    _check_same(config, weights.config, f"{weights.name} are the weights", "give no other --config")
    if FLAGS.mode == "evaluate" and _trained(workdir):
        raise MusicFusionError(f"{workdir} holds a run, whose report would be lost: give another --workdir")


def _out(workdir: Path, weights) -> Path:
    """The folder for new files: --out, else WORKDIR/samples, or `fused` if the user keeps nothing else there."""
    if FLAGS.out:
        return Path(FLAGS.out)
    if FLAGS.mode == "export":
        raise MusicFusionError("--mode=export needs --out=FOLDER: its name is the name of the weights")
    if not weights:
        return workdir / "samples"
    out = Path("fused")
    if out.is_dir() and any(out.iterdir()) and not (out / "metadata.json").is_file():
        raise MusicFusionError(f"the folder {out} holds other files: give --out")
    return out


def _command(config) -> str:
    """The command that trains this config: its file and variant, and what differs from them."""
    path = f"configs/{config.system}.py:{config.preset}"
    try:
        base = _plain(_load(path))
    except MusicFusionError:  # an installed package has no configs; config.json tells the rest
        base = {}
    words = [f"--config={path}"]
    for key, value in _plain(config).items():
        learned = key == "evaluate.compare" or (key != "data.split" and not key.startswith(("sample.", "evaluate.")))
        if learned and key in base and base[key] != value:
            if key in PLACES:  # not where they lay on this machine
                value = ",".join(Path(place).name for place in value.split(","))
            words.append(f"--config.{key}={value}")
    return f"python -m musicfusion.launch {shlex.join(words)}"


# Configuration ------------------------------------------------------------------------------------------------------


def _split(args: list[str]) -> tuple[str, list[tuple[str, str]], list[str]]:
    """argv -> the config's path, overrides [(key, value)], everything else."""
    path, overrides, rest = "", [], []
    args = list(args)
    while args:
        arg = args.pop(0)
        name, equals, value = arg.partition("=")
        name = name.lstrip("-") if arg.startswith("-") else ""
        if name != "config" and not name.startswith("config."):
            rest.append(arg)
            continue
        if not equals:
            if not args:
                raise MusicFusionError(f"--{name} needs a value: --{name}=...")
            value = args.pop(0)
        if name == "config":
            path = value
        else:
            overrides.append((name[len("config."):], value))
    return path, overrides, rest


def _config(path: str, overrides: list[tuple[str, str]], weights=None):
    """From --config, else the weights' or the workdir's own copy; then the overrides."""
    from ml_collections import ConfigDict, config_flags

    if path:
        config = _load(path)
    elif weights:
        config = ConfigDict(weights.config)
    elif FLAGS.workdir:
        from musicfusion.core.results import read_config

        config = ConfigDict(read_config(Path(FLAGS.workdir)))
    else:
        known = ", ".join(f"configs/{name}.py" for name in _systems())
        raise MusicFusionError(f"give --config ({known}), the --workdir of a run, or --pretrained; --help tells more")
    if config.get("system") not in _systems():
        raise MusicFusionError(
            f"{path or (weights and weights.folder) or FLAGS.workdir}: system = {config.get('system')!r} is unknown:"
            f" there are {', '.join(_systems())}")
    keys = _flat(config)
    for key, _ in overrides:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "--print_config lists the keys"
            raise MusicFusionError(f"the config has no key {key!r}: {hint}")
    values = flags.FlagValues()
    argv = ["", *(f"--config.{key}={value}" for key, value in overrides)]
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=argv)
        values(argv)
    except (flags.Error, ValueError, TypeError) as error:
        raise MusicFusionError(f"{_line(error)}; --print_config shows the keys and their kinds") from None
    for key, _ in overrides:
        _check_number(key, _flat(config)[key])
    return config


def _check_number(key: str, value: object) -> None:
    """No number of a config is negative or infinite; those that size something are not 0 either."""
    if isinstance(value, (int, float)):
        least = 1 if key.rpartition(".")[2] in SIZES else 0
        if not least <= value < 2**31:
            raise MusicFusionError(f"config.{key} = {value} is out of range: accepted is a number from {least}")


def _load(path: str):
    """configs/NAME.py[:VARIANT] -> ConfigDict; also looked for beside the installed package."""
    name, _, variant = path.partition(":")
    places = [Path(name), Path(__file__).parent.parent / name]
    file = next((place for place in places if place.is_file() and place.suffix == ".py"), None)
    if file is None:
        have = ", ".join(f"configs/{system}.py" for system in _systems())
        raise MusicFusionError(f"{name}: no such config file; there are {have}")
    spec = importlib.util.spec_from_file_location("musicfusion_config", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(variant) if variant else module.get_config()
    except Exception as error:
        raise MusicFusionError(f"{path}: {_line(error)}") from None


def _systems() -> list[str]:
    from musicfusion import systems

    return sorted(systems.declarations())


def _flat(config, prefix: str = "") -> dict:
    found: dict = {}
    for key, value in config.items():
        if hasattr(value, "items"):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _plain(config) -> dict:
    """The keys and values of a config as JSON would give them back."""
    from ml_collections import ConfigDict

    return _flat(ConfigDict(json.loads(json.dumps(config.to_dict()))))


def _check_same_run(config, workdir: Path) -> None:
    """A trained workdir belongs to one config; how it runs, is evaluated and compared, and samples may change."""
    if _trained(workdir):
        from musicfusion.core.results import read_config

        _check_same(config, read_config(workdir), f"{workdir} is the workdir", "give another --workdir")


def _trained(workdir: Path) -> bool:
    """Whether a run has begun in a folder, which may be missing."""
    if workdir.exists() and not workdir.is_dir():
        raise MusicFusionError(f"{workdir} is a file: give a folder as --workdir")
    return any(workdir.glob("*/checkpoints/*"))


def _check_same(config, other: dict, whose: str, instead: str) -> None:
    """What was learned with one config is used with no other."""
    from ml_collections import ConfigDict

    def fixed(flat):
        free = ("run.", "sample.", "evaluate.", "compare.")
        return {k: v for k, v in flat.items() if not k.startswith(free) and k not in (*PLACES, "data.split")}

    old, new = fixed(_plain(ConfigDict(other))), fixed(_plain(config))
    changed = [k for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
    if changed:
        shown = "; ".join(f"{k} was {old.get(k)!r}, is {new.get(k)!r}" for k in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise MusicFusionError(f"{whose} of another config ({shown}{more}): {instead}")


# Flags --------------------------------------------------------------------------------------------------------------


def _pairs(text: str, flag: str, known) -> dict[str, str]:
    """NAME=VALUE,NAME=VALUE -> dict, each name one of `known`."""
    found: dict[str, str] = {}
    for item in filter(None, re.split(r",(?=\w+=)|,$", text)):  # a path may hold commas
        name, equals, value = item.partition("=")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise MusicFusionError(f"--{flag}: {name!r} is unknown: {hint}there are {', '.join(known)}")
        if not equals or not value:
            raise MusicFusionError(f"--{flag}: {name} needs a value: {name}=...")
        found[name] = value
    return found


def _controls(text: str, declaration) -> dict[str, str | float | tuple[float, ...]]:
    """The user's controls over the defaults: a word, a number in its range, a tuple of such where it takes many."""
    controls = {name: control.default for name, control in declaration.controls.items()}
    for name, value in _pairs(text, "controls", declaration.controls).items():
        control = declaration.controls[name]
        if isinstance(control.default, str):
            controls[name] = value
            continue
        texts = value.split(":") if control.many else [value]
        try:
            numbers = [int(text) if control.whole else float(text) for text in texts]
        except ValueError:
            numbers = [float("nan")]
        if not all(control.low <= number <= control.high for number in numbers):
            kind = "a whole number" if control.whole else "a number"
            more = ", or NUMBER:NUMBER" if control.many else ""
            raise MusicFusionError(
                f"--controls: {name}={value} is out of range: accepted is {kind} from"
                f" {control.low:g} to {control.high:g}{more}")
        controls[name] = tuple(numbers) if control.many else numbers[0]
    return controls


def _files(inputs: dict[str, str]) -> dict[str, str]:
    """The user's files, each of which is there; ~ is the home folder, which no shell fills in behind a comma."""
    files = {name: str(Path(path).expanduser()) for name, path in inputs.items()}
    for name, path in files.items():
        if not Path(path).is_file():
            raise MusicFusionError(f"--inputs: {name}={path}: there is no such file")
    return files


def _help() -> str:
    """What musicfusion can do, from the systems' own declarations."""
    from musicfusion import systems

    lines = [
        "musicfusion makes one piece of music out of two.",
        "",
        "  python -m musicfusion.launch --config=configs/NAME.py[:VARIANT] [--mode=MODE] [--workdir=DIR]",
        "                               [--config.any.key=value ...]",
        "  python -m musicfusion.launch --mode=sample --inputs=NAME=FILE,NAME=FILE [--controls=...] [--out=DIR]",
        "",
        "variants  quick (minutes), lite (the default), paper (published sizes)",
        f"modes     {', '.join(MODES)}",
        "",
        "systems",
    ]
    for name, declaration in systems.declarations().items():
        lines += [f"  {name}: {declaration.title}", f"    paper    {declaration.paper}"]
        lines += [f"    input    {key}: {about}" for key, about in declaration.inputs.items()]
        lines += [f"    control  {key} {c.span}: {c.about}" for key, c in declaration.controls.items()]
        if declaration.pretrained:
            lines += [f"    weights  {declaration.pretrained}: shipped; a sample needs no training with them"]
    lines += ["", "flags"]
    for name in sorted(FLAGS):
        flag = FLAGS[name]
        default = "" if flag.default == "" or flag.default is False else f" (default {flag.default})"
        if name != "h":
            lines.append(f"  --{name}: {flag.help}{default}")
    return "\n".join(lines)


# Surroundings -------------------------------------------------------------------------------------------------------


def _prepare_jax() -> None:
    """Joins the other processes, and keeps compiled programs in the user's cache folder."""
    import jax

    from musicfusion.core import parallel
    from musicfusion.data.cache import folder

    if FLAGS.mode != "benchmark":  # it times the compiler too
        jax.config.update("jax_compilation_cache_dir", str(folder() / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    parallel.initialise(FLAGS.coordinator, FLAGS.processes, FLAGS.process)


def _name_files(files) -> None:
    if files:
        print("open:")
        for path in files:
            print(f"  {path}")


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


def run() -> None:
    """The console script `musicfusion`."""
    sys.exit(main())


if __name__ == "__main__":
    run()
