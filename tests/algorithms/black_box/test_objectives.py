"""Losses, dominance, non-dominated sorting and crowding: against slow definitions, and against pymoo where it is installed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from algorithms.black_box import BLACK_BOX, Evaluation
from algorithms.black_box.objectives import Front, MissingMetric, crowded_order, crowding_distances, non_dominated_ranks
from benchmark_api.spaces import SizeSpace

FloatArray = npt.NDArray[np.float64]
SPACE = SizeSpace(widths=(8, 16, 24), layers=3)
SEARCHES = [name for name, search in BLACK_BOX.items() if search.incumbent_rule == "front"]
every_search = pytest.mark.parametrize("name", SEARCHES)


def populations() -> list[FloatArray]:
    """Losses [member, objective] of two and three objectives, with ties and without."""
    rng = np.random.default_rng(0)
    tied = [rng.integers(0, 6, (size, objectives)).astype(float) for size in (1, 7, 30) for objectives in (2, 3)]
    return [*tied, *(rng.random((25, objectives)) for objectives in (2, 3, 4))]


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True)) and tuple(first) != tuple(second)


@pytest.mark.parametrize("losses", populations(), ids=lambda losses: str(losses.shape))
def test_ranks_are_those_of_fronts_peeled_off_one_by_one(losses: FloatArray) -> None:
    expected, rest, rank = {}, set(range(len(losses))), 0
    while rest:
        front = {i for i in rest if not any(dominates(losses[j], losses[i]) for j in rest)}
        expected |= dict.fromkeys(front, rank)
        rest, rank = rest - front, rank + 1
    assert non_dominated_ranks(losses).tolist() == [expected[i] for i in range(len(losses))]


def test_crowding_by_hand() -> None:
    losses = np.array([[0.0, 10.0], [1.0, 6.0], [4.0, 5.0], [10.0, 0.0]])
    assert crowding_distances(losses).tolist() == pytest.approx([math.inf, 0.4 + 0.5, 0.9 + 0.6, math.inf])
    assert crowding_distances(np.array([[1.0, 2.0]])).tolist() == [math.inf]
    assert crowding_distances(np.full((3, 2), math.inf)).tolist() == [0, 0, 0]  # failed
    assert crowding_distances(np.ones((4, 2))).tolist() == [math.inf, 0, 0, math.inf]  # no range in any objective


def test_crowding_is_the_perimeter_of_the_cuboid_between_the_neighbours() -> None:
    losses = np.random.default_rng(1).random((20, 3))
    for i, distance in enumerate(crowding_distances(losses).tolist()):
        expected = 0.0
        for values in losses.T:
            below, above = values[values < values[i]], values[values > values[i]]
            inner = len(below) and len(above)
            expected += (above.min() - below.max()) / np.ptp(values) if inner else math.inf
        assert distance == pytest.approx(expected)


def test_order_is_by_rank_then_by_crowding() -> None:
    losses = np.array([[5.0, 5.0], [1.0, 6.0], [4.0, 4.0], [0.0, 10.0], [10.0, 0.0], [math.inf, math.inf]])
    # The first front is 1, 2, 3, 4; its ends are 3 and 4; 2 is less crowded than 1.
    assert crowded_order(losses).tolist() == [3, 4, 2, 1, 0, 5]


@pytest.mark.parametrize("losses", [losses for losses in populations() if len(losses) > 1], ids=lambda losses: str(losses.shape))
def test_ranks_and_distances_are_those_of_pymoo(losses: FloatArray) -> None:
    pytest.importorskip("pymoo")
    from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    ranks = non_dominated_ranks(losses)
    fronts = NonDominatedSorting().do(losses)
    assert [sorted(front.tolist()) for front in fronts] == [np.flatnonzero(ranks == rank).tolist() for rank in range(len(fronts))]
    if len(np.unique(losses)) == losses.size:  # among equal values the ends are a matter of taste
        for front in fronts:
            ours, theirs = crowding_distances(losses[front]), calc_crowding_distance(losses[front])
            np.testing.assert_allclose(ours, theirs * losses.shape[1])  # theirs is the mean over objectives


@pytest.mark.parametrize("losses", populations(), ids=lambda losses: str(losses.shape))
def test_the_front_is_what_nothing_dominates(losses: FloatArray) -> None:
    front: Front[int] = Front()
    rows = [tuple(row) for row in losses.tolist()]
    added = [front.add(row, i) for i, row in enumerate(rows)]
    expected = {row for row in rows if not any(dominates(other, row) for other in rows)}
    assert {row for row, _ in front.members} == expected
    assert [i for _, i in front.members] == sorted(rows.index(row) for row in expected)  # the first one of equal ones
    assert added == [not any(dominates(other, row) or other == row for other in rows[:i]) for i, row in enumerate(rows)]
    assert not front.add((math.inf,) * losses.shape[1], -1)


# -- objectives of a search ----------------------------------------------------------------------------------------------------


def make(name: str, *objectives: str, **facts: Any) -> Any:
    return BLACK_BOX[name](SPACE, BLACK_BOX[name].Config(objectives=objectives), **facts)


@every_search
def test_losses_have_the_directions_of_the_metrics(name: str) -> None:
    directions = {"params": "minimize", "speed": "maximize"}
    search = make(name, "speed", "params", directions=directions)
    assert search.losses(Evaluation(93.0, costs={"params": 2.0, "speed": 30.0, "other": 1.0})) == (7.0, -30.0, 2.0)
    for failed in (
        Evaluation(math.nan, costs={"params": 2.0, "speed": 30.0}),
        Evaluation(93.0, costs={"params": math.nan, "speed": 1.0}),
    ):
        assert search.losses(failed) == (math.inf,) * 3
    assert make(name, "speed").losses(Evaluation(93.0, costs={"speed": 30.0})) == (7.0, 30.0)  # nothing is known of it


@every_search
def test_unknown_and_repeated_objectives_are_refused(name: str) -> None:
    with pytest.raises(MissingMetric, match=f"{name}: no metric 'energy'; the table has params, speed"):
        make(name, "energy", directions={"params": "minimize", "speed": "maximize"})
    for wrong in ((), ("params", "params")):
        with pytest.raises(ValueError, match="objectives must be one or more different metrics, got"):
            make(name, *wrong)


@every_search
def test_the_front_and_the_incumbent_are_of_the_history(name: str) -> None:
    search, history = make(name, "params"), []
    for number in range(25):
        query = search.ask()
        accuracy = math.nan if number % 5 == 4 else 60.0 + 30.0 * math.sin(sum(query.architecture) + 7 * query.architecture[0])
        evaluation = Evaluation(accuracy, costs={"params": float(sum(query.architecture))})
        search.tell(query, evaluation)
        if number % 5 != 4:
            history.append((search.losses(evaluation), query.architecture))
    assert {losses for losses, _ in search.front.members} == {
        losses for losses, _ in history if not any(dominates(other, losses) for other, _ in history)
    }
    assert search.incumbent == min(history, key=lambda entry: entry[0][0])[1]  # the most accurate one
