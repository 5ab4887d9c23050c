"""AutoShrink: its walks on stub scores, dead ends, the cost term, and sizes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest

from algorithms.black_box import AutoShrink, Evaluation
from algorithms.black_box.autoshrink import LARGEST, NONE, without_dead_ends
from benchmark_api.spaces import Architecture, SearchSpace, SizeSpace, TopologySpace, all_architectures

TOPOLOGY = TopologySpace()
FULL = (LARGEST,) * 6
Value = Callable[[Architecture], float]
Step = list[Architecture]


def walk(space: SearchSpace, accuracy: Value, flops: Value = lambda _: 1.0, seed: int = 0, **options: Any) -> list[Step]:
    """Return the architectures that the first walk asks for in each of its steps; the start is a step."""
    search = AutoShrink(space, AutoShrink.Config(**options), seed=seed)
    found: list[Step] = []
    while not found or search._results or search._waiting:
        if not search._results:
            found.append([])
        query = search.ask()
        found[-1].append(query.architecture)
        search.tell(query, Evaluation(accuracy(query.architecture), costs={"flops": flops(query.architecture)}))
    return found


def edges(cell: Architecture) -> list[int]:
    """Return the edges of a cell that are alive."""
    return [edge for edge, operation in enumerate(cell) if operation != NONE]


def test_edges_leave_in_the_order_of_their_value() -> None:
    """Removed are 1 <- 0, which leaves 2 <- 1 and 3 <- 1 without input, then 2 <- 0 with 3 <- 2, then 3 <- 0."""
    worth = [1.0, 2.0, 4.0, 32.0, 8.0, 16.0]
    found = walk(TOPOLOGY, lambda cell: sum(worth[edge] for edge in edges(cell)), cost_weight=0.0)
    assert found[0] == [FULL]
    assert sorted(found[1]) == sorted((*FULL[:edge], NONE, *FULL[edge + 1 :]) for edge in range(6))
    assert [sorted(map(edges, step)) for step in found[2:]] == [[[1, 3], [1, 5], [3, 5]], [[]]]


@pytest.mark.parametrize("seed", range(20))
def test_at_most_21_children_and_none_twice_in_a_step(seed: int) -> None:
    found = walk(TOPOLOGY, lambda cell: 50.0 + 37 * TOPOLOGY.index(cell) % 89 / 10, seed=seed, start="random")
    assert len(set(found[0][0]) - {NONE}) == 4  # a balanced shuffle has all operations
    assert sum(map(len, found[1:])) <= 21
    assert all(len(set(step)) == len(step) for step in found)


def test_the_most_expensive_edges_leave_first() -> None:
    """As the cost term decides, accuracies being equal: 3 <- 2 with 2 <- 0 and 2 <- 1, then 3 <- 1 with 1 <- 0."""
    price = [1.0, 2.0, 4.0, 0.5, 16.0, 32.0]
    found = walk(TOPOLOGY, lambda cell: 50.0, lambda cell: 1.0 + sum(price[edge] for edge in edges(cell)))
    assert [sorted(map(edges, step)) for step in found[2:]] == [[[0, 3], [0, 4], [3, 4]], [[]]]


def test_equal_accuracies_end_at_the_cheapest_connected_cell() -> None:
    """Cells that are not connected do not learn."""
    search, price = AutoShrink(TOPOLOGY), [1.0, 2.0, 4.0, 0.5, 16.0, 32.0]
    for _ in range(22):
        query = search.ask()
        accuracy = 60.0 if TOPOLOGY.is_connected(query.architecture) else 10.0
        flops = 1.0 + sum(price[edge] for edge in edges(query.architecture))
        search.tell(query, Evaluation(accuracy, costs={"flops": flops}))
    assert search.incumbent is not None
    assert edges(without_dead_ends(search.incumbent)) == [3]


def test_without_dead_ends_keeps_the_function() -> None:
    """Against the definition, on all cells: an edge is dead if no path from input to output has it."""
    paths = [(3,), (0, 4), (1, 5), (0, 2, 5)]  # all paths from node 0 to node 3, as edges
    for cell in all_architectures(TOPOLOGY):
        alive = set(itertools.chain(*(path for path in paths if all(cell[edge] != NONE for edge in path))))
        assert without_dead_ends(cell) == tuple(op if edge in alive else NONE for edge, op in enumerate(cell))


def test_scores_with_and_without_the_cost_term() -> None:
    evaluation = Evaluation(90.0, costs={"flops": 100.0})  # 1e8 multiply-accumulates
    assert AutoShrink(TOPOLOGY).score(evaluation) == pytest.approx(0.9 - 0.1 * 2)
    assert AutoShrink(TOPOLOGY, AutoShrink.Config(cost_weight=0.0)).score(evaluation) == 0.9
    assert AutoShrink(TOPOLOGY).score(evaluation._replace(accuracy=math.nan)) == -math.inf


def test_missing_flops_are_refused_where_they_count() -> None:
    missing: list[dict[str, float]] = [{}, {"flops": math.nan}]
    for costs in missing:
        search = AutoShrink(TOPOLOGY)
        with pytest.raises(
            ValueError, match="autoshrink needs the FLOPs of each architecture, got nan; cost_weight 0 does without"
        ):
            search.tell(search.ask(), Evaluation(50.0, costs=costs))
        search = AutoShrink(TOPOLOGY, AutoShrink.Config(cost_weight=0.0))
        search.tell(search.ask(), Evaluation(50.0, costs=costs))
        assert search.incumbent == FULL


def test_sizes_shrink_level_by_level() -> None:
    space = SizeSpace()
    search = AutoShrink(space)
    asked = []
    for _ in range(1 + 35 * 5):
        query = search.ask()
        asked.append(query.architecture)
        search.tell(query, Evaluation(50.0 + sum(query.architecture), costs={"flops": 10.0 + sum(query.architecture)}))
    assert asked[0] == (7,) * 5
    assert set(asked[1:6]) == {(7,) * layer + (6,) + (7,) * (4 - layer) for layer in range(5)}
    levels = [35 - sum(architecture) for architecture in asked]
    end = levels.index(35)  # all layers are at their smallest width
    assert levels[: end + 1] == sorted(levels[: end + 1])
    assert set(levels[: end + 1]) == set(range(36))


def test_the_best_score_is_monotone_and_of_all_walks() -> None:
    search, best = AutoShrink(SizeSpace(widths=(8, 16), layers=3)), -math.inf
    for _ in range(60):
        query = search.ask()
        evaluation = Evaluation(50.0 + 7 * sum(query.architecture) % 11, costs={"flops": 1.0})
        best = max(best, search.score(evaluation))
        search.tell(query, evaluation)
        assert search.incumbent_accuracy / 100.0 == pytest.approx(best)


def test_k_candidates() -> None:
    found = walk(TOPOLOGY, lambda cell: float(len(edges(cell))), cost_weight=0.0, candidates=2)
    assert {len(step) for step in found[1:-1]} == {2}


def test_other_spaces_are_refused() -> None:
    class Letters(SizeSpace):
        """A space of unordered choices."""

        name = "letters"
        ordinal = False

    with pytest.raises(ValueError, match="autoshrink shrinks cells of the topology space or ordered choices, got Letters"):
        AutoShrink(Letters())
