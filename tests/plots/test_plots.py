"""What the figures show, read back from the axes, and that whole figures are made from a store and repeat byte for byte."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from benchmark_api.jobs.engines import carry_out
from benchmark_api.tables.table import Table
from experiments.analysis import MIN_RUNS, bootstrap_mean_interval
from experiments.runs.black_box import condition_of, plan
from experiments.settings import RunSettings
from experiments.store import Experiment, load
from plots.__main__ import draw, main
from plots.figures.black_box import anytime_figure, cells, correlation_figure, cost_figure, final_figure
from plots.panels.anytime import plot_anytime
from plots.panels.correlation import plot_correlations, rank_correlations
from plots.panels.cost import pareto_front, plot_cost
from plots.panels.final import plot_final
from plots.panels.style import AlgorithmStyle, Series, save, style_of

NAN = float("nan")


@pytest.fixture
def axes() -> Axes:
    axes = Figure().subplots()
    assert isinstance(axes, Axes)
    return axes


def series(values: object, algorithm: str = "rea") -> Series:
    return Series(algorithm, style_of(algorithm), np.asarray(values))


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


# -- style -----------------------------------------------------------------------------------------------------------------


def test_registered_algorithms_look_different() -> None:
    names = [*BLACK_BOX, *ONE_SHOT]
    looks = {(style_of(name).color, str(style_of(name).linestyle)) for name in names}
    assert len(looks) == len(names)
    for space in ("topology", "size"):
        searches = [name for name, search in ONE_SHOT.items() if search.space == space]
        assert len({style_of(name).color for name in searches}) == len(searches)


def test_unknown_algorithm_has_the_same_free_style_in_every_process() -> None:
    assert style_of("my-search") == AlgorithmStyle("#56b4e9", (0, (6, 1.6, 1.2, 1.6)), "X")
    known = {(style_of(name).color, str(style_of(name).linestyle)) for name in [*BLACK_BOX, *ONE_SHOT]}
    for i in range(50):
        style = style_of(f"search-{i}")
        assert (style.color, str(style.linestyle)) not in known


def test_variants_share_the_colour_only() -> None:
    variants = [style_of("rea", variant) for variant in range(4)]
    assert len({style.color for style in variants}) == 1
    assert len({str(style.linestyle) for style in variants}) == 4
    assert len({style.marker for style in variants}) == 4


# -- anytime ---------------------------------------------------------------------------------------------------------------


def test_anytime_draws_the_mean_as_right_continuous_steps(axes: Axes) -> None:
    times = np.array([10.0, 20.0, 30.0, 40.0])
    values = np.array([[NAN, 80, 90, 90], [70, 70, 90, 92], [NAN, 60, 80, 88], [60, 70, 70, 90], [60, 60, 70, NAN]])
    plot_anytime(axes, times, [series(values)], optimum=95.0)
    mean, optimum = axes.lines
    assert mean.get_drawstyle() == "steps-post"
    np.testing.assert_array_equal(mean.get_xdata(), times)
    np.testing.assert_allclose(mean.get_ydata(), [NAN, 68, 80, NAN])  # only where all five runs have a value
    assert set(optimum.get_ydata()) == {95.0}
    assert texts(axes) == ["optimum 95.00"]
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == (10.0, 40.0)


def test_anytime_band_is_the_bootstrap_interval(axes: Axes) -> None:
    times = np.array([1.0, 2.0, 3.0])
    values = np.random.default_rng(0).normal(90.0, 1.0, (MIN_RUNS, 3))
    plot_anytime(axes, times, [series(values)])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    low, high = bootstrap_mean_interval(values)
    for i, time in enumerate(times):
        at_time = corners[corners[:, 0] == time, 1]
        assert low[i] in at_time
        assert high[i] in at_time
    assert to_hex(band.get_facecolor()[0]) == style_of("rea").color


def test_anytime_draws_few_runs_one_by_one_without_a_band(axes: Axes) -> None:
    times = np.array([1.0, 2.0, 3.0])
    values = np.array([[NAN, 80.0, 85.0], [70.0, 75.0, 85.5], [60.0, 65.0, NAN], [90.0, 90.0, 91.0]])
    assert len(values) == MIN_RUNS - 1
    plot_anytime(axes, times, [series(values)])
    assert not axes.collections
    runs = [line for line in axes.lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal([line.get_ydata() for line in runs], values)
    assert [line.get_label() for line in runs].count("rea") == 1
    ends = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 1]
    assert ends == [(3.0, 85.0), (3.0, 85.5), (2.0, 65.0), (3.0, 91.0)]


def test_anytime_accuracy_axis_leaves_out_the_first_seconds(axes: Axes) -> None:
    times = np.linspace(1.0, 101.0, 201)
    curve = np.where(times < 3.0, 10.0, 90.0 + times / 50.0)
    plot_anytime(axes, times, [series(np.tile(curve, (MIN_RUNS, 1)))], optimum=94.0)
    bottom, top = axes.get_ylim()
    assert 89.0 < bottom < 90.1
    assert 94.0 < top < 95.0


# -- final -----------------------------------------------------------------------------------------------------------------


def test_final_shows_every_run_the_quartiles_and_the_mean(axes: Axes) -> None:
    values = np.array([92.0, 93.0, 93.0, 93.5, 94.0])
    plot_final(axes, [series(values), series([93.2, 93.9], "random")], optimum=94.5, mean_of_space=80.0)
    points = [collection.get_offsets() for collection in axes.collections if len(collection.get_offsets()) > 1]
    np.testing.assert_array_equal(points[0][:, 0], values)
    np.testing.assert_array_equal(points[1][:, 0], [93.2, 93.9])
    assert np.ptp(points[0][1:3, 1]) > 0  # equal values do not hide each other
    (bar,) = axes.patches  # none for the two runs of random
    assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx((93.0, 93.5))
    means = [line for line in axes.lines if line.get_marker() == "D"]
    assert [float(line.get_xdata()[0]) for line in means] == pytest.approx([values.mean()])
    assert {"optimum 94.50", "◂ space mean 80.00"} == set(texts(axes))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["rea", "random"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top


def test_final_counts_runs_that_would_stretch_the_axis(axes: Axes) -> None:
    values = np.concatenate([np.linspace(93.0, 94.0, 50), [10.0, 20.0]])
    plot_final(axes, [series(values)], optimum=94.3, mean_of_space=92.9)
    low, _ = axes.get_xlim()
    assert 90.0 < low < 92.9
    assert set(texts(axes)) == {"◂ 2 below", "optimum 94.30", "space mean 92.90"}


def test_final_survives_runs_that_all_end_alike(axes: Axes) -> None:
    plot_final(axes, [series(np.full(20, 94.0))], optimum=94.0)
    low, high = axes.get_xlim()
    assert low < 94.0 < high


# -- cost ------------------------------------------------------------------------------------------------------------------


def test_pareto_front_by_hand() -> None:
    cost = np.array([1.0, 1.0, 2.0, 2.0, 3.0, NAN, 0.5, 4.0, 1.0])
    accuracy = np.array([50.0, 60.0, 60.0, 70.0, 65.0, 99.0, NAN, 70.0, 60.0])
    assert pareto_front(cost, accuracy).tolist() == [1, 3]


def test_pareto_front_is_what_nothing_dominates() -> None:
    rng = np.random.default_rng(0)
    cost, accuracy = rng.integers(0, 12, (2, 60)).astype(float)
    dominated = [
        any((c <= cost[i] and a > accuracy[i]) or (c < cost[i] and a >= accuracy[i]) for c, a in zip(cost, accuracy, strict=True))
        for i in range(60)
    ]
    front = pareto_front(cost, accuracy)
    expected = {(cost[i], accuracy[i]) for i in range(60) if not dominated[i]}
    assert {(cost[i], accuracy[i]) for i in front} == expected
    assert len(front) == len(expected)
    assert (np.diff(cost[front]) > 0).all()


def test_cost_marks_what_was_found(axes: Axes) -> None:
    cost = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    accuracy = np.array([10.0, 60.0, 50.0, 70.0, 65.0])
    plot_cost(axes, cost, accuracy, series([3, 1, 3, 3, 0]))
    space, front, once, thrice = axes.lines
    np.testing.assert_array_equal(space.get_xydata(), np.column_stack([cost, accuracy]))
    np.testing.assert_array_equal(front.get_xydata(), [[1, 10], [2, 60], [4, 70]])
    np.testing.assert_array_equal(once.get_xydata(), [[1, 10], [2, 60]])
    np.testing.assert_array_equal(thrice.get_xydata(), [[4, 70]])
    assert once.get_markersize() < thrice.get_markersize()
    assert to_hex(once.get_color()) == to_hex(thrice.get_color()) == style_of("rea").color
    assert axes.get_ylim()[0] == 60.0
    assert texts(axes) == ["▾ 1 below"]


# -- correlation -----------------------------------------------------------------------------------------------------------


def test_rank_correlations_by_hand() -> None:
    accuracies = np.array(
        [
            [1.0, 2.0, 3.0, 4.0, NAN],
            [1.0, 3.0, 2.0, 4.0, 0.0],
            [9.0, 7.0, 5.0, NAN, 1.0],
            [5.0, 5.0, 5.0, 5.0, 5.0],
        ]
    )
    correlations = rank_correlations(accuracies)
    assert correlations[1, 0] == pytest.approx(0.8)  # 1 - 6·2 / (4·15)
    assert correlations[0, 1] == pytest.approx(4 / 6)  # five pairs in order, one not
    assert correlations[2, 0] == pytest.approx(-1.0)
    assert correlations[0, 2] == pytest.approx(-1.0)
    assert np.isnan(np.diag(correlations)).all()
    assert np.isnan(correlations[3]).all()  # all tied
    assert np.isnan(correlations[:, 3]).all()


def test_correlations_are_written_into_the_cells(axes: Axes) -> None:
    plot_correlations(axes, np.array([[NAN, 0.5], [-0.25, NAN]]), ["a", "b"])
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((1, 0), "0.500"), ((0, 1), "-0.250")}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]


# -- whole figures ---------------------------------------------------------------------------------------------------------


def store_runs(
    table: Table, results: Path, algorithm: str, runs: int, *, budget: float = 2000.0, **hyperparameters: object
) -> None:
    search = BLACK_BOX[algorithm]
    config = search.Config(**hyperparameters)
    condition = condition_of(search, config, table, RunSettings.of(table, "cifar10", budget=budget))
    assert not carry_out(plan(condition, table, results, range(runs)), jobs=1)


@pytest.fixture(scope="module")
def results(size_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    store_runs(size_table, folder, "rea", 3, population_size=4)
    store_runs(size_table, folder, "random", MIN_RUNS)
    return folder


@pytest.fixture(scope="module")
def experiments(results: Path) -> list[Experiment]:
    return load(results)


def test_cells_give_names_and_styles(size_table: Table, tmp_path: Path) -> None:
    for budget in (1000.0, 2000.0):
        store_runs(size_table, tmp_path, "rea", 2, budget=budget)
        store_runs(size_table, tmp_path, "rea", 2, budget=budget, population_size=4)
        store_runs(size_table, tmp_path, "random", 2, budget=budget)
    first, second = cells(load(tmp_path))
    assert (first.dataset, first.title, first.slug) == ("cifar10", "CIFAR-10, 12 epochs, 1,000 s", "cifar10-12-1000")
    rea = BLACK_BOX["rea"].title
    for cell in (first, second):
        assert [(entry.name, entry.style) for entry in cell.entries] == [
            (BLACK_BOX["random"].title, style_of("random")),
            (rea, style_of("rea")),
            (f"{rea}, population size 4", style_of("rea", 1)),
        ]


def test_an_algorithm_that_is_not_registered_here_is_drawn_under_its_name(experiments: list[Experiment]) -> None:
    foreign = dataclasses.replace(experiments[0], algorithm="somebody-elses")
    (cell,) = cells([*experiments, foreign])
    names = [BLACK_BOX["random"].title, f"{BLACK_BOX['rea'].title}, population size 4", "somebody-elses"]
    assert [entry.name for entry in cell.entries] == names


def test_every_figure_carries_the_notice_of_its_table(size_table: Table, experiments: list[Experiment]) -> None:
    assert size_table.notice
    found = cells(experiments)
    figures = [
        anytime_figure(size_table, found),
        final_figure(size_table, found),
        cost_figure(size_table, found[0], "flops"),
        cost_figure(size_table, found[0], "params"),
        correlation_figure(size_table),
    ]
    for figure in figures:
        title = figure.get_suptitle()
        assert title.startswith("Size space: ")
        assert size_table.notice in title


def test_legend_says_how_many_runs_and_which_interval(size_table: Table, experiments: list[Experiment]) -> None:
    figure = anytime_figure(size_table, cells(experiments))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{BLACK_BOX['random'].title}, n = {MIN_RUNS}",
        f"{BLACK_BOX['rea'].title}, population size 4, n = 3",
    ]
    how = legend.get_title().get_text().replace("\n", " ")
    assert "95 % bootstrap interval of the mean" in how
    assert f"fewer than {MIN_RUNS} runs: each by itself" in how


def test_optimum_is_the_best_reported_test_accuracy(size_table: Table, experiments: list[Experiment]) -> None:
    _, best = size_table.best("cifar10", "90", "ori-test")
    for figure in (anytime_figure(size_table, cells(experiments)), final_figure(size_table, cells(experiments))):
        assert f"optimum {best:.2f}" in texts(figure.axes[0])


def test_draw_makes_the_same_files_twice(size_table: Table, results: Path, tmp_path: Path) -> None:
    settings = dict(matplotlib.rcParams)
    page, *files = draw(results, tmp_path / "a", [size_table.path])
    assert dict(matplotlib.rcParams) == settings
    assert [path.name for path in files] == [
        f"{size_table.path.stem}-{figure}.{extension}"
        for figure in ("anytime", "final", "cifar10-flops", "cifar10-params", "correlation")
        for extension in ("png", "pdf")
    ]
    text = page.read_bytes()
    page_again, *again = draw(results, tmp_path / "b")  # finds the table where the runs were made
    assert page_again == page
    assert page.read_bytes() == text
    for first, second in zip(files, again, strict=True):
        content = first.read_bytes()
        assert content.startswith(b"\x89PNG" if first.suffix == ".png" else b"%PDF")
        assert second.read_bytes() == content


def test_saved_file_does_not_depend_on_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    png, pdf = save(Figure((1, 1)), tmp_path / "figure")
    assert b"CreationDate" not in pdf.read_bytes()
    assert b"Software" not in png.read_bytes()


def test_draw_refuses_another_table(topology_table: Table, results: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no stored run was made on"):
        draw(results, tmp_path, [topology_table.path])


def test_draw_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        draw(tmp_path, tmp_path / "figures")


def test_draw_names_a_table_that_is_gone_or_replaced(size_table: Table, topology_table: Table, tmp_path: Path) -> None:
    moved = tmp_path / "table.safetensors"
    shutil.copy(size_table.path, moved)
    store_runs(Table(moved), tmp_path / "results", "random", 1)
    moved.unlink()
    with pytest.raises(FileNotFoundError, match=r"table\.safetensors.*--table"):
        draw(tmp_path / "results", tmp_path / "figures")
    os.symlink(topology_table.path, moved)
    with pytest.raises(ValueError, match=r"is not the table .*--table"):
        draw(tmp_path / "results", tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_command_line_reports_an_error_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(tmp_path / "nowhere", tmp_path)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
