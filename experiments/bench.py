"""`make bench`: how fast this project is, each figure beside its counterpart, measured in one run on one machine.

    python -m experiments.bench                                     # table builder, weight-sharing searches; needs no files
    python -m experiments.bench --table TABLE --archive FOLDER      # tables and black-box searches

Counterparts of tables and black-box searches are the `nats_bench` package on the same data and hpbandster's config generator,
those of the builder and of weight-sharing searches other ways to compute the same. Each figure is the median of several
repeats, a training step the fastest of some. Whole-process figures (the sweep, peak memory) include the start of Python.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from algorithms import ONE_SHOT, REGISTRY
from algorithms.darts import DartsFirstOrder
from algorithms.one_shot import Batch, Execution, OneShotSearch, Task
from algorithms.supernet import SuperCell
from benchmark_api.build import Plan, Protocol, measure_speed
from benchmark_api.datasets import Dataset, Distortion, Split
from benchmark_api.networks import Skeleton
from benchmark_api.spaces import EDGES, SizeSpace, TopologySpace
from benchmark_api.table import Table
from experiments.run import RunSettings, run

BUDGET = 20_000.0  # simulated seconds on cifar10, as in NATS-Bench


@dataclass(frozen=True)
class Row:
    """One line of the result: what was measured, ours and the counterpart's figure in the same unit."""

    what: str
    unit: str
    ours: float
    other: float | None = None
    counterpart: str = ""

    def cells(self) -> list[str]:
        other = "" if self.other is None else f"{self.other:,.4g} {self.unit}"
        ratio = "" if self.other is None else f"{self.other / self.ours:,.1f}×"
        return [self.what, f"{self.ours:,.4g} {self.unit}", other, ratio, self.counterpart]


def median_seconds(action: Callable[[], object], repeats: int = 5, calls: int = 1) -> float:
    """Median over repeats of the seconds that one call takes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            action()
        times.append((time.perf_counter() - start) / calls)
    return statistics.median(times)


def bench_queries(table_path: Path, archive: Path) -> list[Row]:
    """Open, cold and warm queries of a Table, of our facade, and of the package."""
    import nats_bench

    from benchmark_api import nats

    def package() -> nats_bench.NATStopology:
        return nats_bench.create(str(archive), "tss", fast_mode=True, verbose=False)

    table, theirs = Table(table_path), package()
    facade = nats.create(table, "tss", fast_mode=True, verbose=False)
    indices = np.random.default_rng(0).integers(len(table), size=200).tolist()
    cold = iter(indices)
    seen = indices[0]
    rows = [
        Row(
            "open",
            "ms",
            1e3 * median_seconds(lambda: Table(table_path), 20),
            1e3 * median_seconds(package, 3),
            "nats_bench, lazily",
        ),
        Row(
            "cold query (an architecture not asked for before)",
            "ms",
            1e3 * median_seconds(lambda: table.accuracy(next(cold), "cifar10", "200", "ori-test"), 50),
            1e3 * median_seconds(lambda: theirs.get_more_info(next(cold), "cifar10", hp="200", is_random=False), 50),
            "nats_bench get_more_info",
        ),
    ]
    theirs.get_more_info(seen, "cifar10", hp="200", is_random=False)
    package_warm = median_seconds(lambda: theirs.get_more_info(seen, "cifar10", hp="200", is_random=False), 5, 200)
    ours_warm = median_seconds(lambda: table.accuracy(seen, "cifar10", "200", "ori-test"), 5, 20_000)
    facade_warm = median_seconds(lambda: facade.get_more_info(seen, "cifar10", hp="200", is_random=False), 5, 2_000)
    package_search = median_seconds(lambda: theirs.simulate_train_eval(seen, "cifar10"), 5, 200)
    facade_search = median_seconds(lambda: facade.simulate_train_eval(seen, "cifar10"), 5, 2_000)
    everything = np.arange(len(table))
    vectorised = median_seconds(lambda: table.accuracy(everything, "cifar10", "200", "ori-test"))
    return [
        *rows,
        Row("warm scalar query, Table.accuracy", "µs", 1e6 * ours_warm, 1e6 * package_warm, "nats_bench get_more_info"),
        Row("warm get_more_info of our facade", "µs", 1e6 * facade_warm, 1e6 * package_warm, "nats_bench get_more_info"),
        Row("warm simulate_train_eval of our facade", "µs", 1e6 * facade_search, 1e6 * package_search, "nats_bench"),
        Row(
            "vectorised query, per architecture",
            "µs",
            1e6 * vectorised / len(table),
            1e6 * package_warm,
            "nats_bench get_more_info",
        ),
    ]


def bench_searches(table_path: Path, archive: Path) -> list[Row]:
    """One run of every black-box search; regularized evolution also through the package."""
    import nats_bench

    table = Table(table_path)
    view = table.search_view("cifar10")
    settings = RunSettings(space="topology", dataset="cifar10", schedule=view.schedule, budget=BUDGET)

    def ours(name: str, **hyperparameters: object) -> float:
        search = REGISTRY[name]
        seeds = iter(range(100))
        return median_seconds(lambda: run(search, search.Config(**hyperparameters), view, settings, next(seeds)))

    def package_rea(api: nats_bench.NATStopology) -> None:
        """The same search, evaluated by the package; records already read stay cached in `api`."""
        space = TopologySpace()
        search = REGISTRY["rea"](space, seed=0)
        api.reset_time()
        spent = 0.0
        while spent < BUDGET:
            query = search.ask()
            accuracy, _, _, spent = api.simulate_train_eval(space.to_string(query.architecture), "cifar10", hp="12")
            search.tell(query, accuracy)

    random.seed(0)  # the package draws its trials from Python's global generator
    api = nats_bench.create(str(archive), "tss", fast_mode=True, verbose=False)
    cold = median_seconds(lambda: package_rea(api), 1)
    warm = median_seconds(lambda: package_rea(api), 1)
    rows = [
        Row("one REA run, 20,000 simulated seconds", "ms", 1e3 * ours("rea"), 1e3 * warm, "nats_bench, all its records cached"),
        Row(
            "one REA run, 20,000 simulated seconds", "ms", 1e3 * ours("rea"), 1e3 * cold, "nats_bench, its records read from disk"
        ),
    ]
    rows += [Row(f"one {name} run", "ms", 1e3 * ours(name)) for name in REGISTRY if name not in ("rea", "bohb-reference")]
    brackets = 75  # 500 evaluations: a little more than the budget pays for
    rows.append(Row("one bohb-reference run of 300 brackets", "ms", 1e3 * ours("bohb-reference")))
    with contextlib.suppress(ImportError):
        import hpbandster  # noqa: F401

        rows.append(
            Row(
                f"one bohb-reference run of {brackets} brackets",
                "ms",
                1e3 * ours("bohb-reference", brackets=brackets),
                1e3 * ours("bohb-reference", brackets=brackets, backend="hpbandster"),
                "hpbandster's config generator, in process",
            )
        )
    return rows


def bench_sweep(table_path: Path, jobs: int) -> list[Row]:
    """500 REA runs from the command line, as a whole: wall seconds and the largest process."""
    walls = []
    for _ in range(3):
        results = tempfile.mkdtemp()
        command = [sys.executable, "-m", "experiments", "run", "rea", "--table", str(table_path), "--dataset", "cifar10"]
        start = time.perf_counter()
        subprocess.run([*command, "--jobs", str(jobs), "--results", results], check=True, capture_output=True)
        walls.append(time.perf_counter() - start)
        shutil.rmtree(results)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
    return [
        Row(f"500 REA runs, {jobs} processes, whole command", "s", statistics.median(walls)),
        Row("peak memory of its largest process", "MB", peak),
    ]


# -- weight-sharing searches -------------------------------------------------------------------------------------------------


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
    """Steps of which the fastest counts, after one that does not."""
    execution: Execution = field(default_factory=Execution)
    """How they are computed."""

    def measure(self, search: type[OneShotSearch]) -> tuple[float, int]:
        """Seconds of a step of the weights with what goes with it, and the peak memory of a process of its own."""
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as own:
            return own.submit(self.measure_here, search).result()

    def measure_here(self, search: type[OneShotSearch]) -> tuple[float, int]:
        """The same in this process. An epoch is one step."""
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
        figures = [running.train_epoch() for _ in range(1 + self.steps)]
        return min(epoch.seconds for epoch in figures[1:]), figures[-1].peak_memory


class JointStep(DartsFirstOrder):
    """Steps of the weights with all operations, and nothing else."""

    name = "joint"

    def _architecture_step(self, training: Batch) -> None:
        pass


class PlainStep(JointStep):
    """The same, each operation of each edge on its own."""

    name = "plain"

    def _start(self) -> None:
        super()._start()
        self.supernet.joint_cell = edge_by_edge


def edge_by_edge(cell: SuperCell, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """A cell by its definition."""
    nodes: list[torch.Tensor] = [x]
    for (target, source), operations, of_edge in zip(EDGES, cell.edges, weights, strict=True):
        assert isinstance(operations, torch.nn.ModuleList)
        terms = [weight * operation(nodes[source]) for weight, operation in zip(of_edge, operations, strict=True)]
        term = reduce(torch.add, terms)
        if target == len(nodes):
            nodes.append(term)
        else:
            nodes[target] = nodes[target] + term
    return nodes[-1]


def bench_one_shot(supernets: Supernets) -> list[Row]:
    """Steps of supernets: together and apart, all operations and one path; then a step of every method, with its memory."""
    joint, plain = supernets.measure(JointStep), supernets.measure(PlainStep)
    methods = {name: supernets.measure(search) for name, search in ONE_SHOT.items()}
    counterpart = "edge by edge, operation by operation"
    return [
        Row("joint training step", "ms", 1e3 * joint[0], 1e3 * plain[0], counterpart),
        Row("peak memory of its process", "MB", joint[1] / 1e6, plain[1] / 1e6, counterpart),
        Row("training step along sampled paths", "ms", 1e3 * methods["rsps"][0], 1e3 * joint[0], "joint training step"),
        *(Row(f"training step of {name}, architecture included", "ms", 1e3 * step) for name, (step, _) in methods.items()),
        *(Row(f"peak memory of {name}'s process", "MB", peak / 1e6) for name, (_, peak) in methods.items()),
    ]


def bench_builder() -> list[Row]:
    """CPU time of a candidate's training in a stack, as a build trains, beside the loop that trains one after the other."""
    protocol, distortion = Protocol(epochs=1, batch=32), Distortion(copies=2)
    plans = {
        "topology, C = 2, N = 2": Plan(TopologySpace(), "digits", protocol, 1, 2, 2, distortion),
        "size, widths 1 to 8": Plan(SizeSpace(range(1, 9)), "digits", protocol, 1, distortion=distortion),
    }
    rows = []
    for name, plan in plans.items():
        speed = measure_speed(plan)
        what = f"builder, one epoch of one candidate, {name}"
        rows.append(Row(what, "s", 60 / speed.stacked, 60 / speed.plain, "one candidate at a time"))
    return rows


def main(
    table: Path | None = None,
    archive: Path | None = None,
    jobs: int = os.cpu_count() or 1,
    supernets: Supernets = Supernets(),
) -> None:
    """Measure this project beside its counterparts: tables and black-box searches if both files are named, else the table
    builder and supernets.

    Args:
        table: a table imported from the archive.
        archive: the official topology archive, a folder.
        jobs: processes of the sweep.
        supernets: what weight-sharing searches are measured on.
    """
    if (table is None) is not (archive is None):
        raise SystemExit("error: name both the table and the archive it was imported from, or neither")
    if table is None or archive is None:
        rows = bench_builder() + bench_one_shot(supernets)
    else:
        rows = bench_sweep(table, jobs)
        with contextlib.redirect_stdout(io.StringIO()):  # the package prints as it works
            rows += bench_queries(table, archive)
            rows += bench_searches(table, archive)
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__}"
    print(f"{platform.platform()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, {versions}\n")
    print("| what | ours | counterpart | ratio | which |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row.cells()) + " |")


if __name__ == "__main__":
    tyro.cli(main)
