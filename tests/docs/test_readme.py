"""Code and commands of the README and of the how-to pages run as printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmark_api.spaces import TopologySpace
from benchmark_api.tables.table import Table
from tests.helpers import official
from tests.helpers.documents import PACKAGES, ROOT, blocks, commands, install, python, write_files

HOW_TO = sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/how-to/*.md"))
PAGES = ["README.md", *HOW_TO]
COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands(page)))
OWN = {"greedy.py": "docs/how-to/own-search.md", "gates.py": "docs/how-to/own-one-shot-method.md"}
"""Files that pages show, and the commands of these pages use."""


@pytest.fixture
def folder(topology_table: Table, tmp_path: Path) -> Path:
    """A folder with the table of the README's examples."""
    (tmp_path / "t.safetensors").symlink_to(topology_table.path)
    return tmp_path


CODE = [(page, block) for page in PAGES for block in blocks(page, "python") if not block.startswith("# ")]


@pytest.mark.parametrize("block", [block for _, block in CODE], ids=[f"{page}-{number}" for number, (page, _) in enumerate(CODE)])
def test_code_runs(block: str, folder: Path) -> None:
    (folder / "block.py").write_text(block)
    python(["block.py"], folder)


@pytest.mark.parametrize(("file", "seeds"), [("greedy.py", 2), ("gates.py", 1)])
def test_an_algorithm_is_one_file(file: str, seeds: int, folder: Path) -> None:
    page, name = OWN[file], file.removesuffix(".py")
    assert write_files(page, folder) == [name]
    own = [shlex.split(command)[1:] for command in commands(page) if f"--module {file}" in command]
    run, table = own[0], next(words for words in own if words[0] == "table")
    fewest = [str(seeds) if word.isdigit() else word for word in run]
    short = [] if name == "greedy" else ["--epochs", "1", "--batch", "900"]
    assert f"{seeds} new run" in python(["-m", "nas_zoo", *fewest, "--jobs", "1", *short], folder)
    assert f"| {name.capitalize()}" in python(["-m", "nas_zoo", *table[:-2]], folder)


# -- make ----------------------------------------------------------------------------------------------------------------------


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make with an environment that counts as installed."""
    install(folder / "venv")
    command = ["make", "--no-print-directory", "-C", str(ROOT), f"VENV={folder / 'venv'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/performance.md", "docs/how-to/published-results.md"])
def test_targets_exist(page: str, tmp_path: Path) -> None:
    lines = [command for command in commands(page) if re.match("make (?!help)", command)]
    assert lines
    for number, line in enumerate(lines):
        done = make("--dry-run", *shlex.split(line)[1:], folder=tmp_path / str(number))
        assert done.returncode == 0, done.stderr
        assert re.search(r" -m |/bin/mypy", done.stdout) or line == "make dev"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([], {"rea": "nats-topology cifar10", "hyperband": "digits-topology digits"}),  # Hyperband needs shorter trainings
        ([], {"gdas": "digits-topology digits", "tas": "digits-size digits"}),
        (["SPACE=size"], {"rea": "digits-size digits"}),
        (["DATASET=digits"], {"bohb": "digits-topology digits"}),
        (["DATASET=cifar100"], {"bohb": "nats-topology cifar100"}),
        (["TABLE=t.safetensors"], {"rea": "t.safetensors "}),
        (["TABLE=digits-size"], {"rea": "digits-size digits"}),
    ],
)
def test_tables_and_datasets_by_default(variables: list[str], expected: dict[str, str], tmp_path: Path) -> None:
    printed = make("--dry-run", *expected, *variables, folder=tmp_path).stdout
    found = re.findall(r"experiments run (\S+) --table '(\S+)'(?: --dataset '(\S+)')?", printed)
    assert {target: f"{table} {dataset}" for target, table, dataset in found} == expected


def test_help_lists_every_target(tmp_path: Path) -> None:
    listed = make("help", folder=tmp_path).stdout
    for target in ("import", "reproduce", "table", "plots", "bench", "bench-check", "test", "lint", "rea", "bohb"):
        assert re.search(rf"\b{target}\b", listed), target


# -- every command -------------------------------------------------------------------------------------------------------------


def fewer(command: str) -> str:
    """Return a command with two seeds wherever it names a number of seeds."""
    return re.sub(r"(SEEDS=|--seeds )\d+", r"\g<1>2", command)


@pytest.mark.slow
def test_every_command_runs(topology_table: Table, tmp_path: Path) -> None:
    """All commands in the README's order, in a copy of the project, with fewer seeds; `make test` is what runs this."""
    copy_project(tmp_path)
    (tmp_path / "t.safetensors").symlink_to(topology_table.path)
    official.write_archive(tmp_path / "path" / "to" / "NATS-tss-v1_0-3ffb9-simple", TopologySpace(), [0, 4, 13])
    for page in PAGES:
        write_files(page, tmp_path)
    (dataset,) = (block for _, block in CODE if "np.savez" in block)
    python(["-c", dataset], tmp_path)
    assert "make reproduce" in COMMANDS
    for command in map(fewer, COMMANDS):
        if command != "make test":
            run(command, tmp_path)
        if command.startswith("make import"):  # of three architectures: too few to search on
            (imported,) = (tmp_path / "tables").iterdir()
            imported.unlink()
            imported.symlink_to(topology_table.path)


def copy_project(folder: Path) -> None:
    drawn_or_stored = shutil.ignore_patterns("__pycache__", "*.png", "*.pdf", "topology", "size", "bench")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.pdf"))
    for name in ("docs", "results"):
        shutil.copytree(ROOT / name, folder / name, ignore=drawn_or_stored)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    install(folder / ".venv")


def run(command: str, folder: Path) -> None:
    """Run a command of the README; those that need images and a graphics card must fail with one line."""
    settings = {"SEEDS": "2", "EPOCHS": "1", "JOBS": "1", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    if "make reproduce" in command:
        settings["ARGS"] = f"--one-shot-seeds {int('DATA=' in command)} --searches random rea"
    if command.startswith("make import"):
        settings |= {"ARGS": "--partial"}
    if re.search("nas-zoo run (gates|darts-v1) ", command):
        command += " --epochs 1 --batch 900"
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )
    if "DATA=folder" in command:
        assert done.returncode != 0
        missing = r"^error: (folder/cifar-10-batches-py/data_batch_1 is missing|device 'cuda')"
        assert re.search(missing, done.stderr, re.MULTILINE), done.stderr
        assert "Traceback" not in done.stderr
    else:
        assert done.returncode == 0, (command, done.stderr)
