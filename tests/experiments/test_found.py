"""What searches found: the numbers, the command's text, CSV and drawings."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.tables.table import Table
from experiments import store
from experiments.__main__ import main
from experiments.commands.found import _print_csv
from experiments.report.found import found
from experiments.report.loading import load_reports

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for search in ("random", "rea", "nsga2"):
        options = ("--table", "nats-topology", "--dataset", "cifar100", "--seeds", "6", "--jobs", "1", "--results", str(folder))
        assert main(["run", search, *options, "--quiet"]) == 0
    return folder


def test_the_best_run_by_what_it_saw(results: Path) -> None:
    loaded = load_reports(results)
    assert loaded.left_out == ["nsga2"]
    of = {one.algorithm: one for one in found(loaded.reports[0])}
    assert [*of] == ["random", "rea"]
    (experiment,) = store.load(results, algorithm="rea")
    best = max(range(6), key=lambda run: experiment.accuracy[experiment.offsets[run] : experiment.offsets[run + 1]].max())
    entries = slice(experiment.offsets[best], experiment.offsets[best + 1])
    within = experiment.seconds[entries] <= experiment.budget
    entry = int(np.argmax(np.where(within, experiment.accuracy[entries], -1)))
    assert experiment.trial is not None
    one, table = of["rea"], Table("nats-topology")
    assert one.index == experiment.architecture[entries][entry]
    assert one.seed == best
    assert one.valid == pytest.approx(experiment.accuracy[entries][entry])
    trials = table.tensor("cifar100/200/x-valid/accuracy")[one.index, :, -1]
    others = np.delete(trials, experiment.trial[entries][entry])
    assert one.reported == pytest.approx(np.nanmean(others))
    assert one.measure == "held-out trials"
    assert table.space.index(table.space.from_string(one.architecture)) == one.index
    assert one.costs["flops"] == pytest.approx(table.metric("flops", "cifar100", "200")[one.index])


def test_the_command(results: Path, experiments: Command, tmp_path: Path) -> None:
    status, out, err = experiments("found", "--results", results, "--draw", tmp_path / "cells")
    assert status == 0
    title, header, first, *_ = out.splitlines()
    assert "no test accuracies" in title  # the notice
    assert header.split()[:4] == ["dataset", "search", "runs", "valid"]
    assert "|nor_conv" in first
    drawings = [Path(line) for line in out.splitlines() if line.endswith(".pdf")]
    assert sorted(drawings) == sorted((tmp_path / "cells").iterdir())
    assert err == "left out: nsga2 (several objectives): `fronts` prints them\n"
    rows = list(csv.DictReader(io.StringIO(experiments("found", "--results", results, "--only", "rea", "--format", "csv")[1])))
    assert [(row["algorithm"], row["of_runs"]) for row in rows] == [("rea", "6")]
    assert drawings[0].name.startswith("cifar100-")
    options = ("--only", "rea", "--format", "csv", "--draw", tmp_path / "more")
    _, out, err = experiments("found", "--results", results, *options)
    assert len(list(csv.DictReader(io.StringIO(out)))) == len(err.splitlines()) == 1  # the files' names are not in the CSV


def test_no_cell_of_csv_is_a_formula(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (first, *_) = found(load_reports(results).reports[0])
    _print_csv([replace(first, title="=1+1")])
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["title"] == "'=1+1"
    assert row["seed"] == str(first.seed)
