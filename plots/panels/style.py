"""Common look of all figures: settings, colours, and the style of every search."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.font_manager import fontManager as font_manager
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
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # names and notices are no formulas
    "pdf.fonttype": 42,  # TrueType: text stays text in the PDF
    "savefig.dpi": 200,
}
"""Settings to draw under: `with matplotlib.rc_context(RC): ...`."""


def settings_with(font: str, size: float) -> dict[Any, Any]:
    """Return `RC` with another family of fonts, and all sizes of text in proportion to a size in points.

    Raises:
        ValueError: no such font is installed, or the size is not between 4 and 40.
    """
    if not 4.0 <= size <= 40.0:
        raise ValueError(f"--font-size {size}; expected 4 to 40 points")
    known = {entry.name for entry in font_manager.ttflist}
    if font not in known and font not in _GENERIC:
        raise ValueError(f"no font {font!r} is installed; expected one of {', '.join(sorted({*known, *_GENERIC}))}")
    scale = size / RC["font.size"]
    return {name: value * scale if name.endswith("size") else value for name, value in RC.items()} | {"font.family": font}


_GENERIC = ("serif", "sans-serif", "monospace")


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

# In the order of places: searches of one colour, eight places apart, have dashes that are easily told apart.
_DASHES: Mapping[str, Any] = {
    "solid": "-",
    "dashdot": (0, (6, 1.6, 1.2, 1.6)),
    "dashed": (0, (5, 1.8)),
    "long": (0, (10, 2.5)),
    "dotted": (0, (1.2, 1.4)),
    "sparse": (0, (1.8, 2.8)),
}

# The colours of Okabe & Ito (2008), chosen for colour-blind readers, without yellow (too light for a line), with grey in place of
# black (kept for the optimum), and wine of Tol (2021).
_COLORS: Mapping[str, str] = {
    "grey": "#7f7f7f",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#cc79a7",
    "blue": "#0072b2",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "wine": "#882255",
}
_MARKERS = "osD^vPX*<>p"

_OWN_COLORS = ("#000000", "#7a0177", "#6b4c00", "#003c8f")
"""Colours of searches that are not of this project: dark, so that they stand out."""

_PLACES = len(_DASHES) * len(_MARKERS)
"""Number of pairs of dashes and marker: 66. A look is a place; 6, 8 and 11 share no factor that would repeat a pair before."""

_FIRST_PLACES = {"black-box": 0, "one-shot": 24, "own": 48}
"""Places from which searches of this project, by kind, and all other searches have theirs."""


@dataclass(frozen=True)
class AlgorithmStyle:
    """Style of a search in every figure, in matplotlib's terms.

    Attributes:
        color: of lines, markers and bands.
        linestyle: dashes.
        marker: of points, and on lines.
        emphasis: 1; more for a search that is highlighted, less for the others beside it.
    """

    color: str
    linestyle: Any
    marker: str
    emphasis: float = 1.0

    @property
    def linewidth(self) -> float:
        """Width of lines, points."""
        return 1.4 * self.emphasis

    @property
    def dashes(self) -> tuple[float, ...]:
        """Lengths of dashes and gaps, pixels of a page; none for a solid line."""
        return () if self.linestyle == "-" else tuple(self.linewidth * length for length in self.linestyle[1])

    @property
    def opacity(self) -> float:
        """Opacity of lines, in (0, 1]."""
        return min(1.0, 0.3 + 0.7 * self.emphasis)


HIGHLIGHTED, FADED = 1.8, 0.5
"""Emphasis of the searches that are highlighted, and of the others then."""


def style_of(algorithm: str, variant: int = 0, highlight: Collection[str] = ()) -> AlgorithmStyle:
    """Style of a search, the same in all figures and all processes.

    The pair of dashes and marker tells the searches of this project apart without colour, and the colour does where they are
    neighbours. A search of this project has its place by its position in its registry. Any other has one of the dark colours
    and a place by a checksum of its name, the next free one where another registered search has it, so that its style does
    not depend on which other searches are drawn.

    Args:
        algorithm: name of the search.
        variant: 0 for the first configuration of the search in a figure; the next ones have the same colour, other dashes
            and markers. So has a search that is derived from another one, e.g. rea+srm.
        highlight: names of the searches that stand out; none: all are alike.
    """
    known, derived = _known(algorithm)
    own, place = _place_of(known)
    shift = variant + (len(_DASHES) // 2 if derived else 0)
    color = _OWN_COLORS[place % len(_OWN_COLORS)] if own else list(_COLORS.values())[place % len(_COLORS)]
    dashes = list(_DASHES.values())[(place + shift) % len(_DASHES)]
    emphasis = (HIGHLIGHTED if algorithm in highlight else FADED) if highlight else 1.0
    return AlgorithmStyle(color, dashes, _MARKERS[(place + shift) % len(_MARKERS)], emphasis)


def _place_of(algorithm: str) -> tuple[bool, int]:
    """Whether a search is not of this project, and its place."""
    kind, position, _ = legend_order(algorithm)
    if kind < 2 and not _is_own(algorithm):
        return False, _FIRST_PLACES["one-shot" if kind else "black-box"] + position
    places: dict[str, int] = {}
    for name in (*_own_searches(), algorithm):
        place = zlib.crc32(name.encode()) % (_PLACES - _FIRST_PLACES["own"])
        while place in places.values() and len(places) < _PLACES - _FIRST_PLACES["own"]:
            place = (place + 1) % (_PLACES - _FIRST_PLACES["own"])
        places.setdefault(name, place)
    return True, _FIRST_PLACES["own"] + places[algorithm]


def _is_own(name: str) -> bool:
    """Whether a registered search is not of this project."""
    if name in BLACK_BOX:
        module = BLACK_BOX[name].__module__
    else:
        from algorithms.one_shot import ONE_SHOT

        module = ONE_SHOT[name].__module__
    return module.partition(".")[0] != "algorithms"


def _own_searches() -> list[str]:
    """Names of the registered searches that are not of this project."""
    from algorithms.one_shot import ONE_SHOT  # PyTorch takes seconds to import

    return [name for name in (*BLACK_BOX, *ONE_SHOT) if _is_own(name)]


def legend_order(algorithm: str) -> tuple[int, int, str]:
    """Sort key of searches in legends and rows: kind, position in its registry, name; unregistered names come last."""
    known, _ = _known(algorithm)
    if known in BLACK_BOX:
        return 0, list(BLACK_BOX).index(known), algorithm
    from algorithms.one_shot import ONE_SHOT  # PyTorch takes seconds to import

    return (1, list(ONE_SHOT).index(known), algorithm) if known in ONE_SHOT else (2, 0, algorithm)


def _known(algorithm: str) -> tuple[str, bool]:
    """The registered name of a search, and whether the search is derived from it (its name has a suffix, as in rea+srm)."""
    registered = list(BLACK_BOX)
    origin = algorithm.rpartition("+")[0]
    return (origin, True) if algorithm not in registered and origin in registered else (algorithm, False)


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
