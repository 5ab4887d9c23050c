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
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "U16": "<u2", "U8": "|u1"}
_DTYPE_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}


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

    Raises:
        FileNotFoundError: no such file.
        FormatError: not a well-formed safetensors file.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise FormatError(f"{size} bytes, shorter than any safetensors file")
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            raise FormatError(f"no safetensors header (expected its length in the first 8 bytes, got {length})")
        try:
            header = json.loads(file.read(length))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"its header is not JSON ({error})") from error
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if not isinstance(header, dict):
        raise FormatError("its header is not a JSON object")
    tensors = {}
    metadata = header.pop("__metadata__", {})
    for name, entry in header.items():
        try:
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(map(int, entry["shape"]))
            begin, end = map(int, entry["data_offsets"])
            count = math.prod(shape)
            plausible = begin >= 0 and all(0 <= number <= size for number in shape)
            if not plausible or end - begin != count * dtype.itemsize:
                raise ValueError(f"offsets {begin} to {end} do not hold {shape} of {dtype}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"damaged header entry for {name!r}: {error!r}") from error
        if 8 + length + end > size:
            raise FormatError(f"truncated: {name} ends at byte {8 + length + end}, the file has {size}")
        tensors[name] = np.frombuffer(buffer, dtype, count, 8 + length + begin).reshape(shape)
    return tensors, metadata


def fingerprint(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return SHA-256 over names, dtypes, shapes and contents of arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
