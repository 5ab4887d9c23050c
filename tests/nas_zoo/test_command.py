"""The command `nas-zoo`: all commands, from any folder, whatever packages lie there, worker processes too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_api.__main__ import COMMAND_LINE as TABLES
from experiments.__main__ import COMMAND_LINE as EXPERIMENTS
from nas_zoo import __version__
from nas_zoo.__main__ import COMMAND_LINE, main

ROOT = Path(__file__).resolve().parents[2]
SEARCH = '''
from algorithms.black_box import RandomSearch, register

@register
class Mine(RandomSearch):
    """As random search."""
    name, title, paper = "mine-in-a-file", "Mine", "unpublished"
'''


def test_the_overview_has_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert {*COMMAND_LINE.names} == {*EXPERIMENTS.names, *TABLES.names, "plots", "report"}
    assert all(f"\n  {name} " in out for name in COMMAND_LINE.names)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"nas-zoo {__version__}\n"
    assert main(["tabel"]) == 2
    assert capsys.readouterr().err.endswith("(did you mean 'table'?)\n")


@pytest.mark.parametrize("name", sorted({*COMMAND_LINE.names} - {"run"}))
def test_every_help_has_the_program_and_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    out = capsys.readouterr().out
    assert out.startswith(f"usage: nas-zoo {name} ")
    assert f"examples:\n  nas-zoo {name}" in out


def nas_zoo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, as the installed script does: the folder is not on the path."""
    code = f"import sys; sys.path[0] = {str(ROOT)!r}; from nas_zoo.__main__ import main; sys.exit(main())"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"COLUMNS": "100"}
    words = [sys.executable, "-c", code, *arguments]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_folder_with_packages_of_the_same_names(tmp_path: Path) -> None:
    for package in ("algorithms", "benchmark_api", "experiments", "plots"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('not of this project')\n")
    (tmp_path / "mine.py").write_text(SEARCH)
    (tmp_path / "helper.py").write_text("")
    options = ("--table", "nats-topology", "--dataset", "cifar10", "--seeds", "30", "--jobs", "2", "--budget", "20000")
    done = nas_zoo(tmp_path, "run", "mine-in-a-file", "--module", "mine.py", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("30 new runs in results")
    where = "--results results --module mine.py"
    assert done.stdout.endswith(f"next: nas-zoo table {where}, nas-zoo plots {where}\n")
    table = nas_zoo(tmp_path, "table", "--format", "csv", "--module=mine.py")
    assert "mine-in-a-file" in table.stdout
    short = ("--epochs", "1", "--batch", "900", "--candidates", "2", "--seeds", "2", "--jobs", "2")
    one_shot = nas_zoo(tmp_path, "run", "rsps", "--table", "digits-topology", *short)
    assert one_shot.returncode == 0, one_shot.stderr  # its workers are new processes
    script = tmp_path / "script.py"
    script.write_text("import nas_zoo, experiments\nprint(nas_zoo.load().experiments, experiments.__file__)\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    python = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert str(ROOT) in python.stdout, python.stderr
