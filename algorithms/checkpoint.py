"""Checkpoints: named arrays and JSON facts in one safetensors file, written whole or not at all, read without running code."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "U8": "|u1"}
_DTYPE_NAMES = {np.dtype(text): name for name, text in _DTYPES.items()}


def write(path: str | os.PathLike[str], arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint; a file that was there stays until the new one is complete and on the disk.

    Args:
        path: the file to make, or to replace.
        arrays: what to keep, by name: float64, float32, int64 or uint8.
        facts: what to keep besides, as JSON has it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    entries, offset = {}, 0
    # Largest items first, so that every array is aligned to its item size.
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))
    for name, array in ordered:
        where = [offset, offset + array.nbytes]
        entries[name] = {"dtype": _DTYPE_NAMES[array.dtype], "shape": list(array.shape), "data_offsets": where}
        offset = where[1]
    body = b"".join(np.ascontiguousarray(array).tobytes() for _, array in ordered)
    text = json.dumps(facts)
    header = json.dumps({"__metadata__": {"search": text, "sha256": _digest(text, entries, body)}, **entries}).encode()
    header += b" " * (-len(header) % 8)
    file, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(file, "wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header + body)
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the facts of a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, or a damaged one.
    """
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    try:
        entries = json.loads(data[8:start])
        metadata = entries.pop("__metadata__")
        text, sha256 = metadata["search"], metadata["sha256"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not the checkpoint of a search ({error!r})") from error
    if sha256 != _digest(text, entries, data[start:]):
        raise ValueError(f"{path} is damaged: its content does not match its SHA-256; use an older checkpoint, or start again")
    arrays = {}
    for name, entry in entries.items():
        begin, end = (start + offset for offset in entry["data_offsets"])
        arrays[name] = np.frombuffer(data[begin:end], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return arrays, json.loads(text)


def _digest(text: str, entries: Mapping[str, Any], body: bytes) -> str:
    """SHA-256 of all that a checkpoint holds."""
    return hashlib.sha256(json.dumps([text, entries]).encode() + body).hexdigest()
