"""Searches that are one file on the Python path: they pass the contract and run from the command line, nothing else touched."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX, BlackBoxSearch
from benchmark_api.plugins import VARIABLE, load_plugins
from benchmark_api.tables.table import Table
from tests.contracts.black_box import BlackBoxContract

ROOT = Path(__file__).resolve().parents[3]

(GREEDY,) = re.findall(r"```python\n(# greedy\.py.*?)```", (ROOT / "docs/how-to/own-search.md").read_text(), re.DOTALL)

FRUGAL = '''
import math
from dataclasses import dataclass
from typing import Annotated

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register
from benchmark_api.bounds import Bounded, at_least


@register
class Frugal(BlackBoxSearch):
    """Mutate the architecture with the best weighted sum of accuracy and latency."""

    name = "frugal"
    title = "Frugal"
    paper = "unpublished"
    needs = frozenset({"costs"})
    incumbent_rule = "own"

    @dataclass(frozen=True)
    class Config(Bounded):
        """Hyperparameters of the search."""

        weight: Annotated[float, at_least(0)] = 100.0
        """Percent of accuracy that one second of latency is worth."""

    config: Config

    def _start(self) -> None:
        self.best = -math.inf

    def _value(self, evaluation: Evaluation) -> float:
        return evaluation.score - self.config.weight * evaluation.costs["latency"]

    def _improves(self, query: Query, evaluation: Evaluation) -> bool:
        return self._value(evaluation) > self.best

    def _propose(self) -> Query:
        if self.incumbent is None:
            return Query(self.space.sample(self.rng))
        return Query(self.space.mutate(self.incumbent, self.rng))

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        self.best = max(self.best, self._value(evaluation))
'''

STOPPER = '''
from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, register


@register
class Stopper(BlackBoxSearch):
    """Train random architectures for a third of the schedule, and those to the end whose curves promise an improvement."""

    name = "stopper"
    title = "Stopper"
    paper = "unpublished"
    needs = frozenset({"fidelities", "curves"})

    def _start(self) -> None:
        self.promising = None

    def _propose(self) -> Query:
        if self.promising:
            return Query(self.promising)
        return Query(self.space.sample(self.rng), max(1, self.max_epochs // 3))

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        forecast = 2 * evaluation.curve[-1] - evaluation.curve[0]  # percent
        self.promising = query.architecture if query.epochs and forecast >= self.incumbent_accuracy else None
'''

FILES = {"greedy": GREEDY, "frugal": FRUGAL, "stopper": STOPPER}


@pytest.fixture(scope="module", autouse=True)
def additions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The files in a folder on the Python path, imported as plugins; afterwards the registry is as before."""
    folder = tmp_path_factory.mktemp("additions")
    for name, text in FILES.items():
        (folder / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BLACK_BOX, "_entries", dict(BLACK_BOX))
        patch.syspath_prepend(folder)
        patch.setenv(VARIABLE, ",".join(FILES))
        load_plugins()
        yield
    for name in FILES:
        del sys.modules[name]


class TestAdditions(BlackBoxContract):
    @pytest.fixture(params=FILES)
    def search_class(self, request: pytest.FixtureRequest) -> type[BlackBoxSearch]:
        return BLACK_BOX[request.param]


@pytest.mark.parametrize("name", FILES)
def test_it_runs_from_the_command_line(
    name: str, tmp_path: Path, topology_table: Table, experiments: Callable[..., tuple[int, str, str]]
) -> None:
    options = ["--dataset", "cifar10", "--seeds", 3, "--budget", 5_000, "--jobs", 2, "--results", tmp_path]
    status, printed, _ = experiments("run", name, "--table", topology_table.path, *options)
    assert status == 0
    assert "3 new runs" in printed
    status, printed, _ = experiments("table", "--results", tmp_path)
    assert status == 0
    assert f"| {name} " in printed
