"""Files of figures, written by several processes, and pictures for the report page."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import pickle
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from benchmark_api.jobs.calls import WorkerDied
from benchmark_api.spaces import SearchSpace
from benchmark_api.spaces.drawing import architecture_figure
from experiments.report.html import Picture
from plots.saving import CSS_DPI, KINDS, begin, files_of, picture, save, save_pickled

if TYPE_CHECKING:
    from typing_extensions import Self

PAGE_DPI = (120, 96, 80, 64)
"""Resolutions of figures on the page, from which `Writer.pictures` takes the first with which they fit it."""

PAGE_BYTES = 1_400_000
"""Size of all figures on the page, so that it stays below 3 MB: their text form has a third more, the data half a megabyte."""


class Writer:
    """Saves figures, in other processes if there are several jobs: while one figure is written, the next ones are drawn.

    Used in a `with` statement.

    Args:
        jobs: number of processes that write; with one job, figures are written by this process at once.
        settings: matplotlib's settings.
    """

    def __init__(self, jobs: int, settings: Mapping[Any, Any]) -> None:
        spawn = multiprocessing.get_context("spawn")  # this process has threads, which a forked one would lack
        self._pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=begin, initargs=(settings,)) if jobs > 1 else None
        self._written: list[Future[Any]] = []
        if self._pool is not None:
            resource_tracker.ensure_running()  # before Python 3.12 its start unblocks what `save` blocks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def save(self, figure: Figure, path: str | os.PathLike[str], kinds: Sequence[str] = KINDS) -> list[Path]:
        """Save a figure as `save` does, now or before the end of `finish`; return the files."""
        if self._pool is None:
            return save(figure, path, kinds)
        data = pickled(figure)
        # A process that this starts inherits that Ctrl-C and the end of a terminal are blocked, which this process answers.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            self._written.append(self._pool.submit(save_pickled, data, path, kinds))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        return files_of(path, kinds)

    def finish(self) -> None:
        """Wait until all figures are saved.

        Raises:
            OSError: one could not be.
            WorkerDied: a process died.
        """
        try:
            for written in self._written:
                written.result()
        except BrokenProcessPool as error:
            raise WorkerDied("a process that writes figures died, perhaps for lack of memory; try fewer jobs") from error
        self._written = []

    def pictures(self, files: Sequence[Path]) -> dict[Path, Picture]:
        """Figures for the page from their PNG files, in the highest resolution with which all of them fit it."""
        found: dict[Path, Picture] = {}
        for dpi in PAGE_DPI:
            made = (map if self._pool is None else self._pool.map)(picture, files, repeat(dpi))
            found = {file: Picture(*one) for file, one in zip(files, made, strict=True)}
            if sum(len(one.webp) for one in found.values()) <= PAGE_BYTES:
                break
        return found


def pickled(figure: Figure) -> bytes:
    """Pickle a figure while no garbage is collected: matplotlib iterates over dictionaries that lose what is collected."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return pickle.dumps(figure)
    finally:
        if enabled:
            gc.enable()


def cell_picture(space: SearchSpace, index: int) -> Picture:
    """The drawing of an architecture for the page."""
    buffer, figure = io.BytesIO(), architecture_figure(space, index)
    figure.savefig(buffer, format="webp", dpi=CSS_DPI, pil_kwargs={"quality": 65})
    width, height = figure.get_size_inches()
    return Picture(buffer.getvalue(), round(CSS_DPI * width), round(CSS_DPI * height))
