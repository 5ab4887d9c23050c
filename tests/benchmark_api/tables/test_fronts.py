"""Pareto fronts of accuracy against a cost, and of several losses."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark_api.tables.fronts import non_dominated, pareto_front

NAN = float("nan")


def test_pareto_front_by_hand() -> None:
    cost = np.array([1.0, 1.0, 2.0, 2.0, 3.0, NAN, 0.5, 4.0, 1.0])
    accuracy = np.array([50.0, 60.0, 60.0, 70.0, 65.0, 99.0, NAN, 70.0, 60.0])
    assert pareto_front(cost, accuracy).tolist() == [1, 3]


def test_pareto_front_is_what_nothing_dominates() -> None:
    rng = np.random.default_rng(0)
    cost, accuracy = rng.integers(0, 12, (2, 60)).astype(float)
    dominated = [
        any((c <= cost[i] and a > accuracy[i]) or (c < cost[i] and a >= accuracy[i]) for c, a in zip(cost, accuracy, strict=True))
        for i in range(60)
    ]
    front = pareto_front(cost, accuracy)
    expected = {(cost[i], accuracy[i]) for i in range(60) if not dominated[i]}
    assert {(cost[i], accuracy[i]) for i in front} == expected
    assert len(front) == len(expected)
    assert (np.diff(cost[front]) > 0).all()


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_non_dominated_points_of_several_losses(objectives: int) -> None:
    losses = np.random.default_rng(objectives).integers(0, 5, (80, objectives)).astype(float)
    losses[7] = NAN
    points = [tuple(point) for point in losses.tolist()]
    expected = [
        i
        for i, point in enumerate(points)
        if i != 7 and point not in points[:i] and not any((np.array(other) <= point).all() and other != point for other in points)
    ]
    front = non_dominated(losses).tolist()
    assert sorted(front) == expected
    assert [points[i] for i in front] == sorted(points[i] for i in front)


def test_nothing_has_an_empty_front() -> None:
    assert non_dominated(np.full((3, 2), NAN)).tolist() == []
