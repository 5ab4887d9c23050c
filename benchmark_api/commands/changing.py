"""Commands that make a table of others: attach, merge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from benchmark_api.commands.options import OutPath, Pairs, Several, TablePath, default, pairs_of
from benchmark_api.commands.printing import megabytes, open_table, print_line, print_rows


@dataclass(frozen=True)
class Attach:
    """Attach metrics of architectures, such as latency on a device, to a table: the columns of a CSV or Parquet file.

    Its column `index` (official index) or `arch` (official string) names the architecture.
    """

    examples: ClassVar[tuple[str, ...]] = ("attach nats-topology costs.csv",)

    table: TablePath
    costs: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="COSTS")]]
    """CSV with a header (also .csv.gz), or Parquet."""
    out: Annotated[Path | None, default("TABLE itself", "OUT")] = None
    """New table file to write."""
    columns: Annotated[Several, tyro.conf.arg(metavar="NAME[=NEWNAME] ...")] = ()
    """Columns to attach, and the names of their metrics, e.g. pixel3_latency=latency@pixel3. By default all that have numbers."""
    unit: Pairs = ()
    """Units of metrics, e.g. latency@pixel3=ms."""
    maximize: Annotated[Several, tyro.conf.arg(metavar="NAME ...")] = ()
    """Metrics of which more is better."""
    dataset: Annotated[str | None, default("all", "KEY")] = None
    """Dataset for which the metrics hold, e.g. cifar10."""
    missing: Annotated[tuple[float, ...], default("none", "FLOAT ...")] = ()
    """Numbers that mean "not measured", e.g. -1."""
    replace: bool = False
    """Replace metrics of the same names."""

    def __call__(self) -> None:
        from benchmark_api.importers.cost_files import read_costs
        from benchmark_api.tables.attach import attach

        table = open_table(self.table)
        columns = {
            column: name or column for texts in self.columns for column, _, name in (text.partition("=") for text in texts)
        }
        costs = read_costs(self.costs, table.space, columns or None, self.missing)
        units = pairs_of(self.unit, "--unit")
        changed = attach(
            table,
            costs.values,
            costs.source,
            self.out,
            dataset=self.dataset,
            units=units,
            maximize={name for names in self.maximize for name in names},
            replace=self.replace,
        )
        for column in costs.left_out:
            print_line(f"left out: {column}, which has no numbers")
        measured = {name: f"{int((values == values).sum()):,} of {len(table):,}" for name, values in costs.values.items()}
        print_rows(["metric", "unit", "architectures"], [[name, units.get(name, ""), of] for name, of in measured.items()])
        print_line(f"{changed.path}: {changed.title}, {megabytes(changed.path)}, fingerprint {changed.fingerprint[:12]}")


@dataclass(frozen=True)
class Merge:
    """Merge tables of one space: accuracies of one, metrics or schedules of another.

    A part that several tables have is taken from the first of them.
    """

    examples: ClassVar[tuple[str, ...]] = ("merge accuracies.safetensors latencies.safetensors both.safetensors",)

    tables: tyro.conf.Positional[
        Annotated[tuple[Path, ...], tyro.conf.arg(metavar="TABLE TABLE [TABLE ...]", help_behavior_hint="(required)")]
    ]
    """Two or more tables."""
    out: tyro.conf.Positional[OutPath]
    """New table file to write."""

    def __call__(self) -> None:
        from benchmark_api.tables.merge import merge

        merged, lines = merge([open_table(path) for path in self.tables], self.out)
        for line in lines:
            print_line(line)
        print_line(f"{merged.path}: {merged.title}, {megabytes(merged.path)}, fingerprint {merged.fingerprint[:12]}")
