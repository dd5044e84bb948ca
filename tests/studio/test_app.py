"""What the page asks of weights."""

from types import SimpleNamespace

import pytest

from musicfusion.core.contracts import Control, Declaration, Input

pytest.importorskip("gradio")

from musicfusion.studio import app

DECLARED = Declaration(
    package="", name="none", title="", paper="", inputs={"source": Input(about="")}, input_sets=(("source",),),
    controls={"style": Control(about="", default=""), "other": Control(about="", default="")}, embedded_corpus="",
    other_corpora="")


def menus(words: dict[str, tuple[str, ...]], *chosen: str) -> list[tuple]:
    """(words, value) of each menu, once weights with these words are chosen."""
    model = SimpleNamespace(declaration=DECLARED, controls={
        name: SimpleNamespace(choices=own) for name, own in words.items()})
    studio = SimpleNamespace(shelf=lambda weights: model)
    updates = app._known(studio, DECLARED, list(words), 0, "weights", *chosen)
    updates = updates if isinstance(updates, list) else [updates]
    return [([word for _, word in update["choices"]], update["value"]) for update in updates]


def test_a_menu_offers_the_words_of_the_weights_and_forgets_one_that_they_lack():
    assert menus({"style": ("rock", "swing")}, "swing") == [(["", "rock", "swing"], "swing")]
    assert menus({"style": ("rock", "swing")}, "") == [(["", "rock", "swing"], "")]
    assert menus({"style": ("rock",), "other": ()}, "swing", "x") == [(["", "rock"], ""), ([""], "")]
