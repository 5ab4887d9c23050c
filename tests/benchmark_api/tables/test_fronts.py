"""Pareto fronts of accuracy against a cost."""

from __future__ import annotations

import numpy as np

from benchmark_api.tables.fronts import pareto_front

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
