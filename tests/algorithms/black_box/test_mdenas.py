"""MdeNAS on tables: what its distribution learns from evaluations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from algorithms.black_box import MdeNas
from algorithms.multinomial import Multinomial, MultinomialConfig
from benchmark_api.spaces import SearchSpace, SizeSpace, TopologySpace


@pytest.mark.parametrize("space", [TopologySpace(), SizeSpace()], ids=lambda space: space.name)
def test_each_evaluation_is_an_update_of_the_distribution(space: SearchSpace) -> None:
    search, rng = MdeNas(space, seed=4), np.random.default_rng(4)
    distribution = Multinomial(space.cardinalities, MultinomialConfig())
    for number in range(100):
        query = search.ask()
        assert query == (distribution.at(rng.random(len(space.cardinalities))), None, *query[2:])
        accuracy = 50.0 + 40.0 * math.sin(number)
        search.tell(query, accuracy)
        distribution.learn(query.architecture, accuracy)
        assert np.array_equal(search.distribution.theta, distribution.theta)


def test_a_failed_evaluation_has_the_lowest_accuracy() -> None:
    search = MdeNas(TopologySpace())
    query = search.ask()
    search.tell(query, float("nan"))
    assert search.incumbent is None
    assert search.distribution.counts.sum() == 6
    assert (search.distribution.accuracies == 0).all()


def test_probability_moves_to_better_choices() -> None:
    search = MdeNas(SizeSpace(), seed=0)
    for _ in range(1000):
        query = search.ask()
        search.tell(query, float(sum(query.architecture)))
    expected = search.distribution.theta @ np.arange(8)  # choice of each layer
    assert expected.mean() > 5  # 3.5 at first
    assert expected.min() > 3.5
