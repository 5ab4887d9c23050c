"""One run: its accounting, its end, its determinism, and that it never sees a test figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from algorithms.black_box import BLACK_BOX, BlackBoxSearch, Evaluation, Query, SearchFinished
from benchmark_api.spaces import Architecture
from benchmark_api.tables import Table, TableWriter
from experiments.runs.black_box import condition_of, task_of
from experiments.runs.run import Run, run
from experiments.settings import RunSettings

SETTINGS = RunSettings(space="topology", dataset="cifar10", schedule="12", budget=5_000)


class Walk(BlackBoxSearch):
    """Evaluates architectures 0, 1, 2, ... alternately for 4 and for all epochs, `length` in all."""

    name = "walk"
    length = 10_000

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asked = 0

    def _propose(self) -> Query:
        if self.asked == self.length:
            raise SearchFinished
        self.asked += 1
        return Query(self.space.architecture(self.asked - 1), 4 if self.asked % 2 else None)

    def _observe(self, query: Query, evaluation: Evaluation) -> None: ...


class ShortWalk(Walk):
    length = 7


class LongPlan(ShortWalk):
    ignores_budget = True


def same(first: Run, second: Run) -> bool:
    columns = ("seed", "seconds", "architecture", "epochs", "accuracy")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in columns)


def test_a_run_is_what_the_table_says(topology_table: Table) -> None:
    result = run(Walk, None, topology_table.search_view("cifar10"), SETTINGS, seed=3)
    n = len(result.seconds)
    assert result.architecture.tolist() == list(range(n))
    assert result.epochs.tolist() == [12 if i % 2 else 4 for i in range(n)]
    assert result.seconds[-2] < SETTINGS.budget <= result.seconds[-1]  # only the last evaluation may overshoot
    for i, spent in enumerate(np.diff(result.seconds, prepend=0)):
        epochs = int(result.epochs[i])
        trials = topology_table.tensor("cifar10-valid/12/x-valid/accuracy")[i, :, epochs - 1]
        assert result.accuracy[i] in trials
        train = topology_table.seconds("cifar10-valid", "12", "train")[i, 0]  # the same for all trials of this table
        valid = topology_table.seconds("cifar10-valid", "12", "x-valid")[i, 0]
        assert spent == pytest.approx(epochs * train + valid, rel=1e-6)
    kinds = [getattr(result, name).dtype for name in ("seconds", "architecture", "epochs", "accuracy")]
    assert kinds == [np.float64, np.int32, np.int16, np.float64]
    assert result.wall_seconds > 0


def test_the_seed_determines_the_run(topology_table: Table) -> None:
    view = topology_table.search_view("cifar10")
    first = run(BLACK_BOX["rea"], None, view, SETTINGS, seed=5)
    assert same(first, run(BLACK_BOX["rea"], None, view, SETTINGS, seed=5))
    assert not np.array_equal(first.architecture, run(BLACK_BOX["rea"], None, view, SETTINGS, seed=6).architecture)


def test_500_seeds_give_500_trajectories(topology_table: Table) -> None:
    view = topology_table.search_view("cifar10")
    settings = RunSettings(space="topology", dataset="cifar10", schedule="12", budget=500)
    runs = [run(BLACK_BOX["random"], None, view, settings, seed) for seed in range(500)]
    assert len({result.architecture.tobytes() for result in runs}) == 500


def test_trial_noise_and_search_do_not_share_a_stream(topology_table: Table) -> None:
    """Random search ignores what it is told, so that another noise leaves its choices as they were."""
    view = topology_table.search_view("cifar10")
    averaged = RunSettings(space="topology", dataset="cifar10", schedule="12", budget=5_000, noise="mean")
    noisy, mean = (run(BLACK_BOX["random"], None, view, settings, seed=1) for settings in (SETTINGS, averaged))
    assert np.array_equal(noisy.architecture, mean.architecture)
    assert not np.array_equal(noisy.accuracy, mean.accuracy)


@pytest.mark.parametrize("name", ["rea", "bohb-reference"])
def test_test_figures_change_no_trajectory(name: str, topology_table: Table, tmp_path: Path) -> None:
    tensors = load_file(topology_table.path)
    for tensor, values in tensors.items():
        if "-test/" in tensor and tensor.endswith(("accuracy", "loss")):
            tensors[tensor] = 100 - values
    metadata = {k: v for k, v in topology_table.metadata.items() if k not in ("format", "fingerprint")}
    path = tmp_path / "other.safetensors"
    with TableWriter(path, {name: (array.dtype, array.shape) for name, array in tensors.items()}, metadata) as writer:
        for tensor, values in tensors.items():
            writer.write(tensor, values)
    other = Table(path)
    assert other.accuracy(7, "cifar10", "200", "ori-test") != topology_table.accuracy(7, "cifar10", "200", "ori-test")
    first, second = (run(BLACK_BOX[name], None, table.search_view("cifar10"), SETTINGS, 0) for table in (topology_table, other))
    assert same(first, second)


def test_a_finished_search_ends_its_run(topology_table: Table) -> None:
    assert len(run(ShortWalk, None, topology_table.search_view("cifar10"), SETTINGS, seed=0).seconds) == 7


def test_a_search_that_ignores_budgets_runs_to_its_end(topology_table: Table) -> None:
    settings = RunSettings(space="topology", dataset="cifar10", schedule="12", budget=1)
    assert len(run(ShortWalk, None, topology_table.search_view("cifar10"), settings, seed=0).seconds) == 1
    assert len(run(LongPlan, None, topology_table.search_view("cifar10"), settings, seed=0).seconds) == 7


def test_max_queries_ends_a_run(topology_table: Table) -> None:
    settings = RunSettings(space="topology", dataset="cifar10", schedule="12", budget=float("inf"), max_queries=5)
    assert len(run(Walk, None, topology_table.search_view("cifar10"), settings, seed=0).seconds) == 5


def test_charge_and_repeats_reach_the_evaluator(topology_table: Table) -> None:
    class Twice(ShortWalk):
        def _propose(self) -> Query:
            query = super()._propose()
            return Query(self._only(), query.epochs)

        def _only(self) -> Architecture:
            return self.space.architecture(0)

    def total(**settings: Any) -> float:
        told = RunSettings(space="topology", dataset="cifar10", schedule="12", budget=1e9, **settings)
        return float(run(Twice, None, topology_table.search_view("cifar10"), told, seed=0).seconds[-1])

    train = float(topology_table.seconds("cifar10-valid", "12", "train")[0, 0])
    valid = float(topology_table.seconds("cifar10-valid", "12", "x-valid")[0, 0])
    assert total() == pytest.approx((4 * 4 + 3 * 12) * train + 7 * valid, rel=1e-6)
    assert total(charge="resume") == pytest.approx((3 * 12 + 4) * train + 7 * valid, rel=1e-6)  # 4, 12, 4, 12, ...
    assert total(repeats="free") == pytest.approx((4 + 12) * train + 2 * valid, rel=1e-6)


@pytest.mark.parametrize("field", ["space", "dataset", "schedule"])
def test_settings_must_be_those_of_the_view(field: str, topology_table: Table) -> None:
    wrong = {"space": "size", "dataset": "cifar100", "schedule": "200"}
    facts = {"space": "topology", "dataset": "cifar10", "schedule": "12", "budget": 100, field: wrong[field]}
    with pytest.raises(ValueError, match=wrong[field]):
        run(Walk, None, topology_table.search_view("cifar10"), RunSettings(**facts), seed=0)


def test_settings_refuse_what_would_never_end() -> None:
    for budget in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="budget"):
            RunSettings(space="topology", dataset="cifar10", schedule="12", budget=budget)
    with pytest.raises(ValueError, match="max_queries"):
        RunSettings(space="topology", dataset="cifar10", schedule="12", budget=float("inf"))


def test_integer_and_float_budgets_are_one(topology_table: Table) -> None:
    search = BLACK_BOX["rea"]
    whole, real = (
        condition_of(search, search.Config(), topology_table, RunSettings.of(topology_table, "cifar10", budget=budget))
        for budget in (5_000, 5_000.0)
    )
    assert whole.folder() == real.folder()


# -- what only some searches need ------------------------------------------------------------------------------------------


class Frugal(ShortWalk):
    """Prefers low latency to accuracy."""

    needs = frozenset({"curves", "costs"})
    incumbent_rule = "own"

    def _start(self) -> None:
        self.seen: list[Evaluation] = []

    def _improves(self, query: Query, evaluation: Evaluation) -> bool:
        return all(evaluation.costs["latency"] < other.costs["latency"] for other in self.seen)

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        self.seen.append(evaluation)


def test_a_run_holds_what_its_search_needs(topology_table: Table) -> None:
    view = topology_table.search_view("cifar10")
    plain, result = (run(search, None, view, SETTINGS, seed=0) for search in (ShortWalk, Frugal))
    assert same(plain, result)
    assert (plain.curve, plain.costs, plain.cost_names, plain.incumbent) == (None, None, (), None)
    assert result.cost_names == ("flops", "latency", "params")
    assert result.costs is not None
    assert result.curve is not None
    assert result.incumbent is not None
    for column, name in enumerate(result.cost_names):
        np.testing.assert_array_equal(result.costs[:, column], topology_table.tensor(f"cifar10-valid/12/{name}")[:7])
    latency = result.costs[:, 1]
    assert result.incumbent.tolist() == [int(latency[: number + 1].argmin()) for number in range(7)]
    assert [len(curve) for curve in result.curve] == result.epochs.tolist()
    assert [curve[-1] for curve in result.curve] == result.accuracy.tolist()


@pytest.mark.parametrize("noise", ["once", 888])
def test_a_run_keeps_the_trial_that_answers_all_queries_of_an_architecture(noise: Any, topology_table: Table) -> None:
    settings = RunSettings.of(topology_table, "cifar10", noise=noise)
    result = run(BLACK_BOX["rea"], None, topology_table.search_view("cifar10"), settings, seed=2)
    assert result.trial is not None
    assert result.trial.dtype == np.int16
    accuracy = topology_table.tensor("cifar10-valid/12/x-valid/accuracy")  # [architecture, trial, epoch]
    np.testing.assert_array_equal(result.accuracy, accuracy[result.architecture, result.trial, result.epochs - 1])
    seen = dict(zip(result.architecture.tolist(), result.trial.tolist(), strict=True))
    assert len(seen) < len(result.trial)  # some are asked for again
    assert [seen[index] for index in result.architecture.tolist()] == result.trial.tolist()
    assert set(result.trial.tolist()) == ({0, 1, 2} if noise == "once" else {1})


@pytest.mark.parametrize("noise", ["random", "mean"])
def test_other_runs_keep_no_trial(noise: Any, topology_table: Table) -> None:
    settings = RunSettings.of(topology_table, "cifar10", noise=noise)
    assert run(BLACK_BOX["random"], None, topology_table.search_view("cifar10"), settings, seed=2).trial is None


def test_a_search_that_needs_images_gets_them(digits_table: Table) -> None:
    tasks = []

    class Looks(BLACK_BOX["random"]):  # type: ignore[misc]
        needs = frozenset({"task"})

        def _start(self) -> None:
            tasks.append(self.task)

    task = task_of(Looks, digits_table, "digits", None)
    settings = RunSettings.of(digits_table, "digits", budget=50)
    run(Looks, None, digits_table.search_view("digits"), settings, seed=0, task=task)
    assert tasks[0].space == digits_table.space
    assert set(tasks[0].dataset.splits) == {"train", "x-valid"}
    assert task_of(BLACK_BOX["random"], digits_table, "digits", None) is None
    with pytest.raises(ValueError, match="needs a task"):
        run(Looks, None, digits_table.search_view("digits"), settings, seed=0)
