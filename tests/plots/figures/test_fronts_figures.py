"""Figures of fronts: hypervolume over time, and attainment surfaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from experiments.report import FrontReport, front_reports
from plots.__main__ import front_figures
from plots.figures.fronts import attainment_figure, hypervolume_figure
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 72.0], [80.0, 82.0], [60.0, 62.0], [75.0, 77.0]])
METRICS = {
    "metrics/latency": (np.array([2.0, 3.0, 1.0, 2.5]), {"unit": "ms", "direction": "minimize"}),
    "metrics/speed": (np.array([5.0, 1.0, 7.0, 6.0]), {"unit": "", "direction": "maximize"}),
}


@pytest.fixture
def reports(tmp_path: Path) -> list[FrontReport]:
    """Six runs of random search and three of REA, against latency and against speed."""
    table = held_out.write_table(tmp_path / "table.safetensors", SPACE, ACCURACY, METRICS)
    random = held_out.experiment(table, [[(2, 0), (1, 1), (0, 0)]] * 4 + [[(2, 0)]] * 2, budget=4.0)
    rea = held_out.experiment(table, [[(3, 0)]] * 3, algorithm="rea", budget=4.0)
    return front_reports(table, [random, rea], [("latency",), ("speed",)])


def test_hypervolume_over_time(reports: list[FrontReport]) -> None:
    latency, speed = hypervolume_figure(reports).axes
    assert [axes.get_title() for axes in (latency, speed)] == ["CIFAR-10, latency", "CIFAR-10, speed"]
    mean = next(line for line in latency.lines if str(line.get_label()).startswith("RANDOM, n = 6"))
    expected = 100.0 - reports[0].rows[0].regrets(np.asarray(mean.get_xdata())).mean(axis=0)
    np.testing.assert_allclose(np.asarray(mean.get_ydata()), expected)
    assert "fewer than 5 runs: each by itself" in latency.figure.legends[0].get_title().get_text()


def test_attainment_surfaces(reports: list[FrontReport]) -> None:
    latency, speed = attainment_figure(reports).axes
    assert (latency.get_xlabel(), speed.get_xlabel()) == ("latency [ms]", "−speed")
    assert latency.get_ylabel() == "validation accuracy [%]"
    _, exact, random, rea = latency.lines
    assert exact.get_xydata().tolist() == [[1, 61], [2, 71], [2.5, 76], [3, 81]]
    assert random.get_xydata().tolist() == [[1, 61], [2, 71], [3, 81]]  # attained by four of six
    assert rea.get_xydata().tolist() == [[2.5, 76]]
    assert speed.lines[2].get_xydata().tolist() == [[-7, 61], [-5, 71], [-1, 81]]


def test_surfaces_are_of_one_metric(reports: list[FrontReport]) -> None:
    assert [what for what, _ in front_figures(reports)] == ["hypervolume", "attainment"]


def test_bands_that_would_hide_each_other_are_left_out(reports: list[FrontReport], monkeypatch: pytest.MonkeyPatch) -> None:
    figure = attainment_figure(reports)
    assert len(figure.axes[0].collections) == 2
    assert "bands: by one quarter" in figure.legends[0].get_title().get_text().replace("\n", " ")
    monkeypatch.setattr("plots.figures.fronts.BANDS", 1)
    figure = attainment_figure(reports)
    assert not figure.axes[0].collections
    assert figure.legends[0].get_title().get_text() == "lines: attained by half of the runs"
