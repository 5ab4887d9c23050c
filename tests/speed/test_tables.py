"""Tables and the `nats_bench` drop-in against the package; a table of ten million candidates against a small one."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from algorithms.black_box import BLACK_BOX
from benchmark_api import nats
from benchmark_api.spaces import SearchSpace, SizeSpace
from benchmark_api.tables import Table, TableWriter
from experiments.runs.run import run
from experiments.settings import RunSettings
from tests.speed.subject import Subject, Workload


@pytest.fixture(scope="module")
def known(subject: Subject) -> list[int]:
    """Indices of the candidates that the table has, shuffled."""
    trained = (subject.table.seeds(subject.dataset, subject.table.report_schedule) >= 0).any(axis=1)
    indices: list[int] = np.flatnonzero(trained).tolist()
    random.Random(0).shuffle(indices)
    return indices


def opened(subject: Subject, by: str) -> Any:
    """The subject as object with the methods of `nats_bench`."""
    return subject.package() if by == "nats_bench" else nats.create(subject.table, subject.table.space.name, True, False)


@pytest.mark.benchmark(group="open")
@pytest.mark.parametrize("by", ["table", "nats_bench"])
def test_open(benchmark: BenchmarkFixture, subject: Subject, by: str) -> None:
    table, archive = subject.table, subject.archive
    size = table.path.stat().st_size if by == "table" else sum(file.stat().st_size for file in archive.iterdir())
    benchmark.extra_info["bytes_per_candidate"] = size / len(table)
    benchmark(subject.package if by == "nats_bench" else lambda: Table(table.path))


def accuracy_of(subject: Subject, by: str) -> Callable[[int], object]:
    """A function from an architecture to its test accuracy."""
    table, dataset, schedule = subject.table, subject.dataset, subject.table.report_schedule
    if by == "table":
        split = table.test_split(dataset, schedule)
        return lambda index: table.accuracy(index, dataset, schedule, split)
    api = opened(subject, by)
    return lambda index: api.get_more_info(index, dataset, hp=schedule, is_random=False)


@pytest.mark.benchmark(group="cold query: an architecture not queried before")
@pytest.mark.parametrize("by", ["table", "nats_bench"])
def test_cold_query(benchmark: BenchmarkFixture, subject: Subject, known: list[int], by: str) -> None:
    accuracy, unseen = accuracy_of(subject, by), cycle(known)
    benchmark.pedantic(lambda: accuracy(next(unseen)), rounds=min(200, len(known)))


@pytest.mark.benchmark(group="warm query")
@pytest.mark.parametrize("by", ["table", "drop-in", "nats_bench"])
def test_warm_query(benchmark: BenchmarkFixture, subject: Subject, known: list[int], by: str) -> None:
    accuracy = accuracy_of(subject, by)
    accuracy(known[0])
    benchmark(accuracy, known[0])


@pytest.mark.benchmark(group="simulate_train_eval")
@pytest.mark.parametrize("by", ["drop-in", "nats_bench"])
def test_simulation(benchmark: BenchmarkFixture, subject: Subject, known: list[int], by: str) -> None:
    api = opened(subject, by)
    api.simulate_train_eval(known[0], subject.dataset, hp=subject.table.search_schedule)
    benchmark(api.simulate_train_eval, known[0], subject.dataset, hp=subject.table.search_schedule)


# -- a large table -------------------------------------------------------------------------------------------------------------


def write_large(space: SearchSpace, path: Path) -> Table:
    """Write a table of random accuracies: one dataset, one trial of one epoch."""
    draw, size = np.random.default_rng(0).random, len(space)
    kinds: dict[str, tuple[str, tuple[int, ...]]] = dict.fromkeys(("params", "flops", "latency"), ("<f4", (size,)))
    for split in ("train", "x-valid", "x-test"):
        kinds |= {f"{split}/accuracy": ("<f4", (size, 1, 1)), f"{split}/loss": ("<f4", (size, 1, 1))}
        kinds |= {f"{split}/seconds": ("<f4", (size, 1)), f"{split}/epochs": ("<i4", (1,))}
    kinds["seeds"] = ("<i4", (size, 1))
    facts = {"title": "made up", "notice": "made up", "source": {}, "search_schedule": "1", "report_schedule": "1"}
    layout = {f"made-up/1/{name}": kind for name, kind in kinds.items()}
    with TableWriter(path, layout, {"space": space.spec(), **facts}) as writer:
        for name, (dtype, shape) in kinds.items():
            whole = dtype == "<i4"  # seeds and epochs, all 0
            writer.write(f"made-up/1/{name}", np.zeros(shape, dtype) if whole else 100 * draw(shape, np.float32))
    return Table(path)


@pytest.fixture(scope="module")
def large(workload: Workload, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return write_large(SizeSpace(range(1, 6), workload.layers), tmp_path_factory.mktemp("large") / "t")


@pytest.fixture(params=["small", "large"])
def sized(request: pytest.FixtureRequest, benchmark: BenchmarkFixture, subject: Subject, large: Table) -> Table:
    table = large if request.param == "large" else subject.table
    benchmark.extra_info |= {"candidates": len(table), "bytes_per_candidate": table.path.stat().st_size / len(table)}
    return table


@pytest.mark.benchmark(group="table size: open")
def test_open_by_size(benchmark: BenchmarkFixture, sized: Table) -> None:
    benchmark(Table, sized.path)


@pytest.mark.benchmark(group="table size: accuracies of all candidates")
def test_all_accuracies(benchmark: BenchmarkFixture, sized: Table) -> None:
    dataset, schedule, everything = sized.datasets[0], sized.report_schedule, np.arange(len(sized))
    benchmark(sized.accuracy, everything, dataset, schedule, sized.test_split(dataset, schedule))


@pytest.mark.benchmark(group="table size: open and find the best candidate")
def test_best(benchmark: BenchmarkFixture, sized: Table) -> None:
    dataset, schedule = sized.datasets[0], sized.report_schedule
    split = sized.test_split(dataset, schedule)
    benchmark(lambda: Table(sized.path).best(dataset, schedule, split))


@pytest.mark.benchmark(group="table size: 100 queries of rea")
def test_search_by_size(benchmark: BenchmarkFixture, sized: Table) -> None:
    rea, seeds, view = BLACK_BOX["rea"], count(), sized.search_view(sized.datasets[0])
    settings = RunSettings.of(sized, view.dataset, budget=float("inf"), max_queries=100)
    benchmark(lambda: run(rea, rea.Config(), view, settings, next(seeds)))
