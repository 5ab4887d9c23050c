"""Stored runs of other code: said at once, named in reports, and made anew where that is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark_api.tables.table import Table
from experiments import store
from experiments.runs import black_box, one_shot
from experiments.runs.job import OtherCodeWarning

Command = Callable[..., tuple[int, str, str]]
OLD, NEW = "1.0+aaaaaaaa", "1.0+bbbbbbbb"


@pytest.fixture
def set_version(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this code another version."""

    def change(version: str) -> None:
        for owner in (black_box.BlackBoxJob, one_shot.SupernetJob):
            monkeypatch.setattr(owner, "version", staticmethod(lambda *_: version))

    return change


def test_runs_of_other_code_are_said_and_made_anew(
    experiments: Command, set_version: Callable[[str], None], topology_table: Table, tmp_path: Path
) -> None:
    run = ("run", "random", "--table", topology_table.path, "--results", tmp_path, "--jobs", 1, "--budget", 500, "--seeds")
    set_version(OLD)
    assert experiments(*run, 30)[2] == ""
    set_version(NEW)
    what = f"30 stored runs of random (budget=500.0) on cifar10 are of other code ({OLD}, now {NEW})"
    with pytest.warns(OtherCodeWarning, match=f"^{re.escape(what)}; --again makes them anew$"):
        assert experiments(*run, 30)[1].startswith("0 new runs ")
    note = f"Made by other code than this, in part or all (--again makes them anew): random (budget=500.0) ({OLD})."
    assert note in experiments("table", "--results", tmp_path)[1]
    assert experiments(*run, 5, "--again")[1].startswith("30 new runs ")  # all that were stored
    (experiment,) = store.load(tmp_path)
    assert (experiment.code_versions, experiment.seeds.tolist()) == ((NEW,), [*range(30)])
    assert experiments(*run, 30)[0] == 0
    assert "Made by other code" not in experiments("table", "--results", tmp_path)[1]


def test_sweeps_say_it_once(experiments: Command, set_version: Callable[[str], None], size_table: Table, tmp_path: Path) -> None:
    sweep = ("reproduce", "--table", size_table.path, "--searches", "random", "rea", "--results", tmp_path, "--quiet")
    options = ("--seeds", 2, "--one-shot-seeds", 0)
    set_version(OLD)
    assert experiments(*sweep, *options)[0] == 0
    set_version(NEW)
    with pytest.warns(
        UserWarning, match=r"^8 stored runs of 4 experiments are of other code \(`table` names them\); --again "
    ) as said:
        assert experiments(*sweep, *options)[0] == 0
    assert len(said) == 1


@pytest.mark.slow
def test_supernets_of_other_code_are_trained_anew(
    experiments: Command, set_version: Callable[[str], None], digits_table: Table, tmp_path: Path
) -> None:
    run = ("run", "rsps", "--table", digits_table.path, "--results", tmp_path, "--jobs", 1, "--epochs", 1, "--batch", 450)
    set_version(OLD)
    assert experiments(*run, "--candidates", 3, "--seeds", 2)[0] == 0
    finished, unfinished = sorted(tmp_path.rglob("*.parquet"))
    unfinished.unlink()
    set_version(NEW)
    with pytest.warns(OtherCodeWarning, match="^1 stored runs of rsps"):
        experiments(*run, "--candidates", 3, "--seeds", 1)
    before = finished.read_bytes()
    assert experiments(*run, "--candidates", 3, "--seeds", 2, "--again")[0] == 0
    (experiment,) = store.load(tmp_path, store.ONE_SHOT_RUNS)
    assert (experiment.code_versions, len(experiment.seeds)) == ((NEW,), 2)
    assert finished.read_bytes() != before
