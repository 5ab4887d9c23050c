"""Sweeps of regularized evolution in several processes against one; the whole command, its memory, and reading the runs back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark_api.jobs.run_jobs import run_jobs
from experiments import store
from experiments.runs.black_box import BlackBoxJob
from tests.speed.subject import Subject, Workload

# A small process starts the command: on Linux a process counts the memory of the one that started it as its own.
_PEAK_MEMORY = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def sweep(subject: Subject, results: Path, runs: int, processes: int) -> None:
    jobs = BlackBoxJob.plan(subject.condition, subject.table, results, range(runs))
    assert run_jobs(jobs, processes) == []


@pytest.mark.benchmark(group="sweep of rea")
@pytest.mark.parametrize("processes", [1, 2])
def test_sweep(rounds: Callable[..., Any], subject: Subject, workload: Workload, tmp_path: Path, processes: int) -> None:
    repeats = count()
    rounds(lambda: sweep(subject, tmp_path / str(next(repeats)), workload.runs, processes))


@pytest.mark.benchmark(group="sweep of rea, whole command")
@pytest.mark.parametrize("processes", [1, 2])
def test_command(
    benchmark: BenchmarkFixture, rounds: Callable[..., Any], subject: Subject, workload: Workload, tmp_path: Path, processes: int
) -> None:
    repeats, said = count(), []

    def command() -> None:
        settings = {
            "table": subject.table.path,
            "dataset": subject.dataset,
            "budget": subject.condition.budget,
            "seeds": workload.runs // 2,
            "jobs": processes,
            "results": tmp_path / str(next(repeats)),
        }
        flags = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
        watched = [sys.executable, "-c", _PEAK_MEMORY, sys.executable, "-m", "experiments", "run", "rea", *flags]
        said.append(subprocess.run(watched, check=True, stdout=subprocess.PIPE, text=True).stdout)

    rounds(command)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, bytes
    benchmark.extra_info["peak_memory_MB"] = max(map(int, said)) * unit / 1e6  # of the largest process


@pytest.mark.benchmark(group="reading the runs of a sweep")
def test_reading_back(benchmark: BenchmarkFixture, subject: Subject, workload: Workload, tmp_path: Path) -> None:
    sweep(subject, tmp_path, workload.runs, 1)
    stored = sum(file.stat().st_size for file in tmp_path.rglob("*.parquet"))
    benchmark.extra_info["bytes_per_run"] = stored / workload.runs
    benchmark(store.load, tmp_path)
