"""Scripts of `python -m benchmark_api.nats` and `install`: `nats_bench` is the drop-in, in the processes that they start too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import benchmark_api.nats as ours

ROOT = Path(__file__).resolve().parents[3]
HERE = str(Path(ours.__file__))

CHILDREN = """
import multiprocessing, subprocess, sys
import nats_bench

def where(_):
    import nats_bench.api_utils
    return nats_bench.__file__

if __name__ == "__main__":
    for method in sys.argv[1:]:
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(*pool.map(where, [0]))
    program = "import nats_bench.api_topology; print(nats_bench.__file__)"
    print(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/").stdout.strip())
"""


def run(*arguments: str, cwd: Path = ROOT, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    """Run a command of Python with a PYTHONPATH."""
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder with the script, a module with it, and another package of the name `nats_bench`."""
    for path in ("script.py", "package/module.py", "package/__init__.py", "nats_bench/__init__.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("" if path.endswith("__init__.py") else CHILDREN)
    return tmp_path


@pytest.mark.parametrize("what", [["script.py"], ["-m", "package.module"]])
def test_children_get_the_drop_in(scripts: Path, what: list[str]) -> None:
    ran = run("-m", "benchmark_api.nats", *what, "fork", "spawn", "forkserver", cwd=scripts)
    assert (ran.stdout.split(), ran.stderr) == ([HERE] * 4, "")


def test_children_of_a_process_that_ignores_pythonpath_get_it(scripts: Path) -> None:
    ran = run("-E", "-m", "benchmark_api.nats", str(scripts / "script.py"), "spawn")
    assert (ran.stdout.split(), ran.stderr) == ([HERE] * 2, "")


def test_children_get_it_where_another_finder_refuses_the_package(scripts: Path) -> None:
    (scripts / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refusing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'nats_bench':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refusing())\n"
    )
    ran = run("-m", "benchmark_api.nats", "script.py", "spawn", cwd=scripts, path=f"{ROOT}{os.pathsep}{scripts}")
    assert (ran.stdout.split(), ran.stderr) == ([HERE] * 2, "")


def test_the_next_sitecustomize_is_run(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("VALUE = 'of the user'\n")
    program = (
        "from benchmark_api.nats import install; install(); import subprocess, sys\n"
        "program = 'import nats_bench, sitecustomize; print(nats_bench.__name__, sitecustomize.VALUE)'\n"
        "print(subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, cwd='/').stdout)"
    )
    ran = run("-c", program, path=f"{ROOT}{os.pathsep}{tmp_path}")
    assert ran.stdout.split() == ["benchmark_api.nats", "of", "the", "user"], ran.stderr


def test_a_child_needs_no_installed_project(tmp_path: Path) -> None:
    # -S: without installed packages. The project is found, and asks for NumPy.
    program = "try:\n    import nats_bench\nexcept ImportError as error:\n    print(error.name, __import__('sys').path[-1])"
    ran = run("-S", "-c", program, cwd=tmp_path, path=str(Path(HERE).parent / "shim"))
    assert ran.stdout.split() == ["numpy", str(ROOT)], ran.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["-h", "x"]])
def test_help(arguments: list[str]) -> None:
    ran = run("-m", "benchmark_api.nats", *arguments)
    assert ran.returncode == 0
    assert "python -m benchmark_api.nats -m MODULE [ARGUMENT ...]" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "error: expected a script or -m and a module"),
        (["-m"], "error: expected a script or -m and a module"),
        (["absent.py"], "error: no script absent.py"),
        (["-m", "absent.module"], "error: no module absent.module"),
        (["-m", "package.absent"], "error: no module package.absent"),
    ],
)
def test_what_cannot_be_run(scripts: Path, arguments: list[str], message: str) -> None:
    ran = run("-m", "benchmark_api.nats", *arguments, cwd=scripts)
    assert (ran.returncode, ran.stdout, ran.stderr.splitlines()[0]) == (2, "", message)
