"""The commands of docs/cluster.md run as printed, with Ray nodes on this machine."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark_api.tables.table import Table
from tests.helpers.documents import blocks, python
from tests.helpers.ray_nodes import ENVIRONMENT, LOOPBACK, RAY, RayNodes, alone, wait_for

PAGE = "docs/cluster.md"


@pytest.fixture(scope="module", autouse=True)
def only_nodes() -> Iterator[None]:
    with alone():
        yield


@pytest.fixture
def folder(topology_table: Table, tmp_path: Path) -> Path:
    """A folder with the table of the examples."""
    (tmp_path / "t.safetensors").symlink_to(topology_table.path)
    return tmp_path


@pytest.mark.slow
def test_the_commands_for_a_cluster_run(folder: Path) -> None:
    """All commands in their order, with fewer seeds, except those that need the network or a graphics card."""
    pytest.importorskip("ray")
    lines = [line for block in blocks(PAGE, "sh") for line in block.splitlines()]
    printed = ""
    with RayNodes() as nodes:
        for line in lines:
            match shlex.split(re.sub(r"--seeds \d+", "--seeds 5", line)):
                case [".venv/bin/ray", "start", "--head", "--block", "--port=6379"]:
                    nodes.start("--head", "--port=0", "--num-cpus=1")
                case [".venv/bin/ray", "start", "--block", "--address=HEAD:6379"]:
                    nodes.start(f"--address={nodes.address}", "--num-cpus=1")
                case [".venv/bin/python", "-m", "pip", *_] | [*_, "--device", "cuda", "--engine", "ray", "--gpus", "0.5"]:
                    continue
                case [".venv/bin/python", *arguments]:
                    variables = {"RAY_ADDRESS": nodes.address} if "auto" in arguments else {}
                    printed += python(arguments, folder, **{**ENVIRONMENT, **variables})
                case other:
                    pytest.fail(f"unexpected command: {other}")
    assert printed.count("5 new runs in results") == 3
    assert printed.count("small.safetensors: digits size, 2 epochs, 3 trials") == 1
    assert printed.count("5 runs read, 2 made again") == 3
    assert len(Table(folder / "small.safetensors")) == 4


@pytest.mark.slow
def test_the_slurm_script_runs(folder: Path) -> None:
    """With stand-ins for `srun` and `scontrol`, and two nodes on this machine."""
    pytest.importorskip("ray")
    (script,) = blocks(PAGE, "bash")
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
    """Whether a server listens at a port of this machine."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
