"""Regularized evolution: its operators by hand and by distribution, its population as a queue."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from algorithms.black_box.regularized_evolution import RegularizedEvolution
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace


def distance(a: Architecture, b: Architecture) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def test_tournament_distribution() -> None:
    """Drawn with replacement, rank k of 10 (0 is best) wins with probability ((10-k)/10)^3 - ((9-k)/10)^3."""
    search = RegularizedEvolution(TopologySpace(), seed=0)
    members = [TopologySpace().architecture(index) for index in range(10)]
    search.population.extend((float(90 - rank), member) for rank, member in enumerate(members))
    wins = Counter(search._tournament() for _ in range(20_000))
    probability = np.array([((10 - rank) / 10) ** 3 - ((9 - rank) / 10) ** 3 for rank in range(10)])
    # Chi-square: fails by chance once in 10^6, with this seed never.
    assert stats.chisquare([wins[member] for member in members], 20_000 * probability).pvalue > 1e-6


def test_the_first_drawn_wins_ties() -> None:
    search = RegularizedEvolution(TopologySpace(), seed=0)
    members = [TopologySpace().architecture(index) for index in range(10)]
    search.population.extend((50.0, member) for member in members)
    wins = Counter(search._tournament() for _ in range(5_000))
    assert stats.chisquare([wins[member] for member in members]).pvalue > 1e-6  # no position is favoured


@pytest.mark.parametrize("space", [TopologySpace(), SizeSpace()])
def test_population_is_a_queue_and_children_differ_in_one_decision(space: SearchSpace) -> None:
    search = RegularizedEvolution(space, seed=1)
    history: list[tuple[float, Architecture]] = []
    noise = np.random.default_rng(2)
    for number in range(300):
        parents = [member for _, member in search.population]
        query = search.ask()
        if number >= 10:
            assert min(distance(query.architecture, parent) for parent in parents) <= 1
            assert any(distance(query.architecture, parent) == 1 for parent in parents)
        accuracy = float(noise.random())
        search.tell(query, accuracy)
        history.append((accuracy, query.architecture))
        assert list(search.population) == history[-10:]  # the oldest dies, however good
    assert search.incumbent == max(history)[1]


def test_redraw_may_repeat_the_parent() -> None:
    space = SizeSpace()
    repeats = {}
    for redraw in (False, True):
        search = RegularizedEvolution(space, RegularizedEvolution.Config(population_size=1, redraw=redraw), seed=3)
        previous, repeats[redraw] = None, 0
        for _ in range(4_000):
            query = search.ask()
            search.tell(query, 50.0)
            repeats[redraw] += query.architecture == previous
            previous = query.architecture
    assert repeats[False] == 0
    # One in eight: binomial, five standard deviations (fails by chance once in a million, with this seed never).
    assert abs(repeats[True] - 4_000 / 8) < 5 * (4_000 * 7 / 64) ** 0.5
