"""An additive problem on the topology space, for searches that learn a model."""

from __future__ import annotations

from algorithms.black_box import BlackBoxSearch
from benchmark_api.spaces import Architecture


def accuracy_of(architecture: Architecture) -> float:
    """Percent: choice 3 is best in each decision, the more so the later the decision."""
    return 90.0 - sum(abs(choice - 3) * (1 + decision) for decision, choice in enumerate(architecture)) / 3


def trained(search: BlackBoxSearch, number: int) -> list[Architecture]:
    """Make some trainings, and return their architectures."""
    architectures = []
    for _ in range(number):
        query = search.ask()
        search.tell(query, accuracy_of(query.architecture))
        architectures.append(query.architecture)
    return architectures


def assert_finds_the_best(search: BlackBoxSearch) -> None:
    """Or one of the next five of 15,625, in 120 trainings; random search would in one of 20 cases."""
    assert len({*trained(search, 120)}) == 120
    assert search.incumbent_accuracy > 89.3
