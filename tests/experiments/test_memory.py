"""Memory: bounded, however many runs are made, stored or drawn.

NAS_ZOO_RUNS=100000 makes the test of figures as large as the project promises; it then takes minutes.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.tables.table import Table
from experiments import store
from experiments.runs import black_box as sweep
from experiments.runs.run import run
from experiments.settings import RunSettings
from experiments.store import read as reading
from tests.helpers.quick import quick

ROOT = Path(__file__).resolve().parents[2]
WHOLE = "NAS_ZOO_RUNS" in os.environ
RUNS = int(os.environ.get("NAS_ZOO_RUNS", "800"))
BUDGET = None if WHOLE else 4_000.0
"""Simulated seconds of a run; None for those of a search on the data set."""


def peak_memory(*arguments: str) -> float:
    """Of the largest process of a command of this project, MB."""
    program = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024) / 1e6


def store_runs(table: Table, results: Path, dataset: str, name: str, seeds: Sequence[int]) -> None:
    """Store two runs of an algorithm again and again, each time as those of other seeds."""
    config = quick(BLACK_BOX[name])
    condition = sweep.condition_of(BLACK_BOX[name], config, table, RunSettings.of(table, dataset, budget=BUDGET))
    runs = [run(BLACK_BOX[name], config, table.search_view(dataset), condition, seed) for seed in range(2)]
    for piece in store.missing_pieces((), seeds):
        repeated = [replace(runs[seed % 2], seed=seed) for seed in piece]
        store.write_piece(results, condition, repeated, "1+abc", str(table.path))


@pytest.mark.slow
def test_workers_need_no_more_for_more_runs(topology_table: Table, tmp_path: Path) -> None:
    def peak(seeds: int) -> float:
        common = ["--table", str(topology_table.path), "--results", str(tmp_path / str(seeds)), "--budget", "300"]
        return peak_memory("experiments", "run", "rea", *common, "--seeds", str(seeds), "--jobs", "2")

    few, many = peak(100), peak(3_000)
    assert many < few + 8, (few, many)


@pytest.mark.slow
def test_all_runs_are_drawn_within_two_gigabytes(topology_table: Table, tmp_path: Path) -> None:
    datasets, names = topology_table.datasets, list(BLACK_BOX)
    experiments = list(itertools.product(datasets, names) if WHOLE else itertools.product(datasets[:1], names[:8]))
    for dataset, name in experiments:
        store_runs(topology_table, tmp_path / "results", dataset, name, range(RUNS // len(experiments)))
    peak = peak_memory("plots", "--results", str(tmp_path / "results"), "--out", str(tmp_path / "figures"))
    print(f"{RUNS:,} runs: {peak:,.0f} MB")
    assert peak < 2000
    assert (tmp_path / "results" / "report.html").stat().st_size > 3e5


def test_what_is_not_kept_is_read_again(topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("random", "rea", "local-search"):
        store_runs(topology_table, tmp_path, "cifar10", name, range(60))
    whole = store.load(tmp_path)
    monkeypatch.setattr(reading, "KEPT_BYTES", whole[0].seconds.nbytes)
    read: list[Path] = []
    read_columns = reading._Piece.read_columns
    monkeypatch.setattr(reading._Piece, "read_columns", lambda piece: (read.append(piece.path), read_columns(piece))[1])
    bounded = store.load(tmp_path)
    assert len(read) == 9
    for ours, theirs in zip(bounded, whole, strict=True):
        assert np.array_equal(ours.offsets, theirs.offsets)
        for name in theirs.columns:
            assert np.array_equal(ours.columns[name], theirs.columns[name]), name
    assert len(read) == 18  # those of one experiment at a time
    with pytest.raises(KeyError, match="losses"):
        bounded[0].columns["losses"]
