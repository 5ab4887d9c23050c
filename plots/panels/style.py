"""Common look of all figures: settings, colours, and the style of every search."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font

from algorithms.black_box import BLACK_BOX
from benchmark_api.text import shown
from experiments.analysis.statistics import Distribution

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.6,
    "text.parse_math": False,  # names and notices are no formulas
    "pdf.fonttype": 42,  # TrueType: text stays text in the PDF
    "savefig.dpi": 200,
}
"""Settings to draw under: `with matplotlib.rc_context(RC): ...`."""


@cache
def _letters() -> frozenset[int]:
    """Characters of the font, in Unicode."""
    return frozenset(FT2Font(findfont(FontProperties(family=RC["font.family"]))).get_charmap())


def drawable(text: str) -> str:
    """Return a text as a figure can show it: what the font lacks, or does not print, as an escape of Python."""
    printable = shown(text)
    return "".join(c if ord(c) in _letters() else c.encode("unicode_escape").decode() for c in printable)


REFERENCE_COLOR = "#222222"
"""Colour of the optimum and the Pareto front."""

MUTED_COLOR = "#6e6e6e"
"""Colour of notes and of the space mean."""

DOTTED, DASHED = (0, (1, 2)), (0, (5, 3))
"""Line styles of the optimum and of the space mean."""

_DASHES: Mapping[str, Any] = {
    "solid": "-",
    "dashed": (0, (5, 1.8)),
    "dotted": (0, (1.2, 1.4)),
    "dashdot": (0, (6, 1.6, 1.2, 1.6)),
}

# The colours of Okabe & Ito (2008), chosen for colour-blind readers, without yellow (too light for a line) and with grey in
# place of black (kept for the optimum).
_COLORS: Mapping[str, str] = {
    "grey": "#7f7f7f",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "green": "#009e73",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "purple": "#cc79a7",
}
_MARKERS = "osD^vPX*"

Look = tuple[str, str, str]  # colour, dashes, marker

# Looks in the order of each registry. The orders are such that relatives, which are neighbours there, share a hue.
_BLACK_BOX_LOOKS: Sequence[Look] = (
    *(("grey", "solid", "o"), ("vermillion", "solid", "s"), ("green", "dashed", "D"), ("orange", "dashdot", "^")),
    *(("purple", "dotted", "v"), ("purple", "solid", "P"), ("blue", "solid", "X"), ("sky", "dashed", "*")),
    *(("blue", "dotted", "D"), ("vermillion", "dotted", "o"), ("orange", "dashed", "v")),
)
_ONE_SHOT_LOOKS: Sequence[Look] = (
    *(("grey", "dashed", "o"), ("orange", "solid", "s"), ("vermillion", "dashed", "D"), ("green", "solid", "^")),
    *(("purple", "dashed", "P"), ("blue", "dashed", "X"), ("sky", "solid", "v"), ("orange", "dotted", "*")),
    ("green", "dashdot", "o"),
)
_TAKEN = {look[:2] for look in (*_BLACK_BOX_LOOKS, *_ONE_SHOT_LOOKS)}
_FREE = [(color, dashes) for dashes in _DASHES for color in _COLORS if (color, dashes) not in _TAKEN]


@dataclass(frozen=True)
class AlgorithmStyle:
    """Style of a search in every figure, in matplotlib's terms."""

    color: str
    linestyle: Any
    marker: str


def style_of(algorithm: str, variant: int = 0) -> AlgorithmStyle:
    """Style of a search, the same in all figures and all processes.

    The first searches of each registry have fixed looks by their order. Any other name gets one of the remaining pairs of colour
    and dashes by a checksum, so that its style does not depend on which other searches are drawn. (Two such names can meet.)

    Variant 0 is the first configuration of the search in a figure; the next ones have the same colour, other dashes and markers.
    """
    color, dashes, marker = _look_of(algorithm)
    linestyle = list(_DASHES.values())[(list(_DASHES).index(dashes) + variant) % len(_DASHES)]
    return AlgorithmStyle(_COLORS[color], linestyle, _MARKERS[(_MARKERS.index(marker) + variant) % len(_MARKERS)])


def _look_of(algorithm: str) -> Look:
    kind, position, _ = legend_order(algorithm)
    looks = (_BLACK_BOX_LOOKS, _ONE_SHOT_LOOKS, ())[kind]
    if position < len(looks):
        return looks[position]
    checksum = zlib.crc32(algorithm.encode())
    return *_FREE[checksum % len(_FREE)], _MARKERS[checksum % len(_MARKERS)]


def legend_order(algorithm: str) -> tuple[int, int, str]:
    """Sort key of searches in legends and rows: kind, position in its registry, name; unregistered names come last."""
    if algorithm in BLACK_BOX:
        return 0, list(BLACK_BOX).index(algorithm), algorithm
    from algorithms.one_shot import ONE_SHOT  # PyTorch takes seconds to import

    return (1, list(ONE_SHOT).index(algorithm), algorithm) if algorithm in ONE_SHOT else (2, 0, algorithm)


@dataclass(frozen=True)
class Series:
    """Values of one search in a panel, with its name in legends and on axes."""

    label: str
    style: AlgorithmStyle
    runs: Distribution


def note(
    axes: Axes,
    text: str,
    point: tuple[float, float],
    coordinates: tuple[str, str] = ("axes fraction", "axes fraction"),
    *,
    align: Literal["left", "right"] = "left",
    color: str = MUTED_COLOR,
) -> None:
    """Write small text just above a point, which is at its left or right end; a coordinate is "data" or "axes fraction"."""
    axes.annotate(
        text, point, (3 if align == "left" else -3, 2), xycoords=coordinates, textcoords="offset points",
        ha=align, color=color, fontsize="small",
    )  # fmt: skip
