"""An epoch of every one-shot method on digits: many seeds as one stack, and one seed alone, here and in another checkout.

The summary divides the time of the stack by its number of searches.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.stack import SearchStack
from benchmark_api.tables.table import Table
from benchmark_api.training.devices import one_thread, trial_seeds
from benchmark_api.training.setting import Setting
from experiments.runs.one_shot import load_task
from tests.speed.subject import Workload

EPOCHS = [pytest.param(name, marks=pytest.mark.benchmark(group=f"epoch of {name} on digits")) for name in ONE_SHOT]
ELSEWHERE = """
import sys
from algorithms.one_shot import ONE_SHOT
from benchmark_api.tables.table import Table
from benchmark_api.training.devices import one_thread
from benchmark_api.training.setting import Setting
from experiments.runs.one_shot import load_task

method = ONE_SHOT[sys.argv[1]]
table = Table(f"digits-{method.space}")
search = method(load_task(Setting.of(table, "digits"), table.space, None), method.default_config("digits"), seed=777)
with one_thread():
    print(flush=True)
    for _ in sys.stdin:
        search.train_epoch()
        print(flush=True)
"""
"""Program of another checkout, as early as the first ones: it trains an epoch for each line that it reads."""


@pytest.mark.parametrize("stacked", [True, False], ids=["stack", "alone"])
@pytest.mark.parametrize("name", EPOCHS)
def test_epoch(benchmark: BenchmarkFixture, rounds: Callable[..., Any], workload: Workload, name: str, stacked: bool) -> None:
    """Measures an epoch with the method's defaults on digits."""
    method = ONE_SHOT[name]
    table = Table(f"digits-{method.space}")
    task = load_task(Setting.of(table, "digits"), table.space, None)
    config = method.default_config("digits")
    if benchmark.disabled:
        config = replace(config, batch=900, **({"candidates": 2} if hasattr(config, "candidates") else {}))
    searches = [method(task, config, seed=seed) for seed in trial_seeds(workload.seeds if stacked else 1)]
    benchmark.extra_info["searches"] = len(searches)
    stack = SearchStack(searches)
    with one_thread():  # as runs are made
        rounds(stack.train_epoch if stacked else searches[0].train_epoch, rounds=1 if stacked or benchmark.disabled else 3)


@pytest.mark.parametrize("name", EPOCHS)
def test_epoch_elsewhere(benchmark: BenchmarkFixture, rounds: Callable[..., Any], name: str, other: Path) -> None:
    """Measures an epoch of one search in another checkout, whose process waits between epochs."""
    with elsewhere(name, other) as epoch:
        rounds(epoch, rounds=1 if benchmark.disabled else 3)


@contextmanager
def elsewhere(name: str, other: Path) -> Iterator[Callable[[], None]]:
    """Give a function that trains an epoch of a method in another checkout."""
    command = [sys.executable, "-c", ELSEWHERE, name]
    with subprocess.Popen(command, cwd=other, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asks, answers = process.stdin, process.stdout

        def epoch() -> None:
            print(file=asks, flush=True)
            assert answers.readline(), f"{name} failed in {other}, see above"

        if not answers.readline():
            pytest.skip(f"{other} does not train {name}, see above")
        yield epoch
