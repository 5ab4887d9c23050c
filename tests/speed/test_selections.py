"""Deriving an architecture on digits, with an untrained supernet: the selections, with their training if they train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from algorithms.one_shot import ONE_SHOT, SELECTIONS
from benchmark_api.tables.table import Table
from benchmark_api.training.datasets import Split
from benchmark_api.training.devices import one_thread
from benchmark_api.training.setting import Setting
from experiments.runs.one_shot import load_task


@pytest.mark.benchmark(group="selection on digits, after darts-v1")
@pytest.mark.parametrize("name", SELECTIONS)
def test_selection(benchmark: BenchmarkFixture, rounds: Callable[..., Any], name: str) -> None:
    """Measures `derive`, which restores the search afterwards."""
    method, table = ONE_SHOT["darts-v1"], Table("digits-topology")
    task = load_task(Setting.of(table, "digits"), table.space, None)
    if benchmark.disabled:
        few = {name: Split(split.images[:32], split.labels[:32]) for name, split in task.dataset.splits.items()}
        task = replace(task, dataset=replace(task.dataset, splits=few))
    search = method(task, method.default_config("digits"), selection=SELECTIONS[name])
    with one_thread():  # as runs are made
        rounds(search.derive, rounds=3)
