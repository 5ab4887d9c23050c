"""Styles of searches: distinct with and without colour, stable, and without a list of names."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from benchmark_api.types import FloatArray
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


# Simulations of dichromats for linear sRGB, Machado, Oliveira and Fernandes (IEEE TVCG 15(6), 2009), table 1, severity 1.0.
VISION = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritanopia": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
WHITE = TO_XYZ.sum(axis=1)
APART = 9.0
"""Distance in CIELAB (CIE 1976) that counts as different; 2.3 is just noticeable, markers are small."""


def lab(color: str, vision: FloatArray) -> FloatArray:
    """A colour in CIELAB as it is seen."""
    rgb = np.array(to_rgb(color))
    linear = vision @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = TO_XYZ @ np.clip(linear, 0, 1) / WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colours_are_compared_as_they_are_seen() -> None:
    np.testing.assert_allclose(lab("#ffffff", VISION["usual"]), [100, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab("#ff0000", VISION["usual"]), [53.24, 80.09, 67.20], atol=0.05)
    red, green = (lab(color, VISION["deuteranopia"]) for color in ("#a03000", "#5a6400"))
    assert np.linalg.norm(red - green) < 0.3 * np.linalg.norm(lab("#a03000", np.eye(3)) - lab("#5a6400", np.eye(3)))


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("sign", ["marker", "linestyle"])
def test_searches_of_one_figure_differ_for_the_colour_blind(sign: str, vision: str) -> None:
    """Figures of points show both kinds of searches without dashes; those of lines without markers show one kind."""
    for names in [ZOO] if sign == "marker" else [[*BLACK_BOX], [*ONE_SHOT]]:
        for first, second in combinations((style_of(name) for name in names if name in ZOO), 2):
            apart = np.linalg.norm(lab(first.color, VISION[vision]) - lab(second.color, VISION[vision]))
            assert getattr(first, sign) != getattr(second, sign) or apart >= APART


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
