"""What the processes that write figures do: PNG and PDF files, and WebP pictures of PNG files for the report page.

The same figure gives the same bytes whenever it is saved. Each process imports this module and little else of the project.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from benchmark_api.jobs.calls import follow_parent
from benchmark_api.jobs.files import whole_file

CSS_DPI = 96
"""Pixels of a page in an inch."""

METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
"""Metadata left out of the files, by their kind: they would differ between two files of one figure."""

LAYOUT_TABLES = ("BASE", "GDEF", "GPOS", "GSUB", "JSTF", "kern")
"""Tables of a font that say where its letters go. A PDF file says that itself; to shorten them would take as long as all else."""

KINDS = (*METADATA,)
"""Kinds of files of a figure."""


def save(figure: Figure, path: str | os.PathLike[str], kinds: Sequence[str] = KINDS) -> list[Path]:
    """Save a figure as PNG and PDF under a path without an extension, whose folder is made; return the files."""
    files = files_of(path, kinds)
    _lay_out(figure)
    for file, kind in zip(files, kinds, strict=True):
        with whole_file(file) as whole, _short_fonts() if kind == "pdf" else nullcontext():
            figure.savefig(whole, format=kind, metadata=METADATA[kind])
    return files


def save_pickled(pickled: bytes, path: str | os.PathLike[str], kinds: Sequence[str]) -> list[Path]:
    """Save a pickled figure as `save` does."""
    return save(pickle.loads(pickled), path, kinds)


@contextmanager
def _short_fonts() -> Iterator[None]:
    """Let matplotlib embed fonts without layout tables; a fontTools without this default, which is a private one, keeps them."""
    from fontTools import subset  # which matplotlib needs to write PDF files

    options: Any = subset.Options
    default = getattr(options, "_drop_tables_default", None)
    if default is None:
        yield
        return
    options._drop_tables_default = [*default, *LAYOUT_TABLES]
    try:
        yield
    finally:
        options._drop_tables_default = default


def _lay_out(figure: Figure) -> None:
    """Find the places of a figure's parts once for all of its files; `savefig` would draw the figure to nowhere for that."""
    if (engine := figure.get_layout_engine()) is not None:
        if (dpi := matplotlib.rcParams["savefig.dpi"]) != "figure":
            figure.set_dpi(dpi)  # letters have whole pixels
        engine.execute(figure)
        figure.set_layout_engine("none")


def files_of(path: str | os.PathLike[str], kinds: Sequence[str]) -> list[Path]:
    """Return the files of a figure."""
    return [Path(f"{os.fspath(path)}.{kind}") for kind in kinds]


def begin(settings: Mapping[Any, Any]) -> None:
    """Prepare a process that writes figures."""
    follow_parent()
    matplotlib.rcParams.update(settings)
    gc.freeze()  # collections pass over what was imported


def picture(png: Path, dpi: int) -> tuple[bytes, int, int]:
    """Return a WebP file of a PNG file, with `dpi` dots per inch, and its width and height in CSS pixels."""
    buffer = io.BytesIO()
    with Image.open(png) as image:
        inches = [pixels / dots for pixels, dots in zip(image.size, image.info["dpi"], strict=True)]
        size = tuple(round(dpi * side) for side in inches)
        small = image.convert("RGB")
        if size != image.size:
            small = small.resize(size, Image.Resampling.LANCZOS)
    small.save(buffer, format="WEBP", quality=65, method=4)
    width, height = (round(CSS_DPI * side) for side in inches)
    return buffer.getvalue(), width, height
