"""Runs with several workers: one is the sequential run, many are busy until the budget ends, and stored runs say how busy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX, Evaluation, Query, ResultsPending, SearchFinished
from algorithms.black_box.base import BlackBoxSearch
from benchmark_api.tables import Table
from benchmark_api.tables.evaluator import simulated_evaluator
from benchmark_api.tables.workers import Workers
from experiments import store
from experiments.report.checklist import checklist
from experiments.report.numbers import make_report
from experiments.runs.black_box import condition_of
from experiments.runs.run import Run, _in_turn, _side_by_side, run
from experiments.settings import RunSettings
from tests.helpers.quick import quick
from tests.helpers.stored import CONDITION

BUDGET = 2_500
"""Simulated seconds of a run."""
PARALLEL = [name for name, search in BLACK_BOX.items() if search.max_pending is None]


def simulate(name: str, table: Table, workers: int = 8, seed: int = 3, **settings: Any) -> Run:
    accounting = {"budget": BUDGET, "workers": workers, **settings}
    search = BLACK_BOX[name]
    return run(search, quick(search), table.search_view("cifar10"), RunSettings.of(table, "cifar10", **accounting), seed)


def busy(result: Run) -> np.ndarray:
    """Number of busy workers at each start [evaluation], the new one included."""
    assert result.started is not None
    begun = result.started[:, None] >= result.started
    ended = result.started[:, None] >= result.seconds
    return (begun & ~ended).sum(axis=1)


@pytest.mark.parametrize("accounting", [{}, {"charge": "resume", "repeats": "free", "noise": "once"}], ids=["default", "others"])
@pytest.mark.parametrize("name", BLACK_BOX)
def test_one_worker_makes_the_sequential_run(name: str, accounting: dict[str, Any], topology_table: Table) -> None:
    view = topology_table.search_view("cifar10")
    settings = RunSettings.of(topology_table, "cifar10", budget=5_000, max_queries=150, **accounting)
    trajectories = []
    for side_by_side in (False, True):
        search = BLACK_BOX[name](view.space, quick(BLACK_BOX[name]), seed=1, max_epochs=12)
        evaluator = simulated_evaluator(view, settings, seed=2, needs=search.needs, ignores_budget=search.ignores_budget)
        trajectory: list[tuple[Query, Evaluation, float]] = []
        for answer in _side_by_side(search, Workers(evaluator, 1)) if side_by_side else _in_turn(search, evaluator):
            search.tell(*answer)
            trajectory.append((*answer, evaluator.clock))
        trajectories.append(trajectory)
    assert trajectories[0] == trajectories[1]
    assert len(trajectories[0]) > 20


@pytest.mark.parametrize("name", PARALLEL)
def test_workers_share_the_clock(name: str, topology_table: Table) -> None:
    result, again, alone = simulate(name, topology_table), simulate(name, topology_table), simulate(name, topology_table, 1)
    assert result.started is not None
    assert again.started is not None
    assert (np.diff(result.seconds) >= 0).all()
    assert (result.started[:8] == 0).all()
    assert set(result.started) <= {0.0, *result.seconds}  # a query begins where another one ended
    assert (result.started < BUDGET).all()
    assert busy(result).max() == 8
    assert len(result.seconds) > 1.5 * len(alone.seconds)  # at the end of a rung most workers wait
    for column in ("seconds", "started", "architecture", "epochs", "accuracy"):
        np.testing.assert_array_equal(getattr(result, column), getattr(again, column))
    assert alone.started is None


@pytest.mark.parametrize("name", ["random", "rea", "asha"])
def test_no_worker_is_idle(name: str, topology_table: Table) -> None:
    result = simulate(name, topology_table, 16)
    assert result.started is not None
    np.testing.assert_array_equal(np.sort(result.started)[16:], result.seconds[result.seconds < BUDGET])


def test_random_search_draws_the_same_architectures(topology_table: Table) -> None:
    many, one = (simulate("random", topology_table, workers, budget=5_000) for workers in (32, 1))
    begun = many.architecture[np.argsort(many.started, kind="stable")]
    assert sorted(begun[:32]) == sorted(one.architecture[:32])
    assert begun[32 : len(one.architecture)].tolist() == one.architecture[32:].tolist()
    assert len(one.architecture) > 32


def test_brackets_wait_for_the_end_of_a_rung(topology_table: Table) -> None:
    result = simulate("successive-halving", topology_table, 8)
    assert result.started is not None
    assert result.epochs[:13].tolist() == [1] * 9 + [4] * 3 + [12]
    assert result.started[9:12].tolist() == [result.seconds[8]] * 3
    assert result.started[12] == result.seconds[11]


@pytest.mark.parametrize("name", sorted(set(BLACK_BOX) - set(PARALLEL)))
def test_a_sequential_search_refuses_workers(name: str, topology_table: Table) -> None:
    settings = RunSettings.of(topology_table, "cifar10", budget=500, workers=2)
    text = f"{re.escape(name)} is sequential: workers must be at most 1, got 2"
    with pytest.raises(ValueError, match=text):
        run(BLACK_BOX[name], None, topology_table.search_view("cifar10"), settings, 0)
    with pytest.raises(ValueError, match=text):
        condition_of(BLACK_BOX[name], BLACK_BOX[name].Config(), topology_table, settings)


class Impatient(BlackBoxSearch):
    """Waits for results that nobody was asked for."""

    name = "impatient"
    max_pending = 4

    def _propose(self) -> Query:
        raise ResultsPending("impatient waits")

    def _observe(self, query: Query, evaluation: Evaluation) -> None: ...


class Short(Impatient):
    """Ends after its tenth query."""

    name = "short"
    asked = 0

    def _propose(self) -> Query:
        if self.asked == 10:
            raise SearchFinished
        self.asked += 1
        return Query(self.space.sample(self.rng))


def test_a_search_that_waits_for_nothing_is_an_error(topology_table: Table) -> None:
    settings = RunSettings.of(topology_table, "cifar10", workers=2)
    with pytest.raises(ResultsPending, match="impatient waits"):
        run(Impatient, None, topology_table.search_view("cifar10"), settings, 0)


def test_a_finished_search_ends_after_its_last_result(topology_table: Table) -> None:
    settings = RunSettings.of(topology_table, "cifar10", workers=4)
    assert len(run(Short, None, topology_table.search_view("cifar10"), settings, 0).seconds) == 10
    with pytest.raises(ValueError, match="short allows 4 pending queries: workers must be at most 4, got 5"):
        run(Short, None, topology_table.search_view("cifar10"), RunSettings.of(topology_table, "cifar10", workers=5), 0)


# -- stored runs -----------------------------------------------------------------------------------------------------------


def test_stored_runs_say_how_busy_their_workers_were(topology_table: Table, tmp_path: Path) -> None:
    search, view = BLACK_BOX["random"], topology_table.search_view("cifar10")
    for workers in (1, 8):
        settings = RunSettings.of(topology_table, "cifar10", budget=5_000, workers=workers)
        condition = condition_of(search, search.Config(), topology_table, settings)
        runs = [run(search, None, view, settings, seed) for seed in range(12)]
        store.write_piece(tmp_path, condition, runs, "1+abc", str(topology_table.path))
    (alone,), (many,) = (store.load(tmp_path, workers=workers) for workers in (1, 8))
    assert alone.started is None
    assert many.started is not None
    np.testing.assert_array_equal(many.starts, np.concatenate([result.started for result in runs]))
    np.testing.assert_array_equal(many.spent_seconds, 5_000.0)  # of the clock
    np.testing.assert_allclose(alone.worker_seconds, 5_000.0)
    np.testing.assert_allclose(many.worker_seconds, 8 * 5_000.0)
    assert many.label(topology_table) == "random (workers=8, budget=5000.0)"
    assert many.settings()["workers"] == 8
    report = make_report(topology_table, [alone, many])
    items = {item.practice: item for item in checklist([report])}
    kept = items["No evaluation begins after the budget is spent"]
    assert kept.followed
    assert kept.evidence.startswith("0 such")
    same = next(item for practice, item in items.items() if practice.startswith("The same budget"))
    assert not same.followed
    assert "5,000 or 5,000 × 8 workers simulated seconds" in same.evidence


def test_files_of_earlier_versions_are_of_one_worker(tmp_path: Path) -> None:
    assert CONDITION.workers == 1
    assert "workers" not in CONDITION.facts()
    assert "workers" not in CONDITION.settings()
    assert CONDITION.folder() == Path("topology", "cifar10", "rea-e52dba14")  # as before there were workers
