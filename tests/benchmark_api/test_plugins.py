"""Plugins: modules, files and classes of a user, in this process and in those that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api import plugins
from benchmark_api.plugins import VARIABLE, PluginError, add_plugin, load_plugins, register_class

FILE = """
from algorithms.black_box import RandomSearch
from helper_of_mine import TITLE

class Nameless(RandomSearch):
    pass

class Mine(Nameless):
    name, title, paper = "mine", TITLE, "unpublished"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder, not on the path, with a search and a module that it imports; afterwards everything is as before."""
    (tmp_path / "search_of_mine.py").write_text(FILE)
    (tmp_path / "helper_of_mine.py").write_text("TITLE = 'Mine'\n")
    monkeypatch.setattr(BLACK_BOX, "_entries", dict(BLACK_BOX))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(VARIABLE, "")
    yield tmp_path
    for name in ("search_of_mine", "helper_of_mine"):
        sys.modules.pop(name, None)


def test_a_file_is_loaded_once_and_named_for_other_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    add_plugin("search_of_mine.py")
    module = sys.modules["search_of_mine"]
    assert BLACK_BOX["mine"] is module.Mine
    assert BLACK_BOX["mine"].title == "Mine"
    assert module.Nameless not in BLACK_BOX.values()  # its name is that of random search
    add_plugin("search_of_mine.py:Mine")
    path = folder / "search_of_mine.py"
    assert os.environ[VARIABLE] == f"{path},{path}:Mine"
    monkeypatch.chdir("/")
    load_plugins()
    assert sys.modules["search_of_mine"] is module


def test_a_file_hides_no_other_module(folder: Path) -> None:
    (folder / "json.py").write_text("raise RuntimeError\n")
    with pytest.raises(ValueError, match=r"json.py has the name of another module \(.*\): rename the file"):
        add_plugin(str(folder / "json.py"))


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere.py", FileNotFoundError, r"no module file /.*/nowhere.py"),
        ("no_such_module_of_mine", ModuleNotFoundError, "no_such_module_of_mine"),
        ("a,b", ValueError, "without a comma"),
        ("json:Nothing", ValueError, "json has no class 'Nothing'"),
        ("json:JSONDecoder", ValueError, "JSONDecoder is no search, selection or space"),
    ],
)
def test_a_wrong_name_is_explained(name: str, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(error, match=message):
        add_plugin(name)
    assert os.environ[VARIABLE] == ""


def test_a_file_that_fails_is_no_module(folder: Path) -> None:
    (folder / "helper_of_mine.py").write_text("raise KeyError('x')\n")
    with pytest.raises(PluginError, match=r"search_of_mine.py \(.*helper_of_mine.py, line 1\): KeyError: 'x'"):
        add_plugin(str(folder / "search_of_mine.py"))
    assert "search_of_mine" not in sys.modules


@pytest.mark.parametrize("value", ["search_of_mine", "search_of_mine:Mine"])
def test_installed_packages_add_modules_and_classes(value: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    entries = [EntryPoint("mine", value, plugins.GROUP), EntryPoint("helper", "helper_of_mine", plugins.GROUP)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry for entry in entries if entry.group == group])
    load_plugins()
    assert BLACK_BOX["mine"] is sys.modules["search_of_mine"].Mine


def test_a_class_that_is_defined_again_takes_the_place_of_the_former(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BLACK_BOX, "_entries", dict(BLACK_BOX))
    first, second = (type("Mine", (BLACK_BOX["random"],), {"name": "mine", "__module__": "cell"}) for _ in range(2))
    register_class(first)
    register_class(second)
    assert BLACK_BOX["mine"] is second
    with pytest.raises(ValueError, match="two entries are named as the black-box search 'mine'"):
        register_class(type("Other", (first,), {}))
