"""Files of official NATS-Bench archives, read without running anything.

An archive is a folder with `meta.pickle.pbz2` and one `NNNNNN.pickle.pbz2` per architecture, or a single file with all of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark_api import unpickle
from benchmark_api.importers.official.records import check_identity
from benchmark_api.schema import named
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace

EXTENSION = ".pickle.pbz2"
META = f"meta{EXTENSION}"


def record_path(folder: str | os.PathLike[str], index: int) -> Path:
    """Return where a folder has a record: `NNNNNN.pickle.pbz2`, or without the zeros if only that exists."""
    padded = Path(folder) / f"{index:06d}{EXTENSION}"
    plain = Path(folder) / f"{index}{EXTENSION}"
    return plain if plain.exists() and not padded.exists() else padded


def record_indices(folder: str | os.PathLike[str]) -> list[int]:
    """Return the indices of a folder's records, ascending."""
    names = (name.removesuffix(EXTENSION) for name in os.listdir(folder) if name.endswith(EXTENSION))
    return sorted({int(name) for name in names if re.fullmatch("[0-9]{1,9}", name)})


def read_record(folder: str | os.PathLike[str], index: int) -> dict[str, dict[str, Any]]:
    """Return the record of one architecture, {schedule: state}, as plain Python objects.

    Raises:
        FileNotFoundError: the folder has no record of it.
        ValueError: the file is not a record of this architecture, or `unpickle.load` refuses it.
    """
    path = record_path(folder, index)
    record: dict[str, dict[str, Any]] = unpickle.load(path)
    with named(path):
        check_identity(record, index, None)
    return record


def read_meta(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the content of an archive's `meta.pickle.pbz2`: "meta_archs", the strings of all architectures, and more.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is something else, or `unpickle.load` refuses it.
    """
    meta: dict[str, Any] = unpickle.load(path)
    strings_of(meta, str(path))
    return meta


def strings_of(meta: Any, name: str) -> list[str]:
    """Return the strings of all architectures in official order, or raise a ValueError that names the file."""
    strings = meta.get("meta_archs") if isinstance(meta, dict) else None
    if not isinstance(strings, list) or not all(type(text) is str for text in strings):
        raise ValueError(f"{name}: not the meta data of an archive: no list 'meta_archs' of architecture strings")
    return strings


def recognise_space(strings: Sequence[str]) -> SearchSpace:
    """Return the search space whose architectures, in official index order, have these strings; ValueError if none has."""
    space: SearchSpace | None = None
    if strings and re.fullmatch(r"[0-9]{1,4}(:[0-9]{1,4}){0,15}", strings[0]):
        rows = [text.split(":") for text in strings]
        widths = sorted({int(width) for row in rows for width in row if width.isascii() and width.isdecimal() and len(width) < 5})
        layers = len(rows[0])
        if widths and widths[0] > 0 and len(widths) ** layers == len(strings):
            space = SizeSpace(widths, layers)
    else:
        space = TopologySpace()
    if space is None or len(strings) != len(space):
        raise ValueError(
            f"{len(strings)} architectures are neither the {len(TopologySpace()):,} of the topology space nor all of a size space"
        )
    for index, text in enumerate(strings):
        expected = space.to_string(space.architecture(index))
        if text != expected:
            raise ValueError(
                f"architecture {index} is {text[:120]!r}; in the official order of the {space.name} space it is {expected!r}"
            )
    return space
