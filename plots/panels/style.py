"""One look for all figures: sizes, the colour and line style of every algorithm, and files whose bytes repeat."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_api.jobs.files import whole_file

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
    "pdf.fonttype": 42,  # TrueType: text stays text in the PDF
    "savefig.dpi": 200,
}
"""Settings to draw under: `with matplotlib.rc_context(RC): ...`."""

REFERENCE_COLOR = "#222222"
"""Colour of what is no algorithm's: the optimum, the Pareto front."""

MUTED_COLOR = "#6e6e6e"
"""Colour of notes and of the space's mean."""

_DASHES: Mapping[str, Any] = {
    "solid": "-",
    "dashed": (0, (5, 1.8)),
    "dotted": (0, (1.2, 1.4)),
    "dashdot": (0, (6, 1.6, 1.2, 1.6)),
}

# The colours of Okabe & Ito (2008), which the colour-blind tell apart, without yellow (too light for a line) and with grey in
# place of black (kept for the optimum). Relatives share a hue and differ in their dashes.
_GREY, _ORANGE, _SKY, _GREEN = "#7f7f7f", "#e69f00", "#56b4e9", "#009e73"
_BLUE, _VERMILLION, _PURPLE = "#0072b2", "#d55e00", "#cc79a7"
_MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class AlgorithmStyle:
    """How an algorithm looks in every figure.

    Attributes:
        color: as matplotlib takes it.
        linestyle: as matplotlib takes it.
        marker: as matplotlib takes it.
    """

    color: str
    linestyle: Any
    marker: str


_KNOWN: Mapping[str, tuple[str, str, str]] = {
    "random": (_GREY, "solid", "o"),
    "rea": (_VERMILLION, "solid", "s"),
    "reinforce": (_GREEN, "dashed", "D"),
    "local-search": (_ORANGE, "dashdot", "^"),
    "successive-halving": (_PURPLE, "dotted", "v"),
    "hyperband": (_PURPLE, "solid", "P"),
    "bohb": (_BLUE, "solid", "X"),
    "bohb-reference": (_SKY, "dashed", "*"),
    "rsps": (_GREY, "dashed", "o"),
    "darts-v1": (_ORANGE, "solid", "s"),
    "darts-v2": (_VERMILLION, "dashed", "D"),
    "gdas": (_GREEN, "solid", "^"),
    "setn": (_PURPLE, "dashed", "P"),
    "enas": (_BLUE, "dashed", "X"),
    "tas": (_SKY, "solid", "v"),
    "fbnetv2": (_ORANGE, "dotted", "*"),
    "tunas": (_GREEN, "dashdot", "o"),
}
_FREE = [
    (color, dashes)
    for dashes in _DASHES
    for color in (_GREY, _ORANGE, _SKY, _GREEN, _BLUE, _VERMILLION, _PURPLE)
    if (color, dashes) not in {(color, dashes) for color, dashes, _ in _KNOWN.values()}
]


def style_of(algorithm: str, variant: int = 0) -> AlgorithmStyle:
    """The style of an algorithm, the same in all figures and all processes.

    A name that is not of this project gets a free pair of colour and dashes from a checksum of its name, so that its style
    does not depend on which other algorithms are drawn. (Two such names can meet: there are 11 pairs.)

    Args:
        algorithm: the registered name.
        variant: 0 for the first configuration of the algorithm in a figure, 1 for the second, ...: the same colour with the
            next dashes and marker.
    """
    if algorithm in _KNOWN:
        color, dashes, marker = _KNOWN[algorithm]
    else:
        checksum = zlib.crc32(algorithm.encode())
        (color, dashes), marker = _FREE[checksum % len(_FREE)], _MARKERS[checksum % len(_MARKERS)]
    order = list(_DASHES)
    return AlgorithmStyle(
        color,
        _DASHES[order[(order.index(dashes) + variant) % len(order)]],
        _MARKERS[(_MARKERS.index(marker) + variant) % len(_MARKERS)],
    )


def reading_order(algorithm: str) -> tuple[int, str]:
    """Sort key of an algorithm in legends and rows: the baseline first, relatives together, unknown ones last by name."""
    known = list(_KNOWN)
    return (known.index(algorithm) if algorithm in known else len(known), algorithm)


@dataclass(frozen=True)
class Series:
    """What one algorithm contributes to a figure.

    Attributes:
        label: its name in legends and on axes.
        style: its style.
        values: [run, ...]; the figure says what they are.
    """

    label: str
    style: AlgorithmStyle
    values: npt.NDArray[Any]


def note(
    axes: Axes,
    text: str,
    point: tuple[float, float],
    coordinates: tuple[str, str],
    *,
    align: Literal["left", "right"] = "left",
    color: str = MUTED_COLOR,
) -> None:
    """Write small text just above a point and to the right of it (`align` "left") or to the left of it ("right").

    Args:
        axes: where to write.
        text: what to write.
        point: x and y.
        coordinates: what x and y are in: "data" or "axes fraction".
        align: which end of the text is at the point.
        color: the text's colour.
    """
    axes.annotate(
        text, point, (3 if align == "left" else -3, 2), xycoords=coordinates, textcoords="offset points",
        ha=align, color=color, fontsize="small",
    )  # fmt: skip


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Save a figure as PNG and PDF; the same figure gives the same bytes whenever it is saved.

    Args:
        figure: the figure.
        path: the file's path without an extension; its folder is made.

    Returns:
        The two files.
    """
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
    files = {kind: Path(f"{os.fspath(path)}.{kind}") for kind in metadata}
    for kind, file in files.items():
        with whole_file(file) as whole:
            figure.savefig(whole, format=kind, metadata=metadata[kind])
    return list(files.values())
