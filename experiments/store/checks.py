"""Schema of results files: what their rows, columns and manifests may hold, and what a file may cost to read.

The types and bounds of a condition's fields are those that its dataclass declares. The range of a column follows from its unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_api.bounds import Bound, at_least, between
from benchmark_api.schema import checked, parse_json
from benchmark_api.unpickle import MemoryLimit

if TYPE_CHECKING:
    from experiments.store.schema import Column

SCHEMA_VERSION = 1

MAX_RUNS = 10_000
"""Largest number of runs of a file; this project's have up to 25."""
MAX_VALUES = 50_000_000
"""Largest number of numbers of a file, which takes 400 MB in memory."""
MAX_TEXT = 1 << 20
"""Largest size of the texts of a column, in bytes: every run repeats them."""
MAX_MEMORY = 2 << 30
"""Bytes by which reading a file may enlarge the process: pages may hold more than the footer, on which the other limits rest."""

RANGES: dict[str, Bound] = {
    "%": between(0, 100),
    "percent": between(0, 100),
    "s": at_least(0),
    "seconds": at_least(0),
    "bytes": at_least(0),
}
"""Range of a number by its unit."""


class Manifest(msgspec.Struct):
    """Manifest of a results file. What else it has are facts about the machine."""

    schema_version: int
    table_path: str
    kind: str = "black-box"


def read_manifest(text: bytes) -> dict[str, Any]:
    """Return the manifest of a results file, the kind of its runs included.

    Raises:
        ValueError: it is none of this version.
    """
    value = parse_json(text)
    manifest = checked(value, Manifest, "its manifest")
    if manifest.schema_version != SCHEMA_VERSION:
        raise ValueError(f"its manifest has version {manifest.schema_version}, expected {SCHEMA_VERSION}")
    return {**value, "kind": manifest.kind}


def check_cost(metadata: pq.FileMetaData) -> None:
    """Check, by its footer, what it costs to read a results file.

    Raises:
        ValueError: it has too many runs, numbers or texts.
    """
    if metadata.num_rows > MAX_RUNS:
        raise ValueError(f"{metadata.num_rows:,} runs, expected at most {MAX_RUNS:,}")
    chunks = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.row_group(group).num_columns)
    ]
    if (values := sum(chunk.num_values for chunk in chunks)) > MAX_VALUES:
        raise ValueError(f"{values:,} numbers, expected at most {MAX_VALUES:,}")
    for chunk in chunks:
        if chunk.physical_type == "BYTE_ARRAY" and chunk.total_uncompressed_size > MAX_TEXT:
            raise ValueError(f"{chunk.total_uncompressed_size:,} bytes of {chunk.path_in_schema}, expected at most {MAX_TEXT:,}")


@contextmanager
def limited_memory() -> Iterator[None]:
    """Limit the memory of what Arrow reads to `MAX_MEMORY`, where the system enforces it.

    Raises:
        ValueError: it takes more.
    """
    limit, pool = MemoryLimit(MAX_MEMORY), pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())  # that of mimalloc has reserved more than it uses, which no limit concerns
    try:
        yield
    except MemoryError as error:
        raise ValueError(f"reading it takes more than {MAX_MEMORY >> 20} MiB of memory") from error
    finally:
        limit.lift()
        pa.set_memory_pool(pool)


def check_column(column: Column[Any], values: npt.NDArray[Any]) -> None:
    """Check the numbers of a column, those of all runs in one array.

    Raises:
        ValueError: a number is not finite, or out of the range of its unit.
    """
    if column.unit not in RANGES and values.dtype.kind == "f":
        return  # losses and scores, which are infinite after a training that diverged, and costs, which may be missing
    bound = RANGES.get(column.unit, Bound(low=column.lowest))
    if column.ragged:  # curves, where NaN stands for an epoch that is not stored
        values = values[~np.isnan(values)]
    ends = [values.min().item(), values.max().item()] if values.size else []
    if not all(map(bound.allows, ends)):
        lowest, highest = ends
        raise ValueError(f"column {column.name} has numbers from {lowest:g} to {highest:g}; each must be {bound}")
