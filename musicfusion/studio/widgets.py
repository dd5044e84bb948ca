"""Controls of the studio that are more than sliders, and views of results, by system.

    view = widgets.view()                                  # below the player; empty until it is given something
    replaced = widgets.build(system, components, view)     # inside the gr.Blocks, after the plain controls
    ...
    gr.update(data=widgets.facts(model))                   # for each of set(replaced.values()), once a model is loaded
    gr.update(data=widgets.views(result))                  # for the view, after each fusion

components: name of a control -> its component, with the kinds that WIDGETS needs: `style` a gr.Textbox (one number, or
several with colons between, as on the command line), `to` a gr.Dropdown with "" among its choices, `genre` of FusionGAN
a gr.Dropdown or gr.Radio, `angle`, `amount` and `ratio` gr.Sliders; a gr.Number `seed` may be among them. A widget sets
these components in the browser, without a call of Python: what app.py reads of them is what the user sees. And it
follows them: where app.py changes a component, the widget shows it.

`build` hides the components that a widget replaces, and returns {name of such a control: its widget}: app.py shows or
hides the widget instead. A system without a widget gives {}, and its results {} for a view, which then is not shown.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np

if TYPE_CHECKING:
    from musicfusion.api import Model
    from musicfusion.render.result import SampleResult

SCRIPTS = ("widgets.js", "widget_style.js", "widget_genres.js", "widget_share.js")
LARGEST = 4096  # dimensions of a style for which the browser may ask
SHOWN = 2.0  # standard deviations of a mixture component that its ellipse shows
EARLY = 0.05  # seconds by which a note may come before its beat


@dataclass(frozen=True, kw_only=True)
class Widget:
    """A system's own control.

    Attributes:
        kind: of musicfusionWidgets, the scripts of this folder.
        sets: the controls that it replaces.
        facts: what it needs to know about the weights, fit for JSON.
        view: what there is to be seen of a result, fit for JSON, with a "kind" of its own; {} for nothing.
    """

    kind: str
    sets: tuple[str, ...]
    facts: Callable[["Model"], dict[str, Any]]
    view: Callable[["SampleResult"], dict[str, Any]] = lambda result: {}


def build(system: str, components: Mapping[str, Any], view: gr.HTML) -> dict[str, gr.HTML]:
    """Makes a system's own control, if it has one: {name of a control: the widget that replaces it}.

    Args:
        system: its name.
        components: the plain controls, by name; and "seed", where there is one.
        view: what `view` gave, whose buttons set the widget.
    """
    widget = WIDGETS.get(system)
    if widget is None:
        return {}
    sets = {name: components[name] for name in widget.sets}
    follows = {name: components[name] for name in (*widget.sets, "seed") if name in components}
    held = {name: component.value for name, component in follows.items()}
    html = _html(widget.kind, held, server_functions=[asked_corners])
    names = json.dumps(list(sets))
    html.change(None, [html], list(sets.values()), js=f"(held) => {names}.map((name) => held[name])",
                show_progress="hidden")
    gr.on([component.change for component in follows.values()], None, [html, *follows.values()], [html],
          js=f"(held, ...now) => musicfusionWidgets.followed({json.dumps(list(follows))}, held, now)",
          show_progress="hidden")
    for component in sets.values():
        component.visible = "hidden"
    view.change(None, [view, html], [html], js="(chosen, held) => ({...held, ...chosen})", show_progress="hidden")
    return dict.fromkeys(sets, html)


def facts(model: "Model") -> dict[str, Any]:
    """What a system's widget needs to know about a model's weights, for its property `data`; {} without a widget."""
    widget = WIDGETS.get(model.declaration.name)
    return widget.facts(model) if widget else {}


def view() -> gr.HTML:
    """A place for what `views` gives. It shows nothing before."""
    return _html("view", {})


def views(result: "SampleResult") -> dict[str, Any]:
    """What there is to be seen of a result beside its player, for the property `data` of a view; {} for nothing.

    A style plane: {"kind": "plane", "seconds", "joint": second, "rows": [[cell, ...], ...]}, cell: {"style": [d_s],
    "notes": [[second, seconds, pitch], ...]}. A circle of genres: {"kind": "circle", "genres", "component": [outward,
    sideways], "points": {name: [[x, y], ...]}, "genre", "to", "angle": degrees, below 0 for none, "amount"}.
    """
    widget = WIDGETS.get(result.metadata.get("system", ""))
    return widget.view(result) if widget else {}


def _html(kind: str, value: dict[str, Any], **props: Any) -> gr.HTML:
    start = f"musicfusionWidgets.{kind}({{element, props, trigger, watch, server}});"
    return gr.HTML(
        value=value, html_template=f'<div class="mf-widget mf-{kind}"></div>', css_template=own("widgets.css"),
        js_on_load=start, apply_default_css=False, data={}, **props)


def program() -> str:
    """The scripts of all widgets, which the page needs beside those of a player (render.page.program)."""
    return "\n".join(map(own, SCRIPTS))


@cache
def own(name: str) -> str:
    """A file that lies beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


# Connective Fusion: the style plane ----------------------------------------------------------------------------------


def corners(size: int, seed: int) -> list[list[float]]:
    """The corners of the style plane that a fusion with this seed has, [4, size]."""
    from musicfusion.systems.connective_fusion import sampling

    return sampling.corners(size, seed).tolist()


def asked_corners(asked: Any) -> list[list[float]]:
    """`corners` for what a browser sends, [size, seed]; [] for what cannot be."""
    try:
        size, seed = map(int, asked)
    except (TypeError, ValueError, OverflowError):
        return []
    return corners(size, seed) if 1 <= size <= LARGEST and seed >= 0 else []


def _style_facts(model: "Model") -> dict[str, Any]:
    size = int(model.config.fusion.style)
    return {"size": size, "corners": corners(size, 0)}


def _style_plane(result: "SampleResult") -> dict[str, Any]:
    """The eight bars around the joint in each cell of the grid, from their beginning."""
    from musicfusion.data.corpus import STEPS_PER_BEAT
    from musicfusion.systems.connective_fusion import sampling
    from musicfusion.systems.connective_fusion.dataset import STEPS

    names = [name for name in result.scores if name.startswith("grid/")]
    if not names:
        return {}
    size, joint, reach = math.isqrt(len(names)), result.metadata["joint"], STEPS / STEPS_PER_BEAT
    styles = sampling.plane_styles(size, result.metadata["config"]["fusion"]["style"], result.metadata["seed"])
    begin, middle, end = np.ravel(result.scores[names[0]].seconds(joint + reach * np.array([-1, 0, 1]))).tolist()
    rows = []
    for i, row in enumerate(styles.astype(float).round(4).tolist(), start=1):
        cells = []
        for j, style in enumerate(row, start=1):
            score = result.scores[f"grid/{i}_{j}"]
            (track,) = score.tracks
            onsets = np.atleast_1d(score.seconds(track.notes[:, 0]))
            ends = np.atleast_1d(score.seconds(track.notes[:, 0] + track.notes[:, 1]))
            inside = (onsets > begin - EARLY) & (onsets < end - EARLY)
            notes = np.stack([onsets - begin, ends - onsets, track.notes[:, 2]], 1)[inside]
            cells.append({"style": style, "notes": notes.round(3).tolist()})
        rows.append(cells)
    return {"kind": "plane", "seconds": round(end - begin, 3), "joint": round(middle - begin, 3), "rows": rows}


# MusAE: the circle of genres -----------------------------------------------------------------------------------------


def _component() -> list[float]:
    """How far the ellipse of a mixture component reaches from its mean, outward and sideways, in the plane."""
    from musicfusion import priors

    return [SHOWN * math.sqrt(priors.RADIAL_VARIANCE), SHOWN * math.sqrt(priors.OTHER_VARIANCE)]


def _genre_facts(model: "Model") -> dict[str, Any]:
    controls = model.controls
    return {"genres": list(controls["to"].choices), "most": controls["amount"].high, "component": _component()}


def _genre_circle(result: "SampleResult") -> dict[str, Any]:
    metadata = result.metadata
    if not metadata.get("plane") or not metadata["genres"]:
        return {}
    controls = metadata["controls"]
    return {"kind": "circle", "genres": list(metadata["genres"]), "component": _component(),
            "points": metadata["plane"], "genre": metadata.get("genre", ""), "to": controls["to"],
            "angle": controls["angle"], "amount": controls["amount"]}


# FusionGAN: the share of two genres ----------------------------------------------------------------------------------


def _two_genres(model: "Model") -> dict[str, Any]:
    """The names of both genres: of the songs that exported weights learned from, or of a run's data roots."""
    from musicfusion.data import cache as corpora
    from musicfusion.systems.fusion_gan.dataset import DATA_ROOTS

    source, root = getattr(model.trained, "source", ""), model.config.data.root
    roots = corpora.roots(root) if root else DATA_ROOTS
    names = source.split(" + ") if source else [PurePath(one).name for one in roots]
    return {"genres": names if len(names) == 2 else []}


WIDGETS: dict[str, Widget] = {
    "connective_fusion": Widget(kind="style", sets=("style",), facts=_style_facts, view=_style_plane),
    "musae": Widget(kind="wheel", sets=("to", "angle", "amount"), facts=_genre_facts, view=_genre_circle),
    "fusion_gan": Widget(kind="share", sets=("genre", "ratio"), facts=_two_genres),
}
