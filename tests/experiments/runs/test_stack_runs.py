"""Runs whose searches are trained together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.stack import SearchStack
from algorithms.one_shot.task import Execution
from benchmark_api.tables.table import Table
from experiments import store
from experiments.commands.one_shot import RunOneShot
from experiments.commands.run import Search
from experiments.runs.one_shot import OneShotJob, StackJob
from tests.helpers.one_shot_runs import assert_same, only
from tests.helpers.supernet_steps import CellByDefinition

Command = Callable[..., tuple[int, str, str]]


def run(table: Table, results: Path, *more: object) -> list[str]:
    common = ("--table", table.path, "--results", results, "--jobs", 1, "--stack", 2, "--epochs", 2)
    return [str(argument) for argument in ("run", "rsps", *common, "--batch", 450, "--candidates", 3, *more)]


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
    assert only(tmp_path).label(None) == "rsps (batch=450, candidates=3, epochs=2)"
    assert only(tmp_path).label(digits_table) == "rsps (batch=450, candidates=3, epochs=2, stack=1)"


def test_small_networks_are_stacked_where_no_number_is_asked_for(digits_table: Table, tmp_path: Path) -> None:
    def planned(**given: Any) -> tuple[list[int], str]:
        command = RunOneShot(search=Search.of(ONE_SHOT["rsps"]), table=digits_table.path, results=tmp_path, seeds=25, **given)
        jobs = command.plan()
        (first, *_) = (job.jobs[0] if isinstance(job, StackJob) else job for job in jobs)
        assert isinstance(first, OneShotJob)
        return [job.runs for job in jobs], first.condition.label(digits_table)

    assert planned() == ([20, 5], "rsps")
    assert planned(execution=Execution(stack=10)) == ([10, 10, 5], "rsps (stack=10)")
    assert planned(execution=Execution(stack=1)) == ([1] * 25, "rsps (stack=1)")


def test_supernets_that_cannot_be_stacked_have_a_job_for_each_seed(
    digits_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ONE_SHOT["rsps"], "cell", CellByDefinition)
    jobs = RunOneShot(search=Search.of(ONE_SHOT["rsps"]), table=digits_table.path, results=tmp_path, seeds=2).plan()
    assert [type(job) for job in jobs] == [OneShotJob, OneShotJob]
