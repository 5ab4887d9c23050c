"""`python -m plots.pages`: write the measured results of each algorithm into its page of documentation, with a curve.

A page holds the results between two marks; the text around them is written by hand. Only runs with the default settings join,
so the command that the block names makes them again.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark_api.jobs.files import whole_file
from benchmark_api.plugins import load_plugins
from experiments.analysis.statistics import MIN_RUNS, Distribution
from experiments.analysis.trajectories import anytime, by_epoch, time_grid
from experiments.report import make_report, tables_of
from experiments.store import ONE_SHOT_RUNS, load
from plots.figures.groups import Entry, Group, groups_of
from plots.panels.curves import Reference, plot_anytime, plot_epochs
from plots.panels.style import DASHED, DOTTED, MUTED_COLOR, RC, REFERENCE_COLOR, AlgorithmStyle, Series

BEGIN, END = "<!-- results: written by `make docs-results` -->", "<!-- end of results -->"
DPI = 110
"""Resolution of the curves in pages."""

POINTS = 400
"""Points in time of a curve."""

Shown = tuple[Group, Entry]


def write_results(results_dir: str | os.PathLike[str], docs_dir: str | os.PathLike[str], only: Sequence[str] = ()) -> list[Path]:
    """Write the results of a folder into the pages `docs_dir/algorithms/NAME.md`, and their curves as PNG.

    Args:
        results_dir: the results folder.
        docs_dir: the folder of the documentation. A page without a block gets one at its end.
        only: names of the algorithms; empty for all with results.

    Returns:
        The files written.

    Raises:
        FileNotFoundError: there is no such folder, or an algorithm has no page.
        ValueError: nothing is stored, or nothing of an algorithm in `only`.
    """
    found: defaultdict[str, list[Shown]] = defaultdict(list)
    experiments = [e for e in [*load(results_dir), *load(results_dir, ONE_SHOT_RUNS)] if not e.finds_fronts]
    for table, of_table in tables_of(experiments, None):
        for group in groups_of(make_report(table, of_table)):
            for entry in group.entries:
                if not _settings(group, entry):
                    found[entry.experiment.algorithm].append((group, entry))
    if missing := sorted(set(only) - found.keys()):
        raise ValueError(f"{results_dir} has no results with default settings of {', '.join(missing)}")
    files: list[Path] = []
    for name in only or found:
        page = Path(docs_dir, "algorithms", f"{name}.md")
        text = page.read_text()
        picture = Path(docs_dir, "figures", "algorithms", f"{name}.png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context(RC), whole_file(picture) as whole:
            _curves(found[name]).savefig(whole, format="png", dpi=DPI, metadata={"Software": None})
        with whole_file(page) as whole:
            whole.write(_with_block(text, _block(name, found[name])).encode())
        files += [page, picture]
    return files


def _settings(group: Group, entry: Entry) -> dict[str, Any]:
    """Settings of an experiment that are not the defaults of the commands that the page names."""
    return {name: value for name, value in entry.experiment.deviations(group.report.table).items() if name != "min_epochs"}


def _with_block(page: str, block: str) -> str:
    """Replace the block of a page, or add it at the end."""
    whole = f"{BEGIN}\n{block}\n{END}"
    if BEGIN in page:
        return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: whole, page, flags=re.DOTALL)
    return f"{page.rstrip()}\n\n{whole}\n"


def _block(name: str, shown: Sequence[Shown]) -> str:
    """Markdown of an algorithm's results: a row for each data set, and the curve."""
    lines = [
        "| table | data set | measure | mean ± sd, % | 95 % interval | runs | published | random search | space mean |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for group, entry in shown:
        reached, report = entry.row.reached, group.report
        interval = f"{reached.low:.2f} to {reached.high:.2f}" if reached.runs >= MIN_RUNS else "too few runs"
        random = next((f"{other.row.reached.mean:.2f}" for other in group.black_box if _is_random(group, other)), "")
        cells = [report.table.path.stem, report.dataset, report.measure.accuracy]
        cells += [f"{reached.mean:.2f} ± {reached.std:.2f}", interval, str(reached.runs)]
        cells += [_published(entry), random, f"{report.average[1]:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"![Accuracy of {shown[0][1].name} over time](../figures/algorithms/{name}.png)", ""]
    how = "" if all(entry.row.reached.runs >= MIN_RUNS for _, entry in shown) else "; few runs are drawn one by one"
    machines = sorted({machine for _, entry in shown if not entry.experiment.kind.simulated for machine in _machines(entry)})
    where = f" One-shot runs are of: {'; '.join(machines)}." if machines else ""
    lines.append(
        f"*Lines: means; bands: 95 % bootstrap intervals of the mean{how}. Made by `make reproduce docs-results`; `make {name}` "
        f"makes the runs of this algorithm alone.{where}*"
    )
    return "\n".join(lines)


def _published(entry: Entry) -> str:
    """The paper's mean with its standard deviation and runs, where it has this search on this table's measure."""
    if entry.row.published is None:
        return ""
    accuracy, runs = entry.row.published
    return f"{accuracy.test_mean:.2f} ± {accuracy.test_std:.2f} ({runs} runs)"


def _machines(entry: Entry) -> set[str]:
    """Processors that the runs of an experiment were made on."""
    return {dict(machine)["cpu"] for machine in entry.experiment.machines}


def _is_random(group: Group, entry: Entry) -> bool:
    return entry.experiment.algorithm == "random" and not _settings(group, entry)


def _curves(shown: Sequence[Shown]) -> Figure:
    """A panel for each data set: the algorithm over time or epochs, with random search and the best of the space."""
    figure = Figure((3.6 * min(len(shown), 3), 2.7 * -(-len(shown) // 3)), layout="constrained")
    panels = figure.subplots(-(-len(shown) // 3), min(len(shown), 3), squeeze=False).ravel().tolist()
    for axes in panels[len(shown) :]:
        axes.remove()
    for axes, (group, entry) in zip(panels, shown, strict=False):
        (_over_time if entry.experiment.kind.simulated else _over_epochs)(axes, group, entry)
        axes.set_title(f"{group.report.table.path.stem}, {group.title}", fontsize="medium")
        axes.set_ylabel(f"{group.report.measure.accuracy} [%]")
    return figure


def _over_time(axes: Axes, group: Group, entry: Entry) -> None:
    """Accuracy of the incumbent against simulated time, beside that of random search."""
    others = [other for other in group.black_box if _is_random(group, other) and other is not entry]
    times = time_grid([one.experiment for one in (entry, *others)], POINTS)
    drawn = [*((other, AlgorithmStyle(MUTED_COLOR, DASHED, entry.style.marker)) for other in others), (entry, entry.style)]
    series = []
    for one, style in drawn:
        values = anytime(one.experiment, times, group.report.accuracies.reported_of(one.experiment))  # [run, time]
        series.append(Series(f"{one.name}, n = {one.row.reached.runs}", style, Distribution.of(values)))
    plot_anytime(axes, times, series, group.report.optimum[1])
    axes.legend(fontsize="small", loc="lower right")


def _over_epochs(axes: Axes, group: Group, entry: Entry) -> None:
    """Looked-up accuracy of the derived architecture against the epoch."""
    report = group.report
    references = [
        Reference("optimum", report.optimum[1], REFERENCE_COLOR, DOTTED),
        Reference("space mean", report.average[1], MUTED_COLOR, DASHED),
    ]
    accuracy = report.accuracies.reported[by_epoch(entry.experiment)]  # [run, epoch]
    plot_epochs(axes, Series(entry.name, entry.style, Distribution.of(accuracy)), references)
    axes.set_xlabel("epoch")


def main(results: Path = Path("results"), docs: Path = Path("docs"), only: tuple[str, ...] = ()) -> None:
    """Write the results of each algorithm into its page of documentation, with a curve.

    Args:
        results: the results folder.
        docs: the folder of the documentation.
        only: names of algorithms; all with results unless given.
    """
    try:
        load_plugins()
        files = write_results(results, docs, only)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(*files, sep="\n")


if __name__ == "__main__":
    tyro.cli(main)
