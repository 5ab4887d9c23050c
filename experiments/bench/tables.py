"""Rows of the bench: tables, the importer, black-box searches and sweeps of them, beside the `nats_bench` package.

The package simulates searches on its own data sets only. So the figures of a table of other data are measured, by both sides,
on a copy that calls its dataset cifar100, and on the copy's export in the official format.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from itertools import count, cycle
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.black_box import BLACK_BOX, BlackBoxSearch, SearchFinished
from benchmark_api import nats
from benchmark_api.importers import import_table
from benchmark_api.importers.official.exporter import export_archive
from benchmark_api.jobs.engines import carry_out
from benchmark_api.spaces import SearchSpace, SizeSpace
from benchmark_api.tables import Table, TableWriter
from benchmark_api.tables.safetensors import map_safetensors
from experiments import store
from experiments.bench.rows import Effort, Figure, Measure, Row, in_turn, measured, seconds
from experiments.runs.black_box import condition_of, plan
from experiments.runs.run import RunSettings, run

PACKAGE_DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
"""The datasets on which `nats_bench` simulates searches."""


@dataclass(frozen=True)
class Subject:
    """The same figures as a table and as an archive.

    Attributes:
        table: the table.
        archive: a folder in the official format.
        dataset: the one that is asked about.
        budget: of a search on it, simulated seconds.
    """

    table: Table
    archive: Path
    dataset: str
    budget: float

    @classmethod
    def of(cls, table: Table, archive: Path | None, folder: Path) -> Subject:
        """The first dataset of a table that the package knows, or else the first under another name.

        Args:
            table: the table.
            archive: what it was imported from; None to export it.
            folder: where to write what is missing.

        Raises:
            ValueError: the dataset has no default budget, or the archive none that the package knows.
        """
        dataset = next((dataset for dataset in table.datasets if dataset in PACKAGE_DATASETS), table.datasets[0])
        budget = condition_of(BLACK_BOX["rea"], BLACK_BOX["rea"].Config(), table, dataset).budget
        if dataset not in PACKAGE_DATASETS:
            if archive is not None:
                known = ", ".join(PACKAGE_DATASETS)
                raise ValueError(f"{archive}: nats_bench simulates searches on {known}, not on {dataset}; leave the archive out")
            table, dataset = renamed(table, dataset, "cifar100", folder / "renamed.safetensors"), "cifar100"
        return cls(table, archive or export_archive(table, folder / "archive", progress=False), dataset, budget)

    def package(self) -> Any:
        """The archive, opened by `nats_bench`, which reads a record when it is first asked for."""
        import nats_bench

        tag = {"topology": "tss", "size": "sss"}[self.table.space.name]
        return nats_bench.create(str(self.archive), tag, fast_mode=True, verbose=False)

    def facade(self) -> Any:
        """The table behind the names of `nats_bench`."""
        return nats.create(self.table, self.table.space.name, fast_mode=True, verbose=False)


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


def bench_queries(subject: Subject, effort: Effort) -> Iterator[Row]:
    """Open, cold and warm queries of a Table and of our facade, and those of the package."""
    table, dataset, schedule = subject.table, subject.dataset, subject.table.report_schedule
    split, theirs, facade = table.test_split(dataset, schedule), subject.package(), subject.facade()
    known = np.flatnonzero((table.seeds(dataset, schedule) >= 0).any(axis=1)).tolist()
    random.Random(0).shuffle(known)
    seen, calls, few = known[0], effort.queries, effort.queries // 100

    def information(api: Any, index: int) -> Callable[[], object]:
        return lambda: api.get_more_info(index, dataset, hp=schedule, is_random=False)

    def simulation(api: Any) -> Callable[[], object]:
        return lambda: api.simulate_train_eval(seen, dataset, hp=table.search_schedule)

    yield measured(
        "open a table",
        "ms",
        effort.repeats,
        lambda: 1e3 * seconds(lambda: Table(table.path), 10),
        lambda: 1e3 * seconds(subject.package),
        "nats_bench, lazily",
    )
    unseen, unread = cycle(known[1:]), cycle(known[1:])
    yield measured(
        "cold query (an architecture not asked for before)",
        "ms",
        effort.repeats,
        lambda: 1e3 * seconds(lambda: table.accuracy(next(unseen), dataset, schedule, split), few // 10),
        lambda: 1e3 * seconds(lambda: information(theirs, next(unread))(), few // 10),
        "nats_bench get_more_info",
    )
    information(theirs, seen)()
    everything = np.arange(len(table))
    warm = in_turn(
        effort.repeats,
        lambda: 1e6 * seconds(lambda: table.accuracy(seen, dataset, schedule, split), calls),
        lambda: 1e6 * seconds(lambda: table.accuracy(everything, dataset, schedule, split), 10) / len(table),
        lambda: 1e6 * seconds(information(facade, seen), calls // 10),
        lambda: 1e6 * seconds(information(theirs, seen), few),
        lambda: 1e6 * seconds(simulation(facade), calls // 10),
        lambda: 1e6 * seconds(simulation(theirs), few),
    )
    scalar, vectorised, facade_information, package_information, facade_simulation, package_simulation = warm
    yield Row("scalar query, Table.accuracy", "µs", scalar, package_information, "nats_bench get_more_info")
    yield Row("vectorised query, per architecture", "µs", vectorised, package_information, "nats_bench get_more_info")
    yield Row("get_more_info of our facade", "µs", facade_information, package_information, "nats_bench get_more_info")
    yield Row("simulate_train_eval of our facade", "µs", facade_simulation, package_simulation, "nats_bench simulate_train_eval")
    size = Figure.of([table.path.stat().st_size / len(table)])
    archived = Figure.of([sum(file.stat().st_size for file in subject.archive.iterdir()) / len(table)])
    yield Row("a candidate of the table", "B", size, archived, "in the archive, compressed")


def bench_searches(subject: Subject, effort: Effort) -> Iterator[Row]:
    """Runs of every black-box search, also evaluated by the package, and BOHB beside hpbandster."""
    view = subject.table.search_view(subject.dataset)
    settings = RunSettings(space=view.space.name, dataset=view.dataset, schedule=view.schedule, budget=subject.budget)

    def ours(search: type[BlackBoxSearch], runs: int = 5, **hyperparameters: object) -> Callable[[], float]:
        seeds, config = count(), search.Config(**hyperparameters)
        return lambda: 1 / seconds(lambda: run(search, config, view, settings, next(seeds)), runs)

    def package_run(search_class: type[BlackBoxSearch], api: Any, seed: int) -> None:
        """The same search, evaluated by the package; records already read stay cached in `api`."""
        random.seed(seed)  # the package draws its trials from Python's global generator
        search = search_class(view.space, seed=seed, max_epochs=view.schedule_epochs)
        spent = 0.0
        api.reset_time()
        with contextlib.suppress(SearchFinished):
            while spent < subject.budget:
                query = search.ask()
                text, last = view.space.to_string(query.architecture), (query.epochs or view.schedule_epochs) - 1
                accuracy, _, _, spent = api.simulate_train_eval(text, view.dataset, iepoch=last, hp=view.schedule)
                search.tell(query, accuracy)

    disk_seeds = count()

    def from_disk() -> float:
        return 1 / seconds(partial(package_run, BLACK_BOX["rea"], subject.package(), next(disk_seeds)))

    def from_memory(search: type[BlackBoxSearch]) -> Callable[[], float]:
        api, seeds = subject.package(), count()

        def rate() -> float:
            repeated = partial(package_run, search, api, next(seeds))
            repeated()
            return 1 / seconds(repeated)

        return rate

    counterpart = "nats_bench, records read from disk"
    yield measured("rea, beside records on disk", "runs/s", effort.repeats, ours(BLACK_BOX["rea"]), from_disk, counterpart)
    for name, search in BLACK_BOX.items():
        if not search.ignores_budget:
            counterpart = "nats_bench, records in memory"
            yield measured(name, "runs/s", effort.repeats, ours(search), from_memory(search), counterpart)
    reference = BLACK_BOX["bohb-reference"]
    (whole,) = in_turn(effort.repeats, ours(reference, 1))
    yield Row("bohb-reference", "runs/s", whole)
    with contextlib.suppress(ImportError):
        import hpbandster  # noqa: F401

        own, theirs = (ours(reference, 1, brackets=effort.brackets, backend=backend) for backend in ("own", "hpbandster"))
        what, counterpart = f"bohb-reference, {effort.brackets} brackets", "hpbandster's config generator, in process"
        yield measured(what, "runs/s", effort.repeats, own, theirs, counterpart)


# A small process starts the command: on Linux a process counts the memory of the one that started it as its own.
_WATCH = """
import resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def bench_sweep(subject: Subject, effort: Effort, jobs: int) -> Iterator[Row]:
    """Sweeps of regularized evolution by several processes and by one; what they store; the command as a whole."""
    search, table, runs = BLACK_BOX["rea"], subject.table, effort.runs
    condition = condition_of(search, search.Config(), table, subject.dataset, budget=subject.budget)

    def rate(processes: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            pieces = plan(condition, search.Config(), table, Path(folder), range(runs))
            start = time.perf_counter()
            for failure in carry_out(pieces, processes):
                raise RuntimeError(failure.reason)
            return runs / (time.perf_counter() - start)

    what = f"sweep of rea, {jobs} processes"
    yield measured(what, "runs/s", effort.repeats, partial(rate, jobs), partial(rate, 1), "1 process")

    def command(folder: Path, processes: int) -> tuple[float, float]:
        """Wall seconds, and the peak memory of the largest process, MB."""
        settings = {
            "table": table.path,
            "dataset": subject.dataset,
            "budget": subject.budget,
            "seeds": runs // 4,
            "jobs": processes,
        }
        flags = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
        arguments = [sys.executable, "-m", "experiments", "run", "rea", *flags, "--results", str(folder)]
        said = subprocess.run([sys.executable, "-c", _WATCH, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout
        wall, peak = map(float, said.split())
        return wall, peak * (1 if sys.platform == "darwin" else 1024) / 1e6

    with tempfile.TemporaryDirectory() as folder:
        done = [[command(Path(folder, f"{repeat}-{n}"), n) for n in (jobs, 1)] for repeat in range(effort.repeats)]
        (several, peak), (one, _) = ([Figure.of(figures) for figures in zip(*of, strict=True)] for of in zip(*done, strict=True))
        yield Row(f"{runs // 4} runs of rea, {jobs} processes, whole command", "s", several, one, "1 process")
        yield Row("its largest process, peak memory", "MB", peak)
        results = Path(folder, "0-1")
        (back,) = in_turn(effort.repeats, lambda: runs // 4 / seconds(partial(store.load, results)))
        yield Row("reading runs back", "runs/s", back)
        stored = sum(file.stat().st_size for file in results.rglob("*.parquet"))
        yield Row("a stored run", "B", Figure.of([stored / (runs // 4)]))


def bench_importer(subject: Subject, effort: Effort, jobs: int) -> Iterator[Row]:
    """The importer by one process and by several, and the package reading some of the same records."""
    table = subject.table
    trials = [table.seeds(key, schedule) >= 0 for key in table.keys for schedule in table.schedules(key)]
    indices = np.flatnonzero(reduce(np.logical_or, (of.any(axis=1) for of in trials)))
    asked = np.random.default_rng(0).choice(indices, min(effort.records, len(indices)), replace=False).tolist()

    def rate(processes: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            return len(indices) / seconds(
                lambda: import_table(subject.archive, Path(folder, "t"), jobs=processes, progress=False)
            )

    def package() -> float:
        api = subject.package()
        return len(asked) / seconds(lambda: [api.reload(str(subject.archive), index) for index in asked])

    one, theirs, several = in_turn(effort.repeats, partial(rate, 1), package, partial(rate, jobs))
    yield Row("importer, 1 process", "records/s", one, theirs, "nats_bench, reading them into memory")
    yield Row(f"importer, {jobs} processes", "records/s", several, one, "1 process")


def made_up(space: SearchSpace, path: Path) -> Table:
    """Write a table of random accuracies: one dataset, one trial of one epoch."""
    draw, size = np.random.default_rng(0).random, len(space)
    kinds: dict[str, tuple[str, tuple[int, ...]]] = dict.fromkeys(("params", "flops", "latency"), ("<f4", (size,)))
    for split in ("train", "x-valid", "x-test"):
        kinds |= {f"{split}/accuracy": ("<f4", (size, 1, 1)), f"{split}/loss": ("<f4", (size, 1, 1))}
        kinds |= {f"{split}/seconds": ("<f4", (size, 1)), f"{split}/epochs": ("<i4", (1,))}
    kinds["seeds"] = ("<i4", (size, 1))
    facts = {"title": "made up", "notice": "made up", "source": {}, "search_schedule": "1", "report_schedule": "1"}
    with TableWriter(
        path, {f"made-up/1/{name}": kind for name, kind in kinds.items()}, {"space": space.spec(), **facts}
    ) as writer:
        for name, (dtype, shape) in kinds.items():
            whole = dtype == "<i4"  # seeds and epochs, all 0
            writer.write(f"made-up/1/{name}", np.zeros(shape, dtype) if whole else 100 * draw(shape, np.float32))
    return Table(path)


def bench_large(subject: Subject, effort: Effort) -> Iterator[Row]:
    """A table of ten million candidates beside the one that all else is measured on."""

    def opening(table: Table) -> Measure:
        return lambda: 1e3 * seconds(lambda: Table(table.path), 200)

    def querying(table: Table) -> Measure:
        dataset, schedule, everything = table.datasets[0], table.report_schedule, np.arange(len(table))
        split = table.test_split(dataset, schedule)
        return lambda: 1e6 * seconds(lambda: table.accuracy(everything, dataset, schedule, split)) / len(table)

    def finding(table: Table) -> Measure:
        dataset, schedule = table.datasets[0], table.report_schedule
        split = table.test_split(dataset, schedule)
        return lambda: 1e6 * seconds(lambda: Table(table.path).best(dataset, schedule, split)) / len(table)

    def searching(table: Table) -> Measure:
        view, search, seeds = table.search_view(table.datasets[0]), BLACK_BOX["rea"], count()
        settings = RunSettings(
            space=view.space.name, dataset=view.dataset, schedule=view.schedule, budget=float("inf"), max_queries=100
        )
        return lambda: 1e3 * seconds(lambda: run(search, search.Config(), view, settings, next(seeds)), 5)

    with tempfile.TemporaryDirectory() as folder:
        large = made_up(SizeSpace(range(1, 6), effort.layers), Path(folder, "large"))
        small, name = subject.table, f"{len(large):,} candidates"
        measures = {"open": ("ms", opening), "all accuracies": ("µs each", querying), "the best": ("µs each", finding)}
        measures["100 queries of rea"] = "ms", searching
        for what, (unit, of) in measures.items():
            yield measured(f"{name}, {what}", unit, min(effort.repeats, 3), of(large), of(small), f"{len(small):,} candidates")
        size = Figure.of([large.path.stat().st_size / len(large)])
        yield Row(f"{name}, each, with 3 splits, 1 trial, 1 epoch", "B", size)
