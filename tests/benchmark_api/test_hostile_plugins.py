"""Plugins from anybody: each is loaded, or refused by one line that names it and the place in it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api import plugins
from benchmark_api.plugins import VARIABLE, add_plugin, load_plugins
from experiments.__main__ import main
from tests.helpers.hostile import Tries

SEARCH = "from algorithms.black_box import BlackBoxSearch, register\n@register\nclass Mine(BlackBoxSearch):\n    "
FILES: dict[str, str | bytes] = {
    "an error": "1 / 0\n",
    "an error of two lines": "raise RuntimeError('a\\nb')\n",
    "an error without a text": "\nraise Exception\n",
    "no Python": "x = (\n",
    "no text": b"\xff\xfe\x00",
    "zero bytes": b"x\x00y",
    "the end of the program": "raise SystemExit(0)\n",
    "an end by the library": "import sys\nsys.exit('gone')\n",
    "no end of calls": "def f(): return f()\nf()\n",
    "all memory": "x = [0] * 10**13\n",
    "a module that nobody has": "import nothing_of_mine\n",
    "a name that nobody has": "from json import nothing_of_mine\n",
    "a search without a name": f"{SEARCH}pass\n",
    "a number as a name": f"{SEARCH}name, title, paper = 3, 't', 'p'\n",
    "a path as a name": f"{SEARCH}name, title, paper = '../x', 't', 'p'\n",
    "an escape as a name": f"{SEARCH}name, title, paper = '\\x1b[2J', 't', 'p'\n",
    "an empty name": f"{SEARCH}name, title, paper = '', 't', 'p'\n",
    "a search without a title": f"{SEARCH}name, paper = 'mine', 'p'\n",
    "a list as a paper": f"{SEARCH}name, title, paper = 'mine', 't', ['p']\n",
    "the name of another search": f"{SEARCH}name, title, paper = 'rea', 't', 'p'\n",
    "a column without a title": "from experiments.report.columns import COLUMNS\nCOLUMNS.register(object())\n",
    "no class as a space": "from benchmark_api.spaces import SPACES\nSPACES.register(3)\n",
}
NAMES = (
    *("", ".", ".x", "x.", "a..b", "a,b", "no_such_module_of_mine", "json.nothing", "json.nothing.x", "/dev/zero", "-x", "x y"),
    *("json:", "json:Nothing", "json:loads", "json:JSONDecoder", "json:a:b", "json.py", "nowhere.py", "nowhere/x.py"),
    *("/dev/zero.py", "a.b.py", ".py"),
)


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registries, modules and paths are afterwards as before."""
    monkeypatch.setattr(BLACK_BOX, "_entries", dict(BLACK_BOX))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv(VARIABLE, "")
    before = {*sys.modules}
    yield
    for name in {name for name in sys.modules if name.startswith("mine_of")} - before:
        del sys.modules[name]


@pytest.mark.parametrize("what", FILES)
def test_files_that_fail_are_named(what: str, tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"mine_of_{re.sub('[^a-z]', '_', what)}.py"
    content = FILES[what]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    listed = [*BLACK_BOX]
    for number in range(2):  # a repetition is no success
        assert main(["list", "--names", "black-box", "--module", str(path)]) == 2, number
        error = capsys.readouterr().err
        assert error.startswith(f"error: {path}")
        assert error.count("\n") == 1
        if what not in ("no Python", "no text", "zero bytes"):
            assert ", line " in error
        tries.inputs += 1
    assert (os.environ[VARIABLE], [*BLACK_BOX]) == ("", listed)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_no_plugin_are_refused(name: str, tries: Tries) -> None:
    tries.refused(name, lambda: _refused(name))
    os.environ[VARIABLE] = name
    if name.strip(" ,") and "," not in name:
        tries.refused(name, lambda: _refused(None))


def _refused(name: str | None) -> None:
    try:
        load_plugins() if name is None else add_plugin(name)
    except ImportError as error:  # for the command line as good as a ValueError
        raise ValueError(str(error)) from error


def test_what_is_no_file_is_no_plugin(tmp_path: Path, tries: Tries) -> None:
    fifo, folder, loop = (tmp_path / f"mine_of_{kind}.py" for kind in ("fifo", "folder", "loop"))
    os.mkfifo(fifo)
    folder.mkdir()
    loop.symlink_to(loop)
    for path in (fifo, folder, loop):
        tries.refused(path, lambda path=path: add_plugin(str(path)), path)  # type: ignore[misc]


def test_a_file_of_any_name_is_named_on_one_line(tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("mine_of\n.py", "mine_of\x1b[2J.py", "mine_of\udcff.py", "mine_of😀.py"):
        (tmp_path / name).write_text("1 / 0\n")
        assert main(["list", "--module", str(tmp_path / name)]) == 2
        error = capsys.readouterr().err
        assert error[:-1].isprintable()
        assert "ZeroDivisionError" in error
        tries.inputs += 1


@pytest.mark.parametrize(
    "value", ["mine_of_package:Nothing", "mine_of_package", "mine_of_nobody:A", "json:JSONDecoder", "mine_of_package:A.b"]
)
def test_installed_packages_that_fail_are_named(
    value: str, tmp_path: Path, tries: Tries, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine_of_package.py").write_text("raise KeyError('x')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("mine", value, group)])
    assert main(["list", "--names", "black-box"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: the entry point mine = {value}")
    assert error.count("\n") == 1
    tries.inputs += 1
