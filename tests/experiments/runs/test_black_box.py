"""Conditions of black-box runs: whether a table has the trainings that a search asks for."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.runs.black_box import MissingEpochs, condition_of, fit_config
from experiments.settings import RunSettings
from tests.conftest import write_table


@pytest.fixture(scope="module")
def sparse_table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Eight architectures; schedules "12" with accuracies after 1, 4, 12 epochs, "27" after 3, 9, 27, "90" after the last."""
    space = SizeSpace(widths=(4, 8), layers=3)
    epochs = {"12": (0, 3, 11), "27": (2, 8, 26), "90": (89,)}
    path = tmp_path_factory.mktemp("sparse") / "sparse.safetensors"
    return write_table(path, space, np.linspace(0.1, 0.9, len(space)), epochs, np.zeros(len(space), dtype=bool))


def fitted(name: str, table: Table, schedule: str = "12", **given: Any) -> Any:
    """The hyperparameters of a run on cifar10 where some are given."""
    search = BLACK_BOX[name]
    return fit_config(search, search.Config(**given), table.search_view("cifar10", schedule), given)


def check(name: str, table: Table, schedule: str, config: Any) -> None:
    """Make the condition of runs on cifar10."""
    condition_of(BLACK_BOX[name], config, table, RunSettings.of(table, "cifar10", schedule=schedule, budget=1000))


@pytest.mark.parametrize("name", [name for name, search in BLACK_BOX.items() if "parts" not in search.needs])
def test_stored_epochs_are_enough_where_the_search_asks_for_no_other(name: str, sparse_table: Table) -> None:
    config = fitted(name, sparse_table)
    assert config == BLACK_BOX[name].Config()
    check(name, sparse_table, "12", config)


@pytest.mark.parametrize("name", [name for name, search in BLACK_BOX.items() if {"parts", "curves"} <= search.needs])
def test_watched_trainings_need_all_epochs(name: str, sparse_table: Table) -> None:
    with pytest.raises(MissingEpochs, match=rf"^{re.escape(name)} needs validation accuracies after 1, 2, 3, .*, 12 epochs"):
        check(name, sparse_table, "12", fitted(name, sparse_table))


def test_other_epochs_are_refused_before_the_run(sparse_table: Table) -> None:
    config = BLACK_BOX["hyperband"].Config(eta=2)
    message = (
        "hyperband needs validation accuracies after 1, 3, 6, 12 epochs; sparse.safetensors has them after 1, 4, 12 epochs of"
    )
    with pytest.raises(MissingEpochs, match=message):
        check("hyperband", sparse_table, "12", config)


@pytest.mark.parametrize("name", ["successive-halving", "hyperband", "asha"])
@pytest.mark.parametrize(
    ("schedule", "given", "options", "what"),
    [
        ("27", {}, {"min_epochs": 3}, "trains for 3, 9, 27 epochs"),
        ("12", {"eta": 2}, {"eta": 3, "min_epochs": 1}, "trains for 1, 4, 12 epochs"),
        ("90", {}, {"min_epochs": 90}, "makes full trainings only"),
    ],
)
def test_the_refusal_names_options_that_help(
    name: str, schedule: str, given: dict[str, int], options: dict[str, int], what: str, sparse_table: Table
) -> None:
    config = BLACK_BOX[name].Config
    with pytest.raises(MissingEpochs) as refused:
        check(name, sparse_table, schedule, config(**given))
    words = "".join(f"--{option.replace('_', '-')} {value} " for option, value in options.items())
    assert str(refused.value) == f"{refused.value.fact}; {words}{what}"
    check(name, sparse_table, schedule, config(**options))


@pytest.mark.parametrize("name", ["bohb", "bohb-reference"])
def test_the_model_alone_runs_on_full_trainings(name: str, sparse_table: Table) -> None:
    config = fitted(name, sparse_table, "90")
    assert config == BLACK_BOX[name].Config(min_epochs=90)
    check(name, sparse_table, "90", config)


def test_given_hyperparameters_stay(sparse_table: Table) -> None:
    assert fitted("bohb", sparse_table, "90", min_epochs=1).min_epochs == 1
    assert fitted("bohb", sparse_table, "90", eta=2) == BLACK_BOX["bohb"].Config(eta=2, min_epochs=90)


@pytest.mark.parametrize("name", ["successive-halving", "hyperband", "asha"])
def test_halving_needs_shorter_trainings(name: str, sparse_table: Table) -> None:
    config = fitted(name, sparse_table, "90")
    assert config == BLACK_BOX[name].Config()
    with pytest.raises(MissingEpochs, match=r"after 1, 3, 10, 30, 90 epochs; sparse.safetensors has them after 90 epochs of"):
        check(name, sparse_table, "90", config)
    check(name, sparse_table, "90", BLACK_BOX[name].Config(min_epochs=90))  # asked for, it is random search
