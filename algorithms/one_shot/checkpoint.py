"""Checkpoints: named arrays and JSON facts in one safetensors file, written whole or not at all, read without running code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_api.jobs.files import whole_file
from benchmark_api.tables.safetensors import FormatError, Layout, fingerprint, map_safetensors

Array = npt.NDArray[Any]


def write(path: str | os.PathLike[str], arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint; a file that was there stays until the new one is complete and on the disk.

    Args:
        path: the file to make, or to replace.
        arrays: what to keep, by name.
        facts: what to keep besides, as JSON has it.
    """
    text = json.dumps(facts)
    shapes = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    layout = Layout(shapes, {"search": text, "sha256": _digest(text, arrays)})
    with whole_file(Path(path)) as file:
        file.write(layout.head)
        for name, (dtype, _, _) in layout.places.items():
            file.write(np.ascontiguousarray(arrays[name], dtype).tobytes())


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the facts of a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no checkpoint, or a damaged one.
    """
    try:
        arrays, metadata = map_safetensors(Path(path))
        text, sha256 = metadata["search"], metadata["sha256"]
    except (FormatError, LookupError, TypeError) as error:
        raise ValueError(f"{path} is not the checkpoint of a search, or a damaged one: {error}") from error
    if sha256 != _digest(text, arrays):
        raise ValueError(f"{path} is damaged: its content does not match its SHA-256; use an older checkpoint, or start again")
    return arrays, json.loads(text)


def _digest(text: str, arrays: Mapping[str, Array]) -> str:
    """SHA-256 of all that a checkpoint holds."""
    return hashlib.sha256(text.encode() + fingerprint(arrays).encode()).hexdigest()
