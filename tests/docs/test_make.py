"""What make says to wrong names and to Pythons that are too old, and how it installs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.helpers.documents import make


def script(path: Path, text: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rea", "TABEL=t.safetensors"], "*** unknown variable TABEL, did you mean TABLE?"),
        (["help", "seeds=5"], "*** unknown variable seeds, did you mean SEEDS?"),
        (
            ["--dry-run", "rea", "SEEDS=5", "ARGS=--max params=1", "NOTHING="],
            "*** unknown variable NOTHING; expected one of PYTHON VENV ",
        ),
        (["rae", "SEEDS=5"], "error: unknown target rae, did you mean rea?"),
        (["reproduec"], "error: unknown target reproduec, did you mean reproduce?"),
        (["my-own"], "error: unknown target my-own; `make help` lists them; a search of your own: "),
    ],
)
def test_unknown_names_are_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = make(*arguments, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[0]


def test_variables_of_the_environment_and_flags_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABEL", "of somebody else")
    done = make("--dry-run", "rea", "ARGS=--population-size 20 --max TABEL=3", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "--population-size 20 --max TABEL=3" in done.stdout


def test_searches_narrow_what_is_reproduced(tmp_path: Path) -> None:
    assert "--searches" not in make("--dry-run", "reproduce", folder=tmp_path).stdout
    assert " --searches rea bohb " in make("--dry-run", "reproduce", "SEARCHES=rea bohb", folder=tmp_path).stdout


@pytest.mark.parametrize("made", [False, True])
def test_a_python_that_is_too_old_is_refused(made: bool, tmp_path: Path) -> None:
    code = "import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])"
    old = script(tmp_path / "python3.9", f'exec {shlex.quote(sys.executable)} -c "{code}" "$2"')
    venv = tmp_path / "venv"
    if made:  # with another program, of an older version of the project
        script(venv / "bin" / "python", old.read_text())
    done = make("install", f"VENV={venv}", f"PYTHON={old}", folder=tmp_path / "other")
    expected = "error: needs Python 3.10 or newer, got 3.9.18; name another one: make PYTHON=python3.12"
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, expected)
    assert venv.exists() == made


def test_no_such_python(tmp_path: Path) -> None:
    done = make("install", f"VENV={tmp_path / 'venv'}", "PYTHON=python3.99", folder=tmp_path / "other")
    assert (done.returncode, done.stderr.splitlines()[0][:34]) == (2, "error: no program python3.99; name")


@pytest.mark.parametrize("left", ["nothing", "no pip", "no packages"])
def test_an_interrupted_install_goes_on(left: str, tmp_path: Path) -> None:
    """Make the environment anew where it has no pip, and install in it; `calls` has the calls of the two programs."""
    calls, venv = tmp_path / "calls", tmp_path / "venv"
    working = f'echo "venv $*" >> {calls}'
    script(tmp_path / "working", working)
    anew = f"mkdir -p {venv}/bin && cp {tmp_path}/working {venv}/bin/python && touch {venv}/pyvenv.cfg"
    python = script(tmp_path / "python3", f'echo "python $1 $2" >> {calls}; test "$1" = -c || {{ {anew}; }}')
    if left != "nothing":
        script(venv / "bin" / "python", working if left == "no packages" else "exit 1")
        (venv / "pyvenv.cfg").touch()
        (venv / "old").touch()
    done = make("install", f"VENV={venv}", f"PYTHON={python}", folder=tmp_path / "other")
    assert done.returncode == 0, done.stderr
    assert ("python -m venv" in calls.read_text()) == (left != "no packages")
    assert (venv / "old").exists() == (left == "no packages")
    assert "venv -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .\n" in calls.read_text()
    assert (venv / ".installed").exists()
