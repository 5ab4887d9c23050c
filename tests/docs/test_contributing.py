"""CONTRIBUTING: its table names files that exist. The page about extending: its additions work."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT, SELECTIONS
from benchmark_api.plugins import VARIABLE, load_plugins
from experiments.report.columns import COLUMNS
from tests.helpers import tiny
from tests.helpers.documents import ROOT, python, read, write_files

PAGE, EXTEND = "CONTRIBUTING.md", "docs/how-to/extend.md"


def test_where_is_names_one_file_each() -> None:
    section = read(PAGE).partition("## Where is …")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| `([^`|]+)` \|$", section, re.MULTILINE)
    assert len(rows) == len(section.strip().splitlines()) - 2 >= 15  # all rows but the heads
    for behaviour, path in rows:
        assert (ROOT / path).is_file(), behaviour


@pytest.mark.parametrize("page", [PAGE, EXTEND])
def test_every_path_exists(page: str) -> None:
    for path in re.findall(r"`(\w+/[\w/]*(?:\.py)?)`", read(page)):
        assert (ROOT / path).exists(), path


# -- the examples --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def additions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the example files, imported as plugins; afterwards the registries are as before."""
    folder = tmp_path_factory.mktemp("examples")
    plugins = [name for name in write_files(EXTEND, folder) if not name.startswith("test_")]
    with pytest.MonkeyPatch.context() as patch:
        for registry in (BLACK_BOX, ONE_SHOT, SELECTIONS, COLUMNS):
            patch.setattr(registry, "_entries", dict(registry))
        patch.syspath_prepend(folder)
        patch.setenv(VARIABLE, ",".join(plugins))
        load_plugins()
        yield folder
    for name in plugins:
        del sys.modules[name]


def test_all_are_registered(additions: Path) -> None:
    assert "annealing" in BLACK_BOX
    assert "gates" in ONE_SHOT
    assert "neighbourhood" in SELECTIONS
    assert "worst" in COLUMNS


def test_the_black_box_search_passes_its_contract(additions: Path) -> None:
    printed = python(["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "test_annealing.py"], additions)
    assert re.search(r"^\d+ passed", printed.splitlines()[-1]), printed


def test_the_selection_works_on_the_method(additions: Path) -> None:
    gates = ONE_SHOT["gates"]
    search = gates(tiny.TASK, tiny.small(gates, tiny.SMALL), selection=SELECTIONS["neighbourhood"])
    while search.epoch < search.config.epochs:
        architecture = search.train_epoch().architecture
    likely = search.most_likely()
    assert architecture == likely or architecture in search.task.space.neighbors(likely)
