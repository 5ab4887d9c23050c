"""Searches with several objectives: their rules one by one, exact fronts of small spaces, and whole runs of NSGA-II."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from algorithms.black_box import BLACK_BOX, Evaluation, SearchFinished
from algorithms.black_box.objectives import Losses, crowded_order
from benchmark_api.spaces import Architecture, SizeSpace, all_architectures
from benchmark_api.tables.fronts import non_dominated

SMALL = SizeSpace(widths=(8, 16, 24), layers=3)  # 27 architectures
LARGE = SizeSpace(widths=tuple(range(8, 72, 8)), layers=8)  # 8^8 architectures
SEARCHES = [name for name, search in BLACK_BOX.items() if search.incumbent_rule == "front"]


def losses_of(architecture: Architecture) -> Losses:
    """Error in percent and cost of a trade-off: every choice is good for one of them, with interactions."""
    choices = np.array(architecture, dtype=float)
    cost = float(choices.sum() + 0.3 * abs(np.diff(choices)).sum())
    error = float(((7.0 - choices) ** 1.5).sum() + 2.0 * (choices[:-1] > choices[1:]).sum())
    return error / 4, cost


def run(name: str, space: SizeSpace, evaluations: int, seed: int = 0, **config: Any) -> tuple[Any, list[Architecture]]:
    """Make a run with the losses above; return the search and its queries."""
    search, asked = BLACK_BOX[name](space, BLACK_BOX[name].Config(**config), seed=seed), []
    for _ in range(evaluations):
        try:
            query = search.ask()
        except SearchFinished:
            break
        error, cost = losses_of(query.architecture)
        search.tell(query, Evaluation(100.0 - error, costs={"params": cost}))
        asked.append(query.architecture)
    return search, asked


@pytest.mark.parametrize("name", SEARCHES)
def test_the_exact_front_of_a_small_space_is_found(name: str) -> None:
    every = list(all_architectures(SMALL))
    losses = np.array([losses_of(architecture) for architecture in every])
    search, _ = run(name, SMALL, 500)
    found = {architecture for _, architecture in search.front.members}
    assert {losses_of(architecture) for architecture in found} == {tuple(losses[i]) for i in non_dominated(losses)}


def test_nsga2_and_local_search_evaluate_nothing_twice() -> None:
    for name in ("nsga2", "mo-local-search"):
        _, asked = run(name, SMALL, 27)
        assert len(set(asked)) == 27
    with pytest.raises(SearchFinished, match="mo-local-search: all 27 architectures are evaluated"):
        run("mo-local-search", SMALL, 27)[0].ask()


def test_survivors_are_the_best_by_rank_and_crowding() -> None:
    search, asked = run("nsga2", LARGE, 30, population_size=10)
    losses = np.array([losses_of(architecture) for architecture in asked])
    parents = crowded_order(losses[:20])[:10]
    union = np.array([*parents.tolist(), *range(20, 30)])
    expected = [asked[union[i]] for i in crowded_order(losses[union])[:10]]
    assert [architecture for _, architecture in search.parents] == expected


def test_a_child_has_decisions_of_its_parents_but_for_mutations() -> None:
    search, asked = run("nsga2", LARGE, 20, mutations=0.0)
    parents = [architecture for _, architecture in search.parents]
    assert sorted(parents) == sorted(asked)
    for _ in range(50):
        child = search.ask().architecture
        assert any(
            child == first[:point] + second[point:] for first in parents for second in parents for point in range(1, len(child))
        )
    search, asked = run("nsga2", LARGE, 20, crossover_probability=0.0, mutations=float(len(LARGE.cardinalities)))
    for _ in range(50):  # every decision is changed
        child = search.ask().architecture
        assert any(all(a != b for a, b in zip(child, parent, strict=True)) for parent in asked)


def test_evolution_mutates_the_best_member_of_the_tournament() -> None:
    search, asked = run("mo-rea", LARGE, 40, population_size=10, tournament_size=500)  # that is all members
    for _ in range(10):
        alive = asked[-10:]  # the youngest
        best = alive[crowded_order(np.array([losses_of(architecture) for architecture in alive]))[0]]
        query = search.ask()
        assert sum(a != b for a, b in zip(query.architecture, best, strict=True)) == 1
        error, cost = losses_of(query.architecture)
        search.tell(query, Evaluation(100.0 - error, costs={"params": cost}))
        asked.append(query.architecture)


def test_local_search_explores_members_of_the_front() -> None:
    search, asked = run("mo-local-search", LARGE, 57 * 4)  # 8 · 7 neighbours
    seen: list[Architecture] = [asked[0]]
    position = 1
    while position + 56 < len(asked):
        losses = np.array([losses_of(architecture) for architecture in seen])
        front = {seen[i] for i in non_dominated(losses)}
        centers = [a for a in front if set(LARGE.neighbors(a)) - set(seen) >= set(asked[position : position + 3])]
        assert centers
        fresh = set(LARGE.neighbors(centers[0])) - set(seen)
        assert set(asked[position : position + len(fresh)]) == fresh
        seen += asked[position : position + len(fresh)]
        position += len(fresh)
    assert search.front.members


# -- whole runs ----------------------------------------------------------------------------------------------------------------


def area(losses: npt.NDArray[np.float64]) -> float:
    """Share of the rectangle from 0 to (50, 80) that points [point, objective] dominate, on a grid."""
    across, up = np.meshgrid(np.linspace(0, 50, 200), np.linspace(0, 80, 200))
    reached = np.zeros(across.shape, dtype=bool)
    for error, cost in losses:
        reached |= (across >= error) & (up >= cost)
    return float(reached.mean())


def area_of(name: str, seed: int, **config: Any) -> float:
    search, asked = run(name, LARGE, 400, seed, **config) if name != "random" else (None, [])
    if search is None:
        rng = np.random.default_rng(seed)
        asked = [LARGE.sample(rng) for _ in range(400)]
    return area(np.array([losses_of(architecture) for architecture in asked]))


def pymoo_area(seed: int) -> float:
    """Area of all evaluations of pymoo's NSGA-II with our operators: 20 generations of 20."""
    from pymoo.algorithms.moo.nsga2 import NSGA2, binary_tournament
    from pymoo.core.crossover import Crossover
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.sampling import Sampling
    from pymoo.operators.selection.tournament import TournamentSelection
    from pymoo.optimize import minimize

    rng, evaluated = np.random.default_rng(seed), []
    length, choices = len(LARGE.cardinalities), LARGE.cardinalities[0]

    class Problem(ElementwiseProblem):  # type: ignore[misc]
        def _evaluate(self, x: Any, out: Any, *args: Any, **kwargs: Any) -> None:
            evaluated.append(losses_of(tuple(x.astype(int).tolist())))
            out["F"] = evaluated[-1]

    class Uniform(Sampling):  # type: ignore[misc]
        def _do(self, problem: Any, n_samples: int, **kwargs: Any) -> Any:
            return rng.integers(0, choices, (n_samples, length))

    class OnePoint(Crossover):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(2, 1, prob=1.0)

        def _do(self, problem: Any, X: Any, **kwargs: Any) -> Any:
            points = np.where(rng.random(X.shape[1]) < 0.9, rng.integers(1, length, X.shape[1]), length)
            return np.where(np.arange(length) < points[:, None], X[0], X[1])[None]

    class Change(Mutation):  # type: ignore[misc]
        def _do(self, problem: Any, X: Any, **kwargs: Any) -> Any:
            changed = (X + rng.integers(1, choices, X.shape)) % choices
            return np.where(rng.random(X.shape) < 1 / length, changed, X)

    problem = Problem(n_var=length, n_obj=2, xl=0, xu=choices - 1, vtype=int)
    algorithm = NSGA2(
        pop_size=20, sampling=Uniform(), crossover=OnePoint(), mutation=Change(prob=1.0),
        selection=TournamentSelection(func_comp=binary_tournament), tournament_type="comp_by_rank_and_crowding",
    )  # fmt: skip
    minimize(problem, algorithm, ("n_gen", 20), seed=seed, verbose=False)
    assert len(evaluated) == 400
    return area(np.array(evaluated))


def test_runs_of_nsga2_are_as_good_as_those_of_pymoo() -> None:
    """30 seeds each: the means differ by less than three standard errors, which are below one percent of the area.

    Seeds are fixed, so that it cannot flicker; with other seeds of equal algorithms it would fail in one case of 300.
    """
    pytest.importorskip("pymoo")
    ours = np.array([area_of("nsga2", seed) for seed in range(30)])
    theirs = np.array([pymoo_area(seed) for seed in range(30)])
    error = math.hypot(stats.sem(ours), stats.sem(theirs))
    assert error < 0.01 * theirs.mean()
    assert abs(ours.mean() - theirs.mean()) < 3 * error


@pytest.mark.parametrize("name", ["nsga2", "mo-rea"])
def test_evolution_finds_better_fronts_than_random_search(name: str) -> None:
    """One-sided rank test at 1 % with fixed seeds, so that it cannot flicker.

    Pareto local search does not with 400 evaluations of this space: it has seen the neighbours of seven architectures by then.
    """
    random = [area_of("random", seed) for seed in range(20)]
    assert stats.mannwhitneyu([area_of(name, seed) for seed in range(12)], random, alternative="greater").pvalue < 0.01
