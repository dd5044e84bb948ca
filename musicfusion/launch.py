"""The command line: flags -> one Command -> the Python API. Imports late, so that --help answers at once.

    python -m musicfusion.launch --config=configs/NAME.py[:VARIANT] [--mode=...] [--config.any.key=value ...]
    python -m musicfusion.launch --mode=sample --inputs=NAME=FILE,NAME=FILE [--controls=...] [--out=DIR]
    musicfusion studio
"""

import dataclasses
import os
import re
import shlex
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags

from musicfusion.core.errors import MusicFusionError

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from musicfusion.core.contracts import Declaration
    from musicfusion.pretrained import Pretrained

MODES = ("train", "evaluate", "sample", "benchmark", "describe", "export", "compare", "studio")
WITH_WEIGHTS = ("sample", "evaluate", "describe")  # modes that take --pretrained


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command:
    """What the flags said.

    config: path[:variant], or "". overrides: (key, text) of each --config.key=text. inputs, controls: by name. workdir:
    "" where it was not given. The rest: as `--help` says.
    """

    mode: str = "train"
    config: str = ""
    overrides: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    controls: tuple[tuple[str, str], ...] = ()
    out: str = ""
    reports: tuple[str, ...] = ()
    pretrained: str = ""
    seed: int = 0
    format: str = "text"
    print_config: bool = False
    coordinator: str = ""
    processes: int = 1
    process: int = 0
    port: int = 7860
    host: str = "127.0.0.1"


def main(argv: list[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 done, 2 bad input (one line on stderr), 130 interrupted."""
    try:
        command = parse(list(sys.argv if argv is None else argv))
        if command is not None:
            run(command)
        return 0
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


def console() -> None:
    """The console script `musicfusion`."""
    sys.exit(main())


# Flags --------------------------------------------------------------------------------------------------------------


def parse(argv: list[str]) -> Command | None:
    """argv -> the command; None where --help was asked for and printed. MusicFusionError for what is no flag."""
    words = ["--mode=studio", *argv[2:]] if argv[1:2] == ["studio"] else argv[1:]
    config, overrides, rest = _config_flags(words)
    values = _flags()
    try:
        positional = values([argv[0], *rest])[1:]
    except flags.Error as error:
        raise MusicFusionError(f"{_line(error)}; --help lists the flags") from None
    except ValueError as error:
        raise MusicFusionError(f"--flagfile: not a file of flags, one a line ({_line(error)})") from None
    if values.help:
        print(_help(values))
        return None
    if positional:
        raise MusicFusionError(f"{positional[0]!r} is not a flag: give --mode, --config, ...; --help lists them")
    fields = [field.name for field in dataclasses.fields(Command) if field.name in values]
    given: dict[str, Any] = {name: values[name].value for name in fields}
    given |= {name: tuple(pairs(given[name], name)) for name in ("inputs", "controls")}
    given["reports"] = tuple(filter(None, given["reports"].split(",")))
    return Command(config=config, overrides=tuple(overrides), **given)


def _flags() -> flags.FlagValues:
    """The flags, in an object of their own: no function reads global ones."""
    found = flags.FlagValues()

    def text(name: str, about: str) -> None:
        flags.DEFINE_string(name, "", about, flag_values=found)

    flags.DEFINE_enum("mode", "train", MODES, "What to do.", flag_values=found)
    text("workdir", "Folder of the run; runs/SYSTEM-PRESET if not given, and runs/NAME-evaluation with --pretrained.")
    text("inputs", "sample: the user's files, NAME=FILE,NAME=FILE.")
    text("controls", "sample: NAME=VALUE,NAME=VALUE; a control that takes several numbers: NUMBER:NUMBER.")
    text("out", "sample, export: folder for the new files; for samples WORKDIR/samples or fused if not given. compare:"
         " the picture.")
    text("reports", "compare: report.json files or workdirs, with commas between.")
    text("pretrained", "sample, evaluate, describe: shipped weights, a folder that export wrote, or hf:OWNER/NAME,"
         " instead of a run. studio: weights beside those that ship.")
    flags.DEFINE_integer("seed", 0, "sample: seed of everything random.", flag_values=found)
    flags.DEFINE_enum("format", "text", ("text", "json"), "describe, benchmark: how to print.", flag_values=found)
    flags.DEFINE_bool("print_config", False, "Print the resolved config and stop.", flag_values=found)
    text("coordinator", "Several processes: host:port of process 0, or auto.")
    flags.DEFINE_integer("processes", 1, "Several processes: how many.", flag_values=found)
    flags.DEFINE_integer("process", 0, "Several processes: which one this is.", flag_values=found)
    flags.DEFINE_integer("port", 7860, "studio: where the page is served; 0 for any port that is free.",
                         flag_values=found)
    flags.DEFINE_string("host", "127.0.0.1", "studio: the address that is listened at; others than this machine's own"
                        " let others use it.", flag_values=found)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=found)
    return found


def _config_flags(args: Iterable[str]) -> tuple[str, list[tuple[str, str]], list[str]]:
    """argv -> the config's path, overrides [(key, text)], everything else."""
    path, overrides, rest = "", [], []
    waiting = list(args)
    while waiting:
        arg = waiting.pop(0)
        name, equals, value = arg.partition("=")
        name = name.lstrip("-") if arg.startswith("-") else ""
        if name != "config" and not name.startswith("config."):
            rest.append(arg)
            continue
        if not equals:
            if not waiting:
                raise MusicFusionError(f"--{name} needs a value: --{name}=...")
            value = waiting.pop(0)
        if name == "config":
            path = value
        else:
            overrides.append((name[len("config."):], value))
    return path, overrides, rest


def pairs(text: str, flag: str) -> list[tuple[str, str]]:
    """NAME=VALUE,NAME=VALUE -> [(name, value)]; a value may hold commas. MusicFusionError for another form."""
    found = []
    for item in filter(None, re.split(r",(?=\w+=)|,$", text)):
        name, equals, value = item.partition("=")
        if not equals or not value:
            raise MusicFusionError(f"--{flag}: {name} needs a value: {name}=...")
        found.append((name, value))
    return found


# What a command does ------------------------------------------------------------------------------------------------


def run(command: Command) -> None:
    """Does what the command says; prints which files to open. Raises MusicFusionError for bad input."""
    if command.mode == "compare":
        _compare(command)
        return
    if command.mode == "studio":
        _studio(command)
        return
    from musicfusion import api

    source = _weights_name(command)
    weights = _pretrained(command, source) if source else None
    config = _config(command, weights)
    if command.print_config:
        print(config)
        return
    name = f"{weights.name.rpartition('/')[2]}-evaluation" if weights else f"{config.system}-{config.preset}"
    workdir = Path(command.workdir or f"runs/{name}")
    declared = api.systems()[config.system]
    if command.mode == "sample":  # what can be refused without jax is refused at once
        _check_sample(command, declared)
    out = _out(command, workdir, weights) if command.mode in ("sample", "export") else None
    _check_config(command, config, weights, workdir)
    _join_processes(command)
    if weights and command.mode != "describe":
        print(f"weights: {weights.name} ({config.system}, preset {config.preset})", flush=True)
    files = {"train": _train, "evaluate": _evaluate, "sample": _sample, "benchmark": _benchmark,
             "describe": _describe, "export": _export}[command.mode](command, config, weights, workdir, out)
    _say(files)


def _say(files: Collection[Path]) -> None:
    """Which files to open."""
    if files:
        print("open:", *(f"  {path}" for path in files), sep="\n")


def _compare(command: Command) -> None:
    from musicfusion import compare

    if not command.reports:
        raise MusicFusionError("--mode=compare needs --reports: report.json files or workdirs, with commas between")
    _say([compare.compare(list(map(Path, command.reports)), Path(command.out or "compare.png"))])


def _studio(command: Command) -> None:
    from musicfusion.studio import serve

    serve.serve(host=command.host, port=command.port, weights=[*filter(None, (command.pretrained, command.workdir))])
    sys.stdout.flush()
    os._exit(0)  # a thread may be within a compiler, which aborts where the interpreter ends around it


def _train(command: Command, config, weights, workdir: Path, out) -> list[Path]:
    from musicfusion import api, evaluate, sample
    from musicfusion.core import parallel

    model = api.train_model(config, workdir)
    files = []
    if parallel.is_main():
        with parallel.single_process():
            files = evaluate.evaluate(model.system, config, workdir, model.corpus)
            files += sample.demos(model.system, config, workdir, model.corpus)
    parallel.wait_for_all("end")  # a process that leaves is missed after five minutes
    return files


def _evaluate(command: Command, config, weights, workdir: Path, out) -> list[Path]:
    from musicfusion import api, evaluate

    api.keep_compiled()
    makes_sheet = config.evaluate.sheet and not config.evaluate.answers  # with answers, that is where their key lies
    run = evaluate.listening_sheet if makes_sheet else evaluate.evaluate
    return run(api.system_of(config), config, workdir, weights=weights)


def _sample(command: Command, config, weights, workdir: Path, out: Path) -> list[Path]:
    from musicfusion import api
    from musicfusion.core.results import Results

    trained = weights or Results(workdir)
    model = api.Model(name=weights.name if weights else workdir.name, config=config, trained=trained)
    given = {**dict(command.inputs), **_controls(command, model.declaration)}
    result = model.sample(seed=command.seed, **given)
    files = result.save(out, sound=config.sample.audio)
    for notice in _notices(out):
        print(notice)
    return files


def _benchmark(command: Command, config, weights, workdir: Path, out) -> list[Path]:
    from musicfusion import api, benchmark

    print(benchmark.benchmark(api.system_of(config), config, workdir, command.format))
    return []


def _describe(command: Command, config, weights, workdir: Path, out) -> list[Path]:
    from musicfusion import api, describe

    print(describe.describe(api.system_of(config), config, command.format, weights.source if weights else ""))
    return []


def _export(command: Command, config, weights, workdir: Path, out: Path) -> list[Path]:
    from musicfusion import api, evaluate
    from musicfusion.core import config as configs
    from musicfusion.pretrained.export import export

    system = api.system_of(config)
    corpus = evaluate.read_corpus(system, config)
    words = [f"--config=configs/{config.system}.py:{config.preset}",
             *(f"--config.{key}={value}" for key, value in configs.differences(config))]
    return export(system, config, workdir, corpus, out, f"python -m musicfusion.launch {shlex.join(words)}")


# Weights and configs ------------------------------------------------------------------------------------------------


def _weights_name(command: Command) -> str:
    """The exported weights that the flags ask for; "" where a run in a workdir is meant."""
    if command.pretrained:
        return command.pretrained
    if command.mode == "sample" and not command.config and not command.workdir:
        return _weights_for_inputs(command)
    return ""


def _weights_for_inputs(command: Command) -> str:
    """The weights shipped for the one system that takes these --inputs."""
    from musicfusion import sample
    from musicfusion.systems import declarations

    declared = declarations()
    if not command.inputs:
        forms = (f"{','.join(f'{key}=FILE' for key in d.demo_inputs)} ({name})" for name, d in declared.items()
                 if d.demo_inputs)
        raise MusicFusionError(f"--mode=sample needs --inputs: {' or '.join(forms)}")
    given = {name for name, _ in command.inputs}
    known = sorted({key for d in declared.values() for key in d.inputs})
    for name in given - set(known):
        raise MusicFusionError(f"--inputs: {sample.unknown('input', name, known)}")
    fitting = [name for name, d in declared.items() if given in map(set, d.input_sets)]
    fitting = fitting or [name for name, d in declared.items() if given <= set(d.inputs)]
    if len(fitting) != 1:
        takes = f"are those of {' and '.join(fitting)}" if fitting else "belong to no one system"
        raise MusicFusionError(f"--inputs: {' and '.join(sorted(given))} {takes}: give --pretrained or --config")
    name = declared[fitting[0]].pretrained
    if not name:
        raise MusicFusionError(f"{fitting[0]} ships no weights: give the --workdir of a run, or --pretrained")
    return name


def _pretrained(command: Command, name: str) -> "Pretrained":
    if command.mode == "sample" and command.workdir:
        raise MusicFusionError("--pretrained and --workdir both name weights: give one of them")
    if command.mode not in WITH_WEIGHTS and not command.print_config:
        raise MusicFusionError(f"--pretrained is for {', '.join(WITH_WEIGHTS)}: --mode={command.mode} takes a"
                               " --workdir")
    from musicfusion.pretrained import Pretrained

    return Pretrained(name)


def _config(command: Command, weights: "Pretrained | None") -> "ConfigDict":
    """From --config, else the weights' or the workdir's own copy; then the overrides."""
    from musicfusion.core import config as configs
    from musicfusion.systems import declarations

    if command.config:
        config, where = configs.load(command.config), command.config
    elif weights:
        config, where = configs.completed(weights.config), str(weights.folder)
    elif command.workdir:
        from musicfusion.core.results import read_config

        config, where = configs.completed(read_config(Path(command.workdir))), command.workdir
    else:
        raise MusicFusionError(f"give --config ({', '.join(configs.names())}), the --workdir of a run, or --pretrained;"
                               " --help tells more")
    known = declarations()
    if config.get("system") not in known:
        raise MusicFusionError(f"{where}: system = {config.get('system')!r} is unknown: there are"
                               f" {', '.join(sorted(known))}")
    return configs.override(config, command.overrides)


def _check_config(command: Command, config, weights: "Pretrained | None", workdir: Path) -> None:
    """Raises MusicFusionError unless the config is that of the weights or of the run."""
    from musicfusion import api
    from musicfusion.core import config as configs
    from musicfusion.core.results import is_trained, read_config

    free = api.free_keys(config)
    if weights:
        configs.check_same(config, weights.config, f"{weights.name} are the weights", "give no other --config", free)
        if command.mode == "evaluate" and is_trained(workdir):
            raise MusicFusionError(f"{workdir} holds a run, whose report would be lost: give another --workdir")
    elif command.mode in ("train", "sample", "evaluate", "export") and is_trained(workdir):
        configs.check_same(config, read_config(workdir), f"{workdir} is the workdir", "give another --workdir", free)


# Samples ------------------------------------------------------------------------------------------------------------


def _check_sample(command: Command, declared: "Declaration") -> None:
    from musicfusion import sample

    names = [name for name, _ in command.inputs]
    _known(names, "inputs", declared.inputs)
    _known([name for name, _ in command.controls], "controls", declared.controls)
    sample.check_inputs(declared, names)
    sample.resolve(declared, _controls(command, declared))
    for name, path in command.inputs:
        if not Path(path).expanduser().is_file():
            raise MusicFusionError(f"--inputs: {name}={path}: there is no such file")


def _known(names: Collection[str], flag: str, known: Collection[str]) -> None:
    from musicfusion import sample

    for name in names:
        if name not in known:
            raise MusicFusionError(f"--{flag}: {sample.unknown(flag[:-1], name, known)}")


def _controls(command: Command, declared: "Declaration") -> dict[str, Any]:
    """The controls as `sample.resolve` takes them: a text with colons is several numbers."""
    return {name: tuple(text.split(":")) if declared.controls[name].many and ":" in text else text
            for name, text in command.controls}


def _out(command: Command, workdir: Path, weights: "Pretrained | None") -> Path:
    """The folder for new files: --out, else WORKDIR/samples, or `fused` if the user keeps nothing else there."""
    if command.out:
        return Path(command.out)
    if command.mode == "export":
        raise MusicFusionError("--mode=export needs --out=FOLDER: its name is the name of the weights")
    if not weights:
        return workdir / "samples"
    out = Path("fused")
    if out.is_dir() and any(out.iterdir()) and not (out / "metadata.json").is_file():
        raise MusicFusionError(f"the folder {out} holds other files: give --out")
    return out


def _notices(out: Path) -> list[str]:
    import json

    return json.loads((out / "metadata.json").read_text())["notices"]


# Surroundings -------------------------------------------------------------------------------------------------------


def _join_processes(command: Command) -> None:
    """Joins the other processes of a distributed run; nothing where this is the only one."""
    from musicfusion.core import parallel

    parallel.initialise(command.coordinator, command.processes, command.process)


def _help(values: flags.FlagValues) -> str:
    """What musicfusion can do, from the systems' own declarations."""
    from musicfusion.systems import declarations

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
    for name, declared in declarations().items():
        lines += [f"  {name}: {declared.title}", f"    paper    {declared.paper}"]
        lines += [f"    input    {key} ({given.accepted}): {given.about}" for key, given in declared.inputs.items()]
        lines += [f"    control  {key} ({c.accepted}): {c.about}" for key, c in declared.controls.items()]
        if declared.pretrained:
            lines += [f"    weights  {declared.pretrained}: shipped; a sample needs no training with them"]
    lines += ["", "flags"]
    for name in sorted(values):
        flag = values[name]
        default = "" if flag.default == "" or flag.default is False else f" (default {flag.default})"
        if name != "h":
            lines.append(f"  --{name}: {flag.help}{default}")
    return "\n".join(lines)


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


if __name__ == "__main__":
    console()
