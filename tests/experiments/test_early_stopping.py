"""Early stopping from the command line: runs, what is stored of them, and the speed-up that is printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.tables.table import Table
from experiments import store

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def options(topology_table: Table, tmp_path: Path) -> tuple[object, ...]:
    return ("--table", topology_table.path, "--dataset", "cifar10", "--jobs", 1, "--results", tmp_path)


def test_the_option_and_the_name_are_one_experiment(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    options = (*options, "--population-size", 7, "--seeds", 1, "--budget", 2000)
    assert experiments("run", "rea", "--early-stopping", "srm", *options)[1].startswith("1 new runs")
    assert experiments("run", "rea+srm", *options)[1].startswith("0 new runs")
    (found,) = store.load(tmp_path)
    assert (found.algorithm, found.config_values()["population_size"]) == ("rea+srm", 7)


def test_stored_curves_have_the_epochs_that_were_paid(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    assert experiments("run", "random+srm", "--burn-in", 10, "--svr-draws", 1, "--seeds", 1, *options)[0] == 0
    (found,) = store.load(tmp_path)
    assert "scikit-learn" in dict(found.machines[0])
    assert found.curve is not None
    assert np.array_equal((~np.isnan(found.curve)).sum(axis=1), found.epochs)
    np.testing.assert_array_equal(found.curve[np.arange(len(found.epochs)), found.epochs - 1], found.accuracy)
    assert {1, 12} <= set(found.epochs.tolist())
    status, out, _ = experiments("verify", "--results", tmp_path)
    assert (status, out.count("1 made again")) == (0, 1)


def test_options_of_a_derived_search(experiments: Command) -> None:
    out = experiments("run", "local-search+srm", "--help")[1]
    assert "--burn-in" in out
    assert "--first-improvement" in out
    assert "(default: 0.99)" in out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("run", "hyperband", "--early-stopping", "srm"), "hyperband trains at several lengths itself"),
        (("run", "random+srm", "--early-stopping", "srm"), "random+srm trains at several lengths itself"),
        (("run", "random+srm", "--schedule", "200", "--budget", 1), "random+srm needs validation accuracies after 1, 2, 3"),
    ],
)
def test_refusals(command: tuple[object, ...], message: str, experiments: Command, options: tuple[object, ...]) -> None:
    status, _, error = experiments(*command, *options)
    assert status == 2
    assert message in error


def test_speedup(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    for search in (("random",), ("random+srm", "--burn-in", 20, "--svr-draws", 1)):
        assert experiments("run", *search, "--seeds", 6, *options)[0] == 0
    command = ("speedup", "--algorithm", "random+srm", "--baseline", "random", "--results", tmp_path)
    status, out, _ = experiments(*command)
    assert status == 0
    first, target, trainings = out.splitlines()
    assert first.startswith("topology cifar10: random+srm (burn_in=20, svr_draws=1) (n = 6) and random (n = 6), test accuracy")
    assert target.startswith("  to the final mean of random, ")
    assert trainings.startswith("  to the same number of trainings, by seed (n = 6): ")
    factor = float(trainings.partition("): ")[2].partition(" ")[0])
    assert factor > 1.1
    *same, later = experiments(*command, "--after", 20)[1].splitlines()
    assert same == [first, target, trainings]
    assert later.startswith("  of these the ones after the first 20: ")
    assert float(later.partition("20: ")[2].partition(" ")[0]) > factor  # nothing is saved in the burn-in
    assert "expected more than the first 1000" in experiments(*command, "--after", 1000)[2]


def test_speedup_without_runs(experiments: Command, options: tuple[object, ...], tmp_path: Path) -> None:
    assert experiments("run", "random", "--seeds", 1, *options)[0] == 0
    status, _, error = experiments("speedup", "--algorithm", "rea", "--baseline", "random", "--results", tmp_path)
    assert status == 2
    assert "holds no runs of rea and random on the same table, dataset, schedule and budget" in error
