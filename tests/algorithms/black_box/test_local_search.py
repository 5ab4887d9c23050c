"""Local search: moves, restarts and memory, followed from the outside."""

from __future__ import annotations

import pytest

from algorithms.black_box.base import SearchFinished
from algorithms.black_box.local_search import LocalSearch
from benchmark_api.spaces import Architecture, SizeSpace

SPACE = SizeSpace(widths=(8, 16, 24, 32), layers=2)


def hill(architecture: Architecture) -> float:
    """One optimum, at (2, 3), reached from everywhere."""
    return 90.0 - 5.0 * abs(architecture[0] - 2) - abs(architecture[1] - 3)


def test_climbs_to_the_best_neighbour_until_there_is_none_better() -> None:
    search = LocalSearch(SPACE, seed=0)
    first = search.ask()
    search.tell(first, hill(first.architecture))
    center, seen = first.architecture, {first.architecture}
    while center != (2, 3):
        around = set(SPACE.neighbors(center)) - seen
        for _ in range(len(around)):
            query = search.ask()
            assert query.architecture in around - seen
            seen.add(query.architecture)
            search.tell(query, hill(query.architecture))
        center = max(SPACE.neighbors(center), key=hill)
    around = set(SPACE.neighbors(center)) - seen
    for _ in range(len(around)):  # the last neighbourhood, then a restart
        query = search.ask()
        assert query.architecture in around
        seen.add(query.architecture)
        search.tell(query, hill(query.architecture))
    assert search.ask().architecture not in seen
    assert search.incumbent == (2, 3)


def test_first_improvement_moves_at_once() -> None:
    search = LocalSearch(SPACE, LocalSearch.Config(first_improvement=True), seed=1)
    query = search.ask()
    center, best = query.architecture, -1.0
    search.tell(query, 0.0)
    for accuracy in range(1, 6):  # every answer is better than the last: every question is about the last one's neighbour
        query = search.ask()
        assert query.architecture in set(SPACE.neighbors(center))
        search.tell(query, float(accuracy))
        center, best = query.architecture, float(accuracy)
    assert search.incumbent_accuracy == best


@pytest.mark.parametrize("first_improvement", [False, True])
def test_every_architecture_once_then_finished(first_improvement: bool) -> None:
    search = LocalSearch(SPACE, LocalSearch.Config(first_improvement=first_improvement), seed=2)
    asked = []
    for _ in range(len(SPACE)):
        query = search.ask()
        search.tell(query, hill(query.architecture))
        asked.append(query.architecture)
    assert sorted(asked) == [SPACE.architecture(index) for index in range(len(SPACE))]
    with pytest.raises(SearchFinished, match="all 16 architectures"):
        search.ask()


def test_a_plateau_is_a_local_optimum() -> None:
    search = LocalSearch(SPACE, seed=3)
    start = search.ask()
    search.tell(start, 50.0)
    first = start.architecture
    around = set(SPACE.neighbors(first))
    for _ in range(len(around)):
        query = search.ask()
        assert query.architecture in around
        search.tell(query, 50.0)
    restart = search.ask()
    assert restart.architecture not in around | {first}
    search.tell(restart, 50.0)
    assert search.ask().architecture in set(SPACE.neighbors(restart.architecture))
