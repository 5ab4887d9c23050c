"""What the README and docs/cluster.md tell a newcomer to type, typed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.search import AlphaConfig
from benchmark_api.spaces import TopologySpace
from benchmark_api.tables.table import Table
from tests.helpers import official
from tests.helpers.ray_nodes import ENVIRONMENT, LOOPBACK, RAY, RayNodes, wait_for

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
CLUSTER = (ROOT / "docs" / "cluster.md").read_text()
PACKAGES = ("algorithms", "benchmark_api", "experiments", "plots")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def python(arguments: list[str], root: Path, folder: Path, **variables: str) -> str:
    """Run Python in a folder, with the packages of a root and environment variables; what it printed."""
    environment = {**os.environ, **variables, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(topology_table: Table, tmp_path: Path) -> Path:
    """A folder with the table that the README speaks of."""
    (tmp_path / "t.safetensors").symlink_to(topology_table.path)
    return tmp_path


@pytest.mark.parametrize("block", [block for block in blocks("python") if not block.startswith("# ")], ids=lambda b: b[:40])
def test_code_runs(block: str, folder: Path) -> None:
    python(["-c", block], ROOT, folder)


def test_an_algorithm_is_one_file(folder: Path) -> None:
    (code,) = (block for block in blocks("python") if block.startswith("# algorithms/"))
    path, source = code.removeprefix("# ").split("\n", 1)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.pdf"))
    (folder / path).write_text(source)
    (command,) = re.findall(r"python (-m experiments run greedy .*)", README)
    arguments = command.replace("--seeds 500", "--seeds 5").split()
    assert "5 new runs" in python([*arguments, "--jobs", "1"], folder, folder)
    assert "| greedy" in python(["-m", "experiments", "table"], folder, folder)


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make with an environment that counts as installed."""
    environment = folder / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    for stamp in (".installed", ".installed-dev"):
        (environment / stamp).touch()
    command = ["make", "--no-print-directory", "-C", str(ROOT), f"VENV={environment}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_targets_exist(tmp_path: Path) -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines() if re.match("make (?!help)", line)]
    assert lines
    for number, line in enumerate(lines):
        (tmp_path / str(number)).mkdir()
        done = make("--dry-run", *shlex.split(line, comments=True)[1:], folder=tmp_path / str(number))
        assert done.returncode == 0, done.stderr
        assert " -m " in done.stdout


COMMANDS = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
FEWER = {"SEEDS": "2", "EPOCHS": "1", "JOBS": "1"}
"""What is smaller here than a reader would have it; a command that says otherwise is obeyed."""


@pytest.mark.slow
def test_every_command_runs(topology_table: Table, tmp_path: Path) -> None:
    """All commands in the README's order, in a copy of the project; `make test` is what runs this."""
    for package in (*PACKAGES, "results"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.png", "*.pdf", "topology", "size")
        )
    shutil.copytree(ROOT / "docs" / "algorithms", tmp_path / "docs" / "algorithms")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "t.safetensors").symlink_to(topology_table.path)
    official.write_archive(tmp_path / "path" / "to" / "NATS-tss-v1_0-3ffb9-simple", TopologySpace(), [0, 4, 13])
    for block in blocks("python"):
        if block.startswith("# algorithms/"):
            path, source = block.removeprefix("# ").split("\n", 1)
            (tmp_path / path).write_text(source)
        elif "np.savez" in block:
            python(["-c", block], tmp_path, tmp_path)
    installed = tmp_path / ".venv"
    (installed / "bin").mkdir(parents=True)
    (installed / "bin" / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    (installed / "bin" / "python").chmod(0o755)
    for stamp in (".installed", ".installed-dev"):
        (installed / stamp).touch()
    assert "make reproduce" in COMMANDS
    for command in COMMANDS:
        if command == "make test":
            continue
        settings = FEWER | {"ARGS": f"--one-shot-seeds {int('DATA=' in command)}"} if "make reproduce" in command else FEWER
        environment = {**os.environ, **settings, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        if "DATA=folder" in command:  # images and a graphics card that are not here
            assert done.returncode != 0
            assert re.search(
                r"^error: (folder/cifar-10-batches-py/data_batch_1 is missing|device 'cuda')", done.stderr, re.MULTILINE
            )
            assert "Traceback" not in done.stderr
        else:
            assert done.returncode == 0, (command, done.stderr)
        if command.startswith("make import"):  # of three architectures, which is no table to search on
            (imported,) = (tmp_path / "tables").iterdir()
            imported.unlink()
            imported.symlink_to(topology_table.path)


def test_help_lists_every_target(tmp_path: Path) -> None:
    listed = make("help", folder=tmp_path).stdout
    for target in ("import", "reproduce", "table", "plots", "bench", "bench-check", "test", "lint", "rea", "bohb"):
        assert re.search(rf"\b{target}\b", listed), target


@pytest.mark.parametrize("name", [*BLACK_BOX, *ONE_SHOT])
def test_every_algorithm_has_a_page_with_its_defaults(name: str) -> None:
    search = BLACK_BOX[name] if name in BLACK_BOX else ONE_SHOT[name]
    page = (ROOT / "docs" / "algorithms" / f"{name}.md").read_text()
    assert page.startswith("# ")
    assert f"(`{name}`)" in page.splitlines()[0]
    assert "## Deviations" in page
    assert "## Result" in page
    assert (ROOT / "algorithms" / f"{search.__module__.split('.')[-1]}.py").name in page
    shared = set() if name in BLACK_BOX else {field.name for field in fields(AlphaConfig)}
    assert_states(page, asdict(search.Config()), shared)


def test_shared_hyperparameters_are_stated() -> None:
    assert_states((ROOT / "docs" / "weight-sharing.md").read_text(), asdict(AlphaConfig()))


def assert_states(page: str, defaults: dict[str, object], optional: Collection[str] = ()) -> None:
    """The rows of a page that begin with names of hyperparameters have these defaults in their second column, and no others.

    Args:
        page: the page.
        defaults: the hyperparameters.
        optional: those that need not be there.
    """
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")]
    stated = {}  # names and their values stand in the same order
    for names, ours, *_ in rows:
        found = re.findall(r"`(\w+)`", names)
        stated |= dict(zip(found, re.split(r", (?=\d)", ours) if len(found) > 1 else [ours], strict=True))
    assert defaults.keys() - set(optional) <= stated.keys() <= defaults.keys()
    for hyperparameter in stated:
        value = defaults[hyperparameter]
        shown = (
            f"{value:.4f}".rstrip("0")
            if value == 1 / 3
            else ", ".join(map(str, value))
            if isinstance(value, tuple)
            else str(value)
        )
        assert re.match(rf"{re.escape(shown)}(?![\w.])", stated[hyperparameter]), hyperparameter


# -- docs/cluster.md -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_commands_for_a_cluster_run(folder: Path) -> None:
    """In their order, with fewer seeds; those left out need the network or a graphics card."""
    pytest.importorskip("ray")
    lines = [line for block in blocks("sh", CLUSTER) for line in block.splitlines()]
    said = ""
    with RayNodes() as nodes:
        for line in lines:
            match shlex.split(re.sub(r"--seeds \d+", "--seeds 5", line)):
                case [".venv/bin/ray", "start", "--head", "--block", "--port=6379"]:
                    nodes.start("--head", "--port=0")
                case [".venv/bin/ray", "start", "--block", "--address=HEAD:6379"]:
                    nodes.start(f"--address={nodes.address}")
                case [".venv/bin/python", "-m", "pip", *_] | [*_, "--device", "cuda", "--engine", "ray", "--gpus", "0.5"]:
                    continue
                case [".venv/bin/python", *arguments]:
                    variables = {"RAY_ADDRESS": nodes.address} if "auto" in arguments else {}
                    said += python(arguments, ROOT, folder, **{**ENVIRONMENT, **variables})
                case other:
                    pytest.fail(f"what is {other}?")
    assert said.count("5 new runs in results") == 3
    assert said.count("small.safetensors: digits size, 2 epochs, 3 trials") == 1
    assert said.count("5 runs read, 2 made again") == 3
    assert len(Table(folder / "small.safetensors")) == 4


@pytest.mark.slow
def test_the_slurm_script_runs(folder: Path) -> None:
    """With stand-ins for `srun` and `scontrol`, and two nodes on this machine."""
    pytest.importorskip("ray")
    (script,) = blocks("bash", CLUSTER)
    temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # names of sockets must be short
    for name, content in {
        "bin/scontrol": "echo 127.0.0.1",
        "bin/srun": 'while [ "${1#-}" != "$1" ]; do shift; done; exec "$@"',
        ".venv/bin/python": f'exec {sys.executable} "$@"',
        ".venv/bin/ray": f"""case "$1 $2" in
            "start --head") exec {shlex.join(RAY)} "$@" {shlex.join(LOOPBACK)} --include-dashboard=false --temp-dir={temporary};;
            start*) exec {shlex.join(RAY)} "$@" {shlex.join(LOOPBACK)};;
            *) exec {shlex.join(RAY)} "$@";;
        esac""",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{content}\n")
        (folder / name).chmod(0o755)
    (folder / "job.sh").write_text(script.replace("--seeds 500", "--seeds 5"))
    port = next(port for port in range(20_000, 30_000) if not answers(port))
    job = {"SLURM_SUBMIT_DIR": str(folder), "SLURM_JOB_ID": str(port - 20_000), "SLURM_JOB_NODELIST": "node[1-2]"}
    variables = {
        **ENVIRONMENT,
        **job,
        "SLURM_NNODES": "2",
        "SLURM_CPUS_PER_TASK": "1",
        "PATH": f"{folder}/bin:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "job.sh"], cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "5 new runs in results" in done.stdout
    assert wait_for(lambda: not answers(port))
    shutil.rmtree(temporary)


def answers(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
