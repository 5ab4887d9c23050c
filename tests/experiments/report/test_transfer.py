"""Architectures found on one data set and reported on others, and one-shot searches beside published rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import look_up, make_report, published
from experiments.report.against_published import comparison_lines
from experiments.report.text import text_tables
from experiments.store import AnyExperiment
from tests.helpers import held_out
from tests.helpers.synthetic import condition, store_runs

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def results(topology_table: Table, tmp_path: Path, experiments: Command) -> Path:
    """Six runs of random search and three of GDAS on cifar10, two of GDAS on cifar100."""
    common = ("--table", topology_table.path, "--results", tmp_path, "--seeds", 6, "--jobs", 1)
    assert experiments("run", "random", *common)[0] == 0
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[11], [12], [13]])
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar100", "gdas"), [[14], [15]])
    return tmp_path


def stored(results: Path) -> list[AnyExperiment]:
    return [*store.load(results), *store.load(results, store.ONE_SHOT_RUNS)]


def test_a_cell_found_elsewhere_is_looked_up(topology_table: Table, results: Path) -> None:
    report = make_report(topology_table, stored(results), report_on=("cifar10", "cifar100"))
    assert {dataset.dataset: [row.label for row in dataset.rows] for dataset in report.datasets} == {
        "cifar10": ["random", "gdas", "gdas, searched on cifar100"],
        "cifar100": ["gdas", "random, searched on cifar10", "gdas, searched on cifar10"],
    }
    transferred = report.datasets[1].rows[2]
    expected = look_up(topology_table, "cifar100")
    assert transferred.transferred
    np.testing.assert_array_equal(transferred.finals, expected.reported[[11, 12, 13]])
    np.testing.assert_array_equal(transferred.valid_finals, expected.valid[[11, 12, 13]])
    assert [row.transferred for row in report.datasets[0].rows] == [False, False, True]
    assert all(row.published is None and np.isnan(row.rank) for row in report.datasets[1].rows[1:])
    own = make_report(topology_table, stored(results)).datasets
    assert [len(dataset.rows) for dataset in own] == [2, 1]


def test_the_option(results: Path, experiments: Command) -> None:
    status, out, _ = experiments("table", "--results", results, "--report-on", "cifar100,cifar10")
    assert status == 0
    assert "| gdas, searched on cifar10 " in out
    assert "(transfer)" in out
    _, out, _ = experiments("table", "--results", results, "--report-on", "cifar100", "--format", "csv", "--dataset", "cifar10")
    lines = [(line["dataset"], line["algorithm"], line["searched_on"]) for line in csv.DictReader(io.StringIO(out))]
    assert lines == [(name, method, "cifar10") for name in ("cifar10", "cifar100") for method in ("random", "gdas")]
    status, _, error = experiments("table", "--results", results, "--report-on", "cifar1000")
    assert (status, error.count("\n")) == (2, 1)
    assert "no table of these runs has a dataset 'cifar1000' to report on; there is cifar10, cifar100" in error


def test_a_run_saw_no_trial_on_another_dataset(tmp_path: Path) -> None:
    """Without test accuracies, all trials of the other data set are held out."""
    accuracy = np.random.default_rng(0).random((27, 3)) * 100
    table = held_out.write_table(tmp_path / "t.safetensors", SizeSpace((4, 8, 12), 3), accuracy)
    runs = held_out.experiment(table, [[(1, 0)], [(2, 1)]])
    report = make_report(table, [runs], report_on=("cifar100",))
    own, transferred = (dataset.rows[0] for dataset in report.datasets)
    assert own.valid_finals == pytest.approx(accuracy[[1, 2], [0, 1]])  # the trials that the runs saw
    assert own.finals == pytest.approx([accuracy[1, 1:].mean(), accuracy[2, [0, 2]].mean()])
    assert transferred.finals == pytest.approx(accuracy[[1, 2]].mean(axis=1))
    assert np.isnan(transferred.valid_finals).all()


def test_published_rows_stand_beside_ours_with_interval_and_what_differs(topology_table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas", epochs=3), [[11], [12], [13]])
    report = make_report(topology_table, store.load(tmp_path, store.ONE_SHOT_RUNS), report_on=("cifar100",))
    lines = comparison_lines(report.datasets)
    assert [line[:3] for line in lines] == [
        ("cifar10", "gdas (epochs=3)", "valid"),
        ("cifar10", "gdas (epochs=3)", "test"),
        ("cifar100", "gdas (epochs=3), searched on cifar10", "valid"),
        ("cifar100", "gdas (epochs=3), searched on cifar10", "test"),
    ]
    dataset, _, _, ours, n, theirs, runs, difference, source, differs = lines[1]
    row = report.datasets[0].rows[0]
    assert (dataset, n, theirs, runs, source) == ("cifar10", "3", "93.23 ± 0.58", "3", published.SOURCE)
    assert ours == f"{row.reached.mean:.2f} ± {row.reached.std:.2f}"
    assert difference.startswith(f"{row.reached.mean - 93.23:+.2f} (")
    assert differs == "epochs=3"
    assert lines[2][-1] == "searched on cifar10 here; epochs=3"
    (table,) = (table for table in text_tables(report) if table.title.startswith("one-shot searches beside published rows"))
    assert list(table.rows) == lines
    assert table.notes[-1].startswith("The table has no accuracies on ImageNet16-120:")


def test_published_rows_without_a_spread_have_no_interval() -> None:
    for name, expected in (("gaea", 94.10), ("darts-pt-fixed", 93.80)):
        (row,) = published.weight_sharing("topology", "cifar10", name)
        assert (row.accuracy.test_mean, row.runs) == (expected, None)
        assert np.isnan(row.accuracy.valid_mean)
        assert row.protocol
    assert published.weight_sharing("size", "cifar10", "gaea") == []
    assert published.weight_sharing("topology", "digits", "gdas") == []
    assert published.weight_sharing("topology", "ImageNet16-120", "darts-pt") == []
