"""Early stopping as a wrapper: its parent when it is off, what it sees and pays, and which searches it takes."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX, BlackBoxSearch, EarlyStopping, Evaluation, Hyperband, Query, RandomSearch, RandomSRM
from algorithms.black_box.early_stopping import early_stopped
from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.tables.table import Table
from experiments.runs.run import Run, run
from experiments.settings import RunSettings

PARENTS = ("random", "rea", "reinforce", "local-search")
SPACE = SizeSpace()
EPOCHS = 4


def final_of(query: Query) -> float:
    """Return the accuracy of a whole training, percent: the larger, the better."""
    return 50.0 + sum(query.architecture)


def answer(query: Query, final: float) -> Evaluation:
    """Return an evaluation whose curve is c t / T: every epoch tells the final accuracy c."""
    curve = tuple(final * epoch / EPOCHS for epoch in range(1, (query.epochs or EPOCHS) + 1))
    return Evaluation(curve[-1], 1.0, curve)


def make(name: str = "random+srm", seed: int = 0, **hyperparameters: Any) -> BlackBoxSearch:
    search = BLACK_BOX[name]
    config = search.Config(**{"burn_in": 10, "regressor": "ols", **hyperparameters})
    return search(SPACE, config, seed=seed, max_epochs=EPOCHS)


def trainings(search: BlackBoxSearch, queries: int) -> list[list[Query]]:
    """Ask and answer; return the queries by training."""
    found: list[list[Query]] = []
    for _ in range(queries):
        query = search.ask()
        search.tell(query, answer(query, final_of(query)))
        found[-1].append(query) if query.continues else found.append([query])
    return found


# -- off, it is its parent ---------------------------------------------------------------------------------------------


def runs_on(table: Table, name: str, budget: float = 20_000, **hyperparameters: Any) -> Run:
    view, search = table.search_view("cifar10"), BLACK_BOX[name]
    settings = RunSettings.of(table, "cifar10", budget=budget)
    return run(search, search.Config(**hyperparameters), view, settings, seed=3)


@pytest.mark.parametrize("name", PARENTS)
@pytest.mark.parametrize("off", [{"stop_probability": 1.01}, {"burn_in": 10_000}], ids=str)
def test_off_it_is_its_parent(name: str, off: dict[str, float], topology_table: Table) -> None:
    parent, wrapped = runs_on(topology_table, name), runs_on(topology_table, f"{name}+srm", **off)
    for column in ("seconds", "architecture", "epochs", "accuracy"):
        np.testing.assert_array_equal(getattr(parent, column), getattr(wrapped, column))


def test_hyperparameters_of_both() -> None:
    config = BLACK_BOX["rea+srm"].Config(population_size=5, stop_margin=1.0)
    assert isinstance(config, BLACK_BOX["rea"].Config)
    assert asdict(config)["population_size"] == 5
    with pytest.raises(ValueError, match="tournament_size must be at least 1, got 0"):
        BLACK_BOX["rea+srm"].Config(tournament_size=0)
    with pytest.raises(ValueError, match="burn_in must be at least 3, got 2"):
        BLACK_BOX["rea+srm"].Config(burn_in=2)


def test_without_watching_no_epochs_but_those_of_the_parent_are_needed() -> None:
    assert set(RandomSRM.training_epochs(RandomSRM.Config(), 12)) == set(range(1, 13))
    assert set(RandomSRM.training_epochs(RandomSRM.Config(stop_probability=1.5), 12)) == {12}
    assert RandomSRM.without_fidelities(12) is None


# -- on ----------------------------------------------------------------------------------------------------------------


def test_a_training_goes_on_epoch_by_epoch_until_it_is_hopeless() -> None:
    """Forecasts are exact here, by a line: all that is worse than the best stops after an epoch."""
    found = trainings(make(), 300)
    assert [len(parts) for parts in found[:10]] == [1] * 10
    assert {parts[0].epochs for parts in found[:10]} == {None}
    best = max(final_of(parts[0]) for parts in found[:10])
    for parts in found[10:]:
        assert [part.epochs for part in parts] == [1, 2, 3, None][: len(parts)]
        assert [part.continues for part in parts] == [False, True, True, True][: len(parts)]
        assert len({part.architecture for part in parts}) == 1
        if final_of(parts[0]) != best and parts is not found[-1]:
            assert len(parts) == (EPOCHS if final_of(parts[0]) > best else 1)
        if parts[-1].epochs is None:
            best = max(best, final_of(parts[0]))
    assert {1, EPOCHS} <= {len(parts) for parts in found[10:]}


def test_the_architectures_are_those_of_the_parent() -> None:
    """Random search learns nothing from forecasts, so that it must draw the same architectures."""
    parent = BLACK_BOX["random"](SPACE, seed=0, max_epochs=EPOCHS)
    found = [parts[0].architecture for parts in trainings(make(), 200)]
    assert found == [parent.ask().architecture for _ in found]


@pytest.mark.parametrize(("margin", "rank"), [(0.0, 1), (6.0, 1), (0.0, 5)])
def test_a_margin_and_a_rank_keep_more_trainings(margin: float, rank: int) -> None:
    kept = sum(len(parts) == EPOCHS for parts in trainings(make(stop_margin=margin, stop_rank=rank), 200)[10:])
    least = sum(len(parts) == EPOCHS for parts in trainings(make(), 200)[10:])
    assert kept > least if (margin, rank) != (0.0, 1) else kept == least


def test_the_parent_is_told_the_forecast_of_a_stopped_training(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Query, Evaluation]] = []
    monkeypatch.setattr(RandomSearch, "_observe", lambda self, query, evaluation: told.append((query, evaluation)))
    search = make()
    trainings(search, 200)
    assert {query.epochs for query, _ in told} == {None}
    for query, evaluation in told:
        assert evaluation.accuracy == pytest.approx(final_of(query), abs=1e-6)
    stopped = [evaluation for _, evaluation in told if len(evaluation.curve) < EPOCHS]
    assert stopped
    assert search.incumbent_accuracy == max(evaluation.accuracy for _, evaluation in told if len(evaluation.curve) == EPOCHS)


def test_a_failed_part_ends_a_training() -> None:
    search = make(stop_probability=1.0)  # never certain enough: every training goes on
    trainings(search, 10)
    for _ in range(5):
        query = search.ask()
        assert (query.epochs, query.continues) == (1, False)
        search.tell(query, Evaluation(math.nan, 1.0, (math.nan,)))


def test_epochs_are_paid_once(topology_table: Table) -> None:
    """The clock of each training is that of its last part, and one validation pass for every part."""
    result = runs_on(topology_table, "random+srm", budget=40_000, burn_in=5, svr_draws=1)
    view, spent = topology_table.search_view("cifar10"), np.diff(result.seconds, prepend=0.0)
    stops, start = 0, 0
    for end in range(len(result.epochs)):
        if end + 1 < len(result.epochs) and result.epochs[end + 1] > result.epochs[end]:
            continue  # the next entry is of the same training, whose epochs ascend
        index, parts = result.architecture[end], end - start + 1
        assert set(result.architecture[start : end + 1]) == {index}
        costs = result.epochs[end] * view.train_seconds[index] + parts * view.validation_seconds[index]  # [trial]
        assert np.isclose(spent[start : end + 1].sum(), costs).any()
        stops += result.epochs[end] < 12
        start = end + 1
    assert stops > 10


# -- which searches ----------------------------------------------------------------------------------------------------


def test_names_and_titles() -> None:
    assert early_stopped(BLACK_BOX["rea"]) is BLACK_BOX["rea+srm"]
    assert (BLACK_BOX["rea+srm"].name, BLACK_BOX["rea+srm"].title) == ("rea+srm", "REA + SRM")
    assert BLACK_BOX["random+srm"] is RandomSRM
    assert BLACK_BOX["rea+srm"].__module__ == BLACK_BOX["rea"].__module__  # the code version covers both
    assert "rea+srm" not in list(BLACK_BOX)


@pytest.mark.parametrize("parent", [Hyperband, RandomSRM], ids=lambda parent: parent.name)
def test_searches_that_train_at_several_lengths_are_refused(parent: type[BlackBoxSearch]) -> None:
    with pytest.raises(ValueError, match="trains at several lengths itself"):
        early_stopped(parent)


def test_searches_with_a_rule_of_their_own_are_refused() -> None:
    with pytest.raises(ValueError, match="early stopping is for searches that compare whole trainings; autoshrink compares"):

        class _Wrapped(EarlyStopping, parent=BLACK_BOX["autoshrink"]):
            """Early stopping by accuracy where more than accuracy counts."""


@pytest.mark.slow
def test_more_trainings_than_the_parent_in_the_same_budget(topology_table: Table) -> None:
    """On made-up curves 1.3 times as many, burn-in included; the budget is that of 100 to 200 trainings."""
    counts = []
    for name in ("random", "random+srm"):
        epochs = runs_on(topology_table, name, budget=40_000).epochs
        counts.append(int((np.diff(epochs, append=0) <= 0).sum()))
    assert counts[1] > 1.3 * counts[0]


def test_costs_are_features_where_the_table_has_them() -> None:
    space = TopologySpace()
    search = RandomSRM(space, RandomSRM.Config(burn_in=3), max_epochs=2)
    for number in range(3):
        query = search.ask()
        search.tell(query, Evaluation(50.0 + number, 1.0, (10.0, 50.0 + number), {"params": 1.0 + number, "latency": 3.0}))
    forecasts = [search._regressions[2].forecast((10.0,), {"params": params}) for params in (1.0, 3.0)]  # type: ignore[attr-defined]
    assert forecasts[0] != forecasts[1]
