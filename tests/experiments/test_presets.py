"""Presets of one-shot methods on the command line, here that of GAEA's paper."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from algorithms.one_shot import ONE_SHOT
from benchmark_api.tables.table import Table
from experiments import store
from experiments.commands.run import Search


def test_the_preset_of_the_paper() -> None:
    search = Search.of(ONE_SHOT["gaea"])
    config = search.config("cifar10", "paper")
    assert (config.epochs, config.horizon, config.decay, config.level, config.choose_none) == (25, 50, 3e-4, "single", False)
    last = config.rate_min + (config.rate - config.rate_min) / 2 * (1 + math.cos(math.pi * 24 / config.horizon))
    assert last == pytest.approx(0.0138, abs=1e-4)
    assert search.config("digits", "paper") == config  # in place of the defaults on digits
    assert search.config("cifar10") == ONE_SHOT["gaea"].Config()


def test_presets_on_the_command_line(
    experiments: Callable[..., tuple[int, str, str]], digits_table: Table, tmp_path: Path
) -> None:
    """An option that is given replaces the preset's value; what is stored are the values."""
    command = ("run", "gaea", "--table", digits_table.path, "--results", tmp_path, "--jobs", 1, "--seeds", 1)
    assert experiments(*command, "--preset", "paper", "--epochs", 1, "--eval-batch", 16)[0] == 0
    (found,) = store.load(tmp_path, store.ONE_SHOT_RUNS)
    changed = "batch=64, cosine_epochs=50, decay=0.0003, epochs=1, eval_batch=16, rate=0.025"
    assert found.label(None) == f"gaea ({changed})"
    status, _, error = experiments(*command, "--preset", "papers")
    assert status == 2
    assert error == "error: preset must be one of gaea's (paper), got 'papers'\n"
