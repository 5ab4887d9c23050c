"""The contract on every registered search, the registry, and what searches find in the synthetic table."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import stats

from algorithms.black_box import BLACK_BOX, Query, register
from benchmark_api.bounds import limits
from benchmark_api.spaces import TopologySpace
from benchmark_api.tables.evaluator import Accounting, BudgetExhausted, simulated_evaluator
from benchmark_api.tables.table import Table
from tests.contracts.black_box import BlackBoxContract
from tests.helpers.quick import QUICK


@pytest.mark.parametrize("search_class", BLACK_BOX.values(), ids=BLACK_BOX.keys())
class TestBlackBoxSearches(BlackBoxContract):
    defaults: ClassVar[dict[str, Any]] = {"brackets": 2}  # 300 brackets are more than a run of the contract
    other_values: ClassVar[dict[str, Any]] = {
        "brackets": [3],
        "objectives": [("latency",)],
        "candidates": [2],
        "stop_margin": [90.0],
        "stop_rank": [500],
        "max_noise": [1e-4],
        "encoding": ["one-hot"],
    }
    shared: ClassVar[dict[str, Any]] = {"burn_in": 10, "svr_draws": 2}
    quick: ClassVar[dict[str, Any]] = QUICK
    # Their own tests cover these: the contract's curves are cut short as no training's are, so that forecasts do not depend on
    # the draws, and in its size space all children of a step have the same FLOPs.
    without_effect: ClassVar[set[str]] = {"svr_draws", "cost_weight"} | (
        set() if importlib.util.find_spec("hpbandster") else {"backend"}
    )


@pytest.mark.parametrize("name", BLACK_BOX)
def test_every_number_among_the_hyperparameters_declares_its_bounds(name: str) -> None:
    config = BLACK_BOX[name].Config()
    numbers = {field for field, value in vars(config).items() if type(value) in (int, float)}
    assert numbers <= limits(type(config)).keys()


def test_registry() -> None:
    names = ["random", "rea", "reinforce", "local-search", "successive-halving", "hyperband", "bohb", "bohb-reference"]
    assert list(BLACK_BOX)[: len(names)] == names
    assert all(search.name == name for name, search in BLACK_BOX.items())
    assert len({search.title for search in BLACK_BOX.values()}) == len(BLACK_BOX)
    with_hyperparameters = {BLACK_BOX[name].Config for name in names if vars(BLACK_BOX[name].Config())}
    assert len(with_hyperparameters) == 6  # random search has none, brackets have one
    with pytest.raises(ValueError, match="named as the black-box search 'random'"):
        register(type("Impostor", (BLACK_BOX["rea"],), {"name": "random"}))


# -- search quality --------------------------------------------------------------------------------------------------------


def final_accuracy(name: str, table: Table, seed: int, budget: float) -> float:
    """Noise-free full-training accuracy of the incumbent after a budget in simulated seconds."""
    search = BLACK_BOX[name](table.space, seed=np.random.default_rng([seed, 0]))
    view, rng = table.search_view("cifar10"), np.random.default_rng([seed, 1])
    evaluator = simulated_evaluator(view, Accounting(budget=budget), seed=rng, needs=search.needs)
    try:
        while True:
            query = search.ask()
            search.tell(query, evaluator.evaluate(query))
    except BudgetExhausted:
        assert search.incumbent is not None
        return float(table.mean_accuracy("cifar10", "200", "ori-test")[table.space.index(search.incumbent)])


@pytest.fixture(scope="module")
def random_results(topology_table: Table) -> list[float]:
    return [final_accuracy("random", topology_table, seed, 20_000) for seed in range(1000, 1100)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, search in BLACK_BOX.items()
        if name != "random" and "parts" not in search.needs and search.incumbent_rule != "front"
    ],
)
def test_beats_random_search(name: str, topology_table: Table, random_results: list[float]) -> None:
    """One-sided rank test at 1 %, 20,000 simulated seconds, 100 seeds of random search; seeds are fixed, so it cannot flicker.

    With other seeds it would fail in less than one case of a hundred (resampled from 150 runs of each); a search that is as
    good as random search would pass in one of a hundred.
    """
    seeds = {"reinforce": 100, "hyperband": 80, "bananas": 12, "nasbowl": 12}.get(name, 40)  # the slower it learns, the more
    results = [final_accuracy(name, topology_table, seed, 20_000) for seed in range(seeds)]
    assert stats.mannwhitneyu(results, random_results, alternative="greater").pvalue < 0.01


@pytest.mark.slow
def test_bohb_beats_its_reference(topology_table: Table) -> None:
    """One-sided rank test at 1 %, 30 fixed seeds each; with other seeds it would fail in less than one case of 400."""
    bohb, reference = (
        [final_accuracy(name, topology_table, seed, 20_000) for seed in range(30)] for name in ("bohb", "bohb-reference")
    )
    assert stats.mannwhitneyu(bohb, reference, alternative="greater").pvalue < 0.01


# -- pending queries -------------------------------------------------------------------------------------------------------


class Stubborn(BLACK_BOX["random"]):  # type: ignore[misc]
    """Proposes one object again and again."""

    def _start(self) -> None:
        self.query = Query((0,) * 6)

    def _propose(self) -> Query:
        return self.query


def test_equal_queries_are_pending_apart() -> None:
    search = Stubborn(TopologySpace())
    queries = [search.ask() for _ in range(3)]
    assert queries == [search.query] * 3
    for _ in queries:
        search.tell(Query((0,) * 6), 50.0)  # equal, but another object
    with pytest.raises(RuntimeError, match="but nothing was asked for"):
        search.tell(queries[0], 50.0)
