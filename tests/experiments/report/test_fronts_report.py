"""Reports of fronts: numbers worked out by hand, texts, and rows of searches with one objective."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.fronts import pareto_front
from benchmark_api.tables.table import Table
from experiments.report import FRONT_FORMATS, FrontReport, front_reports
from experiments.report.fronts import Landscape
from experiments.report.html import Fronts, write_page
from experiments.store import Experiment
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 72.0], [80.0, 82.0], [60.0, 62.0], [75.0, 77.0]])  # means 71, 81, 61, 76
METRICS = {
    "cifar10-valid/metrics/latency": (np.array([2.0, 3.0, 1.0, 2.5]), {"unit": "ms", "direction": "minimize"}),
    "cifar10-valid/metrics/speed": (np.array([5.0, 1.0, np.nan, 6.0]), {"unit": "images/s", "direction": "maximize"}),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return held_out.write_table(tmp_path_factory.mktemp("fronts") / "table.safetensors", SPACE, ACCURACY, METRICS)


def searched(table: Table, *objectives: str, runs: Any = None) -> Experiment:
    """Runs of NSGA-II; every second run is one evaluation of the cheapest architecture, then one of the best."""
    values = {"objectives": objectives, "population_size": 20, "crossover_probability": 0.9, "mutations": 1.0}
    facts = {"algorithm": "nsga2", "hyperparameters": json.dumps(values), "incumbent_rule": "front"}
    return held_out.experiment(table, runs or [[(2, 0), (1, 1)]] * 6, **facts)


@pytest.fixture(scope="module")
def report(table: Table) -> FrontReport:
    random = held_out.experiment(table, [[(0, 0)], [(3, 1)]])
    (found,) = front_reports(table, [searched(table, "latency"), random, searched(table, "latency", runs=[[(1, 0)]])])
    return found


def test_the_exact_front_by_hand(table: Table) -> None:
    landscape = Landscape.of(table, "cifar10", ("latency",))
    assert landscape.exact.tolist() == [1, 3, 0, 2]
    assert landscape.losses.tolist() == [[29, 2], [19, 3], [39, 1], [24, 2.5]]
    # Scaled, the front is (0, 1), (0.25, 0.75), (0.5, 0.5), (1, 0); the reference point is (1.1, 1.1).
    whole = 1.1 * 0.1 + 0.85 * 0.25 + 0.6 * 0.25 + 0.1 * 0.5
    assert landscape.relative_hypervolume(np.array([1, 2])) == pytest.approx(100 * (1.1 * 0.1 + 0.1 * 1.0) / whole)
    assert landscape.relative_hypervolume(landscape.exact) == 100
    assert landscape.relative_hypervolume(np.array([3])) == pytest.approx(100 * 0.85 * 0.35 / whole)


def test_more_may_be_better_and_values_may_be_missing(table: Table) -> None:
    landscape = Landscape.of(table, "cifar10", ("speed",))
    assert landscape.exact.tolist() == [1, 3]  # the third is not measured
    assert landscape.costs.tolist()[:2] == [-5, -1]
    (found,) = front_reports(table, [searched(table, "speed", runs=[[(2, 0), (3, 0)]] * 2)])
    assert [front.tolist() for front in found.rows[0].fronts] == [[3], [3]]
    both = Landscape.of(table, "cifar10", ("latency", "speed"))
    assert both.exact.tolist() == [1, 3, 0]


def test_rows_by_hand(report: FrontReport) -> None:
    whole = 1.1 * 0.1 + 0.85 * 0.25 + 0.6 * 0.25 + 0.1 * 0.5
    random, nsga2, other = report.rows
    assert [row.label for row in report.rows] == ["random (budget=100.0)", *["nsga2 (budget=100.0)"] * 2]
    np.testing.assert_allclose(nsga2.finals, 100 - 100 * 0.21 / whole)
    np.testing.assert_allclose(nsga2.regrets(np.array([0.5, 1.0, 2.0]))[0], [100, 100 - 11 / whole, 100 - 21 / whole])
    assert (nsga2.found.tolist(), nsga2.sizes.tolist()) == ([50.0] * 6, [2] * 6)
    np.testing.assert_allclose(random.finals, [100 - 100 * 0.6 * 0.6 / whole, 100 - 100 * 0.85 * 0.35 / whole])
    assert other.reached.runs == 1
    assert len(report.comparisons) == 3


def test_other_objectives_may_be_asked_for(table: Table) -> None:
    random, nsga2 = held_out.experiment(table, [[(0, 0)]] * 2), searched(table, "latency")
    assert not front_reports(table, [random])
    (found,) = front_reports(table, [random, nsga2], [("speed",)])
    assert [row.experiment.algorithm for row in found.rows] == ["random"]
    both = front_reports(table, [random, nsga2, searched(table, "speed")])
    assert [(one.landscape.objectives, len(one.rows)) for one in both] == [(("latency",), 2), (("speed",), 2)]
    with pytest.raises(ValueError, match=r"no metric 'energy' of cifar10; table.safetensors has latency, speed"):
        front_reports(table, [random], [("energy",)])


def test_texts(report: FrontReport, table: Table, tmp_path: Path) -> None:
    text = FRONT_FORMATS["markdown"]([[report]])
    whole = 1.1 * 0.1 + 0.85 * 0.25 + 0.6 * 0.25 + 0.1 * 0.5
    regret = 100 - 21 / whole
    assert f"{regret:.2f} ± 0.00" in text
    assert "| exact front " in text
    assert "| points of the exact front | " in text
    assert "valued by their validation accuracy after 200 epochs, mean over all trials" in text
    (row,) = [row for row in csv.DictReader(io.StringIO(FRONT_FORMATS["csv"]([[report]]))) if row["runs"] == "6"]
    assert row["hypervolume_regret_mean"] == f"{regret:.4f}"
    assert (row["objectives"], row["exact_front_points"], row["exact_front_found_mean"]) == ("latency", "4", "50.0000")
    assert r"\toprule" in FRONT_FORMATS["latex"]([[report]])
    page = write_page(tmp_path / "report.html", [], {}, [Fronts([report], {})]).read_text()
    assert f"<h2>Fronts: {table.title}</h2>" in page
    assert "<caption>cifar10, latency: probability" in page


@pytest.mark.parametrize(("dataset", "metric"), [("cifar10", "params"), ("cifar100", "flops")])
def test_the_exact_front_of_the_embedded_table(dataset: str, metric: str) -> None:
    table = Table("nats-topology")
    landscape = Landscape.of(table, dataset, (metric,))
    accuracy = table.mean_accuracy(table.search_key(dataset), "200", "x-valid")
    assert landscape.exact[::-1].tolist() == pareto_front(table.metric(metric, table.search_key(dataset)), accuracy).tolist()
