"""The speed tests, which `make bench` runs, each once on small workloads; one-shot methods run the same code: some of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark_api.tables.table import Table

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_every_speed_test_runs(size_table: Table) -> None:
    command = [sys.executable, "-m", "pytest", "tests/speed", "--benchmark-disable", "-p", "no:cacheprovider"]
    some = "not one_shot or joint or slices or darts-v1 or enas or tas"
    selected = f"({some}) and not elsewhere or elsewhere and tunas"
    options = ["--table", str(size_table.path), f"--other={ROOT}", "-k", selected]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
