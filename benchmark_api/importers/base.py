"""Interface of importers, and the import itself: recognise a source, spool its measurements, write the table."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from tqdm import tqdm

from benchmark_api.importers.measurements import Spool, layout_of, write_part
from benchmark_api.jobs.files import DISK_ERRORS, check_replaceable, scratch_folder, writing_in
from benchmark_api.kind_of_file import kind_of_file
from benchmark_api.registry import Registry
from benchmark_api.spaces import SearchSpace
from benchmark_api.tables.metrics import Direction
from benchmark_api.tables.table import Table
from benchmark_api.tables.writer import TableWriter, default_schedules
from benchmark_api.types import FloatArray


@dataclass(frozen=True)
class ImportedMetric:
    """A named metric of a source: values [architecture], NaN where there is none, unit and direction."""

    values: FloatArray
    unit: str
    direction: Direction


@dataclass(frozen=True)
class Description:
    """Metadata of an imported source."""

    space: SearchSpace  # of its architectures
    name: str  # of the source
    title: str  # of the table, and of figures made from it
    fingerprint: str  # hexadecimal SHA-256 of the source's files
    notice: str = ""  # caution of the table where the user gives none
    source: Mapping[str, str] = field(default_factory=dict)  # more facts about the source, e.g. its licence
    metrics: Mapping[str, ImportedMetric] = field(default_factory=dict)  # by tensor, e.g. "metrics/energy"


class Importer(ABC):
    """Reads the measurements of one kind of source; `@IMPORTERS.register` adds a subclass.

    Attributes:
        name: name in the registry.
        refusal: why a source is not of this kind, for the message that no importer recognises it.
        only_measured: whether the table lacks losses, seconds and costs that the source does not have; False: they are NaN.
        number: dtype of measurements in the table.
        seed: dtype of the trials' seeds in the table.
    """

    name: ClassVar[str]
    refusal: ClassVar[str]
    only_measured: ClassVar[bool] = True
    number: ClassVar[str] = "<f8"
    seed: ClassVar[str] = "<i4"

    @abstractmethod
    def recognises(self, source: Path) -> bool:
        """Whether an existing file or folder is a source of this kind, as far as a glance shows."""

    def hint(self, source: Path) -> str:
        """Return what it is that this importer could read if it were told more, and how; empty if it could not."""
        return ""

    @abstractmethod
    def read(self, source: Path, spool: Spool, *, jobs: int | None, progress: bool) -> Description:
        """Add the trials of all measured architectures to a spool.

        Args:
            source: the file or folder.
            spool: takes each architecture once, in any order, by `spool.add(index, trials)`.
            jobs: worker processes; None for one per core.
            progress: show a progress bar.

        Raises:
            ValueError: the source is damaged or inconsistent; the message names the file.
        """


IMPORTERS: Registry[type[Importer]] = Registry("importer")


def import_table(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    importer: Importer | None = None,
    curves: bool = True,
    notice: str = "",
    partial: bool = False,
    jobs: int | None = None,
    progress: bool = True,
) -> Table:
    """Make a table of the measurements in a source.

    Architectures without measurements, and trials that do not exist, stay empty (seed -1, NaN). Accuracies, losses and times
    are kept as float64, so that a table answers as its source does. The table does not depend on `jobs`.

    Args:
        source: a file or folder, e.g. the official archive `NATS-tss-v1_0-3ffb9-simple`.
        out: the table to write; replaced when all is done, left alone if anything fails.
        importer: reads the source, e.g. `ColumnsImporter(mapping)`; None for the first one that recognises it.
        curves: keep every epoch; False: the last one of each training.
        notice: a caution that every table and figure made from it repeats; empty for none.
        partial: take a source that lacks architectures of its space; False: refuse it, e.g. a folder that is half unpacked.
        jobs: worker processes; None for one per core.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: the source does not exist.
        ValueError: no importer recognises the source; it is incomplete; a file is damaged, inconsistent or asks for more than
            data (the message names the file).
        RuntimeError: a worker process died.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise FileNotFoundError(f"no archive at {source}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder; expected the name of the table file to write")
    check_replaceable(out)
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    importer = importer or _importer_of(source)
    spool_home = next(folder for folder in out.absolute().parents if folder.is_dir())
    with (
        writing_in(spool_home, *DISK_ERRORS),
        scratch_folder(spool_home, out.name, ".spool") as folder,
    ):
        spool = Spool(folder, curves, partial=partial, only_measured=importer.only_measured)
        description = importer.read(source, spool, jobs=jobs, progress=progress)
        spool.flush()
        if not any(part.shapes for part in spool.parts):
            raise ValueError(f"{source}: no record of any architecture")
        spool.check_complete(source, _records(spool), description.space)
        _write_table(out, importer, spool, description, notice or description.notice, progress)
    return Table(out)


def _importer_of(source: Path) -> Importer:
    for importer in (kind() for kind in IMPORTERS.values()):
        if importer.recognises(source):
            return importer
    kind = next((hint for kind in IMPORTERS.values() if (hint := kind().hint(source))), None)
    kind = kind or (kind_of_file(source) if source.is_file() else None)
    refusals = "; ".join(f"for {name}, {importer.refusal}" for name, importer in IMPORTERS.items())
    raise ValueError(f"no importer recognises {source}: {f'it is {kind}' if kind else refusals}")


def _records(spool: Spool) -> int:
    """Return the number of architectures in a spool that is flushed."""
    return sum(len(part.indices) for part in spool.parts)


def _write_table(out: Path, importer: Importer, spool: Spool, description: Description, notice: str, progress: bool) -> None:
    layout, epochs = layout_of(spool.parts, len(description.space), importer.number, importer.seed)
    metadata = {
        "space": description.space.spec(),
        "title": description.title,
        "notice": notice,
        "source": {
            "name": description.name,
            "records": _records(spool),
            "fingerprint": description.fingerprint,
            "curves": spool.curves,
            **description.source,
        },
        **default_schedules({tensor.split("/")[1] for tensor in layout}),
    }
    if metrics := description.metrics:
        metadata["metrics"] = {tensor: {"unit": one.unit, "direction": one.direction} for tensor, one in metrics.items()}
        layout |= {tensor: (importer.number, one.values.shape) for tensor, one in metrics.items()}
    with TableWriter(out, layout, metadata) as writer:
        for tensor, stored in epochs.items():
            writer.write(tensor, stored)
        for tensor, one in metrics.items():
            writer.write(tensor, one.values)
        for part in tqdm(spool.parts, desc="writing", unit="block", disable=not progress, leave=False):
            write_part(writer, part, layout, epochs)
