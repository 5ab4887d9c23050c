"""Options of figures: a width, no title, highlighted searches, a choice of searches; and what is drawn pale."""

from __future__ import annotations

import gc
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmark_api.spaces import SizeSpace, TopologySpace
from benchmark_api.tables.table import Table
from experiments.report import aggregates, make_report
from plots.__main__ import draw, swatches_of
from plots.figures.black_box import anytime_figure, correlation_figure, final_figure
from plots.figures.groups import Group, groups_of
from plots.figures.layout import CHARACTER, Look, check_width, legend_below, new_figure, wrapped
from plots.figures.profiles import profiles_figure
from plots.files import PAGE_DPI, Writer, pickled, save
from plots.panels.style import RC, style_of
from tests.golden.make import RESULTS
from tests.helpers import held_out

SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 73.0], [80.0, 84.0], [60.0, 66.0], [75.0, 79.0]])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return held_out.write_table(tmp_path_factory.mktemp("look") / "table.safetensors", SPACE, ACCURACY)


def groups(table: Table, look: Look) -> list[Group]:
    runs = [[(0, 0), (1, 0)]] * 6
    other = held_out.experiment(table, [[(2, 0), (3, 1)]] * 6, budget=2.0, algorithm="rea")
    return groups_of(make_report(table, [held_out.experiment(table, runs, budget=2.0), other]), look)


def test_a_figure_without_title_is_lower(table: Table) -> None:
    usual = final_figure(groups(table, Look()))
    bare = final_figure(groups(table, Look(title=False)))
    assert usual.get_suptitle()
    assert bare.get_suptitle() == ""
    assert bare.get_figheight() < usual.get_figheight()
    assert correlation_figure(table, Look(title=False)).get_suptitle() == ""


@pytest.mark.parametrize(("width", "columns"), [(3.25, 1), (6.75, 2), (13.0, 3)])
def test_panels_of_a_narrow_figure_go_below_each_other(table: Table, width: float, columns: int) -> None:
    figure, panels = new_figure(table, "title", 3, 3, (4.2, 3.3), 1.0, look=Look(width=width))
    assert figure.get_figwidth() == width
    assert len(panels) == 3
    assert panels[0].get_subplotspec().get_gridspec().ncols == columns


def test_widths_are_checked() -> None:
    assert check_width(None) is None
    assert check_width(3.25) == 3.25
    for width in (0.5, 80.0, float("nan")):
        with pytest.raises(ValueError, match="expected 2 to 50 inches"):
            check_width(width)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("points: runs; bars: quartiles with the median", ["points: runs; bars:", "quartiles with the median"]),
        ("BOHB (reference), min epochs 200, n = 8", ["BOHB (reference), min", "epochs 200, n = 8"]),
        ("a-name-without-blanks-that-is-long x", ["a-name-without-blanks-that-is-", "long x"]),
        ("short", ["short"]),
        ("", [""]),
    ],
)
def test_lines_of_texts_are_even(text: str, broken: list[str]) -> None:
    lines = wrapped(text, 2.2).split("\n")
    assert lines == broken
    assert all(len(line) <= int(2.2 / CHARACTER) for line in lines)


def test_a_long_legend_leaves_the_panels_their_height(table: Table, tmp_path: Path) -> None:
    heights = []
    for count in (4, 40):
        figure, (axes,) = new_figure(table, "title", 1, 1, (3.3, 2.9), 1.4)
        axes.plot([0, 1])
        legend_below(figure, {f"a search with a long name {number}": axes.lines[0] for number in range(count)}, "how")
        save(figure, tmp_path / "figure", ("png",))
        heights.append(axes.get_position().height * figure.get_figheight())
    assert heights[1] > 0.9 * heights[0] > 1.5


def test_highlighted_searches_are_wide_in_every_figure(table: Table) -> None:
    found = groups(table, Look(highlight=("rea",)))
    (axes,) = anytime_figure(found).axes
    widths = {
        str(line.get_label()).split(",")[0]: line.get_linewidth() for line in axes.lines if ", n = " in str(line.get_label())
    }
    assert widths["REA"] > 2 * widths["RANDOM"]
    report = make_report(table, [entry.experiment for group in found for entry in group.entries])
    found = groups_of(report, Look(highlight=("rea",)))
    left, right = profiles_figure(report, found, aggregates(report)).axes
    assert sorted(line.get_linewidth() for line in right.lines) == sorted(widths.values())
    assert [label.get_text() for label in left.get_yticklabels()] == [one.title for one in aggregates(report)]
    swatches = {row.experiment.algorithm: swatch for row, swatch in swatches_of(report).items()}
    assert swatches["rea"].color == style_of("rea").color


def test_unknown_searches_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no stored run is of 'mine'; there are runs of"):
        draw(RESULTS, tmp_path, searches=["mine"])
    with pytest.raises(ValueError, match="no stored run is of 'mine'"):
        draw(RESULTS, tmp_path, look=Look(highlight=("mine",)))
    assert not list(tmp_path.iterdir())


def test_edges_on_no_path_are_pale() -> None:
    space = TopologySpace()
    names = space.choices(0)
    none, conv = names.index("none"), names.index("nor_conv_3x3")
    architecture = (none, conv, conv, conv, conv, none)  # node 1 has no input, node 2 no way to the output
    axes = Figure().subplots()
    space.draw(axes, architecture)
    arrows = [annotation.arrow_patch.get_alpha() for annotation in axes.texts if getattr(annotation, "arrow_patch", None)]
    assert arrows == [1.0, 0.25, 0.25, 1.0, 0.25, 1.0]  # none is dotted anyway; only the edge from input to output counts


def test_pictures_of_a_page_fit_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure((3, 2))
    figure.subplots().imshow(np.random.default_rng(0).random((40, 60)))
    png, _ = save(figure, tmp_path / "figure")
    writer = Writer(1, RC)
    sharp = writer.pictures([png])[png]
    assert sharp.webp[8:12] == b"WEBP"
    assert abs(sharp.width - 288) <= 1
    monkeypatch.setattr("plots.files.PAGE_BYTES", len(sharp.webp) - 1)
    smaller = writer.pictures([png])[png]
    assert len(smaller.webp) < len(sharp.webp)
    assert (smaller.width, smaller.height) == (sharp.width, sharp.height)
    assert tuple(sorted(PAGE_DPI, reverse=True)) == PAGE_DPI


@pytest.mark.slow
def test_several_processes_write_the_same_files(tmp_path: Path) -> None:
    copies = [shutil.copytree(RESULTS, tmp_path / f"results-{jobs}") for jobs in (1, 2)]
    drawn = [
        draw(copy, tmp_path / f"figures-{jobs}", searches=["random"], jobs=jobs)
        for copy, jobs in zip(copies, (1, 2), strict=True)
    ]
    assert len(drawn[0]) > 8
    assert [path.name for path in drawn[0]] == [path.name for path in drawn[1]]
    for first, second in zip(*drawn, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_no_garbage_is_collected_while_a_figure_is_pickled() -> None:
    """Matplotlib iterates over dictionaries of weak references; a collection in between was a RuntimeError now and then."""
    collecting = []

    class Watched(Line2D):
        def __getstate__(self) -> object:
            collecting.append(gc.isenabled())
            return super().__getstate__()

        def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
            return Line2D, ([0.0, 1.0], [0.0, 1.0]), self.__getstate__()

    figure = Figure((1, 1))
    figure.add_artist(Watched([0, 1], [0, 1]))
    assert pickle.loads(pickled(figure)).get_size_inches().tolist() == [1, 1]
    assert (collecting, gc.isenabled()) == ([False], True)


def test_a_figure_that_cannot_be_written_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with Writer(2, RC) as writer:
        files = writer.save(Figure((1, 1)), tmp_path / "taken" / "figure", ("png",))
        assert files == [tmp_path / "taken" / "figure.png"]
        with pytest.raises(OSError, match="taken"):
            writer.finish()
