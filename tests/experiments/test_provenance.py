"""Code versions: they change where code that determines a run changes, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT, search
from algorithms.one_shot.supernets import build_supernet, topology
from benchmark_api.spaces import TopologySpace
from experiments import provenance
from experiments.runs.one_shot import OneShotJob
from experiments.runs.run import run
from tests.helpers.documents import python

SUPERNET = build_supernet.dispatch(TopologySpace)
ROOT = Path(__file__).resolve().parents[2]

Changed = Callable[[Callable[[], None]], set[str]]


def version(*parts: Any) -> str:
    """Compute a code version from the files as they are now."""
    provenance.code_version.cache_clear()
    return provenance.code_version(*parts)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project's source, from which versions are computed."""
    for package in ("algorithms", "benchmark_api", "experiments"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("data", "__pycache__"))
    monkeypatch.setattr(provenance, "_PROJECT", tmp_path)
    return tmp_path


@pytest.fixture
def changed(project: Path) -> Changed:
    """Make a change and return the searches whose code versions changed."""

    def versions() -> dict[str, str]:
        black_box = {name: version(run, found, TopologySpace) for name, found in BLACK_BOX.items()}
        return black_box | {name: version(OneShotJob, found, TopologySpace, SUPERNET) for name, found in ONE_SHOT.items()}

    before = versions()

    def by(change: Callable[[], None]) -> set[str]:
        change()
        return {name for name, found in versions().items() if found != before[name]}

    return by


def edit(path: Path) -> Callable[[], None]:
    return lambda: path.write_text(path.read_text() + "\n# changed\n")


@pytest.mark.parametrize("package", ["algorithms/black_box", "algorithms/one_shot"])
def test_an_added_search_changes_no_version(package: str, project: Path, changed: Changed) -> None:
    def add() -> None:
        (project / package / "greedy.py").write_text("class Greedy: pass\n")
        listing = project / package / "__init__.py"
        listing.write_text(f"{listing.read_text()}\nfrom {package.replace('/', '.')}.greedy import Greedy\n")

    assert changed(add) == set()


def test_a_changed_search_changes_its_own_version(project: Path, changed: Changed) -> None:
    assert changed(edit(project / "algorithms/black_box/regularized_evolution.py")) == {"rea"}
    assert changed(edit(project / "algorithms/one_shot/enas.py")) == {"rea", "enas"}


def test_a_changed_base_changes_those_built_on_it(project: Path, changed: Changed) -> None:
    found = changed(edit(project / "algorithms/black_box/hyperband.py"))
    assert {"hyperband", "successive-halving", "bohb", "bohb-reference"} <= found
    assert not found & {"rea", "random", "local-search", "reinforce", *ONE_SHOT}


def test_the_evaluator_determines_black_box_runs(project: Path, changed: Changed) -> None:
    assert changed(edit(project / "benchmark_api/tables/evaluator.py")) >= set(BLACK_BOX)


def test_draws_and_operations_determine_one_shot_runs(project: Path, changed: Changed) -> None:
    """The random generators of a search, and the operations that supernets share with trained candidates."""
    used = {getattr(value, "__module__", "") or "" for module in (search, topology) for value in vars(module).values()}
    training = sorted(name for name in used if name.startswith("benchmark_api.training."))
    assert len(training) > 1
    assert search.generator.__module__ in training
    for name in training:
        found = changed(edit(project / f"{name.replace('.', '/')}.py"))
        assert found >= set(ONE_SHOT)
        assert not found & set(BLACK_BOX)


def test_jobs_and_store_determine_nothing(project: Path, changed: Changed) -> None:
    def change() -> None:
        for package in ("benchmark_api/jobs", "experiments/store"):
            for path in (project / package).glob("*.py"):
                edit(path)()

    assert changed(change) == set()


PLUGIN = """
from dataclasses import dataclass
from algorithms.black_box.random_search import RandomSearch
from zoo_helper import number

class Own(RandomSearch):
    name = "own"
"""


def test_a_search_of_a_user_counts_with_its_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo_own.py").write_text(PLUGIN)
    (tmp_path / "zoo_helper.py").write_text("number = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = import_module("zoo_own").Own
    versions = [version(run, own, TopologySpace)]
    for name in ("zoo_own.py", "zoo_helper.py"):
        edit(tmp_path / name)()
        versions.append(version(run, own, TopologySpace))
    assert len({*versions, version(run, BLACK_BOX["random"], TopologySpace)}) == 4


def test_names_are_followed_to_their_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports of packages, relative ones, those inside functions, and aliases; but no modules of libraries."""
    files = {
        "__init__.py": "from zoo_package.inner import Inner as Renamed\nfrom zoo_package.other import Other\n",
        "inner/__init__.py": "from .deep import Inner\n",
        "inner/deep.py": "from ..sibling import x\nclass Inner: pass\n",
        "sibling.py": "import json, numpy.linalg\nx = 1\n",
        "other.py": "class Other: pass\n",
        "lazy.py": "",
        "search.py": "def f():\n    import zoo_package.lazy\n    from zoo_package import Renamed\n",
    }
    for name, text in files.items():
        path = tmp_path / "zoo_package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    found = provenance._Sources({"zoo_package"}).closure({"zoo_package.search"})
    assert found.keys() == {f"zoo_package.{name}" for name in ("search", "lazy", "inner.deep", "sibling")}


MAIN = """
import sys
from algorithms.black_box import RandomSearch
from benchmark_api.spaces import TopologySpace
from experiments.provenance import code_version
from experiments.runs.run import run
from tests.helpers.documents import python

def helper():
    return {number}

class Own(RandomSearch):
    name = "own"
    rate = 0.5

    def _observe(self, query, evaluation):
        helper()

{rest}
print(code_version(run, Own, TopologySpace))
"""


def test_a_class_of_a_script_counts_with_the_functions_that_it_uses(tmp_path: Path) -> None:
    def printed(**parts: object) -> str:
        (tmp_path / "script.py").write_text(MAIN.format(**parts))
        return python(["script.py"], tmp_path)

    first = printed(number=1, rest="")
    assert printed(number=1, rest="# a comment\nother = 3") == first  # other lines of the script change nothing
    assert printed(number=2, rest="") != first
    assert printed(number=1, rest="Own.rate = 0.6") != first
