"""The command `found`: the best architecture of each search."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from benchmark_api.commands.options import Option, Several, flat
from benchmark_api.commands.printing import print_line, print_rows
from benchmark_api.ending import tell
from benchmark_api.text import shown
from experiments.commands.options import StoredTableOptions, given

if TYPE_CHECKING:  # imported by the command: `--help` starts without it
    from experiments.report.found import Found


@dataclass(frozen=True, kw_only=True)
class FoundCommand(StoredTableOptions):
    """Print what each search found: the architecture of its best run by validation accuracy, with accuracies and costs."""

    examples: ClassVar[tuple[str, ...]] = ("found", "found --only rea bohb --draw cells", "found --format csv > found.csv")

    dataset: Option[str] = None
    """Only this dataset."""
    only: Several = ()
    """Only these searches, e.g. rea, or configurations, e.g. "rea (population_size=20)"."""
    format: Literal["text", "csv"] = "text"
    """Output format."""
    draw: Option[Path] = None
    """Folder for a drawing of each architecture, a PDF named DATASET-INDEX.pdf; spaces without drawings have none."""

    def __call__(self) -> int:
        from experiments.report.found import found
        from experiments.report.loading import load_reports

        loaded = load_reports(self.results, self.table, flat(self.only), filters=given(dataset=self.dataset))
        for report in loaded.reports:
            rows = found(report)
            _print_csv(rows) if self.format == "csv" else _print_text(rows)
            if self.draw is not None and report.table.space.drawable:
                for path in _draw(rows, self.draw):
                    print(shown(str(path)), file=sys.stderr if self.format == "csv" else sys.stdout)
        if loaded.left_out:
            tell(f"left out: {', '.join(loaded.left_out)} (several objectives): `fronts` prints them")
        return 0


def _print_text(rows: Sequence[Found]) -> None:
    table = rows[0].table
    print_line(f"{table.title}{f' ({table.notice})' if table.notice else ''}, accuracy in percent")
    costs = [*dict.fromkeys(name for row in rows for name in row.costs)]
    measures = " or ".join(dict.fromkeys(row.measure for row in rows))
    lines = [
        [
            *(row.dataset, row.title, f"{row.runs} of {row.of_runs}", f"{row.valid:.2f}", f"{row.reported:.2f}"),
            *(f"{row.costs[name]:.4g}" if name in row.costs else "" for name in costs),
            *(str(row.index), row.architecture),
        ]
        for row in rows
    ]
    print_rows(["dataset", "search", "runs", "valid", measures, *costs, "index", "architecture"], lines)


def _print_csv(rows: Sequence[Found]) -> None:
    from experiments.report.escape import csv_text

    costs = [*dict.fromkeys(name for row in rows for name in row.costs)]
    names = ("dataset", "algorithm", "title", "index", "architecture", "runs", "of_runs", "seed", "valid", "reported", "measure")
    lines = [
        [*(getattr(row, name) for name in names), *(row.costs.get(name, "") for name in costs), row.table.title] for row in rows
    ]
    print(csv_text([[*names, *costs, "table_title"], *lines]), end="")


def _draw(rows: Sequence[Found], folder: Path) -> Iterator[Path]:
    """Draw the architectures of some rows; yield the files."""
    from benchmark_api.jobs.files import whole_file
    from benchmark_api.spaces.drawing import architecture_figure

    for dataset, index in dict.fromkeys((row.dataset, row.index) for row in rows):
        path = folder / f"{dataset}-{index}.pdf"
        with whole_file(path) as file:
            architecture_figure(rows[0].table.space, index).savefig(file, format="pdf", metadata={"CreationDate": None})
        yield path
