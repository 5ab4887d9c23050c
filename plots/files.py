"""Files of figures: PNG, PDF, and SVG for the report page. The same figure gives the same bytes whenever it is saved."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from benchmark_api.jobs.files import whole_file
from experiments.report.html import Picture

RASTER_DPI = 96
"""Resolution in SVG of panels with thousands of points, which are pixels there: they make most of the page's size."""


def save(figure: Figure, path: str | os.PathLike[str]) -> list[Path]:
    """Save a figure as PNG and PDF under a path without an extension, whose folder is made; return the two files."""
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
    files = [Path(f"{os.fspath(path)}.{kind}") for kind in metadata]
    for file, kind in zip(files, metadata, strict=True):
        with whole_file(file) as whole:
            figure.savefig(whole, format=kind, metadata=metadata[kind])
    return files


def picture(figure: Figure) -> Picture:
    """A figure as SVG for the page."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "nas-zoo", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=RASTER_DPI)
    return Picture(buffer.getvalue(), width=round(figure.get_figwidth() * 96))
