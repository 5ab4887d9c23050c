"""The importer in one process and in several; the `nats_bench` package reading a part of the records into memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark_api.importers import import_table
from tests.speed.subject import Subject, Workload

pytestmark = pytest.mark.benchmark(group="importer")


@pytest.fixture(scope="module")
def indices(subject: Subject) -> list[int]:
    """Indices of all records of the archive."""
    table = subject.table
    trials = [table.seeds(key, schedule) >= 0 for key in table.keys for schedule in table.schedules(key)]
    stored: list[int] = np.flatnonzero(reduce(np.logical_or, (of.any(axis=1) for of in trials))).tolist()
    return stored


@pytest.mark.parametrize("processes", [1, 2])
def test_import(
    benchmark: BenchmarkFixture, rounds: Callable[..., Any], subject: Subject, indices: list[int], tmp_path: Path, processes: int
) -> None:
    benchmark.extra_info["records"] = len(indices)
    outs = (tmp_path / str(number) for number in count())
    rounds(lambda: import_table(subject.archive, next(outs), jobs=processes, progress=False), warmup_rounds=0)


def test_package(
    benchmark: BenchmarkFixture, rounds: Callable[..., Any], subject: Subject, indices: list[int], workload: Workload
) -> None:
    asked = np.random.default_rng(0).choice(indices, min(workload.records, len(indices)), replace=False).tolist()
    benchmark.extra_info["records"] = len(asked)

    def read() -> None:
        api = subject.package()
        for index in asked:
            api.reload(str(subject.archive), index)

    rounds(read)
