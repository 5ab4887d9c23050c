"""`make bench`: how fast this project is, each figure beside its counterpart, measured in one run on one machine.

    python -m experiments.bench run                                     # on the embedded topology table
    python -m experiments.bench run --table TABLE --archive FOLDER      # on an official archive, and the table imported from it
    python -m experiments.bench check                                   # the last two runs of the bench, row by row

Counterparts of tables, searches and the importer are the `nats_bench` package on the same data and hpbandster's config
generator, those of the builder and of weight-sharing searches plainer ways to compute the same, those of several processes one.
A figure is the median of some repeats, in which ours and the counterpart take turns.

The package simulates searches on its own data sets only. So the figures of a table of other data are measured, by both sides,
on a copy that calls its dataset cifar100, and on the copy's export in the official format.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from functools import partial, reduce
from itertools import chain, count, cycle
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro

from algorithms import ONE_SHOT, REGISTRY, BlackBoxSearch, SearchFinished
from algorithms.darts import DartsFirstOrder
from algorithms.fbnetv2 import FBNetV2
from algorithms.one_shot import Batch, Execution, OneShotSearch, Task
from algorithms.supernet import SuperCell, WidthRule
from benchmark_api import nats
from benchmark_api.archive import export_archive, import_archive
from benchmark_api.build import Plan, Protocol, measure_speed, one_thread
from benchmark_api.datasets import Dataset, Distortion, Split
from benchmark_api.files import map_safetensors
from benchmark_api.networks import Skeleton
from benchmark_api.spaces import EDGES, Architecture, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.table import Table, TableWriter
from experiments import store
from experiments.bench_history import Comparison, Figure, History, Row
from experiments.provenance import code_version, environment
from experiments.run import RunSettings, run
from experiments.sweep import condition_of, plan, sweep

PACKAGE_DATASETS = ("cifar10", "cifar100", "ImageNet16-120")
"""The datasets on which `nats_bench` simulates searches."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        repeats: of each figure.
        queries: warm queries of a repeat, a hundredth of them to the package, and a thousandth that are cold.
        runs: of a sweep; a quarter of them by the command as a whole.
        brackets: of `bohb-reference` beside hpbandster.
        records: that the package reads beside the importer.
        stack: channels of the first block that the builder trains together.
        layers: of the made-up large space, which has 5 to the power of them candidates.
    """

    repeats: int = 5
    queries: int = 20_000
    runs: int = 2_000
    brackets: int = 75  # 500 evaluations: a little more than the budget of cifar10 pays for
    records: int = 500
    stack: int = 128
    layers: int = 10


QUICK = Effort(repeats=1, queries=1_000, runs=50, brackets=1, records=10, stack=4, layers=4)


Measure = Callable[[], float]
"""Measures something once, in the unit of its row."""


def seconds(action: Callable[[], object], calls: int = 1) -> float:
    """The seconds that one of some calls takes on average."""
    start = time.perf_counter()
    for _ in range(calls):
        action()
    return (time.perf_counter() - start) / calls


def in_turn(repeats: int, *measures: Measure) -> list[Figure]:
    """The figure of each measure, all measured once in every repeat."""
    samples = [[measure() for measure in measures] for _ in range(repeats)]
    return [Figure.of(of_measure) for of_measure in zip(*samples, strict=True)]


def measured(what: str, unit: str, repeats: int, ours: Measure, other: Measure, counterpart: str) -> Row:
    """A row of two figures, measured in turn."""
    figure, beside = in_turn(repeats, ours, other)
    return Row(what, unit, figure, beside, counterpart)


# -- tables, searches and the importer -----------------------------------------------------------------------------------------


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
        """The first dataset of a table.

        Args:
            table: the table.
            archive: what it was imported from; None to export it.
            folder: where to write what is missing.

        Raises:
            ValueError: the dataset has no default budget.
        """
        dataset = table.datasets[0]
        budget = condition_of(REGISTRY["rea"], REGISTRY["rea"].Config(), table, dataset).budget
        if dataset not in PACKAGE_DATASETS:
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
        return 1 / seconds(partial(package_run, REGISTRY["rea"], subject.package(), next(disk_seeds)))

    def from_memory(search: type[BlackBoxSearch]) -> Callable[[], float]:
        api, seeds = subject.package(), count()

        def measure() -> float:
            repeated = partial(package_run, search, api, next(seeds))
            repeated()
            return 1 / seconds(repeated)

        return measure

    counterpart = "nats_bench, records read from disk"
    yield measured("rea, beside records on disk", "runs/s", effort.repeats, ours(REGISTRY["rea"]), from_disk, counterpart)
    for name, search in REGISTRY.items():
        if not search.ignores_budget:
            counterpart = "nats_bench, records in memory"
            yield measured(name, "runs/s", effort.repeats, ours(search), from_memory(search), counterpart)
    reference = REGISTRY["bohb-reference"]
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
    search, table, runs = REGISTRY["rea"], subject.table, effort.runs
    condition = condition_of(search, search.Config(), table, subject.dataset, budget=subject.budget)

    def rate(processes: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            pieces = plan(condition, search.Config(), table, Path(folder), range(runs))
            start = time.perf_counter()
            for failure in sweep(pieces, processes):
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
                lambda: import_archive(subject.archive, Path(folder, "t"), jobs=processes, progress=False)
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
        return lambda: 1e3 * seconds(lambda: Table(table.path), 10)

    def querying(table: Table) -> Measure:
        dataset, schedule, everything = table.datasets[0], table.report_schedule, np.arange(len(table))
        split = table.test_split(dataset, schedule)
        return lambda: 1e6 * seconds(lambda: table.accuracy(everything, dataset, schedule, split)) / len(table)

    def finding(table: Table) -> Measure:
        dataset, schedule = table.datasets[0], table.report_schedule
        split = table.test_split(dataset, schedule)
        return lambda: 1e6 * seconds(lambda: Table(table.path).best(dataset, schedule, split)) / len(table)

    def searching(table: Table) -> Measure:
        view, search, seeds = table.search_view(table.datasets[0]), REGISTRY["rea"], count()
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


# -- the builder and weight-sharing searches -----------------------------------------------------------------------------------


def bench_builder(effort: Effort) -> Iterator[Row]:
    """CPU time of a candidate's training in a stack, as a build trains, beside the loop that trains one after the other."""
    protocol, distortion = Protocol(epochs=1, batch=32), Distortion(copies=2)
    plans = {
        "topology, C = 2, N = 2": Plan(TopologySpace(), "digits", protocol, 1, 2, 2, distortion, stack=effort.stack),
        "size, widths 1 to 8": Plan(SizeSpace(range(1, 9)), "digits", protocol, 1, distortion=distortion, stack=effort.stack),
    }
    for name, planned in plans.items():
        speeds = [measure_speed(planned) for _ in range(min(effort.repeats, 3))]
        stacked, plain = (Figure.of([getattr(speed, of) for speed in speeds]) for of in ("stacked", "plain"))
        yield Row(f"builder, one epoch of candidates, {name}", "candidates/min", stacked, plain, "one candidate at a time")


@dataclass(frozen=True)
class Supernets:
    """What the steps of weight-sharing searches are measured on: random images, the size of CIFAR-10's unless told otherwise."""

    channels: int = 16
    """Width C of the first stage."""
    cells: int = 5
    """Cells N of each stage."""
    size: int = 32
    """Height and width of an image."""
    batch: int = 64
    """Images of a batch."""
    steps: int = 3
    """Steps that are measured, after one that is not."""
    execution: Execution = field(default_factory=Execution)
    """How they are computed."""

    def measure(self, search: type[OneShotSearch], plain: bool = False) -> Steps:
        """Steps of a search in a process of its own, whose peak memory is that of the search."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["experiments.bench"])  # it imports PyTorch once for all
        with ProcessPoolExecutor(1, context) as own:
            return own.submit(self.measure_here, search, plain).result()

    def measure_here(self, search: type[OneShotSearch], plain: bool = False) -> Steps:
        """The same in this process. An epoch is one step.

        Args:
            search: the search.
            plain: compute its cells by their definition.
        """
        if plain:
            search = type(search.__name__, (CellsByDefinition, search), {})
        draw, device = torch.Generator().manual_seed(0), self.execution.device
        splits = {}
        for name in ("train", "x-valid"):
            images = torch.rand(self.batch, 3, self.size, self.size, generator=draw)
            splits[name] = Split(images.to(device), torch.randint(10, (self.batch,), generator=draw).to(device))
        mean, std = (torch.full((3, 1, 1), value, device=device) for value in (0.5, 0.3))
        data = Dataset("random", 10, mean, std, flip=True, padding=4, splits=splits)
        if search.space == "topology":
            task = Task(TopologySpace(), data, Skeleton(10, 3, self.channels, self.cells))
        else:  # as wide as the last stage
            widths = [max(1, self.channels // 2) * multiple for multiple in range(1, 9)]
            task = Task(SizeSpace(widths), data, Skeleton(10, 3))
        wanted: dict[str, Any] = {"epochs": 1 + self.steps, "batch": self.batch, "candidates": 1, "updates": 1, "samples": 1}
        settings = {x.name: wanted[x.name] for x in fields(search.Config) if x.name in wanted}
        running = search(task, search.Config(**settings), execution=self.execution)
        with one_thread():  # as runs are made
            figures = [running.train_epoch() for _ in range(1 + self.steps)]
        with tempfile.TemporaryDirectory() as folder:
            running.save(checkpoint := Path(folder, "checkpoint"))
            return Steps([epoch.seconds for epoch in figures[1:]], figures[-1].peak_memory, checkpoint.stat().st_size)


@dataclass(frozen=True)
class Steps:
    """What was measured of a search.

    Attributes:
        seconds: of each step of the weights with what goes with it.
        peak_memory: bytes.
        checkpoint: bytes.
    """

    seconds: list[float]
    peak_memory: int
    checkpoint: int

    @property
    def rate(self) -> Figure:
        """Steps a second."""
        return Figure.of([1 / step for step in self.seconds])

    @property
    def step(self) -> Figure:
        """Milliseconds of a step."""
        return Figure.of([1e3 * step for step in self.seconds])

    @property
    def memory(self) -> Figure:
        """Peak memory, MB."""
        return Figure.of([self.peak_memory / 1e6])


class JointStep(DartsFirstOrder):
    """Steps of the weights with all operations, and nothing else."""

    name = "joint"

    def _architecture_step(self, training: Batch) -> None:
        pass


class WidestStep(FBNetV2):
    """Steps of the weights at full width, and nothing else."""

    name = "widest"

    def _weight_rule(self) -> WidthRule:
        return WidthRule()

    def _architecture_step(self, training: Batch) -> None:
        pass


class CellsByDefinition(OneShotSearch):
    """Computes the cells of a search of the topology space by their definition."""

    def _start(self) -> None:
        super()._start()
        self.supernet.joint_cell = cell_by_definition
        for block in self.supernet.blocks:
            if isinstance(block, SuperCell):
                block.forward = partial(cell_by_definition, block)  # type: ignore[method-assign]


def cell_by_definition(
    cell: SuperCell, x: torch.Tensor, weights: torch.Tensor | None = None, path: Architecture | None = None
) -> torch.Tensor:
    """A cell edge by edge, operation by operation; arguments as in `algorithms.supernet.Rule`."""
    nodes: list[torch.Tensor] = [x]
    for edge, ((target, source), operations) in enumerate(zip(EDGES, cell.edges, strict=True)):
        assert isinstance(operations, torch.nn.ModuleList)
        chosen = range(len(operations)) if path is None else [path[edge]]
        terms = [operations[choice](nodes[source]) for choice in chosen]
        if weights is not None:
            terms = [weights[edge, choice] * term for choice, term in zip(chosen, terms, strict=True)]
            if path is not None:
                terms.append(weights[edge].sum() - weights[edge, path[edge]])
        term = reduce(torch.add, terms)
        if target == len(nodes):
            nodes.append(term)
        else:
            nodes[target] = nodes[target] + term
    return nodes[-1]


def bench_supernets(supernets: Supernets) -> Iterator[Row]:
    """Steps of supernets, together and apart, with all operations and along one path; then those of every method."""
    definition = "cells by their definition, operation by operation"
    joint, plain = (supernets.measure(JointStep, apart) for apart in (False, True))
    yield Row("supernet, joint training step", "ms", joint.step, plain.step, definition)
    yield Row("supernet, peak memory of joint training", "MB", joint.memory, plain.memory, definition)
    widest: Steps | None = None
    for name, search in ONE_SHOT.items():
        steps = supernets.measure(search)
        if search.space == "topology":
            other, counterpart = supernets.measure(search, plain=True), definition
        else:
            other, counterpart = (widest := widest or supernets.measure(WidestStep)), "its widest candidate alone"
        if name == "rsps":
            yield Row("supernet, training step along sampled paths", "ms", steps.step, joint.step, "joint training step")
        yield Row(f"{name}, architecture included", "steps/s", steps.rate, other.rate, counterpart)
        yield Row(f"{name}, peak memory", "MB", steps.memory, other.memory, counterpart)
        yield Row(f"{name}, checkpoint", "MB", Figure.of([steps.checkpoint / 1e6]))


# -- the command ---------------------------------------------------------------------------------------------------------------

HISTORY = Path("results/bench")
"""Where histories lie unless told otherwise."""


def measure(
    table: Path | None = None,
    archive: Path | None = None,
    jobs: int = 2,
    quick: bool = False,
    supernets: Supernets = Supernets(),
    history: Path = HISTORY,
) -> int:
    """Measure everything, print it as a table, and keep it as a file.

    Args:
        table: a table file; by default the embedded topology table.
        archive: the official archive that the table was imported from, a folder; by default the table is exported.
        jobs: processes, where several are compared with one.
        quick: measure little: to see that everything can be measured, not how fast it is.
        supernets: what weight-sharing searches are measured on.
        history: the folder of the files.
    """
    if archive is not None and table is None:
        raise ValueError(f"{archive}: name also the table that was imported from it (--table)")
    if jobs < 2:
        raise ValueError(f"jobs must be at least 2, to be compared with one process, got {jobs}")
    opened, effort = Table(table or "digits-topology"), QUICK if quick else Effort()
    if quick:
        supernets = replace(supernets, channels=2, cells=1, size=8, batch=4, steps=1)
    began, load, start = datetime.now(timezone.utc), os.getloadavg()[0], time.perf_counter()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject.of(opened, archive, Path(folder))
        for row in chain(
            bench_sweep(subject, effort, jobs),  # first: its processes are forked, before PyTorch starts threads
            bench_importer(subject, effort, jobs),
            bench_queries(subject, effort),
            bench_searches(subject, effort),
            bench_large(subject, effort),
            bench_builder(effort),
            bench_supernets(supernets),
        ):
            print(f"{time.perf_counter() - start:6.0f} s  {row.what}: {row.ours.text(row.unit)}", file=sys.stderr)
            rows.append(row)
    made = History(
        when=began.isoformat(),
        code=code_version("bench"),
        machine={**environment("torch", "nats-bench", "hpbandster"), "cores": os.cpu_count()},
        settings={
            "table": opened.title,
            "fingerprint": opened.fingerprint,
            "archive": "exported" if archive is None else archive.name,
            "jobs": jobs,
            "quick": quick,
            "supernets": asdict(supernets),
        },
        load=load,
        rows=tuple(rows),
    )
    print(made.table())
    print(f"kept in {made.write(history)}", file=sys.stderr)
    return 0


def check(
    old: Annotated[Path | None, tyro.conf.arg(metavar="OLD")] = None,
    new: Annotated[Path | None, tyro.conf.arg(metavar="NEW")] = None,
    /,
    threshold: float = 1.25,
    history: Path = HISTORY,
) -> int:
    """Compare two runs of the bench, row by row; exit status 1 if something became slower.

    Args:
        old: the former one's file; by default the last but one.
        new: the later one's file; by default the last.
        threshold: what takes so many times as long is slower, beyond what counterparts tell of the machine.
        history: the folder of the files.
    """
    kept = sorted(history.glob("*.json"))
    if len(kept) + (old is not None) + (new is not None) < 2:
        raise ValueError(f"{history} has {len(kept)} runs of the bench, expected two to compare: make bench")
    former, later = (History.read(path) for path in (old or kept[-2], new or kept[-1]))
    comparison = Comparison.of(former, later, threshold)
    print(comparison.text())
    if comparison.slower:
        print(f"error: {comparison.slower} of {len(comparison.changes)} rows became worse", file=sys.stderr)
    return 1 if comparison.slower else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    try:
        about = "How fast this project is, and whether it became slower."
        commands: dict[str, Callable[..., int]] = {"run": measure, "check": check}
        status: int = tyro.extras.subcommand_cli_from_dict(
            commands, prog="python -m experiments.bench", description=about, args=arguments
        )
        return status
    except KeyboardInterrupt:
        print("interrupted: nothing was kept", file=sys.stderr)
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
