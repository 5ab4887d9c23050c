"""An epoch of every one-shot method on digits: many seeds as one stack, and one seed alone.

Divide the time of the stack by its number of searches to compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
        rounds(stack.train_epoch if stacked else searches[0].train_epoch, rounds=1)
