"""Styles of searches: distinct with and without colour, stable, and without a list of names."""

from __future__ import annotations

from itertools import pairwise

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from plots.panels.style import FADED, HIGHLIGHTED, RC, AlgorithmStyle, legend_order, settings_with, style_of

ZOO = [
    name for registry in (BLACK_BOX, ONE_SHOT) for name, search in registry.items() if search.__module__.startswith("algorithms.")
]


def grey(name: str) -> tuple[str, str]:
    """What tells a search apart without colour."""
    return str(style_of(name).linestyle), style_of(name).marker


def test_searches_differ_without_colour() -> None:
    assert len({grey(name) for name in ZOO}) == len(ZOO)


def test_neighbours_differ_in_colour_dashes_and_marker() -> None:
    for names in (list(BLACK_BOX), list(ONE_SHOT)):
        for first, second in pairwise(style_of(name) for name in names):
            assert first.color != second.color
            assert first.linestyle != second.linestyle
            assert first.marker != second.marker


def test_ones_own_search_stands_out_and_has_one_style(monkeypatch: pytest.MonkeyPatch) -> None:
    unregistered = style_of("my-search")
    assert unregistered.color not in {style_of(name).color for name in ZOO}
    assert not {grey("my-search"), grey("other-search")} & {grey(name) for name in ZOO}
    own = type("Own", (BLACK_BOX["rea"],), {"__module__": "my_search"})
    monkeypatch.setitem(BLACK_BOX._entries, "my-search", own)
    assert style_of("my-search") == unregistered
    for number in range(9):
        monkeypatch.setitem(BLACK_BOX._entries, f"mine-{number}", own)
    assert len({grey(f"mine-{number}") for number in range(9)} | {grey("my-search")}) == 10
    assert style_of("my-search") == unregistered


def test_order_of_legends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BLACK_BOX._entries, "my-search", BLACK_BOX["rea"])
    names = ["gdas", "somebodys", "my-search", "rsps", "rea"]
    assert sorted(names, key=legend_order) == ["rea", "my-search", "rsps", "gdas", "somebodys"]


def test_variants_and_derived_searches_share_the_colour_only() -> None:
    styles = [*(style_of("rea", variant) for variant in range(3)), style_of("rea+srm")]
    assert len({style.color for style in styles}) == 1
    assert len({str(style.linestyle) for style in styles}) == 4
    assert len({style.marker for style in styles}) == 4


def test_highlighted_searches_are_wide_and_the_others_pale() -> None:
    mine, other = (style_of(name, highlight=("rea",)) for name in ("rea", "random"))
    assert (mine.emphasis, other.emphasis) == (HIGHLIGHTED, FADED)
    assert mine.linewidth > style_of("rea").linewidth > other.linewidth
    assert mine.opacity == 1.0 > other.opacity
    assert (mine.color, mine.marker) == (style_of("rea").color, style_of("rea").marker)


def test_dashes_are_those_of_the_line() -> None:
    assert AlgorithmStyle("#000000", "-", "o").dashes == ()
    assert AlgorithmStyle("#000000", (0, (5, 2)), "o", 2.0).dashes == (14.0, 5.6)


def test_fonts_are_checked_and_sizes_are_in_proportion() -> None:
    settings = settings_with("serif", 2 * RC["font.size"])
    assert settings["font.family"] == "serif"
    assert settings["legend.fontsize"] == 2 * RC["legend.fontsize"]
    assert settings["lines.linewidth"] == RC["lines.linewidth"]
    with pytest.raises(ValueError, match="no font 'Nonesuch' is installed; expected one of"):
        settings_with("Nonesuch", 9.0)
    with pytest.raises(ValueError, match=r"--font-size 0\.5; expected 4 to 40 points"):
        settings_with("serif", 0.5)
