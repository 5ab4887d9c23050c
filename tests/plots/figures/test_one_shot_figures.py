"""What the figures of one-shot searches show, read back from the axes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import plots.__main__
from benchmark_api.spaces import OPERATIONS
from benchmark_api.tables.table import Table
from experiments.__main__ import main
from experiments.report import Report, make_report
from experiments.store import ONE_SHOT_RUNS, RANKINGS, load
from plots.__main__ import draw
from plots.figures.black_box import final_figure
from plots.figures.costs import cost_figure
from plots.figures.groups import Group, groups_of
from plots.figures.one_shot import (
    cells_figure,
    epochs_figure,
    one_shot_figures,
    operations_figure,
    weights_figure,
)
from plots.files import Writer
from plots.panels.style import RC, style_of
from tests.helpers.synthetic import condition, store_ranking, store_runs

ALL_SKIP, LARGEST = 1835, 1462


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
def report(results: Path, digits_table: Table) -> Report:
    return make_report(digits_table, [*load(results), *load(results, ONE_SHOT_RUNS)])


@pytest.fixture(scope="module")
def group(report: Report) -> Group:
    (group,) = groups_of(report)
    return group


def test_one_shot_entries_follow_the_others(group: Group) -> None:
    assert [entry.name for entry in group.black_box] == ["RANDOM"]
    assert [(entry.name, entry.style) for entry in group.one_shot] == [
        ("RSPS", style_of("rsps")),
        ("RSPS, batch 48", style_of("rsps", 1)),
        ("GDAS", style_of("gdas")),
    ]
    assert [entry.experiment.algorithm for entry in group.entries] == ["random", "rsps", "rsps", "gdas"]


def test_a_dataset_with_one_shot_runs_alone_is_a_group(results: Path, digits_table: Table) -> None:
    (group,) = groups_of(make_report(digits_table, load(results, ONE_SHOT_RUNS)))
    assert (group.slug, group.black_box, len(group.one_shot)) == ("digits", [], 3)


def test_panels_show_what_the_table_says(digits_table: Table, group: Group) -> None:
    figure = epochs_figure(group)
    gdas = figure.axes[2]
    assert gdas.get_title() == "GDAS, n = 3"
    runs = [line.get_ydata() for line in gdas.lines if len(line.get_xdata()) == 3]
    expected = digits_table.accuracy(np.array([[1, 2, ALL_SKIP], [3, 4, LARGEST], [5, 6, 7]]), "digits", "3", "x-test")
    np.testing.assert_allclose(runs, expected)
    best = digits_table.best("digits", "3", "x-test")[1]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[0] == f"optimum {best:.2f}"
    assert names[2].startswith("RANDOM")
    assert [axes.get_xlim() for axes in figure.axes] == [(0.5, 2.5), (0.5, 2.5), (0.5, 3.5)]  # as long as each search
    low, high = gdas.get_ylim()
    assert low < min(run[1:].min() for run in runs)
    assert low < group.report.average[1] < best < high
    operations = operations_figure(group)
    last = [container[-1].get_height() for container in operations.axes[2].containers]
    assert sum(last) == 6
    assert last[OPERATIONS.index("skip_connect")] >= 2  # one of three runs has nothing else


@pytest.mark.parametrize("draw_figure", [epochs_figure, operations_figure, cells_figure])
def test_long_titles_of_panels_do_not_meet(group: Group, draw_figure: Callable[[Group], Figure]) -> None:
    """They are as wide as their panels, and are broken between settings."""
    long = [replace(entry, name="GDAS, batch 64, epochs 200, learning rate 0.0025, stack 16") for entry in group.one_shot]
    with matplotlib.rc_context(RC):
        figure = draw_figure(replace(group, one_shot=long))
        FigureCanvasAgg(figure).draw()
        titles = [axes.title for axes in figure.axes if axes.axison or axes.get_title()]
        assert all(",\n" in title.get_text() for title in titles)
        assert not any("64,\n200" in title.get_text() or "rate\n" in title.get_text() for title in titles)
        boxes = [title.get_window_extent() for title in titles]
    assert len(boxes) >= 3
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.width for box in boxes)


def test_found_cells_are_drawn_run_by_run(digits_table: Table, group: Group) -> None:
    figure = cells_figure(group)
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 9
    assert titles[3:6] == ["RSPS, batch 48, seed 777\n9: " + f"{digits_table.accuracy(9, 'digits', '3', 'x-test'):.2f} %", "", ""]
    assert titles[6].startswith(f"GDAS, seed 777\n{ALL_SKIP}: ")
    assert titles[7].startswith(f"GDAS, seed 888\n{LARGEST}: ")


def test_weights_and_rankings(digits_table: Table, group: Group, results: Path) -> None:
    weights = weights_figure(group)
    gdas = group.one_shot[2].experiment
    shown = weights.axes[2].images[0].get_array()
    np.testing.assert_allclose(shown, gdas.columns["arch_weights"][[2, 5, 8]].reshape(3, 6, 5).mean(axis=0))
    assert [label.get_text() for label in weights.axes[2].get_yticklabels()][:2] == ["1 ← 0", "2 ← 0"]
    (axes,) = dict(one_shot_figures(group, load(results, RANKINGS)))["ranking"].axes
    test = digits_table.accuracy(np.array([10, 20, 30, 40]), "digits", "3", "x-test")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), test)
    assert axes.get_title() == "GDAS, seed 777"


def test_every_figure_carries_the_notice(digits_table: Table, group: Group, results: Path) -> None:
    figures = dict(one_shot_figures(group, load(results, RANKINGS)))
    assert list(figures) == ["epochs", "weights", "operations", "cells", "ranking", "ranking-measures"]
    assert list(dict(one_shot_figures(group, []))) == ["epochs", "weights", "operations", "cells"]
    for figure in (*figures.values(), final_figure([group]), cost_figure(group, "flops")):
        assert digits_table.notice in figure.get_suptitle()


def test_figures_of_runs_on_unofficial_images_say_so(digits_table: Table, tmp_path: Path) -> None:
    gdas = condition(digits_table, "digits", "gdas")
    other = replace(gdas, setting=json.dumps({**json.loads(gdas.setting), "unofficial_images": "0123"}))
    store_runs(tmp_path, digits_table, other, [[1, LARGEST]])
    store_ranking(tmp_path, digits_table, other, [10, 20, 30], [1.0, 2.0, 3.0])
    (group,) = groups_of(make_report(digits_table, load(tmp_path, ONE_SHOT_RUNS)))
    assert group.one_shot[0].name == "GDAS, images unofficial"
    figures = dict(one_shot_figures(group, load(tmp_path, RANKINGS)))
    assert len(figures) == 6
    for figure in (*figures.values(), final_figure([group]), cost_figure(group, "flops")):
        said = " ".join(figure.get_suptitle().split())
        assert said.endswith(f"{digits_table.notice}; one-shot searches trained on unofficial images")


def test_one_shot_runs_have_a_row_among_the_final_ones(digits_table: Table, group: Group) -> None:
    figure = final_figure([group])
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows[1:] == ["RSPS, n = 1", "RSPS, batch 48, n = 1", "GDAS, n = 3"]


def test_draw_saves_them(digits_table: Table, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer, "save", lambda self, figure, stem, kinds: [stem])  # drawing is slow, and tested above
    monkeypatch.setattr(Writer, "pictures", lambda self, files: dict.fromkeys(files))
    monkeypatch.setattr(plots.__main__, "write_page", lambda path, *_: path)  # has tests of its own
    page, *paths = draw(results, tmp_path)
    assert page == results / "report.html"
    files = [path.name for path in paths]
    one_shot = [f"digits-{what}" for what in ("epochs", "weights", "operations", "cells", "ranking", "ranking-measures")]
    others = ["anytime", "final", "profiles", "digits-flops", "digits-fronts", "correlation"]
    assert files == [f"{digits_table.path.stem}-{what}" for what in (*others, *one_shot)]


def test_one_shot_runs_alone_are_drawn(digits_table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[1, LARGEST]])
    monkeypatch.setattr(Writer, "save", lambda self, figure, stem, kinds: [stem])
    monkeypatch.setattr(Writer, "pictures", lambda self, files: dict.fromkeys(files))
    monkeypatch.setattr(plots.__main__, "write_page", lambda path, *_: path)
    files = [path.name for path in draw(tmp_path, tmp_path)]
    assert files[:3] == ["report.html", "digits-final", "digits-digits-flops"]
