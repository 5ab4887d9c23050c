"""Time of the search itself on the simulated clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX, Query
from benchmark_api.tables import Table
from experiments import store
from experiments.runs.black_box import condition_of
from experiments.runs.run import Run, run
from experiments.settings import RunSettings
from experiments.verify import verify

RANDOM = BLACK_BOX["random"]


class Slow(RANDOM):  # type: ignore[misc, valid-type]
    """Random search that takes a millisecond for each query and for each result."""

    def _propose(self) -> Query:
        work(0.001)
        return super()._propose()

    def _observe(self, *result: Any) -> None:
        work(0.001)


def work(seconds: float) -> None:
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass


def make(search: type[Any], table: Table, **settings: Any) -> Run:
    accounting = {"budget": 3_000, **settings}
    return run(search, None, table.search_view("cifar10"), RunSettings.of(table, "cifar10", **accounting), seed=1)


def test_time_is_part_of_the_clock(topology_table: Table) -> None:
    free, charged = make(Slow, topology_table), make(Slow, topology_table, charge_model_time=True)
    assert free.model_seconds is None
    assert charged.model_seconds is not None
    assert (charged.model_seconds >= 0.002).all()
    np.testing.assert_allclose(charged.seconds - np.cumsum(charged.model_seconds), free.seconds, rtol=1e-12)
    np.testing.assert_array_equal(charged.architecture, free.architecture)


def test_time_is_part_of_the_budget(topology_table: Table) -> None:
    """A search that needs more than the budget for itself ends at once."""
    charged = make(Slow, topology_table, budget=0.0005, charge_model_time=True)
    assert len(charged.seconds) == 0


def test_it_is_stored_as_measured(topology_table: Table, tmp_path: Path) -> None:
    settings = RunSettings.of(topology_table, "cifar10", budget=2_000, charge_model_time=True)
    condition = condition_of(RANDOM, RANDOM.Config(), topology_table, settings)
    usual = condition_of(RANDOM, RANDOM.Config(), topology_table, RunSettings.of(topology_table, "cifar10", budget=2_000))
    assert "charge_model_time" not in usual.facts()
    assert "charge_model_time" in condition.label(topology_table)
    view = topology_table.search_view("cifar10")
    for each in (condition, usual):
        store.write_piece(
            tmp_path, each, [run(RANDOM, None, view, each, seed) for seed in range(2)], "1+abc", str(topology_table.path)
        )
    stored = {found.charge_model_time: found for found in store.load(tmp_path)}
    assert stored[False].model_seconds is None
    assert stored[True].model_seconds is not None
    assert len(stored[True].model_seconds) == len(stored[True].seconds)
    assert stored[True].condition == condition
    checked = {finding.what: finding.checked for finding in verify(tmp_path, sample=2) if finding.checked}
    assert sorted(checked.values()) == ["2 runs read, 0 made again", "2 runs read, 2 made again"]


def test_several_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="charge_model_time is for one worker, whose trainings wait for the model; workers is 2"):
        RunSettings(space="topology", dataset="cifar10", schedule="12", budget=1.0, workers=2, charge_model_time=True)
