"""The safetensors format: named arrays after a JSON header, no code in it.

The safetensors package copies every tensor it hands to NumPy, and writes only what is in memory as a whole. A table is opened
by every worker and must not be copied, so reading and laying out are here; the tests read what is written with the package.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark_api.jobs.files import regular
from benchmark_api.kind_of_file import HEAD, kind_of
from benchmark_api.schema import parse_json

_DTYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(text)
    for name, text in {
        "F64": "<f8",
        "F32": "<f4",
        "F16": "<f2",
        "I64": "<i8",
        "I32": "<i4",
        "I16": "<i2",
        "U16": "<u2",
        "U8": "|u1",
    }.items()
}
HEADER_LIMIT = 16 << 20
"""Largest header, in bytes: parsed, JSON takes up to 50 times as much memory. Headers of tables have some thousand bytes."""

_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


class FormatError(ValueError):
    """A file that is not a safetensors file, or a damaged one; the message names the error, not the file."""


class Layout:
    """Positions in a safetensors file of arrays with given dtypes and shapes by name; metadata are kept in the header.

    Attributes:
        head: the first bytes of the file, up to the first array.
        places: dtype, shape and first byte of every array by name, in the order of the file.
    """

    def __init__(self, tensors: Mapping[str, tuple[npt.DTypeLike, tuple[int, ...]]], metadata: Mapping[str, str]) -> None:
        entries: dict[str, Any] = {"__metadata__": dict(metadata)}
        sizes: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]] = {}
        offset = 0
        # Largest items first, so that every array is aligned to its item size.
        for name, (given, shape) in sorted(tensors.items(), key=lambda item: (-np.dtype(item[1][0]).itemsize, item[0])):
            dtype = np.dtype(given).newbyteorder("<")
            size = dtype.itemsize * math.prod(shape)
            entries[name] = {"dtype": _DTYPE_NAMES[dtype], "shape": list(shape), "data_offsets": [offset, offset + size]}
            sizes[name] = (dtype, tuple(shape), offset)
            offset += size
        header = json.dumps(entries).encode()
        header += b" " * (-len(header) % 8)
        self.head = len(header).to_bytes(8, "little") + header
        self.places = {name: (dtype, shape, len(self.head) + start) for name, (dtype, shape, start) in sizes.items()}


def map_safetensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """Return all arrays of a safetensors file as read-only views of one memory map, and its metadata.

    The header is checked as a whole, as by the safetensors package: every byte of the data belongs to one tensor. A name may
    not be there twice, where the package takes the last.

    Raises:
        FileNotFoundError: no such file.
        FormatError: not a well-formed safetensors file.
    """
    with open(regular(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise FormatError(f"{size} bytes, shorter than any safetensors file")
        head = file.read(HEAD)
        length = int.from_bytes(head[:8], "little")
        if not 2 <= length <= min(size - 8, HEADER_LIMIT):
            what = None if head[8:9] == b"{" else kind_of(head, path.name)
            what = what or f"no safetensors header (expected its length in the first 8 bytes, got {length} of {size})"
            raise FormatError(what)
        file.seek(8)
        header, metadata = _header(file.read(length))
        places = {name: _place(name, entry) for name, entry in header.items()}
        _check_cover(places, size - 8 - length)
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {name: _view(buffer, 8 + length, name, place) for name, place in places.items()}, metadata


def _header(text: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the entries of the tensors by name, and the metadata."""
    try:
        header = parse_json(text)
    except ValueError as error:
        raise FormatError(f"its header is {error}") from error
    if not isinstance(header, dict):
        raise FormatError("its header is not a JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("its metadata are not strings by name")
    return header, metadata


class _Place(NamedTuple):
    """Where an array is: its first byte and the one after its last, counted from the end of the header."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    begin: int
    end: int


def _place(name: str, entry: Any) -> _Place:
    """Return what a header entry says, which must fit together."""
    try:
        dtype, shape, (begin, end) = _DTYPES[entry["dtype"]], tuple(entry["shape"]), entry["data_offsets"]
        numbers = (*shape, begin, end)
        if {*map(type, numbers)} != {int} or min(numbers) < 0:
            raise ValueError(f"shape {shape} and offsets {begin} to {end} are not whole numbers")
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"offsets {begin} to {end} do not hold {shape} of {dtype}")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"damaged header entry for {name!r}: {error!r:.200}") from error
    return _Place(dtype, shape, begin, end)


def _view(buffer: mmap.mmap, start: int, name: str, place: _Place) -> npt.NDArray[Any]:
    """Return an array of a file whose data begin at byte `start`."""
    try:
        return np.frombuffer(buffer, place.dtype, math.prod(place.shape), start + place.begin).reshape(place.shape)
    except (ValueError, OverflowError) as error:  # sizes beside a zero may be beyond NumPy's
        raise FormatError(f"damaged header entry for {name!r}: {error!r:.200}") from error


def _check_cover(places: Mapping[str, _Place], size: int) -> None:
    """Check that arrays cover the data, `size` bytes, without gap or overlap. Nothing else shows offsets that were changed."""
    covered = 0
    for name, place in sorted(places.items(), key=lambda item: (item[1].begin, item[1].end)):
        if place.begin != covered:
            fault = "overlaps the tensor before" if place.begin < covered else "leaves a gap"
            raise FormatError(f"damaged header: {name} begins at byte {place.begin} of the data, {covered} expected: it {fault}")
        covered = place.end
    if covered > size:
        raise FormatError(f"truncated: the tensors have {covered} bytes, the file has {size} of them")
    if covered < size:
        raise FormatError(f"{size - covered} bytes follow the last tensor")


def fingerprint(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return SHA-256 over names, dtypes, shapes and contents of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
