"""Documents of the project: their code blocks, and Python and make as a reader would call them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("algorithms", "benchmark_api", "experiments", "nas_zoo", "plots")


def read(page: str) -> str:
    """Return the text of a document."""
    return (ROOT / page).read_text()


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a document in one language."""
    return re.findall(rf"```{language}\n(.*?)```", read(page), re.DOTALL)


def commands(page: str) -> list[str]:
    """Return the lines of a document's shell blocks, without comments."""
    return [line.split("#")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]


def write_files(page: str, folder: Path) -> list[str]:
    """Write the blocks that begin with `# NAME.py` to files; return the names of their modules."""
    files = [re.fullmatch(r"# (\w+)\.py\n(.*)", block, re.DOTALL) for block in blocks(page, "python")]
    for file in filter(None, files):
        (folder / f"{file[1]}.py").write_text(file[2])
    return [file[1] for file in files if file]


def python(arguments: list[str], folder: Path, **variables: str) -> str:
    """Run Python in a folder that is on the path, as the project is; return its output."""
    environment = {**os.environ, **variables, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(environment: Path) -> None:
    """Make a folder that the Makefile takes for its installed environment."""
    (environment / "bin").mkdir(parents=True)
    for name, program in {"python": "", "nas-zoo": " -m nas_zoo"}.items():
        (environment / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)}{program} "$@"\n')
        (environment / "bin" / name).chmod(0o755)
    for stamp in (".installed", ".installed-dev"):
        (environment / stamp).touch()


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make with an environment `folder/venv`, which is made to count as installed where there is none."""
    if not (folder / "venv").exists():
        install(folder / "venv")
    command = ["make", "--no-print-directory", "-C", str(ROOT), f"VENV={folder / 'venv'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
