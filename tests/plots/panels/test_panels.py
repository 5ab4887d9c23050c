"""What panels show, read back from the axes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from benchmark_api.spaces import OPERATIONS, TopologySpace
from benchmark_api.tables.fronts import pareto_front
from experiments.analysis.aggregate import Estimate
from experiments.analysis.statistics import MIN_RUNS, Distribution, bootstrap_mean_interval
from plots.panels.curves import Reference, plot_anytime, plot_epochs, plot_operations
from plots.panels.final import plot_final
from plots.panels.heat_maps import plot_correlations, plot_weights
from plots.panels.profiles import plot_estimates
from plots.panels.scatter import count_below, plot_chosen, plot_inherited, plot_space
from plots.panels.style import Series, style_of

NAN = float("nan")


@pytest.fixture
def axes() -> Axes:
    axes = Figure().subplots()
    assert isinstance(axes, Axes)
    return axes


def series(values: object, algorithm: str = "rea") -> Series:
    return Series(algorithm, style_of(algorithm), Distribution.of(np.asarray(values)))


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


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
    good = np.linspace(93.0, 94.0, 50)
    rows = [series([*good, 90.0]), series(np.full(10, 30.0), "random"), series([*good, 10.0, 20.0], "reinforce")]
    assert plot_final(axes, rows, optimum=94.3, mean_of_space=92.9) == 13
    low, _ = axes.get_xlim()
    assert 90.6 < low < 92.9
    counted = {text.get_text(): text.xy for text in axes.texts if "below" in text.get_text()}
    # at the ends of their rows, outside of the axes; with the mean where no diamond shows it
    assert counted == {"1 below": (1, 0), "10 below\nmean 30.00": (1, 1), "2 below\nmean 90.48": (1, 2)}
    assert {"optimum 94.30", "space mean 92.90"} < set(texts(axes))


def test_final_survives_runs_that_all_end_alike(axes: Axes) -> None:
    plot_final(axes, [series(np.full(20, 94.0))], optimum=94.0)
    low, high = axes.get_xlim()
    assert low < 94.0 < high


def test_estimates_far_below_are_numbers_at_the_left_end(axes: Axes) -> None:
    style = style_of("rea")
    values = [("a", Estimate(96.0, 95.0, 97.0)), ("b", Estimate(94.0, 93.0, 95.0)), ("c", Estimate(20.0, 19.0, 21.0))]
    plot_estimates(axes, [(name, style, value) for name, value in values])
    assert texts(axes) == [" ◂ 20.0"]
    assert axes.get_xlim()[0] == pytest.approx(92.8)  # no room for it among the others: their lowest, and a margin
    assert [float(line.get_xdata()[0]) for line in axes.lines] == [96.0, 94.0]


# -- cost ------------------------------------------------------------------------------------------------------------------


def test_cost_marks_what_was_found(axes: Axes) -> None:
    cost = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    accuracy = np.array([10.0, 60.0, 50.0, 70.0, 65.0])
    plot_space(axes, cost, accuracy, pareto_front(cost, accuracy))
    finals = np.array([70.0, 61.0, 71.0, 72.0, 10.0])
    plot_chosen(axes, cost, np.array([3, 1, 3, 3, 0]), finals, style_of("rea"), most=3)
    count_below(axes, finals)
    space, front, once, thrice = axes.lines
    np.testing.assert_array_equal(space.get_xydata(), np.column_stack([cost, accuracy]))
    np.testing.assert_array_equal(front.get_xydata(), [[1, 10], [2, 60], [4, 70]])
    np.testing.assert_array_equal(once.get_xydata(), [[1, 10], [2, 61]])
    np.testing.assert_array_equal(thrice.get_xydata(), [[4, 71]])
    assert once.get_markersize() < thrice.get_markersize()
    assert to_hex(once.get_color()) == to_hex(thrice.get_color()) == style_of("rea").color
    assert axes.get_ylim()[0] == 60.0
    assert texts(axes) == ["▾ 1 of 5 runs below"]


# -- correlation -----------------------------------------------------------------------------------------------------------


def test_correlations_are_written_into_the_cells(axes: Axes) -> None:
    plot_correlations(axes, np.array([[NAN, 0.5], [-0.25, NAN]]), ["a", "b"])
    assert {(text.get_position(), text.get_text()) for text in axes.texts} == {((1, 0), "0.500"), ((0, 1), "-0.250")}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]


# -- one-shot searches ----------------------------------------------------------------------------------------------------


def test_few_runs_are_drawn_one_by_one(axes: Axes) -> None:
    values = np.array([[10.0, 20.0, 30.0], [15.0, 25.0, 20.0]])
    plot_epochs(axes, series(values, "gdas"), [Reference("optimum", 90.0, "black", "-")])
    assert not axes.collections
    runs = [line for line in axes.lines if len(line.get_xdata()) == 3]
    np.testing.assert_array_equal([line.get_ydata() for line in runs], values)
    np.testing.assert_array_equal(runs[0].get_xdata(), [1, 2, 3])
    assert axes.lines[-1].get_ydata() == [90.0, 90.0]
    assert axes.get_xlim() == (0.5, 3.5)


def test_many_runs_have_a_mean_and_its_interval(axes: Axes) -> None:
    values = np.random.default_rng(0).normal(90.0, 1.0, (MIN_RUNS, 4))
    plot_epochs(axes, series(values, "gdas"), [])
    (mean,) = axes.lines
    np.testing.assert_allclose(mean.get_ydata(), values.mean(axis=0))
    (band,) = axes.collections
    drawn = band.get_paths()[0].vertices[:, 1]
    for bound in bootstrap_mean_interval(values):
        assert np.isin(bound, drawn).all()


def test_operations_are_stacked(axes: Axes) -> None:
    counts = np.array([[[6, 0, 0, 0, 0], [0, 0, 0, 6, 0]], [[0, 6, 0, 0, 0], [0, 0, 0, 6, 0]]])  # [run, epoch, operation]
    plot_operations(axes, counts.mean(axis=0), TopologySpace.operation_colors)
    bars = dict(zip(OPERATIONS, axes.containers, strict=True))
    assert [bar.get_height() for bar in bars["none"]] == [3, 0]
    assert [(bar.get_y(), bar.get_height()) for bar in bars["skip_connect"]] == [(3, 3), (0, 0)]
    assert [(bar.get_y(), bar.get_height()) for bar in bars["nor_conv_3x3"]] == [(6, 0), (0, 6)]
    assert to_hex(bars["skip_connect"][0].get_facecolor()) == TopologySpace.operation_colors["skip_connect"]


def test_weights_are_written_and_choices_are_marked(axes: Axes) -> None:
    weights = np.array([[0.4, 0.6], [0.8, 0.2]])  # [decision, choice]
    plot_weights(axes, weights, np.array([[1, 1], [2, 0]]), ["a", "b"], ["x", "y"], (0.0, 1.0))
    np.testing.assert_allclose(axes.images[0].get_array(), weights)
    assert texts(axes) == ["0.40", "0.60", "0.80", "0.20", "•", "•", "••"]
    assert [text.get_position()[0] for text in axes.texts[4:]] == [0, 1, 0]  # columns of the dots
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_the_correlation_stands_beside_the_points(axes: Axes) -> None:
    plot_inherited(axes, np.array([1.0, 2.0]), np.array([3.0, 4.0]), style_of("rsps").color, 0.25, 0.5)
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 3], [2, 4]])
    assert texts(axes) == ["τ = 0.25, ρ = 0.50"]


def test_long_times_are_in_thousands_of_seconds(axes: Axes) -> None:
    times = np.geomspace(1e5, 2e6, 5)
    plot_anytime(axes, times, [series(np.tile([60.0, 70.0, 80.0, 85.0, 90.0], (MIN_RUNS, 1)))])
    assert axes.get_xlabel() == "simulated time [1,000 s]"
    assert axes.xaxis.get_major_formatter()(1e6, 0) == "1,000"


def test_one_poor_search_does_not_stretch_the_accuracy_axis(axes: Axes) -> None:
    times = np.linspace(1.0, 101.0, 101)
    good = [series(np.tile(91.0 + shift + times / 100.0, (MIN_RUNS, 1)), name) for shift, name in ((0.0, "rea"), (0.2, "random"))]
    poor = series(np.tile(np.where(times < 40.0, 91.0, 70.0), (MIN_RUNS, 1)), "autoshrink")
    plot_anytime(axes, times, [*good, poor], optimum=93.0)
    assert 88.0 < axes.get_ylim()[0] < 91.0
    assert texts(axes) == ["optimum 93.00", "autoshrink 70.00 ▾"]
