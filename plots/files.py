"""Files of figures: PNG, PDF, and WebP for the report page. The same figure gives the same bytes whenever it is saved."""

from __future__ import annotations

import io
import os
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from benchmark_api.jobs.files import whole_file
from benchmark_api.spaces import SearchSpace
from benchmark_api.spaces.drawing import architecture_figure
from experiments.report.html import Picture

PAGE_DPI = 120
"""Resolution of figures on the page: sharp at their width, and a page of 40 figures stays below 3 MB."""

RASTER_DPI = 96
"""Resolution in PDF of panels with thousands of points, which are pixels there: they make most of the file's size."""


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Save a figure as PNG and PDF under a path without an extension, whose folder is made; return the two files."""
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
    files = [Path(f"{os.fspath(path)}.{kind}") for kind in metadata]
    for file, kind in zip(files, metadata, strict=True):
        with whole_file(file) as whole:
            figure.savefig(whole, format=kind, metadata=metadata[kind])
        figure.set_layout_engine("none")  # the places of the first file: finding them again takes as long as drawing
    return files


def picture(figure: Figure, png: Path) -> Picture:
    """A figure for the page, from its PNG file, in few colours."""
    width, height = (round(inches * PAGE_DPI) for inches in figure.get_size_inches())
    buffer = io.BytesIO()
    with Image.open(png) as image:
        small = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        small.save(buffer, format="WEBP", quality=70, method=4)
    return _picture(buffer, figure)


def cell_picture(space: SearchSpace, index: int) -> Picture:
    """The drawing of an architecture for the page."""
    buffer, figure = io.BytesIO(), architecture_figure(space, index)
    figure.savefig(buffer, format="webp", dpi=PAGE_DPI, pil_kwargs={"quality": 70})
    return _picture(buffer, figure)


def _picture(buffer: io.BytesIO, figure: Figure) -> Picture:
    return Picture(buffer.getvalue(), width=round(figure.get_figwidth() * 96), height=round(figure.get_figheight() * 96))
