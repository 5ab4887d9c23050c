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
from tests.helpers.documents import PACKAGES, ROOT, blocks, commands, install, make, python, write_files

HOW_TO = sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/how-to/*.md"))
PAGES = ["README.md", *HOW_TO]
COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands(page)))
LESS = {
    r"nas-zoo run (gates|darts-v1) ": " --epochs 1 --batch 900 --jobs 1",
    r"benchmark_api build ": " --batch 160 --jobs 1",
    r"nas-zoo plots --only ": " --table digits-size --jobs 1",
    r"nas-zoo plots --module greedy.py ": " --only greedy rea --table nats-topology --jobs 1",
}
"""Options that make a command faster, by a pattern."""
PRINTED = {
    r"nas-zoo run (greedy|gates|darts-v1) ": "2 new runs",
    r"nas-zoo table --module greedy.py ": "| Greedy",
    r"nas-zoo table --module gates.py ": "| Gates",
}
"""What a command prints, by a pattern."""


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


# -- make ----------------------------------------------------------------------------------------------------------------------


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


def less(command: str) -> str:
    """Return a command with two seeds wherever it names a number of seeds, and other options that make it faster."""
    options = [options for pattern, options in LESS.items() if re.search(pattern, command)]
    return "".join([re.sub(r"(SEEDS=|--seeds )\d+", r"\g<1>2", command), *options])


@pytest.mark.slow
def test_every_command_runs(topology_table: Table, tmp_path: Path) -> None:
    """All commands in the README's order, in a copy of the project, with fewer seeds; `make test` is what runs this."""
    copy_project(tmp_path)
    (tmp_path / "t.safetensors").symlink_to(topology_table.path)
    official.write_archive(tmp_path / "path" / "to" / "NATS-tss-v1_0-3ffb9-simple", TopologySpace(), [0, 4, 13])
    for page in PAGES:
        write_files(page, tmp_path)
    for block in (block for _, block in CODE if "np.savez" in block or "write_text" in block):  # files that commands read
        python(["-c", block], tmp_path)
    assert "make reproduce" in COMMANDS
    for command in map(less, COMMANDS):
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
    settings = {"SEEDS": "2", "EPOCHS": "1", "JOBS": "1", "PYTHONPATH": str(folder)}
    if "make reproduce" in command:
        one_shot = int("DATA=" in command)
        settings["ARGS"] = f"--one-shot-seeds {one_shot} --one-shot-searches rsps tunas --searches random rea"
        if "TABLE=shades" not in command:
            settings["DATASET"] = "cifar10" if "TABLE=" in command else "digits"
    elif command.startswith("make import"):
        settings["ARGS"] = "--partial"
    elif command == "make gdas":
        settings |= {"ARGS": "--batch 900", "RESULTS": "one-shot"}  # commands on results with one-shot runs import PyTorch
    elif command == "make table plots":
        settings["TABLE"] = "digits-size"
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
        expected = [text for pattern, text in PRINTED.items() if re.search(pattern, command)]
        assert all(text in done.stdout for text in expected), (command, done.stdout)
