"""Defaults of runs: budgets, and the noise of tables with and without test accuracies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import EMBEDDED, Table
from experiments.settings import BUDGETS, RunSettings
from tests.helpers import held_out


@pytest.mark.parametrize("name", EMBEDDED)
def test_default_budgets_of_embedded_tables_are_200_average_evaluations(name: str) -> None:
    table = Table(name)
    for dataset in table.datasets:
        view = table.search_view(dataset)
        mean = view.schedule_epochs * np.nanmean(view.train_seconds) + np.nanmean(view.validation_seconds)
        assert RunSettings.of(table, dataset).budget == pytest.approx(200 * mean, rel=0.05)


def test_default_budgets_are_those_of_the_schedule(topology_table: Table) -> None:
    assert RunSettings.of(topology_table, "cifar10").budget == BUDGETS["topology", "cifar10", "12"] == 20_000
    assert RunSettings.of(topology_table, "cifar10", schedule="200").budget == BUDGETS["topology", "cifar10", "200"] == 360_000
    assert RunSettings.of(topology_table, "cifar10", schedule="200", budget=5).budget == 5


def test_other_default_budgets_are_200_average_evaluations_too(size_table: Table) -> None:
    view = size_table.search_view("cifar10", "90")
    assert RunSettings.of(size_table, "cifar10", schedule="90").budget == pytest.approx(200 * view.mean_query, rel=0.05)
    assert RunSettings.of(size_table, "cifar10", schedule="90", budget=5).budget == 5


def test_a_table_without_times_has_no_default_budget(size_table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    view = size_table.search_view("cifar10", "90")
    for seconds in (np.nan, -1.0, 1e308):  # not measured; damaged
        changed = replace(view, train_seconds=np.full_like(view.train_seconds, seconds, dtype=float))
        monkeypatch.setattr(Table, "search_view", lambda *_, changed=changed: changed)
        with pytest.raises(ValueError, match=r"no default budget for cifar10 in the size space with schedule 90, .*--budget"):
            RunSettings.of(size_table, "cifar10", schedule="90")


def test_default_noise_leaves_trials_for_the_report(topology_table: Table) -> None:
    assert RunSettings.of(topology_table, "cifar10").noise == "random"
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        assert RunSettings.of(Table("nats-topology"), dataset).noise == "once"


@pytest.mark.parametrize(("noise", "same"), [("random", False), ("mean", False), ("once", True), (1, True)])
def test_noise_that_leaves_no_trial_is_refused_without_tests(noise: Any, same: bool, topology_table: Table) -> None:
    assert RunSettings.of(topology_table, "cifar10", noise=noise).same_trial == same
    if same:
        assert RunSettings.of(Table("nats-topology"), "cifar10", noise=noise).noise == noise
    else:
        with pytest.raises(ValueError, match=f"no test accuracies of cifar10.*must be once or a trial's seed, got {noise}"):
            RunSettings.of(Table("nats-topology"), "cifar10", noise=noise)


def test_a_single_trial_that_leaves_none_for_the_report_is_refused_without_tests(tmp_path: Path) -> None:
    table = held_out.write_table(tmp_path / "table.safetensors", SizeSpace(widths=(4, 8), layers=2), np.full((4, 1), 50.0))
    assert RunSettings.of(table, "cifar10", schedule="12", budget=5).noise == "once"  # another training than the reported one
    with pytest.raises(
        ValueError, match=r"no test accuracies of cifar10.* expected two trials of an architecture or more, got one"
    ):
        RunSettings.of(table, "cifar10", budget=5)


@pytest.mark.parametrize(
    ("dataset", "schedule", "message"), [("svhn", None, "unknown dataset key 'svhn'"), ("cifar10", "13", "no schedule '13'")]
)
def test_unknown_names_are_refused_first(dataset: str, schedule: str | None, message: str, topology_table: Table) -> None:
    with pytest.raises(ValueError, match=message):
        RunSettings.of(topology_table, dataset, schedule=schedule)
