"""Searches that are one file on the Python path: they pass the contract and run from the command line, nothing else touched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_api.tables.table import Table

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

CONTRACT = """
import pytest
from {name} import {title}
from tests.contracts.black_box import BlackBoxContract


@pytest.mark.parametrize("search_class", [{title}])
class Test{title}(BlackBoxContract):
    pass
"""

additions = pytest.mark.parametrize(
    ("name", "source"), [("greedy", GREEDY), ("frugal", FRUGAL), ("stopper", STOPPER)], ids=lambda value: value[:10].strip()
)


def python(folder: Path, *arguments: object, **variables: str) -> str:
    """Run Python in a folder that, like the project, is on the path; return its output."""
    environment = {**os.environ, **variables, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@additions
def test_it_passes_the_contract(name: str, source: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / f"test_{name}.py").write_text(CONTRACT.format(name=name, title=name.title()))
    printed = python(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, f"test_{name}.py")
    assert re.search(r"^\d+ passed", printed.splitlines()[-1]), printed


@additions
def test_it_runs_from_the_command_line(name: str, source: str, tmp_path: Path, topology_table: Table) -> None:
    (tmp_path / f"{name}.py").write_text(source)
    options = ["--table", topology_table.path, "--dataset", "cifar10", "--seeds", 3, "--budget", 5_000, "--jobs", 2]
    assert "3 new runs" in python(tmp_path, "-m", "experiments", "run", name, *options, NAS_ZOO_PLUGINS=name)
    assert f"| {name} " in python(tmp_path, "-m", "experiments", "table", NAS_ZOO_PLUGINS=name)
