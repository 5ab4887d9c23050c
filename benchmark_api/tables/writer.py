"""Writing a table block by block, and atomically."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_api.jobs.files import whole_file
from benchmark_api.tables.safetensors import Layout, fingerprint, map_safetensors
from benchmark_api.tables.schema import FORMAT_VERSION, check_name, read_metadata
from benchmark_api.types import AnyArray

_NO_FINGERPRINT = "0" * 64


class TableWriter:
    """Writes a table block by block into a temporary file that becomes the table when all is done.

    Use as a context manager: leaving it normally finishes the table, leaving it by an exception removes what was written.

    Args:
        path: the table to make; replaced only at the end.
        tensors: dtype and shape of every tensor by name. All floats start as NaN, all integers as -1.
        metadata: the table's metadata without "format" and "fingerprint".

    Raises:
        ValueError: a table may not have such metadata, or tensors of such names.
        WriteError: as for `whole_file`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        tensors: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]],
        metadata: Mapping[str, Any],
    ) -> None:
        self.path = Path(path)
        about = json.dumps({**metadata, "format": FORMAT_VERSION, "fingerprint": _NO_FINGERPRINT})
        read_metadata(about)  # what could not be read again is not written
        for name in tensors:
            check_name(name)
        self._layout = Layout(tensors, {"table": about})
        self._fingerprint_at = self._layout.head.index(_NO_FINGERPRINT.encode())
        with ExitStack() as stack:
            self._part = stack.enter_context(whole_file(self.path))
            self._file = self._part.fileno()
            _pwrite_all(self._file, self._layout.head, 0)
            self._fill()
            self._stack = stack.pop_all()

    def _fill(self) -> None:
        for dtype, shape, offset in self._layout.places.values():
            total = math.prod(shape)
            blank = np.full(min(total, 1 << 20), np.nan if dtype.kind == "f" else -1).astype(dtype).tobytes()
            for done in range(0, total * dtype.itemsize, max(len(blank), 1)):
                chunk = blank[: total * dtype.itemsize - done]
                _pwrite_all(self._file, chunk, offset + done)

    def write(self, name: str, block: npt.ArrayLike, start: int = 0) -> None:
        """Write rows [start, start + len(block)) of a tensor.

        Raises:
            ValueError: the block does not fit the tensor.
        """
        dtype, shape, offset = self._layout.places[name]
        rows = np.ascontiguousarray(block, dtype=dtype)
        if rows.shape[1:] != shape[1:] or not 0 <= start <= start + rows.shape[0] <= shape[0]:
            raise ValueError(f"{name}: rows {start} and on of shape {rows.shape} do not fit {shape}")
        _pwrite_all(self._file, rows.reshape(-1).view(np.uint8).data, offset + start * dtype.itemsize * math.prod(shape[1:]))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            tensors, _ = map_safetensors(Path(self._part.name))
            _pwrite_all(self._file, fingerprint(tensors).encode(), self._fingerprint_at)


def write_table(path: str | os.PathLike[str], tensors: Mapping[str, AnyArray], metadata: Mapping[str, Any]) -> None:
    """Write a table of whole tensors; those of other tables are copied from file to file, and may be larger than memory."""
    with TableWriter(path, {name: (array.dtype, array.shape) for name, array in tensors.items()}, metadata) as writer:
        for name, array in tensors.items():
            writer.write(name, array)


def default_schedules(schedules: Iterable[str]) -> dict[str, str]:
    """Return a table's metadata on schedules: searches use 12 epochs, or the shortest there is; reports the longest."""
    found = sorted(schedules, key=int)
    return {"search_schedule": "12" if "12" in found else found[0], "report_schedule": found[-1]}


def _pwrite_all(file: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
