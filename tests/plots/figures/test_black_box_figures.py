"""Figures of stored runs: what they show, read back from the axes, and that their files repeat byte for byte."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from algorithms.black_box import BLACK_BOX
from benchmark_api.jobs.run_jobs import run_jobs
from benchmark_api.tables.table import Table
from experiments.analysis.statistics import MIN_RUNS
from experiments.report import Report, make_report
from experiments.runs.black_box import BlackBoxJob, condition_of
from experiments.settings import RunSettings
from experiments.store import load
from plots.__main__ import draw, main
from plots.figures.black_box import anytime_figure, correlation_figure, final_figure
from plots.figures.costs import cost_figure, fronts_figure
from plots.figures.groups import groups_of
from plots.files import save
from plots.panels.style import style_of


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def store_runs(
    table: Table, results: Path, algorithm: str, runs: int, *, budget: float = 2000.0, **hyperparameters: object
) -> None:
    search = BLACK_BOX[algorithm]
    config = search.Config(**hyperparameters)
    condition = condition_of(search, config, table, RunSettings.of(table, "cifar10", budget=budget))
    assert not run_jobs(BlackBoxJob.plan(condition, table, results, range(runs)), processes=1)


@pytest.fixture(scope="module")
def results(size_table: Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    store_runs(size_table, folder, "rea", 3, population_size=4)
    store_runs(size_table, folder, "random", MIN_RUNS)
    return folder


@pytest.fixture(scope="module")
def report(results: Path, size_table: Table) -> Report:
    return make_report(size_table, load(results))


def test_groups_give_names_and_styles(size_table: Table, tmp_path: Path) -> None:
    for budget in (1000.0, 2000.0):
        store_runs(size_table, tmp_path, "rea", 2, budget=budget)
        store_runs(size_table, tmp_path, "rea", 2, budget=budget, population_size=4)
        store_runs(size_table, tmp_path, "random", 2, budget=budget)
    first, second = groups_of(make_report(size_table, load(tmp_path)))
    assert (first.report.dataset, first.title, first.slug) == ("cifar10", "CIFAR-10, 12 epochs, 1,000 s", "cifar10-12-1000")
    rea = BLACK_BOX["rea"].title
    for group in (first, second):
        assert [(entry.name, entry.style) for entry in group.entries] == [
            (BLACK_BOX["random"].title, style_of("random")),
            (rea, style_of("rea")),
            (f"{rea}, population size 4", style_of("rea", 1)),
        ]


def test_an_algorithm_that_is_not_registered_here_is_drawn_under_its_name(size_table: Table, results: Path) -> None:
    experiments = load(results)
    foreign = dataclasses.replace(experiments[0], algorithm="somebody-elses")
    (group,) = groups_of(make_report(size_table, [*experiments, foreign]))
    names = [BLACK_BOX["random"].title, f"{BLACK_BOX['rea'].title}, population size 4", "somebody-elses"]
    assert [entry.name for entry in group.entries] == names


def test_every_figure_carries_the_notice_of_its_table(size_table: Table, report: Report) -> None:
    assert size_table.notice
    found = groups_of(report)
    figures = [
        anytime_figure(found),
        final_figure(found),
        cost_figure(found[0], "flops"),
        cost_figure(found[0], "params"),
        fronts_figure(found[0]),
        correlation_figure(size_table),
    ]
    for figure in figures:
        title = figure.get_suptitle()
        assert title.startswith("Size space: ")
        assert size_table.notice in title


def test_legend_says_how_many_runs_and_which_interval(size_table: Table, report: Report) -> None:
    figure = anytime_figure(groups_of(report))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{BLACK_BOX['random'].title}, n = {MIN_RUNS}",
        f"{BLACK_BOX['rea'].title}, population size 4, n = 3",
    ]
    how = legend.get_title().get_text().replace("\n", " ")
    assert "95 % bootstrap interval of the mean" in how
    assert f"fewer than {MIN_RUNS} runs: each by itself" in how


def test_optimum_is_the_best_reported_test_accuracy(size_table: Table, report: Report) -> None:
    _, best = size_table.best("cifar10", "90", "ori-test")
    for figure in (anytime_figure(groups_of(report)), final_figure(groups_of(report))):
        assert f"optimum {best:.2f}" in texts(figure.axes[0])


def test_draw_makes_the_same_files_twice(size_table: Table, results: Path, tmp_path: Path) -> None:
    settings = dict(matplotlib.rcParams)
    page, *files = draw(results, tmp_path / "a", size_table.path)
    assert dict(matplotlib.rcParams) == settings
    assert [path.name for path in files] == [
        f"{size_table.path.stem}-{figure}.{extension}"
        for figure in ("anytime", "final", "profiles", "cifar10-flops", "cifar10-fronts", "correlation")
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
        draw(results, tmp_path, topology_table.path)


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
    assert main(["--results", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
