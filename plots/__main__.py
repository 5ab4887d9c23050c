"""`python -m plots`: draw the figures of what is stored in a results folder, as PNG and PDF."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import matplotlib
import tyro

from experiments.report import tables_of
from experiments.store import load
from plots.report import anytime_figure, cells, correlation_figure, cost_figure, final_figure
from plots.style import RC, save


def draw(
    results_dir: str | os.PathLike[str], out_dir: str | os.PathLike[str], table: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Draw all figures of the experiments in a results folder.

    Args:
        results_dir: the folder.
        out_dir: where the figures go; made if it is missing.
        table: the table that the experiments were run on, experiments of other tables are left out; None for every table,
            found where it was when the experiments were run.

    Returns:
        The files, a PNG and a PDF for each figure; they are named after the table.

    Raises:
        FileNotFoundError: there is no such folder, or a table is not where it was.
        ValueError: nothing is stored for the table, or a file is damaged.
    """
    tables = tables_of(load(results_dir), None if table is None else Path(table))
    if not tables:
        raise ValueError(f"nothing to draw: {results_dir} holds no run")
    files = []
    with matplotlib.rc_context(RC):
        for opened, experiments in tables:
            found = cells(experiments)
            figures = {"anytime": anytime_figure(opened, found), "final": final_figure(opened, found)}
            for cell in found:
                figures[f"{cell.slug}-flops"] = cost_figure(opened, cell, "flops")
                figures[f"{cell.slug}-params"] = cost_figure(opened, cell, "params")
            figures["correlation"] = correlation_figure(opened)
            for what, figure in figures.items():
                files += save(figure, Path(out_dir, f"{opened.path.stem}-{what}"))
    return files


def main(results: Path = Path("results"), out: Path = Path("plots/figures"), table: Path | None = None) -> None:
    """Draw the figures of what is stored, as PNG and PDF.

    Args:
        results: the results folder.
        out: where the figures go.
        table: the table that the runs were made on; by default where it was then.
    """
    try:
        files = draw(results, out, table)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print("\n".join(str(path) for path in files))


if __name__ == "__main__":
    tyro.cli(main)
