"""Runs whose searches are trained together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from algorithms.one_shot.metrics import EPOCH_METRICS
from algorithms.one_shot.stack import SearchStack
from benchmark_api.tables.table import Table
from experiments import store
from experiments.store import ONE_SHOT_RUNS, OneShotExperiment

Command = Callable[..., tuple[int, str, str]]
DETERMINED = ("architecture", *(metric.name for metric in EPOCH_METRICS if not metric.measured))


def run(table: Table, results: Path, *more: object) -> list[str]:
    common = ("--table", table.path, "--results", results, "--jobs", 1, "--stack", 2, "--epochs", 2)
    return [str(argument) for argument in ("run", "rsps", *common, "--batch", 450, "--candidates", 3, *more)]


def only(results: Path) -> OneShotExperiment:
    (experiment,) = store.load(results, ONE_SHOT_RUNS)
    return experiment


def assert_same(first: OneShotExperiment, second: OneShotExperiment) -> None:
    assert np.array_equal(first.seeds, second.seeds)
    for name in DETERMINED:
        assert np.array_equal(first.columns[name], second.columns[name]), name


@pytest.fixture(scope="module")
def finished(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, two of them in one stack."""
    from experiments.__main__ import main

    results = tmp_path_factory.mktemp("finished")
    assert main(run(digits_table, results, "--seeds", 3)) == 0
    return results


def test_every_seed_is_stored_as_a_run_with_its_checkpoint(finished: Path) -> None:
    experiment = only(finished)
    assert experiment.seeds.tolist() == [777, 888, 999]
    assert json.loads(experiment.execution)["stack"] == 2
    for kind in (".parquet", store.SUPERNET_SUFFIX):
        found = sorted(path.name for path in finished.rglob(f"*{kind}"))
        assert found == [f"seeds-00{seed}-00{seed}{kind}" for seed in (777, 888, 999)]


def test_results_do_not_depend_on_what_is_asked_for_at_once(
    finished: Path, digits_table: Table, tmp_path: Path, experiments: Command
) -> None:
    assert experiments(*run(digits_table, tmp_path, "--seed-list", 888))[1].startswith("1 new runs ")
    assert experiments(*run(digits_table, tmp_path, "--seeds", 3))[1].startswith("2 new runs ")
    assert_same(only(tmp_path), only(finished))


def test_searches_that_were_interrupted_at_different_epochs_continue(
    finished: Path, digits_table: Table, tmp_path: Path, experiments: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint of the first search is there, that of the second is not."""
    from algorithms.one_shot.search import OneShotSearch

    save = OneShotSearch.save

    def first_only(self: OneShotSearch, path: Path) -> None:
        if self.seed != 777:
            raise RuntimeError("out of luck")
        save(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(OneShotSearch, "save", first_only)
        status, _, error = experiments(*run(digits_table, tmp_path, "--seeds", 2))
        assert status == 1
        assert "out of luck" in error
        assert "error: 2 of 2 runs failed" in error
    trained: list[list[int]] = []
    train_epoch = SearchStack.train_epoch
    monkeypatch.setattr(
        SearchStack,
        "train_epoch",
        lambda stack: trained.append([search.epoch for search in stack.searches]) or train_epoch(stack),
    )
    assert experiments(*run(digits_table, tmp_path, "--seeds", 3))[0] == 0
    assert trained == [[1, 0], [1], [0], [1]]
    assert_same(only(tmp_path), only(finished))


def test_a_stored_run_is_repeated_alone(finished: Path, experiments: Command) -> None:
    status, said, _ = experiments("verify", "--results", finished)
    assert status == 0, said


def test_runs_that_are_trained_alone_are_stored_as_before(digits_table: Table, tmp_path: Path, experiments: Command) -> None:
    assert experiments(*run(digits_table, tmp_path, "--stack", 1, "--seeds", 1))[0] == 0
    assert json.loads(only(tmp_path).execution).keys() == {"device", "precision", "channels_last", "compile"}
    assert only(tmp_path).label("") == "rsps (batch=450, candidates=3, epochs=2)"
