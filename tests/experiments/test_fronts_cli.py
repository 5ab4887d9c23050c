"""Commands of searches with several objectives, and limits on costs."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.tables.table import Table
from experiments import store
from plots.__main__ import draw

Command = Callable[..., tuple[int, str, str]]
BUDGET = ("--budget", 4_000, "--jobs", 1)


@pytest.fixture
def options(topology_table: Table, tmp_path: Path) -> tuple[object, ...]:
    return ("--table", topology_table.path, "--dataset", "cifar10", "--seeds", 6, *BUDGET, "--results", tmp_path)


def test_objectives_are_searched_for_and_reported(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    for objectives in (("latency",), ("params", "flops")):
        assert experiments("run", "nsga2", *options, "--objectives", *objectives)[0] == 0
    assert "are of searches with several objectives: `fronts` prints them" in experiments("table", "--results", tmp_path)[2]
    assert experiments("run", "random", *options)[0] == 0
    first, second = store.load(tmp_path, algorithm="nsga2")
    assert first.config().objectives != second.config().objectives
    assert (first.finds_fronts, first.incumbent_rule, first.cost_names) == (True, "front", ("flops", "latency", "params"))
    status, out, err = experiments("fronts", "--results", tmp_path, "--objectives", "latency")
    assert status == 0, err
    assert "| algorithm | n | cifar10, latency |" in re.sub(" +", " ", out)
    table = experiments("table", "--results", tmp_path)[1]
    assert "| random (" in table
    assert "nsga2" not in table
    assert experiments("status", "--results", tmp_path, "--seeds", 6)[1].count("6 runs, complete") == 3
    assert experiments("verify", "--results", tmp_path)[0] == 0


def test_no_objectives_no_fronts(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    assert experiments("run", "random", *options)[0] == 0
    assert "no search in" in experiments("fronts", "--results", tmp_path)[2]
    assert "| random (" in experiments("fronts", "--results", tmp_path, "--objectives", "params")[1]
    assert "no metric 'energy' of cifar10" in experiments("fronts", "--results", tmp_path, "--objectives", "energy")[2]
    unknown = experiments("run", "nsga2", *options, "--objectives", "energy")
    assert unknown[0] == 2
    assert unknown[2].startswith("error: nsga2: no metric 'energy'; the table has flops, latency, params")


@pytest.mark.parametrize("name", ["rea", "nsga2"])
def test_limits_hold_for_every_query(
    name: str, experiments: Command, options: tuple[object, ...], topology_table: Table, tmp_path: Path
) -> None:
    status, _, err = experiments("run", name, *options, "--max", "latency=0.02", "params=0.9", "--min", "flops=20")
    assert status == 0, err
    (found,) = store.load(tmp_path)
    assert found.limits == {"latency": (-math.inf, 0.02), "params": (-math.inf, 0.9), "flops": (20.0, math.inf)}
    view = topology_table.search_view("cifar10")
    assert view.costs["latency"][found.architecture].max() <= 0.02
    assert view.costs["flops"][found.architecture].min() >= 20
    assert np.isfinite(found.accuracy).all()
    assert found.label(topology_table) == f"{name} (budget=4000.0, max=latency=0.02 params=0.9, min=flops=20)"
    assert experiments("verify", "--results", tmp_path)[0] == 0


def test_regret_is_to_the_best_that_could_be_chosen(
    experiments: Command, options: tuple[object, ...], topology_table: Table, tmp_path: Path
) -> None:
    assert experiments("run", "random", *options, "--max", "params=0.5")[0] == 0
    (values,) = csv.DictReader(io.StringIO(experiments("table", "--results", tmp_path, "--format", "csv")[1]))
    test = topology_table.mean_accuracy("cifar10", "200", "ori-test")
    best = test[topology_table.search_view("cifar10").costs["params"] <= 0.5].max()
    assert float(values["test_regret"]) == pytest.approx(best - float(values["test_mean"]), abs=1e-3)
    assert float(values["test_percentile"]) > 50
    note = "regret and percentile are among the architectures that they could choose: random (budget=4000.0, max=params=0.5)."
    assert note in experiments("table", "--results", tmp_path)[1]


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ("energy=1", "no metric 'energy' of cifar10-valid/12; it has flops, latency, params"),
        ("latency=0", "no architecture of cifar10-valid/12 is within the limits of latency"),
        ("latency", "--max latency; expected NAME=VALUE"),
        ("latency=fast", "--max latency=fast; expected a number"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(
    limit: str, message: str, experiments: Command, options: tuple[object, ...], tmp_path: Path
) -> None:
    status, _, err = experiments("run", "rea", *options, "--max", limit)
    assert (status, err.startswith(f"error: {message}")) == (2, True), err
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_study_of_fronts_is_one_command(experiments: Command, topology_table: Table, tmp_path: Path) -> None:
    command = ("reproduce", "--table", topology_table.path, "--seeds", 5, "--one-shot-seeds", 0, *BUDGET, "--results", tmp_path)
    searches = ("--searches", "random", "mo-rea", "--objectives", "latency", "--objectives", "params")
    status, out, err = experiments(*command, *searches)
    assert status == 0, err
    assert out.startswith("30 new runs in ")  # of 2 data sets
    assert "| n | cifar10, latency | cifar10, params | cifar100, latency | cifar100, params |" in re.sub(" +", " ", out)
    assert experiments(*command, "--searches", "mo-re")[2].startswith("error: unknown black-box search 'mo-re'; expected one of")


def test_figures_and_page_of_fronts_alone(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    assert experiments("run", "mo-local-search", *options)[0] == 0
    page, *files = draw(tmp_path, tmp_path / "figures")
    assert [path.name for path in files if path.suffix == ".png"] == ["topology-hypervolume.png", "topology-attainment.png"]
    assert "Fronts: synthetic topology table" in page.read_text()
