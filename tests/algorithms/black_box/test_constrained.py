"""Constrained search, around every registered search."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from algorithms.black_box import BLACK_BOX, SearchFinished, constrained
from algorithms.black_box.constrained import ConstrainedSearch
from benchmark_api.spaces import Architecture, TopologySpace
from tests.contracts.black_box import evaluation_of, run, toy_accuracy
from tests.helpers.quick import quick

SPACE = TopologySpace()
every_search = pytest.mark.parametrize("name", BLACK_BOX)


def allows(architecture: Architecture) -> bool:
    """A third of the space."""
    return sum(architecture) % 3 == 0


def constrain(name: str, seed: int = 0, allows: Any = allows) -> ConstrainedSearch:
    return ConstrainedSearch(BLACK_BOX[name](SPACE, quick(BLACK_BOX[name]), seed=seed), allows)


@every_search
def test_all_queries_are_allowed(name: str) -> None:
    search: Any = constrain(name)
    trajectory = run(search, 100)
    assert len(trajectory) == 100
    assert all(allows(architecture) for architecture, _ in trajectory)


@every_search
def test_limits_that_allow_everything_change_nothing(name: str) -> None:
    search: Any = constrain(name, 3, lambda architecture: True)
    plain = BLACK_BOX[name](SPACE, quick(BLACK_BOX[name]), seed=3)
    assert run(search, 100) == run(plain, 100)
    assert search.incumbent_number == plain.incumbent_number


@every_search
def test_the_incumbent_is_numbered_among_what_was_trained(name: str) -> None:
    inner = BLACK_BOX[name](SPACE, quick(BLACK_BOX[name]), seed=1)
    search, asked = ConstrainedSearch(inner, allows), []
    for _ in range(60):
        query = search.ask()
        search.tell(query, evaluation_of(query, toy_accuracy(query)))
        asked.append(query.architecture)
        assert search.incumbent_number is not None
        assert asked[search.incumbent_number] == inner.incumbent


def test_a_rejected_proposal_is_a_failed_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = BLACK_BOX["rea"](SPACE, seed=1)
    told: list[tuple[Architecture, float]] = []
    monkeypatch.setattr(inner, "_observe", lambda query, evaluation: told.append((query.architecture, evaluation.accuracy)))
    search = ConstrainedSearch(inner, allows)
    search.tell(search.ask(), 50.0)
    search.ask()
    assert all(math.isnan(accuracy) != allows(architecture) for architecture, accuracy in told)
    assert {accuracy == 50.0 for _, accuracy in told} == {True, False}


@every_search
def test_it_ends_where_nothing_is_allowed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constrained, "MAX_REJECTED", 100)
    with pytest.raises(SearchFinished, match=rf"{re.escape(name)}: the last 100 proposals were not within the limits"):
        constrain(name, allows=lambda architecture: False).ask()
