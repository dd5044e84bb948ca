"""The page: a tab for each system, made from its declaration; the player, and the takes, beside it."""

import dataclasses
import itertools
import json
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from musicfusion.core import progress
from musicfusion.core.contracts import Control, Declaration, Input, Locked
from musicfusion.core.errors import MusicFusionError
from musicfusion.render import page as player_page
from musicfusion.studio import takes, widgets, work
from musicfusion.studio.examples import EXAMPLES, LICENCE, Example
from musicfusion.studio.models import Shelf
from musicfusion.studio.takes import Visitor, Visitors, player_data
from musicfusion.studio.uploads import Uploads, suffixes
from musicfusion.studio.view import lock_data, takes_data
from musicfusion.systems import declarations

TURNS = itertools.count()  # numbers what the player is given
SEEDS = 2**31  # musicfusion.sample.SEEDS, which is not imported before it is needed
PRIVATE: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
QUICK: dict[str, Any] = {**PRIVATE, "concurrency_id": "page", "concurrency_limit": 4}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Studio:
    """What the page works with.

    Attributes:
        offered: the weights of each system.
        cookie: the name under which the guard keeps a visitor's key.
        expected: seconds of each stage of work, by weights.
    """

    visitors: Visitors
    uploads: Uploads
    shelf: Shelf
    offered: Mapping[str, list[str]]
    cookie: str
    expected: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)

    def visitor(self, request: gr.Request) -> tuple[str, Visitor]:
        """Who asks: key, and what is theirs. MusicFusionError for a browser that keeps no cookie."""
        key = request.cookies.get(self.cookie, "")
        visitor = self.visitors.get(key)
        if visitor is None:
            raise MusicFusionError("this page was forgotten: load it again (it needs its cookie)")
        return key, visitor


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """The parts of the page that show what was made."""

    player: gr.HTML
    lock: gr.HTML
    takes: gr.HTML
    view: gr.HTML

    @property
    def outputs(self) -> list[gr.HTML]:
        """In the order of `shown`."""
        return [self.player, self.lock, self.takes, self.view]


def build(studio: Studio) -> gr.Blocks:
    """The page of all systems."""
    with gr.Blocks(title="musicfusion studio", analytics_enabled=False, delete_cache=(3600, 86400),
                   fill_width=True) as page:
        gr.HTML("<h1>musicfusion studio</h1><p>One piece of music out of two, by five published systems.</p>",
                elem_id="studio-head", apply_default_css=False)
        with gr.Row(elem_id="studio-main"):
            with gr.Column(scale=5, min_width=320):
                tabs = gr.Tabs()
            with gr.Column(scale=6, min_width=320):
                result = Result(player=_part("player"), lock=_part("lock"), view=widgets.view(), takes=_part("takes"))
        with tabs:
            for declared in ordered(studio.offered):
                _tab(studio, declared, result)
        gr.HTML(f"<p>{LICENCE}</p>", elem_id="studio-foot", apply_default_css=False)
        _events(studio, page, result)
    return page


def ordered(offered: Mapping[str, list[str]]) -> list[Declaration]:
    """The systems that have weights, those with examples first, in the order of these."""
    known = [*EXAMPLES, *declarations()]
    return [declared for name, declared in sorted(declarations().items(), key=lambda item: known.index(item[0]))
            if offered.get(name)]


def _part(name: str, elem_id: str = "") -> gr.HTML:
    """A part of the page that studio.js draws, from JSON."""
    return gr.HTML(html_template=f'<div class="studio-{name}"></div>', data="null", elem_id=elem_id or f"studio-{name}",
                   apply_default_css=False, js_on_load=f"musicfusionStudio.{name}(element, props, watch, trigger)")


def _text(words: str, small: str = "") -> gr.HTML:
    """A paragraph."""
    more = f" <small>{escape(small)}</small>" if small else ""
    return gr.HTML(f"<p>{escape(words)}{more}</p>", elem_classes="studio-about", apply_default_css=False)


# A system ------------------------------------------------------------------------------------------------------------


def _tab(studio: Studio, declared: Declaration, result: Result) -> None:
    """A system's inputs, controls and buttons."""
    name, _, about = declared.title.partition(": ")
    with gr.Tab(name, elem_id=f"tab-{declared.name}") as tab:
        _text(f"{about[:1].upper()}{about[1:]}.", declared.paper)
        with gr.Row(elem_classes="studio-files"):
            files = [_file(key, given, declared.name) for key, given in declared.inputs.items()]
        with gr.Row(elem_classes="studio-examples"):
            buttons = [gr.Button(one.label, size="sm", min_width=60) for one in EXAMPLES.get(declared.name, ())]
        with gr.Row(elem_classes="studio-controls"):
            controls = {key: _control(key, control, declared.name) for key, control in declared.controls.items()}
        with gr.Row(elem_classes="studio-seed"):
            offered = [(Path(weights).name, weights) for weights in studio.offered[declared.name]]
            weights = gr.Dropdown(offered, label="weights", min_width=150, scale=3,
                                  elem_id=f"{declared.name}-weights")
            seed = gr.Number(0, label="seed", precision=0, minimum=0, maximum=SEEDS - 1, min_width=110, scale=2,
                             elem_id=f"{declared.name}-seed")
            another = gr.Button("Another seed", size="sm", min_width=100, scale=1, elem_id=f"{declared.name}-another")
            tap = gr.Button("Tap tempo", size="sm", min_width=100, scale=1, visible="bpm" in controls,
                            elem_id=f"{declared.name}-tap")
        replaced = widgets.build(declared.name, {**controls, "seed": seed}, result.view)
        with gr.Row():
            go = gr.Button("Fuse", variant="primary", size="lg", elem_id=f"{declared.name}-fuse")
            halt = gr.Button("Cancel", variant="stop", visible=False, elem_id=f"{declared.name}-cancel", min_width=80,
                             scale=0)
        status = _part("status", f"{declared.name}-status")

    another.click(None, None, seed, js=f"() => Math.floor(Math.random() * {SEEDS})", **PRIVATE)
    if "bpm" in controls:
        tap.click(None, None, controls["bpm"], js="() => musicfusionStudio.tap()", trigger_mode="multiple",
                  **PRIVATE)
    for button, example in zip(buttons, EXAMPLES.get(declared.name, ()), strict=True):
        held = button.click(None, None, go, js="() => ({__type__: 'update', interactive: false})", **PRIVATE)
        held.then(partial(_fill, studio, declared, example), None, [*files, *controls.values(), status, go], **QUICK)
    begun = go.click(_begin, None, [status, halt], queue=False, **PRIVATE)

    def fuse(request: gr.Request, weights: str, seed: float, *values: Any) -> Iterator[tuple[Any, ...]]:
        yield from _fuse(studio, declared, request, weights, seed, values)

    run = begun.then(fuse, [weights, seed, *files, *controls.values()], [status, halt, *result.outputs],
                     concurrency_id="model", concurrency_limit=1, **{**PRIVATE, "api_visibility": "public"},
                     api_name=declared.name)
    run.failure(_refused, None, [status, halt], queue=False, **PRIVATE)
    halt.click(_cancelled, None, [status, halt], cancels=[run], queue=False, **PRIVATE)
    worded = {key: one for key, one in controls.items() if _is_open_word(declared.controls[key])}
    known = list(dict.fromkeys(replaced.values()))
    if worded or known:
        for event in (tab.select, weights.change):
            event(partial(_known, studio, declared, list(worded), len(known)), [weights, *worded.values()],
                  [*worded.values(), *known], concurrency_id="load", concurrency_limit=1, **PRIVATE)


def _file(name: str, given: Input, system: str) -> gr.File:
    """An input: a file is dropped there, or chosen."""
    with gr.Column(min_width=200):
        file = gr.File(label=name, file_types=list(suffixes(given)), elem_id=f"{system}-{name}", height=110)
        _text(given.about)
    return file


def _is_open_word(control: Control) -> bool:
    """Whether its words depend on the weights."""
    return isinstance(control.default, str) and not control.choices


def _control(name: str, control: Control, system: str) -> gr.components.Component:
    """A menu, a slider or a line of numbers."""
    about: dict[str, Any] = {"label": name, "info": control.about, "elem_id": f"{system}-{name}", "min_width": 230}
    if isinstance(control.default, str):
        choices = [(word or "none", word) for word in (control.choices or ("",))]
        return gr.Dropdown(choices, value=control.default, **about)
    if control.many:
        return gr.Textbox(f"{control.default:g}", max_lines=1, **about)
    return gr.Slider(control.low, control.high, value=control.default, step=1 if control.whole else 0.01,
                     buttons=[], **about)


def _chosen(declared: Declaration, values: Mapping[str, Any]) -> dict[str, Any]:
    """Controls as `sample` takes them: a text with colons is several numbers."""
    return {name: tuple(value.split(":")) if declared.controls[name].many and ":" in str(value) else value or ""
            if isinstance(declared.controls[name].default, str) else value for name, value in values.items()}


# What the buttons do -------------------------------------------------------------------------------------------------


def _say(kind: str, words: str, share: float | None = None) -> dict[str, Any]:
    """A line under the button. kind: begun, then busy, then done or error; or refused: an error, unless something else
    ended the work. What comes after the end says nothing."""
    return gr.update(data=json.dumps({"kind": kind, "words": words, "share": share}))


def _fill(studio: Studio, declared: Declaration, example: Example) -> list[Any]:
    """Puts an example into a tab."""
    try:
        files = [studio.uploads.example(example.files[key]) if key in example.files else None
                 for key in declared.inputs]
    except MusicFusionError as error:
        return [*[gr.skip()] * (len(declared.inputs) + len(declared.controls)),
                _say("error", studio.uploads.public(str(error))), gr.update(interactive=True)]
    values = [example.controls.get(key, gr.skip()) for key in declared.controls]
    return [*files, *values, gr.update(data="null"), gr.update(interactive=True)]


def _begin() -> tuple[Any, ...]:
    return _say("begun", "waiting for its turn", 0.0), gr.update(visible=True)


def _refused() -> tuple[Any, ...]:
    """Gradio itself refused a value, before it came here."""
    return _say("refused", "a control or file is not what is accepted: load the page again"), gr.update(visible=False)


def _cancelled() -> tuple[Any, ...]:
    return _say("done", "Cancelled."), gr.update(visible=False)


def _known(studio: Studio, declared: Declaration, words: list[str], known: int, weights: str, *chosen: str) -> Any:
    """What only the weights know: the words of menus, and what widgets draw. A chosen word that they lack is none."""
    try:
        model = studio.shelf(weights)
    except MusicFusionError:  # said when it is used
        found = [gr.skip()] * (len(words) + known)
    else:
        offered = [model.controls[name].choices for name in words]
        menus = [gr.update(choices=[("none", ""), *((word, word) for word in own)], value=word if word in own else "")
                 for own, word in zip(offered, chosen, strict=True)]
        found = menus + [gr.update(data=widgets.facts(model))] * known
    return found if len(found) > 1 else found[0]  # of a list, Gradio would make the value of a single part


def _fuse(studio: Studio, declared: Declaration, request: gr.Request, weights: str, seed: float,
          values: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Makes a take; between, says how far it is. Errors are said, and leave everything as it was."""
    from musicfusion import sample

    rest = [gr.skip()] * 4
    count = len(declared.inputs)
    try:
        key, visitor = studio.visitor(request)
        files = {name: path for name, path in zip(declared.inputs, values[:count], strict=True) if path}
        for name, path in files.items():
            studio.uploads.check(path, key, name, declared.inputs[name])
        controls = _chosen(declared, dict(zip(declared.controls, values[count:], strict=True)))
        sample.check_inputs(declared, files)
        sample.resolve(declared, controls)
        asked = partial(_make, studio, visitor, declared, weights, files, controls, int(seed or 0))
        expected = studio.expected.setdefault(weights, {})
        for state, take in work.background(asked, expected):
            if take is None:
                words = state.stage + (f": {state.detail}" if state.detail else "")
                yield _say("busy", f"{words} ({state.seconds:.0f} s)", state.share), gr.skip(), *rest
            else:
                lost = visitor.add(take)
                words = f"take {take.number}, in {state.seconds:.1f} s{lost and '; ' + lost}"
                yield _say("done", words), gr.update(visible=False), *shown(visitor)
    except MusicFusionError as error:
        yield _say("error", studio.uploads.public(str(error))), gr.update(visible=False), *rest
    except progress.Cancelled:
        yield *_cancelled(), *rest
    except Exception as error:  # a mistake of ours: the page stays, and the terminal shows where
        traceback.print_exc(file=sys.stderr)
        words = f"{type(error).__name__}: this should not happen; the terminal of the studio says more"
        yield _say("error", words), gr.update(visible=False), *rest


def _make(studio: Studio, visitor: Visitor, declared: Declaration, weights: str, files: Mapping[str, str],
          controls: Mapping[str, Any], seed: int, state: work.Progress) -> takes.Take:
    """A take, in the thread of the work."""
    while not studio.shelf.busy.acquire(timeout=work.PERIOD):
        progress.tick("waiting")
    try:
        state.enter("loading the weights")
        model = studio.shelf(weights)
        state.enter("making music")
        locked: Locked | None = visitor.locked(declared.name)
        result = model.sample(seed=seed, locked=locked, **files, **controls)
        state.enter("playing it")
        return takes.make(visitor.next, system=declared.name, weights=Path(weights).name, files=files,
                          controls=result.metadata["controls"], seed=seed, result=result, uploads=studio.uploads)
    finally:
        studio.shelf.busy.release()


# What was made -------------------------------------------------------------------------------------------------------


def shown(visitor: Visitor, asked: Any = None) -> tuple[Any, ...]:
    """Updates of player, lock, takes and view. asked: the number of what this answers, as the page counts."""
    take, player = visitor.base, player_data(visitor)
    return (gr.update(data=json.dumps(player and player | {"turn": next(TURNS)})),
            gr.update(data=json.dumps(lock_data(visitor) | {"asked": asked})),
            gr.update(data=json.dumps(takes_data(visitor))),
            gr.update(data=widgets.views(take.result) if take is not None else {}))


def _said(event: gr.EventData) -> Mapping[str, Any]:
    """What the page said, whoever wrote it."""
    return event._data if isinstance(event._data, dict) else {}


def _events(studio: Studio, page: gr.Blocks, result: Result) -> None:
    """What happens in the player and in the list of takes."""

    outputs = result.outputs
    nothing = (gr.skip(),) * len(outputs)

    def load(request: gr.Request) -> tuple[Any, ...]:
        try:
            return shown(studio.visitor(request)[1])
        except MusicFusionError:
            return nothing

    def act(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        """A button of a take."""
        asked = _said(event)
        try:
            _, visitor = studio.visitor(request)
        except MusicFusionError:
            return nothing
        actions = {"show": visitor.show, "lock": visitor.rebase, "compare": visitor.compare, "star": visitor.star,
                   "delete": visitor.delete}
        before = visitor.shown
        if asked.get("action") in actions:
            actions[asked["action"]](asked.get("take"))
        player, *others = shown(visitor, asked.get("asked"))
        return (gr.skip() if visitor.shown == before and asked.get("action") != "show" else player, *others)

    def lock(event: gr.EventData, request: gr.Request) -> Any:
        """Bars were locked or freed in the player."""
        asked = _said(event)
        try:
            _, visitor = studio.visitor(request)
            visitor.lock(asked.get("spans"))
            found = lock_data(visitor)
        except MusicFusionError as error:
            found = {"error": str(error)}
        return gr.update(data=json.dumps(found | {"asked": asked.get("asked")}))

    def release(event: gr.EventData, request: gr.Request) -> tuple[Any, ...]:
        try:
            _, visitor = studio.visitor(request)
        except MusicFusionError:
            return nothing
        visitor.spans = ()
        return shown(visitor, _said(event).get("asked"))

    in_turn: dict[str, Any] = {**PRIVATE, "concurrency_id": "takes", "concurrency_limit": 1, "trigger_mode": "multiple"}
    page.load(load, None, outputs, **in_turn)
    result.takes.submit(act, None, outputs, **in_turn)
    result.player.submit(lock, None, result.lock, **in_turn)
    result.lock.submit(release, None, outputs, **in_turn)


# Looks ---------------------------------------------------------------------------------------------------------------


def theme() -> gr.themes.Base:
    """Fonts of the machine, and no others."""
    names = ("body_text_color_subdued", "block_info_text_color", "block_label_text_color", "block_title_text_color")
    quiet = dict.fromkeys(names, "*neutral_600")
    dark = {f"{name}_dark": "*neutral_300" for name in quiet}  # Gradio's own greys and blues are too faint to read
    edges = {"input_border_width": "1px", "input_border_width_dark": "1px"}
    for name in ("input_border_color", "button_secondary_border_color"):
        edges |= {name: "*neutral_500", f"{name}_dark": "*neutral_400"}
    blue = {"color_accent": "*primary_600", "button_primary_background_fill": "*primary_600",
            "button_primary_background_fill_hover": "*primary_700"}
    return gr.themes.Base(primary_hue="blue", neutral_hue="slate", font=["system-ui", "sans-serif"],
                          font_mono=["ui-monospace", "monospace"]).set(**quiet, **dark, **edges, **blue)


def files() -> dict[str, bytes]:
    """Script and style of the page, by the name under which the guard gives them out."""
    scripts = [player_page.program(), widgets.own("studio.js"), widgets.program()]
    styles = [player_page.own("player.css"), widgets.own("studio.css")]
    return {"studio.js": "\n".join(scripts).encode(), "studio.css": "\n".join(styles).encode()}
