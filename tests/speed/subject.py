"""What speed is measured on: a table, the same values as an official archive, and the sizes of workloads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark_api.tables import Table, TableWriter
from benchmark_api.tables.safetensors import map_safetensors
from experiments.store import Condition


@dataclass(frozen=True)
class Workload:
    """Sizes of what is measured.

    Attributes:
        runs: runs of a sweep.
        records: records that the package reads in the importer's group.
        queries: queries of a run with 256 workers.
        brackets: brackets of `bohb-reference` with each backend; 75 are 500 evaluations.
        layers: layers of the large space, which has 5 to the power of them candidates.
        stack: channels of the first block that the builder trains together.
        channels: width C of the first stage of supernets.
        size: height and width of their images.
        batch: images of a batch.
        seeds: searches of a stack.
    """

    runs: int = 1000
    records: int = 500
    queries: int = 10_000
    brackets: int = 75
    layers: int = 10
    stack: int = 128
    channels: int = 16
    size: int = 32
    batch: int = 64
    seeds: int = 20


@dataclass(frozen=True)
class Subject:
    """A table and an official archive of the same values.

    Attributes:
        table: the table.
        archive: folder in the official format.
        dataset: dataset of all queries.
        condition: regularized evolution with the default budget of the dataset.
    """

    table: Table
    archive: Path
    dataset: str
    condition: Condition

    def package(self) -> Any:
        """Return the archive opened by `nats_bench`, which reads a record when it is first queried."""
        nats_bench = pytest.importorskip("nats_bench")
        tag = {"topology": "tss", "size": "sss"}[self.table.space.name]
        return nats_bench.create(str(self.archive), tag, fast_mode=True, verbose=False)


def renamed(table: Table, dataset: str, name: str, path: Path) -> Table:
    """Copy a table, with another name for one of its datasets."""
    tensors, _ = map_safetensors(table.path)
    names = {
        tensor: f"{name}/{tensor.removeprefix(f'{dataset}/')}" if tensor.startswith(f"{dataset}/") else tensor
        for tensor in tensors
    }
    with TableWriter(path, {names[key]: (array.dtype, array.shape) for key, array in tensors.items()}, table.metadata) as writer:
        for key, array in tensors.items():
            writer.write(names[key], array)
    return Table(path)
