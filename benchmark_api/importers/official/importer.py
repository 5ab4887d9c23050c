"""Import of official NATS-Bench archives, read in worker processes.

The processes end, instead of the import, when a file exhausts the stack, or the time that decoding one record may take.
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

from tqdm import tqdm

from benchmark_api import unpickle
from benchmark_api.importers import measurements
from benchmark_api.importers.base import IMPORTERS, Description, Importer
from benchmark_api.importers.measurements import Part, Spool
from benchmark_api.importers.official.read import (
    EXTENSION,
    META,
    read_meta,
    recognise_space,
    record_indices,
    record_path,
    strings_of,
)
from benchmark_api.importers.official.records import read_trials
from benchmark_api.importers.official.single_file import load_records
from benchmark_api.jobs.calls import WorkerDied, in_parallel
from benchmark_api.jobs.files import regular
from benchmark_api.schema import named
from benchmark_api.spaces import SearchSpace
from benchmark_api.text import shown

SECONDS_LIMIT = 60.0
"""Processor time after which the decoding of one record is given up; official ones take milliseconds."""


@IMPORTERS.register
class OfficialImporter(Importer):
    """Archives of NATS-Bench: a folder such as `NATS-tss-v1_0-3ffb9-simple`, or a single file."""

    name: ClassVar[str] = "nats-bench"
    only_measured: ClassVar[bool] = False
    refusal: ClassVar[str] = f"it has no {META} and is no bz2-compressed single file"

    def recognises(self, source: Path) -> bool:
        if source.is_dir():
            return (source / META).is_file()
        with open(regular(source), "rb") as file:
            return file.read(3) == b"BZh"

    def read(self, source: Path, spool: Spool, *, jobs: int | None, progress: bool) -> Description:
        if source.is_dir():
            space, fingerprint = _read_folder(source, spool, jobs, progress)
        else:
            space, fingerprint = _read_single_file(source, spool, progress)
        name = shown(source.name.removesuffix(EXTENSION))
        return Description(space, name, f"NATS-Bench {space.name} ({name})", fingerprint)


def _read_folder(source: Path, spool: Spool, jobs: int | None, progress: bool) -> tuple[SearchSpace, str]:
    """Spool the records of a folder; return its space, and SHA-256 over the SHA-256 of each record's file, in index order."""
    strings = read_meta(source / META)["meta_archs"]
    with named(source / META):
        space = recognise_space(strings)
    indices = record_indices(source)
    if indices and indices[-1] >= len(space):
        raise ValueError(f"{record_path(source, indices[-1])}: {space!r} has no such index")
    if indices:
        spool.check_complete(source, len(indices), space)
    records = [(index, record_path(source, index), strings[index]) for index in indices]
    size = measurements.BLOCK
    blocks = [(records[start : start + size], spool.folder, spool.curves) for start in range(0, len(records), size)]
    digest = hashlib.sha256()
    with tqdm(total=len(records), desc="importing", unit="record", disable=not progress) as bar:
        for parts, digests in _in_workers(_convert_records, blocks, jobs, spool.folder):
            spool.parts += parts
            digest.update(digests)
            bar.update(sum(len(part.indices) for part in parts))
    return space, digest.hexdigest()


def _in_workers(function: Callable[..., Any], calls: list[tuple[Any, ...]], jobs: int | None, folder: Path) -> Iterator[Any]:
    """Yield results as `in_parallel` does; name the files that were being read when a process died."""
    try:
        yield from in_parallel(function, calls, jobs)
    except WorkerDied as error:
        files = sorted(os.fsdecode(note.read_bytes().split(b"\n")[0]) for note in folder.glob("*.reading"))
        reading = f" while reading {' or '.join(files)}: a file made to exhaust time or memory, or" if files else ", perhaps for"
        raise WorkerDied(f"a worker process died{reading} lack of memory; try fewer jobs") from error


def _convert_records(records: list[tuple[int, Path, str]], folder: Path, curves: bool) -> tuple[list[Part], bytes]:
    """Spool records (index, file, architecture string); return the parts, and the SHA-256 digests of the files, joined."""
    spool, digests = Spool(folder, curves, prefix=f"{records[0][0]:08d}-"), b""
    note = folder / f"{records[0][0]:08d}.reading"
    with open(note, "wb", buffering=0) as reading:
        for index, path, text in records:
            reading.seek(0)  # over the name before: to truncate the file takes longer than to read a small record
            reading.write(os.fsencode(path) + b"\n")
            signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_LIMIT)  # its signal ends the process
            with open(regular(path), "rb") as file:
                hashed = _Hashed(file)
                data = unpickle.unpack_whole(hashed, str(path))
            content = unpickle.loads(data, str(path))
            with named(path):
                spool.add(index, read_trials(content, index, text))
            digests += hashed.digest.digest()
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    note.unlink()
    spool.flush()
    return spool.parts, digests


def _read_single_file(source: Path, spool: Spool, progress: bool) -> tuple[SearchSpace, str]:
    """Spool the records of a single file; return its space and the file's SHA-256."""
    calls = [(source, spool.folder, spool.curves, progress)]
    ((space, parts, fingerprint),) = _in_workers(_convert_single_file, calls, 1, spool.folder)
    spool.parts += parts
    return space, fingerprint


def _convert_single_file(source: Path, folder: Path, curves: bool, progress: bool) -> tuple[SearchSpace, list[Part], str]:
    spool = Spool(folder, curves)
    note = folder / "single.reading"
    note.write_bytes(os.fsencode(source))
    texts: dict[int, str] = {}

    def consume(index: int, record: Any) -> None:
        with named(f"{source}: the record of architecture {index}"):
            if index in texts:
                raise ValueError("it is there twice")
            spool.add(index, read_trials(record, index, None))
            texts[index] = next((state["arch_str"] for state in record.values()), "")
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_LIMIT)

    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS_LIMIT)
    with (
        open(regular(source), "rb") as file,
        tqdm(total=source.stat().st_size, desc="importing", unit="B", unit_scale=True, disable=not progress) as bar,
    ):
        hashed = _Hashed(file, bar)
        content = load_records(hashed, str(source), consume)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    note.unlink()
    spool.flush()
    strings = strings_of(content, str(source))
    with named(source):
        space = recognise_space(strings)
        for index, text in texts.items():
            if not 0 <= index < len(space) or text not in ("", strings[index]):
                raise ValueError(f"the record of architecture {index} is of {text[:120]!r}")
    return space, spool.parts, hashed.digest.hexdigest()


class _Hashed:
    """A file whose bytes are hashed, and counted by a progress bar, as they are read."""

    def __init__(self, file: BinaryIO, bar: tqdm[Any] | None = None) -> None:
        self._file = file
        self._bar = bar
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        if self._bar is not None:
            self._bar.update(len(data))
        return data

    def tell(self) -> int:
        return self._file.tell()
