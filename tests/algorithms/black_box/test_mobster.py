"""MOBSTER: its kernel, what goes on to the next rung, and that it finds the best of an additive problem."""

from __future__ import annotations

import numpy as np
import pytest

from algorithms.black_box import MOBSTER, Query
from benchmark_api.spaces import SizeSpace, TopologySpace
from tests.helpers.additive import accuracy_of, assert_finds_the_best

TOPOLOGY = TopologySpace()


def step(search: MOBSTER, failed: bool = False) -> Query:
    """Make a training whose accuracy grows by a percent with each epoch; return its query."""
    query = search.ask()
    assert query.epochs is not None
    search.tell(query, float("nan") if failed else accuracy_of(query.architecture) + query.epochs - 12)
    return query


def test_it_finds_the_best_by_full_trainings() -> None:
    assert_finds_the_best(MOBSTER(TOPOLOGY, MOBSTER.Config(min_epochs=12)))


def test_shorter_trainings_find_the_best_sooner() -> None:
    """The epochs are those of 60 full trainings."""
    search, epochs = MOBSTER(TOPOLOGY), 0
    while epochs < 720:
        query = step(search)
        assert query.epochs is not None
        epochs += query.epochs - max((short for short in (1, 3, 6) if short < query.epochs and query.continues), default=0)
    assert search.incumbent_accuracy > 89.3


def test_the_kernel_of_two_trainings() -> None:
    """That of the architectures, times the correlation where the lengths differ."""
    search = MOBSTER(SizeSpace(), MOBSTER.Config(correlation=0.7))
    points = search.encoding(np.array([(0, 1, 2, 3, 4), (0, 1, 2, 4, 4), (0, 1, 2, 3, 4)]))
    features = search._features(points, np.array([0, 2, 2]))
    expected = (points @ points.T).toarray() * np.array([[1.0, 0.7, 0.7], [0.7, 1.0, 1.0], [0.7, 1.0, 1.0]])
    np.testing.assert_allclose((features @ features.T).toarray(), expected)


def test_targets_are_shifted_by_the_mean_growth_of_what_went_on() -> None:
    search = MOBSTER(TOPOLOGY, MOBSTER.Config(min_epochs=3))  # rungs of 3, 6 and 12 epochs
    a, b, c = (TOPOLOGY.architecture(index) for index in range(3))
    search._on_rung = [{a: 1.0, b: 2.0, c: 9.0}, {a: 2.0, b: 4.0}, {b: 4.5}]
    assert search._shifts().tolist() == [2.0, 0.5, 0.0]
    search._on_rung[2].clear()
    assert search._shifts().tolist() == [1.5, 0.0, 0.0]


def test_the_best_by_the_model_go_on_and_a_new_one_begins_where_none_is_due() -> None:
    search = MOBSTER(TOPOLOGY, MOBSTER.Config(min_epochs=3, initial=6))
    first = [step(search) for _ in range(6)]
    assert [query[1:] for query in first] == [(3, False)] * 6
    on_rung: dict[int, list[Query]] = {3: first, 6: [], 12: []}
    for _ in range(60):
        query = step(search)
        assert query.epochs is not None
        below = {6: 3, 12: 6}.get(query.epochs)
        assert query.continues == (below is not None)
        if below:
            assert len(on_rung[query.epochs]) < len(on_rung[below]) // 2
            waiting = {one.architecture for one in on_rung[below]} - {one.architecture for one in on_rung[query.epochs]}
            assert query.architecture == max(waiting, key=lambda one: search._means[one])
        else:
            assert all(len(on_rung[upper]) >= len(on_rung[lower]) // 2 for lower, upper in ((3, 6), (6, 12)))
        on_rung[query.epochs].append(query)
    assert all(len({one.architecture for one in queries}) == len(queries) for queries in on_rung.values())


def test_failures_teach_nothing_and_do_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    search, sizes = MOBSTER(TOPOLOGY, MOBSTER.Config(min_epochs=6, initial=4)), []
    fit = search.predictor.fit
    monkeypatch.setattr(search.predictor, "fit", lambda x, y: (sizes.append(len(y)), fit(x, y)))
    failed = set()
    for number in range(30):
        query = step(search, failed=number % 3 == 0)
        assert query.architecture not in failed
        failed |= {query.architecture} if number % 3 == 0 else set()
    assert sizes == sorted({*sizes})
    assert sizes[0] == 4
