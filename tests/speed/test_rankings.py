"""A ranking of 200 architectures by one supernet on digits: candidates together, and one after another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from algorithms.one_shot import ONE_SHOT, inherited
from benchmark_api.tables.table import Table
from benchmark_api.training.devices import one_thread
from benchmark_api.training.setting import Setting
from experiments.runs.one_shot import load_task

SPACES = [
    pytest.param(name, marks=pytest.mark.benchmark(group=f"ranking by a supernet of the {space} space on digits"))
    for space, name in (("topology", "rsps"), ("size", "tunas"))
]


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
@pytest.mark.parametrize("name", SPACES)
def test_ranking(
    benchmark: BenchmarkFixture, rounds: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str, together: bool
) -> None:
    """Measures a whole ranking; its supernet has its initial weights."""
    method = ONE_SHOT[name]
    table = Table(f"digits-{method.space}")
    search = method(load_task(Setting.of(table, "digits"), table.space, None), method.default_config("digits"))
    count = 5 if benchmark.disabled else 200
    sample = np.random.default_rng(0).choice(len(table), count, replace=False).tolist()
    if not together:
        monkeypatch.setattr(inherited, "CANDIDATES", {})
    with one_thread():  # as rankings are made
        rounds(partial(inherited.inherited_accuracy, search, list(map(table.space.architecture, sample))))
