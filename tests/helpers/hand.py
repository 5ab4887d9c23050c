"""Tables of four architectures, worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmark_api.spaces import SearchSpace, SizeSpace
from benchmark_api.tables.table import Table
from benchmark_api.tables.writer import default_schedules, write_table
from benchmark_api.types import AnyArray

SPACE = SizeSpace((4, 8), 2)  # 4:4, 4:8, 8:4, 8:8


def group(
    stem: str, splits: tuple[str, ...] = ("x-valid",), seeds: tuple[int, ...] = (777, 888), start: float = 0.0
) -> dict[str, AnyArray]:
    """Tensors of a dataset key with a schedule: seeds, and accuracies after the last epoch, which differ in all trials."""
    shape = (len(SPACE), len(seeds), 1)
    accuracy = start + np.arange(float(np.prod(shape))).reshape(shape)
    tensors: dict[str, AnyArray] = {f"{stem}/seeds": np.tile(np.array(seeds, dtype=np.int32), (len(SPACE), 1))}
    for number, split in enumerate(splits):
        tensors[f"{stem}/{split}/accuracy"] = accuracy + 10 * number
        tensors[f"{stem}/{split}/epochs"] = np.array([int(stem.split("/")[1]) - 1], dtype=np.int32)
    return tensors


def write(path: Path, tensors: Mapping[str, AnyArray], space: SearchSpace = SPACE, **metadata: object) -> Table:
    """Write a table and open it."""
    schedules = default_schedules({name.split("/")[1] for name in tensors if name.endswith("/seeds")})
    about = {"space": space.spec(), "title": path.stem, "notice": "", "source": {"name": path.stem}, **schedules}
    write_table(path, tensors, {**about, **metadata})
    return Table(path)
