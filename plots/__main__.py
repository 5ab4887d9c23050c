"""`python -m plots`: draw the figures of a results folder as PNG and PDF, and write its report page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import matplotlib
import tyro
from matplotlib.figure import Figure

from benchmark_api.plugins import load_plugins
from experiments.report import Report, make_report, tables_of
from experiments.report.html import write_page
from experiments.store import ONE_SHOT_RUNS, RANKINGS, AnyExperiment, load
from plots.figures.black_box import anytime_figure, correlation_figure, final_figure, rankable, ranks_figure
from plots.figures.costs import cost_figure, fronts_figure
from plots.figures.groups import groups_of
from plots.figures.one_shot import one_shot_figures
from plots.files import picture, save
from plots.panels.style import RC


def draw(results_dir: str | os.PathLike[str], out_dir: str | os.PathLike[str], table: Path | None = None) -> list[Path]:
    """Draw all figures of the experiments in a results folder, and write the page with all of them, `report.html`, there.

    Args:
        results_dir: the results folder.
        out_dir: folder of the figures; made if it is missing.
        table: as for `tables_of`.

    Returns:
        The files: the page, then a PNG and a PDF for each figure; these are named after the table.

    Raises:
        FileNotFoundError: there is no such folder, or a table is no longer at its path.
        ValueError: nothing is stored for the table, or a file is damaged.
    """
    experiments: list[AnyExperiment] = [*load(results_dir), *load(results_dir, ONE_SHOT_RUNS)]
    if not experiments:
        raise ValueError(f"nothing to draw: {results_dir} holds no run")
    reports = [make_report(opened, group) for opened, group in tables_of(experiments, table)]
    files, pictures = [], {}
    with matplotlib.rc_context(RC):
        for report in reports:
            figures = figures_of(report, results_dir)
            for what, figure in figures.items():
                files += save(figure, Path(out_dir, f"{report.table.path.stem}-{what}"))
            pictures[report.table.fingerprint] = {what: picture(figure) for what, figure in figures.items()}
    return [write_page(Path(results_dir, "report.html"), reports, pictures), *files]


def figures_of(report: Report, results_dir: str | os.PathLike[str]) -> dict[str, Figure]:
    """All figures of a report, by what they show; the results folder has the rankings by supernets."""
    groups = groups_of(report)
    searched = [group for group in groups if group.black_box]
    figures = {"anytime": anytime_figure(searched)} if searched else {}
    figures["final"] = final_figure(groups)
    if ranked := [group for group in searched if rankable(group)]:
        figures["ranks"] = ranks_figure(ranked)
    for group in groups:
        metrics = group.report.metrics
        figures |= {f"{group.slug}-{name}": cost_figure(group, name) for name in ("flops", "params") if name in metrics}
        if metrics:
            figures[f"{group.slug}-fronts"] = fronts_figure(group)
    figures["correlation"] = correlation_figure(report.table)
    for dataset, group in {group.report.dataset: group for group in reversed(groups) if group.one_shot}.items():
        rankings = load(results_dir, RANKINGS, dataset=dataset, table_fingerprint=report.table.fingerprint)
        figures |= {f"{dataset}-{what}": figure for what, figure in one_shot_figures(group, rankings).items()}
    return figures


def main(results: Path = Path("results"), out: Path = Path("plots/figures"), table: Path | None = None) -> None:
    """Draw the figures of a results folder as PNG and PDF, and write its report page.

    Args:
        results: the results folder.
        out: folder of the figures.
        table: the table that the runs were made on; by default at its path at run time.
    """
    try:
        load_plugins()
        files = draw(results, out, table)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(*files, sep="\n")


if __name__ == "__main__":
    tyro.cli(main)
