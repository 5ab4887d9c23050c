"""Claims of papers: verdicts on made-up runs, by seed and unpaired."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from algorithms.one_shot import ONE_SHOT
from algorithms.one_shot.task import Execution
from benchmark_api.tables.table import Table
from experiments import store
from experiments.analysis.statistics import bootstrap_mean_interval, difference_of_means, welch_interval
from experiments.report import claims, make_report
from experiments.report.claims import Claim, Side, verdicts
from experiments.report.numbers import DatasetReport
from experiments.report.text import text_tables
from tests.helpers.synthetic import condition, store_runs

BEST, WORST = 1462, 1651
"""An architecture of 3x3 convolutions alone, and one of `none` alone."""

BETTER = Claim(Side("gdas"), Side("darts-v1"), "sampling is better", "a paper")


def report_of(results: Path, table: Table) -> DatasetReport:
    (dataset,) = make_report(table, store.load(results, store.ONE_SHOT_RUNS)).datasets
    return dataset


def test_a_claim_is_tested_by_seed(topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[BEST], [BEST], [BEST], [5], [7], [9]])
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "darts-v1"), [[WORST]] * 3 + [[5], [6]])
    opposite = Claim(BETTER.second, BETTER.first, "sampling is worse", "a paper")
    monkeypatch.setattr(claims, "CLAIMS", (BETTER, opposite))
    dataset = report_of(tmp_path, topology_table)
    held, turned = verdicts(dataset)
    values = {row.label: row.finals for row in dataset.rows}
    differences = values["gdas"][:5] - values["darts-v1"]
    assert (held.paired, held.runs, held.effect) == (True, (5, 5), pytest.approx(differences.mean()))
    assert [held.low, held.high] == pytest.approx(np.array(bootstrap_mean_interval(differences)))
    assert held.wins == ((differences > 0).sum(), 1, (differences < 0).sum())
    assert (held.held, turned.held) == ("held", "the opposite held")
    assert (turned.effect, turned.low, turned.high) == pytest.approx((-held.effect, -held.high, -held.low))
    assert "n = 5 pairs of equal seeds: better in " in held.result
    (table,) = (table for table in text_tables(make_report(topology_table, [row.experiment for row in dataset.rows]))
                if table.title.startswith("claims of papers"))  # fmt: skip
    assert table.rows[0] == ("cifar10", "sampling is better", "a paper", "gdas against darts-v1", held.result)


def test_runs_of_other_seeds_are_not_paired(topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[index] for index in range(100, 105)])
    runs = store_runs(tmp_path / "others", topology_table, condition(topology_table, "cifar10", "darts-v1"), [[3]] * 5)
    for number, run in enumerate(runs):
        run.seed, run.architecture = 5000 + number, np.array([200 + number], dtype=np.int32)
        store.write_piece(tmp_path, condition(topology_table, "cifar10", "darts-v1"), [run], "1+abc", str(topology_table.path))
    for path in (tmp_path / "others").rglob("*.parquet"):
        path.unlink()
    monkeypatch.setattr(claims, "CLAIMS", (BETTER,))
    dataset = report_of(tmp_path, topology_table)
    (verdict,) = verdicts(dataset)
    first, second = (next(row for row in dataset.rows if row.label == name) for name in ("gdas", "darts-v1"))
    assert (verdict.paired, verdict.runs, verdict.wins) == (False, (5, 5), None)
    assert (verdict.effect, verdict.low, verdict.high) == difference_of_means(first.finals, second.finals)
    assert verdict.held == ("held" if verdict.low > 0 else "the opposite held" if verdict.high < 0 else "undecided")
    assert "n = 5 and 5, unpaired" in verdict.result


def test_only_rows_with_the_same_other_settings_are_compared(
    topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size of a stack is no setting; too few runs are not tested."""
    stacked = Execution(stack=4)
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas", stacked), [[1], [2]])
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas", epochs=7), [[1]])
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "darts-v1"), [[3]])
    low, high = Side("gdas", {"epochs": 7}), Side("gdas", {"epochs": 100})
    monkeypatch.setattr(claims, "CLAIMS", (BETTER, Claim(low, high, "short is better", "a paper")))
    default, epochs = verdicts(report_of(tmp_path, topology_table))
    assert (default.first.label, default.second.label) == ("gdas (stack=4)", "darts-v1")
    assert default.held == "not tested: n < 5"
    assert "interval" not in default.result
    assert (epochs.first.label, epochs.second.label) == ("gdas (epochs=7)", "gdas (stack=4)")


def test_equality_is_not_proven_but_bounded(topology_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[1], [2], [3], [4], [5]])
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "darts-v1"), [[5], [4], [3], [2], [1]])
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "setn"), [[BEST]] * 5)
    same = Claim(Side("gdas"), Side("darts-v1"), "they are equal", "a paper", equal=True)
    monkeypatch.setattr(claims, "CLAIMS", (same, Claim(Side("gdas"), Side("setn"), "they are equal", "a paper", equal=True)))
    equal, different = verdicts(report_of(tmp_path, topology_table))
    bound = max(-equal.low, equal.high)
    assert equal.held == f"not contradicted: differences beyond {bound:.2f} points are excluded"
    assert different.held == "did not hold"


def test_claims_are_about_registered_searches() -> None:
    for claim in claims.CLAIMS:
        for side in (claim.first, claim.second):
            names = {field.name for field in dataclasses.fields(ONE_SHOT.find(side.algorithm).Config)}
            assert side.hyperparameters.keys() <= names


def test_welch_interval_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 2, 6), rng.normal(0, 1, 15)
    expected = ttest_ind(first, second, equal_var=False).confidence_interval(0.9)
    given = ((values.mean(), values.std(ddof=1), len(values)) for values in (first, second))
    assert welch_interval(*given, level=0.9) == pytest.approx((expected.low, expected.high))
    assert welch_interval((3.0, 0.0, 2), (1.0, 0.0, 3)) == (2.0, 2.0)
