"""Simulated workers: queries per second of the event loop alone, and of whole runs with 256 workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from algorithms.black_box import BLACK_BOX, Query
from benchmark_api.tables.evaluation import Evaluation
from benchmark_api.tables.evaluator import BudgetedEvaluator
from benchmark_api.tables.workers import Workers
from experiments.runs.run import run
from tests.speed.subject import Subject, Workload

EVENTS = 10_000


class Prepared:
    """An evaluator with ready answers of different lengths."""

    def __init__(self) -> None:
        self._answers = [Evaluation(50.0, 1.0 + (37 * number % 101) / 7) for number in range(101)]
        self._asked = 0

    def evaluate(self, query: Query) -> Evaluation:
        self._asked += 1
        return self._answers[self._asked % 101]


def simulate(workers: int) -> None:
    """Start and finish `EVENTS` queries."""
    simulation, query = Workers(BudgetedEvaluator(Prepared(), None, float("inf"), EVENTS), workers), Query((0, 1, 2, 3, 4, 0))
    for _ in range(workers):
        simulation.start(query)
    for _ in range(EVENTS - workers):
        simulation.finish()
        simulation.start(query)
    for _ in range(workers):
        simulation.finish()


@pytest.mark.benchmark(group="event loop of simulated workers")
@pytest.mark.parametrize("workers", [1, 16, 256])
def test_events(benchmark: BenchmarkFixture, workers: int) -> None:
    benchmark(simulate, workers)
    if benchmark.stats:  # none with --benchmark-disable
        benchmark.extra_info["queries_per_second"] = EVENTS / benchmark.stats["min"]


@pytest.mark.benchmark(group="run with many workers")
@pytest.mark.parametrize("name", ["random", "rea", "asha"])
def test_run(benchmark: BenchmarkFixture, rounds: Callable[..., Any], subject: Subject, workload: Workload, name: str) -> None:
    search, view, seeds = BLACK_BOX[name], subject.table.search_view(subject.dataset), count()
    settings = replace(subject.condition, algorithm=name, workers=256, max_queries=workload.queries)
    rounds(lambda: run(search, None, view, settings, next(seeds)))
    if benchmark.stats:
        benchmark.extra_info["queries_per_second"] = workload.queries / benchmark.stats["min"]
