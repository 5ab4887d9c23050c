"""`python -m plots`: draw the figures of what is stored in a results folder, as PNG and PDF."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import tyro
from matplotlib.figure import Figure

from benchmark_api.tables.table import Table
from experiments.report import make_report, tables_of
from experiments.report.checklist import checklist
from experiments.report.html import write_page
from experiments.store import ONE_SHOT_RUNS, RANKINGS, AnyExperiment, Experiment, OneShotExperiment, load
from plots.figures.black_box import anytime_figure, cells, correlation_figure, cost_figure, final_figure, rankable, ranks_figure
from plots.figures.one_shot import one_shot_figures
from plots.panels.style import RC, save


def draw(
    results_dir: str | os.PathLike[str], out_dir: str | os.PathLike[str], tables: Sequence[str | os.PathLike[str]] = ()
) -> list[Path]:
    """Draw all figures of the experiments in a results folder, and write the page that has them all, `report.html`, there.

    Args:
        results_dir: the folder.
        out_dir: where the figures go; made if it is missing.
        tables: the tables that the experiments were run on, experiments of other tables are left out; none for every table,
            found where it was when the experiments were run.

    Returns:
        The files: the page, then a PNG and a PDF for each figure; these are named after the table.

    Raises:
        FileNotFoundError: there is no such folder, or a table is not where it was.
        ValueError: nothing is stored for the table, or a file is damaged.
    """
    experiments: list[AnyExperiment] = [*load(results_dir), *load(results_dir, ONE_SHOT_RUNS)]
    groups = [group for table in tables for group in tables_of(experiments, Path(table))] or tables_of(experiments, None)
    if not groups:
        raise ValueError(f"nothing to draw: {results_dir} holds no run")
    files, drawn = [], {}
    reports = [make_report(opened, group) for opened, group in groups]
    with matplotlib.rc_context(RC):
        for opened, group in groups:
            drawn[opened.fingerprint] = figures_of(opened, group, results_dir)
            for what, figure in drawn[opened.fingerprint].items():
                files += save(figure, Path(out_dir, f"{opened.path.stem}-{what}"))
        page = write_page(Path(results_dir, "report.html"), reports, drawn, checklist(reports))
    return [page, *files]


def figures_of(table: Table, experiments: Sequence[AnyExperiment], results_dir: str | os.PathLike[str]) -> dict[str, Figure]:
    """All figures of a table's experiments, by what they show.

    Args:
        table: the table.
        experiments: what was run on it.
        results_dir: where rankings by supernets are stored.
    """
    one_shot = [experiment for experiment in experiments if isinstance(experiment, OneShotExperiment)]
    found = cells([experiment for experiment in experiments if isinstance(experiment, Experiment)], one_shot)
    searched = [cell for cell in found if cell.entries]
    figures = {"anytime": anytime_figure(table, searched)} if searched else {}
    figures["final"] = final_figure(table, found)
    if ranked := [cell for cell in searched if rankable(cell)]:
        figures["ranks"] = ranks_figure(table, ranked)
    for cell in found:
        figures[f"{cell.slug}-flops"] = cost_figure(table, cell, "flops")
        figures[f"{cell.slug}-params"] = cost_figure(table, cell, "params")
    figures["correlation"] = correlation_figure(table)
    for cell in {cell.dataset: cell for cell in reversed(found) if cell.one_shot}.values():
        rankings = load(results_dir, RANKINGS, dataset=cell.dataset, table_fingerprint=table.fingerprint)
        for what, figure in one_shot_figures(table, cell, rankings).items():
            figures[f"{cell.dataset}-{what}"] = figure
    return figures


def main(results: Path = Path("results"), out: Path = Path("plots/figures"), table: Path | None = None) -> None:
    """Draw the figures of what is stored, as PNG and PDF.

    Args:
        results: the results folder.
        out: where the figures go.
        table: the table that the runs were made on; by default where it was then.
    """
    try:
        files = draw(results, out, () if table is None else (table,))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print("\n".join(str(path) for path in files))


if __name__ == "__main__":
    tyro.cli(main)
