"""The command line of the bench."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import Annotated

import tyro

from benchmark_api.tables.table import Table
from experiments.bench.history import Comparison, History
from experiments.bench.rows import QUICK, Effort
from experiments.bench.tables import (
    Subject,
    bench_importer,
    bench_large,
    bench_queries,
    bench_searches,
    bench_sweep,
)
from experiments.bench.training import Supernets, bench_builder, bench_supernets
from experiments.provenance import code_version, environment

HISTORY = Path("results/bench")
"""Where histories lie unless told otherwise."""
SUPERNETS = Supernets()


def measure(
    table: Path | None = None,
    archive: Path | None = None,
    jobs: int = 2,
    quick: bool = False,
    supernets: Supernets = SUPERNETS,
    history: Path = HISTORY,
) -> int:
    """Measure everything, print it as a table, and keep it as a file.

    Args:
        table: a table file; by default the embedded topology table.
        archive: the official archive that the table was imported from, a folder; by default the table is exported.
        jobs: processes, where several are compared with one.
        quick: measure little: to see that everything can be measured, not how fast it is.
        supernets: what weight-sharing searches are measured on.
        history: the folder of the files.
    """
    if archive is not None and table is None:
        raise ValueError(f"{archive}: name also the table that was imported from it (--table)")
    if jobs < 2:
        raise ValueError(f"jobs must be at least 2, to be compared with one process, got {jobs}")
    opened, effort = Table(table or "digits-topology"), QUICK if quick else Effort()
    if quick:
        supernets = replace(supernets, channels=2, cells=1, size=8, batch=4, steps=1)
    began, load, start = datetime.now(timezone.utc), os.getloadavg()[0], time.perf_counter()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject.of(opened, archive, Path(folder))
        for row in chain(
            bench_sweep(subject, effort, jobs),  # first: its processes are forked, before PyTorch starts threads
            bench_importer(subject, effort, jobs),
            bench_queries(subject, effort),
            bench_searches(subject, effort),
            bench_large(subject, effort),
            bench_builder(effort),
            bench_supernets(supernets),
        ):
            print(f"{time.perf_counter() - start:6.0f} s  {row.what}: {row.ours.text(row.unit)}", file=sys.stderr)
            rows.append(row)
    made = History(
        when=began.isoformat(),
        code=code_version(bench_importer, bench_supernets),
        machine={**environment("torch", "nats-bench", "hpbandster"), "cores": os.cpu_count()},
        settings={
            "table": opened.title,
            "fingerprint": opened.fingerprint,
            "archive": "exported" if archive is None else archive.name,
            "jobs": jobs,
            "quick": quick,
            "supernets": asdict(supernets),
        },
        load=load,
        rows=tuple(rows),
    )
    print(made.table())
    print(f"kept in {made.write(history)}", file=sys.stderr)
    return 0


def check(
    old: Annotated[Path | None, tyro.conf.arg(metavar="OLD")] = None,
    new: Annotated[Path | None, tyro.conf.arg(metavar="NEW")] = None,
    /,
    threshold: float = 1.25,
    history: Path = HISTORY,
) -> int:
    """Compare two runs of the bench, row by row; exit status 1 if something became slower.

    Args:
        old: the former one's file; by default the last but one.
        new: the later one's file; by default the last.
        threshold: what takes so many times as long is slower, beyond what counterparts tell of the machine.
        history: the folder of the files.
    """
    kept = sorted(history.glob("*.json"))
    if len(kept) + (old is not None) + (new is not None) < 2:
        raise ValueError(f"{history} has {len(kept)} runs of the bench, expected two to compare: make bench")
    former, later = (History.read(path) for path in (old or kept[-2], new or kept[-1]))
    comparison = Comparison.of(former, later, threshold)
    print(comparison.text())
    if comparison.slower:
        print(f"error: {comparison.slower} of {len(comparison.changes)} rows became worse", file=sys.stderr)
    return 1 if comparison.slower else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    try:
        about = "How fast this project is, and whether it became slower."
        commands: dict[str, Callable[..., int]] = {"run": measure, "check": check}
        status: int = tyro.extras.subcommand_cli_from_dict(
            commands, prog="python -m experiments.bench", description=about, args=arguments
        )
        return status
    except KeyboardInterrupt:
        print("interrupted: nothing was kept", file=sys.stderr)
        return 130
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
