"""Reports of a table without test accuracies: numbers worked out by hand, and texts that speak of held-out trials only."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import TopologySpace
from benchmark_api.tables.table import Table
from experiments.analysis.statistics import bootstrap_mean_interval
from experiments.report import FORMATS, Report, make_report
from experiments.report.checklist import checklist
from experiments.report.html import write_page
from experiments.report.text import text_tables
from experiments.store import ONE_SHOT_RUNS, load
from tests.helpers import held_out
from tests.helpers.synthetic import condition, store_runs

SPACE = TopologySpace()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Architecture i has 10 + i / 1,000 percent, one more and one less in its three trials."""
    accuracy = 10 + np.arange(len(SPACE))[:, None] / 1000 + np.array([-1.0, 0.0, 1.0])
    return held_out.write_table(tmp_path_factory.mktemp("held-out") / "table.safetensors", SPACE, accuracy)


@pytest.fixture(scope="module")
def report(table: Table) -> Report:
    """Five runs of random search whose last entry is their choice, seen by a trial that flatters, and five of REA."""
    random = held_out.experiment(table, [[(100, 0), (5000 + run, 2)] for run in range(5)])
    rea = held_out.experiment(table, [[(9000, 1)]] * 5, algorithm="rea")
    return make_report(table, [random, rea])


def test_numbers_by_hand(report: Report) -> None:
    ((dataset,),) = (report.datasets,)
    random, rea = sorted(dataset.rows, key=lambda row: row.experiment.algorithm)
    held = 10 + np.arange(5000, 5005) / 1000 - 0.5
    np.testing.assert_allclose(random.finals, held)
    np.testing.assert_allclose(random.valid_finals, held + 1.5)
    assert random.optimism.mean == pytest.approx(1.5)
    assert rea.reached.mean == pytest.approx(19.0)
    assert rea.optimism.mean == pytest.approx(0.0, abs=1e-12)
    assert dataset.optimum == pytest.approx((10 + 15.624,) * 2)
    assert dataset.average == pytest.approx((10 + 7.812,) * 2)
    shares = 100 * (np.arange(4501, 4506)) / len(SPACE)  # held-out trials are worth 500 places less
    assert random.percentiles == pytest.approx(shares, abs=0.01)
    (comparison,) = dataset.comparisons
    assert {comparison.improvement, 1 - comparison.improvement} == {0.0, 1.0}


def test_csv_has_columns_of_its_own(report: Report) -> None:
    rows = {row["algorithm"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"]([report])))}
    random = rows["random"]
    assert {name for name, value in random.items() if value and name.startswith("test_")} == set()
    held = 14.502
    assert float(random["held_out_mean"]) == pytest.approx(held)
    assert float(random["held_out_regret"]) == pytest.approx(25.624 - held, abs=1e-4)
    assert float(random["held_out_relative_improvement"]) == pytest.approx(100 * (held / 17.812 - 1), abs=1e-4)
    assert float(random["valid_mean"]) == pytest.approx(held + 1.5)
    low, high = bootstrap_mean_interval(14.5 + np.arange(5) / 1000)
    assert (random["held_out_low"], random["held_out_high"]) == (f"{low:.4f}", f"{high:.4f}")
    assert [random[f"seen_minus_held_out_{end}"] for end in ("mean", "low", "high")] == ["1.5000"] * 3
    assert random["measure"] == "held-out trials"
    assert random["mflops"] == random["published_test_mean"] == ""


def test_held_out_columns_come_after_all_others_in_csv(report: Report) -> None:
    header = FORMATS["csv"]([report]).partition("\n")[0].split(",")
    first = header.index("held_out_mean")
    assert header[first - 1] == "table_fingerprint"
    assert all(
        name.startswith(("held_out_", "seen_minus_held_out_", "measure", "worker", "searched_on")) for name in header[first:]
    )


def test_no_text_speaks_of_test_accuracies(report: Report, tmp_path: Path) -> None:
    accuracies, merits, matrix = text_tables(report)
    assert [accuracies.header[i] for i in (3, 4, 6)] == ["valid", "held-out trials", "seen − held-out [points]"]
    assert accuracies.rows[0][4] == "14.50 ± 0.00"
    assert accuracies.rows[0][6] == "+1.50 (+1.50 to +1.50)"
    assert "regret, held-out trials [points]" in merits.header
    assert "MMACs" not in merits.header
    assert "in held-out trials" in matrix.title
    for table in (accuracies, merits, matrix):
        text = " ".join((table.title, *table.header, *table.notes))
        assert not re.search(r"\btest (accurac|set|split)|\btest\b(?!ed)", text), text
        assert "published" not in text.lower()
    page = write_page(tmp_path / "report.html", [report], {}).read_text().partition("<h2>Checklist")[0]
    assert "held-out trials" in page
    assert "test" not in page.partition("<main>")[2].replace("latest", "")


def test_latex_has_a_minus_sign(report: Report) -> None:
    assert r"seen $-$ held-out [points]" in FORMATS["latex"]([report])


def test_the_checklist_says_that_there_is_no_test_set(report: Report) -> None:
    items = {item.practice: item for item in checklist([report])}
    (item,) = (item for practice, item in items.items() if practice.startswith("Chosen by validation accuracy"))
    assert item.followed is False
    assert item.evidence == (
        "searches are given x-valid alone; cifar10: the table has no test accuracies; held-out trials are reported, trainings "
        "that the run did not see, on the same images of x-valid"
    )


def test_published_rows_are_not_compared_with(tmp_path: Path) -> None:
    """Runs on 12 epochs, reported after 200, as the paper's; but the paper reports test accuracies."""
    accuracy = np.full((len(SPACE), 2), 90.0)
    table = held_out.write_table(tmp_path / "table.safetensors", SPACE, accuracy, search_schedule="12")
    runs = held_out.experiment(table, [[(9000, 1)]] * 2, schedule="12", budget=20_000.0)
    (dataset,) = make_report(table, [runs]).datasets
    assert dataset.published_optimum is None
    assert [(row.label, row.published) for row in dataset.rows] == [("random", None)]


def test_a_one_shot_row_has_no_seen_trial(topology_table: Table, table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, topology_table, condition(topology_table, "cifar10", "gdas"), [[0, 1000], [0, 2000]])
    report = make_report(table, load(tmp_path, ONE_SHOT_RUNS))
    accuracies, *_ = text_tables(report)
    assert accuracies.header == ("dataset", "algorithm", "n", "valid", "held-out trials", "95 % interval of the mean")
    assert accuracies.rows[0][3:] == ("", "11.50 ± 0.71", "n < 5")
    assert not any("Seen" in note for note in accuracies.notes)
    (row,) = csv.DictReader(io.StringIO(FORMATS["csv"]([report])))
    assert row["valid_mean"] == row["seen_minus_held_out_mean"] == ""
    assert row["held_out_mean"] == "11.5000"
