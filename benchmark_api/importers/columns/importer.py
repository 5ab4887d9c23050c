"""Import of files of columns by a mapping."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from typing import ClassVar

from tqdm import tqdm

from benchmark_api.importers.base import IMPORTERS, Description, ImportedMetric, Importer
from benchmark_api.importers.columns.mapping import PRESETS, ColumnMapping, Format
from benchmark_api.importers.columns.measured import Collector, Measured
from benchmark_api.importers.columns.reading import ENDINGS, format_of, read_blocks
from benchmark_api.importers.columns.trials import add_trials, metric_values
from benchmark_api.importers.measurements import Spool
from benchmark_api.jobs.calls import WorkerDied, in_parallel
from benchmark_api.jobs.files import regular
from benchmark_api.text import shown

SECONDS_LIMIT = 120.0
"""Processor time after which the reading of pickles is given up; those of a whole space take seconds."""


@IMPORTERS.register
class ColumnsImporter(Importer):
    """Files of columns: CSV, Parquet, JSON, JSON lines, pickles of plain data. They say nothing of what the columns hold.

    Args:
        mapping: what the columns hold; None recognises no source.
    """

    name: ClassVar[str] = "columns"
    refusal: ClassVar[str] = f"its name ends in none of {', '.join(ENDINGS)}"

    def __init__(self, mapping: ColumnMapping | None = None) -> None:
        self._mapping = mapping

    def recognises(self, source: Path) -> bool:
        return self._mapping is not None and source.is_file()

    def hint(self, source: Path) -> str:
        if not source.is_file() or format_of(source) is None:
            return ""
        presets = ", ".join(PRESETS)
        return f"a file of columns: --columns FILE.toml or --preset NAME must say what its columns hold (presets: {presets})"

    def read(self, source: Path, spool: Spool, *, jobs: int | None, progress: bool) -> Description:
        mapping = self._mapping
        if mapping is None or not source.is_file():
            raise ValueError(f"{source}: expected a file and a mapping of its columns")
        kind = mapping.format or format_of(source)
        if kind is None:
            raise ValueError(f"{source}: unknown ending; format in {mapping.name} must name the format")
        measured = _collect_apart(source, mapping) if kind == "pickle" else collect(source, kind, mapping, progress)
        add_trials(str(source), measured, spool)
        space = mapping.space
        values = {tensor: metric_values(str(source), tensor, found, len(space)) for tensor, found in measured.metrics.items()}
        about = {metric.name: metric for metric in mapping.metrics}
        metrics = {
            tensor: ImportedMetric(of_all, about[name].unit, about[name].direction)
            for tensor, of_all in values.items()
            for name in [tensor.rpartition("/")[2]]
        }
        name = shown(source.name.removesuffix(".gz").rpartition(".")[0] or source.name)
        title = mapping.title or f"{space.name.capitalize()} space ({name})"
        facts = {"mapping": mapping.name, **mapping.source}
        return Description(space, name, title, _sha256(source), mapping.notice, facts, metrics)


def collect(source: Path, kind: Format, mapping: ColumnMapping, progress: bool = False) -> Measured:
    """Return the measurements of a file.

    Raises:
        ValueError: the file is damaged, or does not hold what the mapping says.
    """
    collector = Collector(str(source), mapping)
    with tqdm(desc="importing", unit="row", unit_scale=True, disable=not progress) as bar:
        for block in read_blocks(source, kind, mapping.columns):
            collector.add(block)
            bar.update(block.length)
    return collector.measured()


def _collect_apart(source: Path, mapping: ColumnMapping) -> Measured:
    """Return the measurements of a file of pickles, read in a process that ends if they exhaust the stack or time."""
    try:
        (measured,) = in_parallel(_collect_in_time, [(source, mapping)], 1)
    except WorkerDied as error:
        raise WorkerDied(f"a worker process died while reading {source}: a file made to exhaust time or memory") from error
    return measured


def _collect_in_time(source: Path, mapping: ColumnMapping) -> Measured:
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_LIMIT)  # its signal ends the process
    measured = collect(source, "pickle", mapping)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    return measured


def _sha256(source: Path) -> str:
    digest = hashlib.sha256()
    with open(regular(source), "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
