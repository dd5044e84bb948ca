"""What a configured system is made of, without allocating anything."""

import json
import math

import jax

from musicfusion.core.task import System


def description(system: System, config) -> dict:
    """{"system", "preset", "stages", "parameters", "inputs", "controls"}; parameters counts numbers per module."""
    declared = system.declaration
    return {
        "system": declared.name,
        "preset": config.preset,
        "stages": [{"name": stage.name, "needs": list(stage.needs), "steps": stage.steps}
                   for stage in system.stages(config)],
        "parameters": {name: sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))
                       for name, tree in system.modules(config).items()},
        "inputs": dict(declared.inputs),
        "controls": {name: {"about": c.about, "low": c.low, "high": c.high, "default": c.default}
                     for name, c in declared.controls.items()},
    }


def describe(system: System, config, form: str = "text", source: str = "") -> str:
    """The description as text for people, or as JSON. source: the songs that weights were trained on, if they are."""
    about = description(system, config)
    if form == "json":
        return json.dumps(about, indent=1)
    data = source or config.data.root or system.declaration.data
    width = 2 + max(map(len, [*about["parameters"], *(stage["name"] for stage in about["stages"]), *about["inputs"]]))
    lines = [f"{system.declaration.title}", f"preset {about['preset']}, data: {data}", "", "stages"]
    for stage in about["stages"]:
        needs = f"  needs {', '.join(stage['needs'])}" if stage["needs"] else ""
        lines.append(f"  {stage['name']:<{width}}{stage['steps']:>10,} steps{needs}")
    lines += ["", "modules"]
    lines += [f"  {name:<{width}}{count:>14,} parameters" for name, count in about["parameters"].items()]
    lines += ["", "inputs"] + [f"  {name:<{width}}{text}" for name, text in about["inputs"].items()]
    lines += ["", "controls"]
    lines += [f"  {name:<{width}}{c.span}: {c.about}" for name, c in system.declaration.controls.items()]
    return "\n".join(lines)
