"""What the figures of one-shot searches show, read back from the axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import plots.__main__
from benchmark_api.spaces import OPERATIONS, TopologySpace
from benchmark_api.tables.table import Table
from experiments.__main__ import main
from experiments.analysis import MIN_RUNS, bootstrap_mean_interval
from experiments.store import ONE_SHOT_RUNS, RANKINGS, load
from plots.__main__ import draw
from plots.figures.black_box import Cell, cells, cost_figure, final_figure
from plots.figures.one_shot import (
    cells_figure,
    epochs_figure,
    one_shot_figures,
    operations_figure,
    ranking_figure,
    weights_figure,
)
from plots.panels.epochs import Reference, plot_epochs
from plots.panels.inherited import plot_inherited
from plots.panels.operations import plot_operations
from plots.panels.style import Series, style_of
from plots.panels.weights import plot_weights
from tests.helpers.synthetic import condition, store_ranking, store_runs

ALL_SKIP, LARGEST = 1835, 1462


@pytest.fixture
def axes() -> Axes:
    axes = Figure().subplots()
    assert isinstance(axes, Axes)
    return axes


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# -- axes ----------------------------------------------------------------------------------------------------------------------


def test_few_runs_are_drawn_one_by_one(axes: Axes) -> None:
    values = np.array([[10.0, 20.0, 30.0], [15.0, 25.0, 20.0]])
    plot_epochs(axes, Series("gdas", style_of("gdas"), values), [Reference("optimum", 90.0, "black", "-")])
    assert not axes.collections
    runs = [line for line in axes.lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal([line.get_ydata() for line in runs], values)
    np.testing.assert_array_equal(runs[0].get_xdata(), [1, 2, 3])
    assert axes.lines[-1].get_ydata() == [90.0, 90.0]
    assert axes.get_xlim() == (0.5, 3.5)


def test_many_runs_have_a_mean_and_its_interval(axes: Axes) -> None:
    values = np.random.default_rng(0).normal(90.0, 1.0, (MIN_RUNS, 4))
    plot_epochs(axes, Series("gdas", style_of("gdas"), values), [])
    (mean,) = axes.lines
    np.testing.assert_allclose(mean.get_ydata(), values.mean(axis=0))
    (band,) = axes.collections
    drawn = band.get_paths()[0].vertices[:, 1]
    for bound in bootstrap_mean_interval(values):
        assert np.isin(bound, drawn).all()


def test_operations_are_stacked(axes: Axes) -> None:
    counts = np.array([[[6, 0, 0, 0, 0], [0, 0, 0, 6, 0]], [[0, 6, 0, 0, 0], [0, 0, 0, 6, 0]]])  # [run, epoch, operation]
    plot_operations(axes, counts, TopologySpace.operation_colors)
    bars = dict(zip(OPERATIONS, axes.containers, strict=True))
    assert [bar.get_height() for bar in bars["none"]] == [3, 0]
    assert [(bar.get_y(), bar.get_height()) for bar in bars["skip_connect"]] == [(3, 3), (0, 0)]
    assert [(bar.get_y(), bar.get_height()) for bar in bars["nor_conv_3x3"]] == [(6, 0), (0, 6)]
    assert to_hex(bars["skip_connect"][0].get_facecolor()) == TopologySpace.operation_colors["skip_connect"]


def test_weights_are_the_mean_and_choices_are_marked(axes: Axes) -> None:
    weights = np.array([[[0.5, 0.5], [0.9, 0.1]], [[0.3, 0.7], [0.7, 0.3]]])  # [run, decision, choice]
    plot_weights(axes, weights, np.array([[0, 0], [1, 0]]), ["a", "b"], ["x", "y"])
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.4, 0.6], [0.8, 0.2]])
    assert texts(axes) == ["0.40", "•", "0.60", "•", "0.80", "••", "0.20"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_the_correlation_stands_beside_the_points(axes: Axes) -> None:
    plot_inherited(axes, np.array([1.0, 2.0]), np.array([3.0, 4.0]), style_of("rsps"), 0.25, 0.5)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 3], [2, 4]])
    assert texts(axes) == ["τ = 0.25, ρ = 0.50"]


# -- whole figures -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results(digits_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random search, GDAS with three runs and a ranking, and two configurations of RSPS, which has no weights to show."""
    folder = tmp_path_factory.mktemp("results")
    common = ["--table", digits_table.path, "--results", folder, "--dataset", "digits", "--budget", 200, "--jobs", 1]
    assert main(["run", "random", *map(str, common), "--seeds", "6"]) == 0
    gdas = condition(digits_table, "digits", "gdas")
    store_runs(folder, digits_table, gdas, [[1, 2, ALL_SKIP], [3, 4, LARGEST], [5, 6, 7]])
    store_ranking(folder, digits_table, gdas, [10, 20, 30, 40], [1.0, 2.0, 3.0, 4.0])
    store_runs(folder, digits_table, condition(digits_table, "digits", "rsps", batch=48), [[8, 9]])
    store_runs(folder, digits_table, condition(digits_table, "digits", "rsps"), [[8, 10]])
    return folder


@pytest.fixture(scope="module")
def cell(results: Path) -> Cell:
    (cell,) = cells(load(results), load(results, ONE_SHOT_RUNS))
    return cell


def test_one_shot_entries_stand_beside_the_others(cell: Cell) -> None:
    assert [entry.name for entry in cell.entries] == ["RANDOM"]
    assert [(entry.name, entry.style) for entry in cell.one_shot] == [
        ("RSPS", style_of("rsps")),
        ("RSPS, batch 48", style_of("rsps", 1)),
        ("GDAS", style_of("gdas")),
    ]
    assert [entry.experiment.algorithm for entry in cell.all_entries] == ["random", "rsps", "rsps", "gdas"]


def test_a_dataset_with_one_shot_runs_alone_is_a_cell(results: Path) -> None:
    (cell,) = cells([], load(results, ONE_SHOT_RUNS))
    assert (cell.dataset, cell.entries, len(cell.one_shot)) == ("digits", (), 3)


def test_panels_show_what_the_table_says(digits_table: Table, cell: Cell) -> None:
    figure = epochs_figure(digits_table, cell)
    gdas = figure.axes[2]
    assert gdas.get_title() == "GDAS, n = 3"
    runs = [line.get_ydata() for line in gdas.lines if len(line.get_xdata()) == 3]
    expected = digits_table.accuracy(np.array([[1, 2, ALL_SKIP], [3, 4, LARGEST], [5, 6, 7]]), "digits", "3", "x-test")
    np.testing.assert_allclose(runs, expected)
    best = digits_table.best("digits", "3", "x-test")[1]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0] == f"optimum {best:.2f}"
    assert names[2].startswith("RANDOM")
    assert gdas.get_xlim() == (0.5, 3.5)  # the longest search's
    operations = operations_figure(digits_table, cell)
    last = [container[-1].get_height() for container in operations.axes[2].containers]
    assert sum(last) == 6
    assert last[OPERATIONS.index("skip_connect")] >= 2  # one of three runs has nothing else


def test_found_cells_are_drawn_run_by_run(digits_table: Table, cell: Cell) -> None:
    figure = cells_figure(digits_table, cell)
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 9
    assert titles[3:6] == ["RSPS, batch 48, seed 777\n9: " + f"{digits_table.accuracy(9, 'digits', '3', 'x-test'):.2f} %", "", ""]
    assert titles[6].startswith(f"GDAS, seed 777\n{ALL_SKIP}: ")
    assert titles[7].startswith(f"GDAS, seed 888\n{LARGEST}: ")


def test_weights_and_rankings(digits_table: Table, cell: Cell, results: Path) -> None:
    weights = weights_figure(digits_table, cell)
    gdas = cell.one_shot[2].experiment
    shown = weights.axes[2].images[0].get_array()
    np.testing.assert_allclose(shown, gdas.arch_weights[[2, 5, 8]].reshape(3, 6, 5).mean(axis=0))
    assert digits_table.space.decision_names[:2] == ("1 ← 0", "2 ← 0")
    figure = ranking_figure(digits_table, cell, load(results, RANKINGS))
    (axes,) = figure.axes
    test = digits_table.accuracy(np.array([10, 20, 30, 40]), "digits", "3", "x-test")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), test)
    assert axes.get_title() == "GDAS, seed 777"


def test_every_figure_carries_the_notice(digits_table: Table, cell: Cell, results: Path) -> None:
    figures = one_shot_figures(digits_table, cell, load(results, RANKINGS))
    assert list(figures) == ["epochs", "weights", "operations", "cells", "ranking"]
    assert list(one_shot_figures(digits_table, cell, [])) == ["epochs", "weights", "operations", "cells"]
    for figure in (*figures.values(), final_figure(digits_table, [cell]), cost_figure(digits_table, cell, "flops")):
        assert digits_table.notice in figure.get_suptitle()


def test_one_shot_runs_have_a_row_among_the_final_ones(digits_table: Table, cell: Cell) -> None:
    figure = final_figure(digits_table, [cell])
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows[1:] == ["RSPS, n = 1", "RSPS, batch 48, n = 1", "GDAS, n = 3"]


def test_draw_saves_them(digits_table: Table, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots.__main__, "save", lambda figure, stem: [stem])  # drawing is slow, and tested above
    monkeypatch.setattr(plots.__main__, "write_page", lambda path, *_: path)  # has tests of its own
    page, *paths = draw(results, tmp_path)
    assert page == results / "report.html"
    files = [path.name for path in paths]
    one_shot = [f"digits-{what}" for what in ("epochs", "weights", "operations", "cells", "ranking")]
    others = ["anytime", "final", "digits-flops", "digits-params", "correlation"]
    assert files == [f"{digits_table.path.stem}-{what}" for what in (*others, *one_shot)]


def test_one_shot_runs_alone_are_drawn(digits_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[1, LARGEST]])
    monkeypatch.setattr(plots.__main__, "save", lambda figure, stem: [stem])
    monkeypatch.setattr(plots.__main__, "write_page", lambda path, *_: path)
    files = [path.name for path in draw(tmp_path, tmp_path)]
    assert files[:3] == ["report.html", "digits-final", "digits-digits-flops"]
