"""Figures of results."""

import threading

import numpy as np
import pytest

from musicfusion.render import figures
from musicfusion.render.figures import curves, drawable, lines_grid


def image(path):
    from PIL import Image

    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def test_a_figure_shows_each_line_in_its_own_colour(tmp_path):
    x = np.arange(10)
    path = curves(tmp_path / "a.png", x, {"ours": x, "theirs": 9 - x}, "step", "loss", "Loss")
    colours = {tuple(c) for c in image(path).reshape(-1, 3)}
    assert {(0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)} <= colours


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_any_number_of_panels_fits_on_a_grid(tmp_path, count):
    panels = [
        (f"panel {k}", [0, 1, 2], {"a": [k, 1, 2], "b": [0, np.nan, 1]}) for k in range(count)
    ]
    assert image(lines_grid(tmp_path / "a.png", panels, "x", "y", "title")).std() > 0


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_legend_of_many_methods_is_not_cut_off(tmp_path, count):
    lines = {f"a method with a rather long name, {k}": [k, k] for k in range(15)}
    pixels = image(lines_grid(tmp_path / "a.png", [("panel", [0, 1], lines)] * count))
    for edge in (pixels[:, :3], pixels[:, -3:], pixels[-3:]):
        assert edge.min() == 255


def test_dollars_and_foreign_scripts_in_names_do_no_harm(tmp_path):
    curves(tmp_path / "a.png", [0, 1], {"$x_$ 晴天": [0, 1], "_b": [1, 0]}, "$", "晴", "50 % $")
    assert drawable("晴天 ♭é") == "?? ♭é"


def test_the_same_figure_gives_the_same_bytes_from_any_thread(tmp_path):
    def draw(k):
        curves(tmp_path / f"{k}.png", range(50), {"a": np.sin(np.arange(50))}, "x", "y")

    threads = [threading.Thread(target=draw, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(tmp_path / f"{k}.png").read_bytes() for k in range(4)}) == 1


def test_bars_and_bubbles_are_drawn_of_what_there_is(tmp_path):
    series = {"trained": [(2.5, 2.0, 3.0), None], "not trained": [(3.0, np.nan, np.nan), (4.0, 3.5, 4.5)]}
    paper = {"trained": [2.6, None], "not trained": [None, 3.9]}
    one = figures.bars(tmp_path / "1.png", ["rules, simple", "model"], series, paper, "harmony", "Bars", (1, 5))
    two = figures.bars(tmp_path / "2.png", ["rules, simple", "model"], series)
    three = figures.bubbles(tmp_path / "3.png", [(1, 5, 3, 1.0), (5, 1, 1, 0.0)], "melody", "accompaniment", "control")
    none = figures.bubbles(tmp_path / "4.png", [])
    assert len({path.read_bytes() for path in (one, two, three, none)}) == 4
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in (one, two, three, none))


def panel(count, kinds=("real", "ours"), **more):
    rng = np.random.default_rng(count)
    points = {f"method {k} $x_$": tuple(rng.choice([1.0, rng.uniform()], 2).tolist()) for k in range(count)}
    return figures.Points(title="晴 judge", xlabel="kept", ylabel="fits", points=points,
                          kinds={name: kinds[k % len(kinds)] for k, name in enumerate(points)}, **more)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_a_trade_off_shows_every_kind_in_its_colour_and_cuts_no_name_off(tmp_path, count):
    found = panel(count)
    lines = [list(found.points)[:3]] if count > 2 else []
    pixels = image(figures.tradeoff(tmp_path / "a.png", [panel(count, lines=lines), panel(3)], "title"))
    colours = {tuple(c) for c in pixels.reshape(-1, 3)}
    assert {(0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)} <= colours
    assert pixels[:, -3:].min() == 255 and pixels[-3:].min() == 255


def test_points_in_one_place_get_numbers_that_can_be_read(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    texts, text = [], Axes.text
    monkeypatch.setattr(Axes, "text", lambda self, x, y, s, **more: (texts.append((x, y, s)),
                                                                     text(self, x, y, s, **more))[1])
    crowd = figures.Points(title="", xlabel="", ylabel="", points={str(k): (1.0, 0.5 + 0.01 * k) for k in range(6)},
                           kinds=dict.fromkeys(map(str, range(6)), "ours"))
    figures.tradeoff(tmp_path / "a.png", [crowd])
    numbers = [(x, y) for x, y, s in texts if s in set("123456")]
    assert len(numbers) == 6
    assert min(np.hypot(a[0] - b[0], a[1] - b[1]) for i, a in enumerate(numbers) for b in numbers[:i]) > 0.02
