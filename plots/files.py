"""Files of figures: PNG, PDF, and WebP for the report page. The same figure gives the same bytes whenever it is saved."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from benchmark_api.jobs.files import whole_file
from benchmark_api.spaces import SearchSpace
from benchmark_api.spaces.drawing import architecture_figure
from experiments.report.html import Picture

PAGE_DPI = (120, 96, 80, 64)
"""Resolutions of figures on the page, from which `pictures` takes the first with which they fit it."""

PAGE_BYTES = 1_400_000
"""Size of all figures on the page, so that it stays below 3 MB: their text form has a third more, the data half a megabyte."""

CSS_DPI = 96
"""Pixels of a page in an inch."""


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Save a figure as PNG and PDF under a path without an extension, whose folder is made; return the two files."""
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
    files = [Path(f"{os.fspath(path)}.{kind}") for kind in metadata]
    for file, kind in zip(files, metadata, strict=True):
        with whole_file(file) as whole:
            figure.savefig(whole, format=kind, metadata=metadata[kind])
        figure.set_layout_engine("none")  # the places of the first file: finding them again takes as long as drawing
    return files


def pictures(files: Sequence[Path]) -> dict[Path, Picture]:
    """Figures for the page from their PNG files, in the highest resolution with which all of them fit it."""
    found: dict[Path, Picture] = {}
    for dpi in PAGE_DPI:
        found = {file: _picture(file, dpi) for file in files}
        if sum(len(one.webp) for one in found.values()) <= PAGE_BYTES:
            break
    return found


def _picture(png: Path, dpi: int) -> Picture:
    buffer = io.BytesIO()
    with Image.open(png) as image:
        inches = [pixels / dots for pixels, dots in zip(image.size, image.info["dpi"], strict=True)]
        small = image.convert("RGB").resize([round(dpi * side) for side in inches], Image.Resampling.LANCZOS)
    small.save(buffer, format="WEBP", quality=65, method=4)
    return Picture(buffer.getvalue(), *(round(CSS_DPI * side) for side in inches))


def cell_picture(space: SearchSpace, index: int) -> Picture:
    """The drawing of an architecture for the page."""
    buffer, figure = io.BytesIO(), architecture_figure(space, index)
    figure.savefig(buffer, format="webp", dpi=CSS_DPI, pil_kwargs={"quality": 65})
    width, height = figure.get_size_inches()
    return Picture(buffer.getvalue(), round(CSS_DPI * width), round(CSS_DPI * height))
