"""What a configured system is made of, without allocating anything."""

import dataclasses
import json
import math

import jax
from ml_collections import ConfigDict

from musicfusion.core.contracts import Precompute, System


def description(system: System, config: ConfigDict) -> dict:
    """{"system", "preset", "stages", "parameters", "inputs", "input_sets", "controls"}, as JSON holds them.

    parameters: how many numbers each module has; steps: of a stage, None for one that is computed in one pass.
    """
    declared = system.declaration
    return {
        "system": declared.name,
        "preset": config.preset,
        "stages": [{"name": stage.name, "needs": list(stage.needs),
                    "steps": None if isinstance(stage.task, Precompute) else stage.steps}
                   for stage in system.stages(config)],
        "parameters": {name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
                       for name, tree in system.modules(config).items()},
        "inputs": {name: dataclasses.asdict(given) for name, given in declared.inputs.items()},
        "input_sets": [list(names) for names in declared.input_sets],
        "controls": {name: dataclasses.asdict(control) for name, control in declared.controls.items()},
    }


def describe(system: System, config: ConfigDict, form: str = "text", source: str = "") -> str:
    """The description as text for people, or as JSON. source: the songs that weights were trained on, if they are."""
    about = description(system, config)
    if form == "json":
        return json.dumps(about, indent=1)
    data = source or config.data.root or system.declaration.embedded_corpus
    stages = [stage["name"] for stage in about["stages"]]
    width = 2 + max(map(len, [*about["parameters"], *stages, *about["inputs"], *about["controls"]]))
    lines = [f"{system.declaration.title}", f"preset {about['preset']}, data: {data}", "", "stages"]
    for stage in about["stages"]:
        needs = f"  needs {', '.join(stage['needs'])}" if stage["needs"] else ""
        steps = "  one pass      " if stage["steps"] is None else f"{stage['steps']:>10,} steps"
        lines.append(f"  {stage['name']:<{width}}{steps}{needs}")
    lines += ["", "modules"]
    lines += [f"  {name:<{width}}{count:>14,} parameters" for name, count in about["parameters"].items()]
    lines += ["", "inputs"]
    lines += [f"  {name:<{width}}{x.accepted}: {x.about}" for name, x in system.declaration.inputs.items()]
    lines += ["", "controls"]
    lines += [f"  {name:<{width}}{c.accepted}: {c.about}" for name, c in system.declaration.controls.items()]
    return "\n".join(lines)
