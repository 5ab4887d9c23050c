"""Figures of accuracy against cost: a panel for every metric of a table, with its unit and direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.report import make_report
from plots.__main__ import figures_of
from plots.figures.black_box import anytime_figure, correlation_figure, final_figure
from plots.figures.costs import cost_figure, fronts_figure
from plots.figures.groups import Group, groups_of
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 73.0], [80.0, 84.0], [60.0, 66.0], [75.0, 79.0]])
METRICS = {
    "cifar10-valid/200/params": (np.array([1.0, 30.0, 2.0, 400.0]), {}),
    "cifar10-valid/metrics/speed": (np.array([7.0, 6.0, 8.0, 1.0]), {"unit": "images/s", "direction": "maximize"}),
    "metrics/energy": (np.array([5.0, 6.0, np.nan, 4.0]), {"unit": "mJ", "direction": "minimize"}),
    "metrics/unmeasured": (np.full(4, np.nan), {"unit": "ms", "direction": "minimize"}),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return held_out.write_table(tmp_path_factory.mktemp("costs") / "table.safetensors", SPACE, ACCURACY, METRICS)


@pytest.fixture
def group(table: Table) -> Group:
    """Three runs that saw the worse trial of the best architecture, and two that saw the better one of another."""
    runs = held_out.experiment(table, [[(0, 0), (1, 0)]] * 3 + [[(2, 0), (3, 1)]] * 2, budget=2.0)
    (group,) = groups_of(make_report(table, [runs]))
    return group


def test_every_measured_metric_has_a_panel(group: Group) -> None:
    panels = fronts_figure(group).axes
    assert [axes.get_xlabel() for axes in panels] == ["parameters [10⁶]", "speed [images/s], more is better", "energy [mJ]"]
    assert [axes.get_xscale() for axes in panels] == ["log", "linear", "linear"]
    assert panels[0].get_ylabel() == "accuracy of held-out trials [%]"


def test_the_front_goes_from_the_best_cost(group: Group) -> None:
    params, speed, energy = (axes.lines[1].get_xydata() for axes in fronts_figure(group).axes)
    assert params.tolist() == [[1.0, 71.5], [30.0, 82.0]]
    assert speed.tolist() == [[8.0, 63.0], [7.0, 71.5], [6.0, 82.0]]
    assert energy.tolist() == [[4.0, 77.0], [6.0, 82.0]]


def test_chosen_architectures_are_drawn_at_their_held_out_trials(group: Group) -> None:
    axes, *_ = cost_figure(group, "params").axes
    twice, thrice = axes.lines[2:]
    assert twice.get_xydata().tolist() == [[400.0, 75.0]]
    assert thrice.get_xydata().tolist() == [[30.0, 84.0]]
    assert axes.get_ylim()[1] > 84.0  # above the best mean of the space


def test_a_search_is_drawn_at_the_medians_of_what_its_runs_chose(group: Group) -> None:
    axes, *_ = fronts_figure(group).axes
    across, up, marker = axes.lines[2:]
    assert across.get_xydata().tolist() == [[30.0, 84.0], [400.0, 84.0]]
    assert up.get_xydata().tolist() == [[30.0, 75.0], [30.0, 84.0]]
    assert marker.get_xydata().tolist() == [[30.0, 84.0]]
    assert axes.get_ylim()[1] > 84.0
    legend = axes.figure.legends[0]
    assert legend.get_texts()[0].get_text() == "the 4 architectures (mean over all trials)"
    assert legend.get_title().get_text().replace("\n", " ") == (
        "markers: medians of the architectures chosen, lines between their quartiles"
    )


def test_searches_far_below_are_named_and_do_not_stretch_the_axis(table: Table) -> None:
    good = [held_out.experiment(table, [[(1, 0)]] * 5, algorithm=name) for name in ("random", "mine", "other")]
    poor = held_out.experiment(table, [[(2, 0)]] * 5, algorithm="poor")
    (group,) = groups_of(make_report(table, [*good, poor]))
    figure = fronts_figure(group)
    assert figure.axes[0].get_ylim()[0] > 66.0
    assert figure.legends[0].get_title().get_text().replace("\n", " ").endswith("below the axis: poor: 66.00")


def test_figures_follow_the_metrics_of_the_table(group: Group, table: Table, tmp_path: Path) -> None:
    names = dict(figures_of(make_report(table, [group.black_box[0].experiment]), tmp_path))
    assert list(names) == ["anytime", "final", "profiles", "cifar10-params", "cifar10-fronts", "correlation"]
    bare = held_out.write_table(tmp_path / "bare.safetensors", SPACE, ACCURACY)
    runs = held_out.experiment(bare, [[(1, 0)]] * 2)
    assert list(dict(figures_of(make_report(bare, [runs]), tmp_path))) == ["anytime", "final", "correlation"]


def test_a_metric_of_poor_architectures_alone_is_drawn(tmp_path: Path) -> None:
    metrics = {"metrics/params": (np.array([np.nan, np.nan, 3.0, np.nan]), {"unit": "kB", "direction": "minimize"})}
    table = held_out.write_table(tmp_path / "table.safetensors", SPACE, ACCURACY, metrics)
    (group,) = groups_of(make_report(table, [held_out.experiment(table, [[(1, 0)]] * 2)]))
    (axes,) = fronts_figure(group).axes
    assert axes.get_xlim() == (2.5, 3.5)
    assert axes.get_xlabel() == "params [kB]"


def test_axes_name_held_out_trials(group: Group, table: Table) -> None:
    assert anytime_figure([group]).axes[0].get_ylabel() == "accuracy of held-out trials of the incumbent [%]"
    (axes,) = final_figure([group]).axes
    assert axes.get_xlabel() == "final accuracy of held-out trials [%]"
    assert axes.get_xlim()[1] > 84.0 > group.report.optimum[1]
    labels = [label.get_text() for label in correlation_figure(table).axes[0].get_yticklabels()]
    assert labels == [
        "CIFAR-10, 12 ep., valid",
        "CIFAR-10, 200 ep., valid",
        "CIFAR-100, 12 ep., valid",
        "CIFAR-100, 200 ep., valid",
    ]


def test_curves_are_of_the_trials_that_the_runs_did_not_see(group: Group) -> None:
    mean, *_ = anytime_figure([group]).axes[0].lines
    assert mean.get_ydata()[[0, -1]] == pytest.approx([(3 * 73.0 + 2 * 66.0) / 5, (3 * 84.0 + 2 * 75.0) / 5])
