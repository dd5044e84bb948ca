"""Configs: found, loaded, overridden and compared. A config is data: an ml_collections.ConfigDict of groups."""

import difflib
import importlib.util
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from musicfusion.core.contracts import DATA_ROOTS
from musicfusion.core.errors import MusicFusionError

PACKAGED = Path(__file__).parent.parent / "configs"  # those that are installed with the package
SIZES = ("batch", "steps", "steps_per_dispatch", "validate_batches", "segments", "clips", "edited", "members", "width",
         "depth", "hidden", "layers")
FREE = ("run.", "train.", "sample.", "evaluate.")  # groups that may change after a training


def names() -> list[str]:
    """The configs at hand, configs/NAME.py."""
    return sorted(f"configs/{path.name}" for path in PACKAGED.glob("*.py") if path.stem not in ("__init__", "common"))


def load(path: str) -> ConfigDict:
    """configs/NAME.py[:VARIANT] -> the config; a path that is not there is looked for in the package.

    Raises MusicFusionError if it is nowhere, or its get_config fails.
    """
    name, _, variant = path.partition(":")
    candidates = [Path(name).expanduser(), PACKAGED / Path(name).name]
    file = next((place for place in candidates if place.is_file() and place.suffix == ".py"), None)
    if file is None:
        raise MusicFusionError(f"{name}: no such config file; there are {', '.join(names())}")
    spec = importlib.util.spec_from_file_location("musicfusion_config", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.get_config(variant) if variant else module.get_config()
    except Exception as error:  # a user's own file: whatever it raises is one line
        raise MusicFusionError(f"{path}: {line(error)}") from None


def override(config: ConfigDict, changes: Sequence[tuple[str, Any]] | Mapping[str, Any]) -> ConfigDict:
    """The config with other values; keys have dots, text is read as the command line reads it.

    Raises MusicFusionError for an unknown key, with near matches, or a value of another kind or out of range.
    """
    changes = list(changes.items()) if isinstance(changes, Mapping) else list(changes)
    config = config.copy_and_resolve_references()
    known = flat(config)
    for key, _ in changes:
        if key not in known:
            near = difflib.get_close_matches(key, known, 3, 0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "--print_config lists the keys"
            raise MusicFusionError(f"the config has no key {key!r}: {hint}")
    texts = [f"--config.{key}={value}" for key, value in changes if isinstance(value, str)]
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=["", *texts])
        values(["", *texts])
        config.update_from_flattened_dict({key: value for key, value in changes if not isinstance(value, str)})
    except (flags.Error, ValueError, TypeError) as error:
        raise MusicFusionError(f"{line(error)}; --print_config shows the keys and their kinds") from None
    for key, _ in changes:
        _check_number(key, flat(config)[key])
    return config


def completed(stored: Mapping[str, Any]) -> ConfigDict:
    """A stored config with today's keys in the groups that may change after a training, and with groups that are new.

    What it says stays. A key or a group that came later has the default of the system and preset, which for a group
    means that things are as they were; a key of those groups that is no more is dropped.
    A config of a system that is not in the package stays as it is.

    Raises MusicFusionError where it cannot be a config, or has a value of another kind than today's.
    """
    try:
        config = ConfigDict(_with_tuples(stored))
        if not isinstance(system := config.get("system", ""), str):
            raise ValueError(f"its system is {system!r}")
        source = f"configs/{system}.py"
        if source not in names():
            return config
        try:
            today = load(f"{source}:{config.preset}")
        except (MusicFusionError, AttributeError):
            return config
        known = flat(config)
        for group in {key.partition(".")[0] for key in FREE} & {*today}:
            kept = {key: known[key] for key in flat(today[group], f"{group}.") if key in known}
            config[group] = today[group]
            config.update_from_flattened_dict(kept)
        for name in {*today} - {*config}:
            if isinstance(today[name], ConfigDict):
                config[name] = today[name]
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MusicFusionError(f"a stored config makes no sense ({line(error)}): train or export again") from None
    return config


def _with_tuples(value: Any) -> Any:
    """Nested dicts whose lists, which JSON made of tuples, are tuples again."""
    if isinstance(value, Mapping):
        return {key: _with_tuples(own) for key, own in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _check_number(key: str, value: object) -> None:
    """No number of a config is negative or infinite; those that size something are not 0 either."""
    if isinstance(value, (int, float)):
        least = 1 if key.rpartition(".")[2] in SIZES else 0
        if not least <= value < 2**31:
            raise MusicFusionError(f"config.{key} = {value} is out of range: accepted is a number from {least}")


def flat(config: Mapping[str, Any] | ConfigDict, prefix: str = "") -> dict[str, Any]:
    """{"group.key": value} of a config or of nested dicts."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if hasattr(value, "items"):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def plain(config: ConfigDict) -> dict[str, Any]:
    """The same, as JSON would give the values back."""
    return flat(json.loads(json.dumps(config.to_dict())))


def check_same(config: ConfigDict, other: Mapping[str, Any], whose: str, instead: str,
               free: Collection[str] = ()) -> None:
    """Raises MusicFusionError where a config differs from `other` (nested, stored) in what was learned.

    How it runs, is evaluated and sampled may change, and where the songs lie. free: keys that may change, too.
    """
    may_change = {*DATA_ROOTS, "data.split", *free}

    def fixed(values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in values.items() if not k.startswith(FREE) and k not in may_change}

    old, new = fixed(plain(completed(other))), fixed(plain(config))
    changed = [k for k in sorted(old.keys() | new.keys()) if old.get(k) != new.get(k)]
    if changed:
        shown = "; ".join(f"{k} was {old.get(k)!r}, is {new.get(k)!r}" for k in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise MusicFusionError(f"{whose} of another config ({shown}{more}): {instead}")


def differences(config: ConfigDict) -> list[tuple[str, Any]]:
    """What a config was changed in, from the file and variant that it says it came from; data roots by name alone.

    Only what bears on training: not how it is sampled or evaluated.
    """
    try:
        base = plain(load(f"configs/{config.system}.py:{config.preset}"))
    except MusicFusionError:
        return []
    found = []
    for key, value in plain(config).items():
        learned = key != "data.split" and not key.startswith(("sample.", "evaluate."))
        if learned and key in base and base[key] != value:
            if key in DATA_ROOTS:
                value = ",".join(Path(root).name for root in value.split(","))
            found.append((key, value))
    return found


def line(error: BaseException) -> str:
    """The first line of an error."""
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
