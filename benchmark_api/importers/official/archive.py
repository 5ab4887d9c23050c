"""Official NATS-Bench archives in and out: `import_archive` makes a `Table` of one, `export_archive` makes one of a `Table`.

An archive is a folder with `meta.pickle.pbz2` and one `NNNNNN.pickle.pbz2` per architecture, or a single file with all of it.
Both are read by `benchmark_api.importers.official.pickles`, which runs nothing of them. Everything a table holds is checked
on the way in.

A trial's times are the same at every epoch in official archives, so a table has one number per trial and split. Where a file's
times differ between epochs, that number is their mean: the total over the whole training stays right.
"""

from __future__ import annotations

import bz2
import gc
import hashlib
import os
import pickle
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from benchmark_api.importers.official import pickles
from benchmark_api.importers.official.processes import start_worker
from benchmark_api.importers.official.records import RecordReader, Trial, Trials, check_identity, constant, named, read_trials
from benchmark_api.jobs.files import DISK_ERRORS, writing_in
from benchmark_api.spaces import SIZE_CELL, SearchSpace, SizeSpace, TopologySpace
from benchmark_api.tables.table import Table, TableWriter

_T = TypeVar("_T")

EXTENSION = ".pickle.pbz2"
META = f"meta{EXTENSION}"
CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120, "digits": 10}
"""Number of classes of the known dataset keys, in the order in which records list them."""

_BLOCK = 125  # records converted at a time, by one process: what is under way when an import is interrupted


# -- reading files -----------------------------------------------------------------------------------------------------


def record_path(folder: str | os.PathLike[str], index: int) -> Path:
    """Where a folder has the record of an architecture: `NNNNNN.pickle.pbz2`, or without the zeros if only that is there."""
    padded = Path(folder) / f"{index:06d}{EXTENSION}"
    plain = Path(folder) / f"{index}{EXTENSION}"
    return plain if plain.exists() and not padded.exists() else padded


def read_record(folder: str | os.PathLike[str], index: int) -> OrderedDict[str, dict[str, Any]]:
    """The record of one architecture, {schedule: state}, as plain Python objects.

    Raises:
        FileNotFoundError: the folder has no record of it.
        ValueError: the file is not a record of this architecture, or `pickles.load` refuses it.
    """
    path = record_path(folder, index)
    content = pickles.load(path)
    with named(path):
        check_identity(content, index, None)
    record: OrderedDict[str, dict[str, Any]] = content
    return record


def read_meta(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of an archive folder's `meta.pickle.pbz2`: "meta_archs", the strings of all architectures, and more.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is something else, or `pickles.load` refuses it.
    """
    meta = pickles.load(path)
    _strings_of(meta, str(path))
    content: dict[str, Any] = meta
    return content


def _strings_of(meta: Any, name: str) -> list[str]:
    strings = meta.get("meta_archs") if isinstance(meta, dict) else None
    if not isinstance(strings, list) or not all(type(text) is str for text in strings):
        raise ValueError(f"{name}: not the meta data of an archive: no list 'meta_archs' of architecture strings")
    return strings


def recognise_space(strings: Sequence[str]) -> SearchSpace:
    """The search space whose architectures, in official index order, are written like this.

    Raises:
        ValueError: none is.
    """
    space: SearchSpace | None = None
    if strings and re.fullmatch(r"[0-9]{1,4}(:[0-9]{1,4}){0,15}", strings[0]):
        rows = [text.split(":") for text in strings]
        widths = sorted({int(width) for row in rows for width in row if width.isascii() and width.isdecimal() and len(width) < 5})
        layers = len(rows[0])
        if widths and widths[0] > 0 and len(widths) ** layers == len(strings):
            space = SizeSpace(widths, layers)
    else:
        space = TopologySpace()
    if space is None or len(strings) != len(space):
        raise ValueError(
            f"{len(strings)} architectures are neither the {len(TopologySpace()):,} of the topology space nor all of a size space"
        )
    for index, text in enumerate(strings):
        expected = space.to_string(space.architecture(index))
        if text != expected:
            raise ValueError(
                f"architecture {index} is {text[:120]!r}; in the official order of the {space.name} space it is {expected!r}"
            )
    return space


# -- from trials to arrays ----------------------------------------------------------------------------------------------


def _agreed(trials: list[Trial], values: list[float]) -> float:
    """One number for all trials.

    [Q] In some official records the trials disagree; that with seed 888 is right (the package's fix in v1.6). Without such a
    trial, where the package fails, it is the mean.
    """
    if len({f"{value:.5f}" for value in values}) > 1:
        for trial, value in zip(trials, values, strict=True):
            if trial.seed == 888:
                return value
    return constant(np.array(values))


@dataclass
class _Block:
    """Some architectures' records, converted.

    Attributes:
        indices: the architectures.
        groups: (dataset key, schedule) -> row of the architecture -> trials.
    """

    indices: list[int] = field(default_factory=list)
    groups: dict[tuple[str, str], dict[int, list[Trial]]] = field(default_factory=dict)

    def add(self, index: int, trials: Trials) -> None:
        """Add an architecture."""
        row = len(self.indices)
        self.indices.append(index)
        for group, of_group in trials.items():
            self.groups.setdefault(group, {})[row] = of_group

    def tensors(self, curves: bool) -> dict[str, npt.NDArray[Any]]:
        """The block of every tensor of a table, [row, ...], and the epochs of every split."""
        tensors: dict[str, npt.NDArray[Any]] = {}
        rows = len(self.indices)
        for (key, schedule), trials_of_row in self.groups.items():
            stem, epochs = f"{key}/{schedule}", int(schedule)
            width = max(map(len, trials_of_row.values()))
            tensors[f"{stem}/seeds"] = seeds = np.full((rows, width), -1, dtype=np.int32)
            for name in ("params", "flops", "latency"):
                tensors[f"{stem}/{name}"] = np.full(rows, np.nan)
            splits = dict.fromkeys(name for trials in trials_of_row.values() for trial in trials for name in trial.figures)
            figures = {name: np.full((2, rows, width, epochs), np.nan) for name in splits}
            seconds = {name: np.full((rows, width), np.nan) for name in splits}
            for row, trials in trials_of_row.items():
                tensors[f"{stem}/params"][row] = _agreed(trials, [trial.params for trial in trials])
                tensors[f"{stem}/flops"][row] = _agreed(trials, [trial.flops for trial in trials])
                tensors[f"{stem}/latency"][row] = constant(np.array([t.latency if t.latency > 0 else np.nan for t in trials]))
                for column, trial in enumerate(trials):
                    seeds[row, column] = trial.seed
                    for name in trial.figures:
                        figures[name][:, row, column] = trial.figures[name]
                        seconds[name][row, column] = trial.seconds[name]
            for name, (accuracy, loss) in figures.items():
                stored = np.flatnonzero(~np.isnan(accuracy).all(axis=(0, 1))) if curves else np.array([epochs - 1])
                tensors[f"{stem}/{name}/epochs"] = stored.astype(np.int32)
                tensors[f"{stem}/{name}/accuracy"] = accuracy[:, :, stored]
                tensors[f"{stem}/{name}/loss"] = loss[:, :, stored]
                tensors[f"{stem}/{name}/seconds"] = seconds[name]
        return tensors


@dataclass(frozen=True)
class _Part:
    """A converted block on disk, until the shape of the whole table is known.

    Attributes:
        path: an .npz file of `_Block.tensors`.
        indices: the architectures, one per row.
        shapes: the shape of every tensor.
        epochs: the epochs of every split, by the name of their tensor.
    """

    path: Path
    indices: list[int]
    shapes: dict[str, tuple[int, ...]]
    epochs: dict[str, list[int]]


def _spool(block: _Block, path: Path, curves: bool) -> _Part:
    tensors = block.tensors(curves)
    np.savez(path, allow_pickle=False, **tensors)
    return _Part(
        path,
        block.indices,
        {name: tensor.shape for name, tensor in tensors.items()},
        {name: tensor.tolist() for name, tensor in tensors.items() if name.endswith("/epochs")},
    )


def _layout(parts: Iterable[_Part], architectures: int) -> tuple[dict[str, tuple[str, tuple[int, ...]]], dict[str, list[int]]]:
    """Dtype and shape of every tensor of the table, and the epochs of every split, so that every part fits in."""
    trials: dict[str, int] = {}
    epochs: dict[str, list[int]] = {}
    for part in parts:
        for name, shape in part.shapes.items():
            if name.endswith("/seeds"):
                stem = name.removesuffix("/seeds")
                trials[stem] = max(trials.get(stem, 0), shape[1])
        for name, stored in part.epochs.items():
            epochs[name] = sorted({*epochs.get(name, ()), *stored})
    layout: dict[str, tuple[str, tuple[int, ...]]] = {}
    for stem, width in trials.items():
        layout[f"{stem}/seeds"] = ("<i4", (architectures, width))
        layout |= {f"{stem}/{name}": ("<f8", (architectures,)) for name in ("params", "flops", "latency")}
    for name, stored in epochs.items():
        split = name.removesuffix("/epochs")
        width = trials[split.rpartition("/")[0]]
        layout[name] = ("<i4", (len(stored),))
        layout |= {f"{split}/{quantity}": ("<f8", (architectures, width, len(stored))) for quantity in ("accuracy", "loss")}
        layout[f"{split}/seconds"] = ("<f8", (architectures, width))
    return layout, epochs


def _write_part(
    writer: TableWriter, part: _Part, layout: Mapping[str, tuple[str, tuple[int, ...]]], epochs: Mapping[str, list[int]]
) -> None:
    order = np.argsort(part.indices)
    indices = np.array(part.indices)[order]
    bounds = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
    with np.load(part.path) as tensors:
        for name, tensor in tensors.items():
            if name in epochs:
                continue
            wanted = (len(indices), *layout[name][1][1:])
            if tensor.shape != wanted:
                fitted = np.full(wanted, -1 if tensor.dtype.kind == "i" else np.nan, dtype=tensor.dtype)
                if tensor.ndim == 3:
                    split = name.rpartition("/")[0] + "/epochs"
                    fitted[:, : tensor.shape[1], np.searchsorted(epochs[split], part.epochs[split])] = tensor
                else:
                    fitted[:, : tensor.shape[1]] = tensor
                tensor = fitted
            for start, stop in pairwise(bounds):
                writer.write(name, tensor[order[start:stop]], int(indices[start]))


# -- import ---------------------------------------------------------------------------------------------------------------


def import_archive(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    space: SearchSpace | None = None,
    curves: bool = True,
    notice: str = "",
    jobs: int | None = None,
    progress: bool = True,
) -> Table:
    """Make a table of an official archive.

    Architectures without a record, and trials that are not in it, stay empty (seed -1, NaN). Accuracies, losses and times are
    kept as float64, so that a table answers as the archive does. The table does not depend on `jobs`.

    Args:
        source: a folder such as `NATS-tss-v1_0-3ffb9-simple`, complete or with some records only, or a single file such as
            `NATS-tss-v1_0-3ffb9.pickle.pbz2`.
        out: the table to write; replaced when all is done, left alone if anything fails.
        space: the space that the archive must be of; None for whichever its meta data show.
        curves: keep every epoch; False: the last one of each training.
        notice: what every table and figure made from it must say; empty for measured figures that need no caution.
        jobs: processes; None for one per core. A single file is read by one process.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: no such archive.
        ValueError: a file is truncated, corrupt, inconsistent, of another architecture than its name says, or asks for more
            than data (`pickles.UnsafePickleError`); the message names the file. The records are of no known space.
        RuntimeError: a worker process died.
    """
    source, out = Path(source), Path(out)
    if not source.exists():
        raise FileNotFoundError(f"no archive at {source}")
    if out.is_dir():
        raise ValueError(f"{out} is a folder; expected the name of the table file to write")
    workers = _workers(jobs)
    spool_home = next(folder for folder in out.absolute().parents if folder.is_dir())
    with (
        writing_in(spool_home, *DISK_ERRORS),
        tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=".spool", dir=spool_home) as spool,
    ):
        if source.is_dir():
            found, parts, fingerprint = _import_folder(source, Path(spool), curves, workers, progress)
        else:
            found, parts, fingerprint = _import_single_file(source, Path(spool), curves, progress)
        if space is not None and found != space:
            raise ValueError(f"{source} is an archive of {found!r}, expected {space!r}")
        layout, epochs = _layout(parts, len(found))
        if not layout:
            raise ValueError(f"{source}: no record of any architecture")
        name = source.name.removesuffix(EXTENSION)
        schedules = sorted({stem.split("/")[1] for stem in layout}, key=int)
        metadata = {
            "space": found.spec(),
            "title": f"NATS-Bench {found.name} ({name})",
            "notice": notice,
            "source": {
                "name": name,
                "records": sum(len(part.indices) for part in parts),
                "fingerprint": fingerprint,
                "curves": curves,
            },
            "search_schedule": "12" if "12" in schedules else schedules[0],
            "report_schedule": schedules[-1],
        }
        with TableWriter(out, layout, metadata) as writer:
            for tensor, stored in epochs.items():
                writer.write(tensor, stored)
            for part in tqdm(parts, desc="writing", unit="block", disable=not progress, leave=False):
                _write_part(writer, part, layout, epochs)
    return Table(out)


def _import_folder(source: Path, spool: Path, curves: bool, workers: int, progress: bool) -> tuple[SearchSpace, list[_Part], str]:
    """Convert the records of a folder. The fingerprint is SHA-256 over the SHA-256 of each record's file, in index order."""
    if not (source / META).is_file():
        raise FileNotFoundError(f"{source} is not an official archive: it has no {META}")
    strings = read_meta(source / META)["meta_archs"]
    with named(source / META):
        space = recognise_space(strings)
    records = sorted((index, record_path(source, index)) for index in _indices_in(source))
    if records and records[-1][0] >= len(space):
        raise ValueError(f"{records[-1][1]}: {space!r} has no such index")
    calls = [(index, path, strings[index]) for index, path in records]
    blocks = [(calls[start : start + _BLOCK], curves, spool / f"{start:08d}.npz") for start in range(0, len(calls), _BLOCK)]
    parts: list[_Part] = []
    digest = hashlib.sha256()
    with tqdm(total=len(calls), desc="importing", unit="record", disable=not progress) as bar:
        for part, digests in _in_parallel(_convert_records, blocks, workers):
            parts.append(part)
            digest.update(digests)
            bar.update(len(part.indices))
    return space, parts, digest.hexdigest()


def _indices_in(folder: Path) -> set[int]:
    return {
        int(name.removesuffix(EXTENSION))
        for name in os.listdir(folder)
        if name.endswith(EXTENSION) and re.fullmatch("[0-9]{1,9}", name.removesuffix(EXTENSION))
    }


def _convert_records(records: list[tuple[int, Path, str]], curves: bool, part: Path) -> tuple[_Part, bytes]:
    """Convert records (index, file, architecture string) into a part; also the SHA-256 digests of the files, joined."""
    block, reader, digests = _Block(), RecordReader(), b""
    for index, path, text in records:
        with open(path, "rb") as file:
            hashed = _Hashed(file)
            data = pickles.unpack_whole(hashed, str(path))
        block.add(index, reader.read(data, index, text, str(path)))
        digests += hashed.digest.digest()
    return _spool(block, part, curves), digests


def _import_single_file(source: Path, spool: Path, curves: bool, progress: bool) -> tuple[SearchSpace, list[_Part], str]:
    """Convert the records of a single file as they arrive. The fingerprint is the file's SHA-256."""
    parts: list[_Part] = []
    texts: dict[int, str] = {}
    block = _Block()

    def flush() -> None:
        nonlocal block
        if block.indices:
            parts.append(_spool(block, spool / f"{len(parts):08d}.npz", curves))
            block = _Block()

    def consume(index: int, record: Any) -> None:
        with named(f"{source}: the record of architecture {index}"):
            if index in texts:
                raise ValueError("it is there twice")
            block.add(index, read_trials(record, index, None))
            texts[index] = next((state["arch_str"] for state in record.values()), "")
        if len(block.indices) == _BLOCK:
            flush()

    with (
        open(source, "rb") as file,
        tqdm(total=source.stat().st_size, desc="importing", unit="B", unit_scale=True, disable=not progress) as bar,
    ):
        hashed = _Hashed(file, bar)
        content = pickles.load_records_file(hashed, str(source), consume)
    flush()
    strings = _strings_of(content, str(source))
    with named(source):
        space = recognise_space(strings)
        for index, text in texts.items():
            if not 0 <= index < len(space) or text not in ("", strings[index]):
                raise ValueError(f"the record of architecture {index} is of {text[:120]!r}")
    return space, parts, hashed.digest.hexdigest()


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


# -- export ---------------------------------------------------------------------------------------------------------------


def record(table: Table, index: int) -> OrderedDict[str, dict[str, Any]]:
    """The official record of an architecture: {schedule: state of an `ArchResults`}, of the epochs that the table has.

    Schedules and dataset keys without a trial are left out. Numbers are plain floats, where official files have a NumPy scalar
    for params and latency: such a file can be read with any version of NumPy.

    Raises:
        ValueError: the index is out of range.
    """
    text = table.space.to_string(table.space.architecture(index))
    schedules = sorted({schedule for key in table.keys for schedule in table.schedules(key)}, key=lambda name: (int(name), name))
    states: OrderedDict[str, dict[str, Any]] = OrderedDict()
    for schedule in schedules:
        results: dict[tuple[str, int], dict[str, Any]] = {}
        listed: dict[str, list[int]] = {}
        for key in sorted(table.keys, key=lambda key: (list(CLASSES).index(key) if key in CLASSES else len(CLASSES), key)):
            if schedule not in table.schedules(key):
                continue
            seeds = [seed for seed in table.seeds(key, schedule)[index].tolist() if seed >= 0]
            for column, seed in enumerate(seeds):
                results[key, seed] = _trial_state(table, index, text, key, schedule, column, seed)
            if seeds:
                listed[key] = seeds
        if results:
            states[schedule] = {
                "arch_index": index,
                "arch_str": text,
                "all_results": results,
                "dataset_seed": listed,
                "clear_net_done": True,
            }
    return states


def _trial_state(table: Table, index: int, text: str, key: str, schedule: str, column: int, seed: int) -> dict[str, Any]:
    """One trial as the state of a `ResultsCount`."""
    stem, length = f"{key}/{schedule}", int(schedule)
    figures: dict[str, tuple[dict[int, float], dict[int, float], dict[int, float]]] = {}  # accuracy, loss, seconds by epoch
    for split in table.splits(key, schedule):
        accuracy, loss = (table.tensor(f"{stem}/{split}/{name}")[index, column] for name in ("accuracy", "loss"))
        stored = np.flatnonzero(~np.isnan(accuracy))
        epochs = table.tensor(f"{stem}/{split}/epochs")[stored].tolist()
        seconds = table.seconds(key, schedule, split).item(index, column)
        if epochs:
            figures[split] = (
                dict(zip(epochs, accuracy[stored].tolist(), strict=True)),
                dict(zip(epochs, loss[stored].tolist(), strict=True)),
                dict.fromkeys(range(length), seconds) if seconds == seconds else {},
            )
    train_accuracies, train_losses, train_times = figures.pop("train", ({}, {}, {}))
    accuracies, losses, times = (
        {f"{split}@{epoch}": value for split, of_split in figures.items() for epoch, value in of_split[quantity].items()}
        for quantity in range(3)
    )
    latency = table.latency(key, schedule).item(index)
    return {
        "name": key,
        "train_acc1es": train_accuracies,
        "train_acc5es": None,
        "train_losses": train_losses,
        "train_times": OrderedDict(train_times) if train_times else None,
        "arch_config": _architecture_config(table.space, text, key),
        "params": table.params(key, schedule).item(index),
        "flop": table.flops(key, schedule).item(index),
        "seed": f"{seed:04d}",
        "epochs": length,
        "latency": [latency] if latency == latency else None,
        "eval_names": list(figures),
        "eval_acc1es": accuracies,
        "eval_times": times,
        "eval_losses": losses,
        "net_state_dict": None,
    }


def _architecture_config(space: SearchSpace, text: str, key: str) -> dict[str, Any]:
    if isinstance(space, TopologySpace):
        return {"channel": 16, "num_cells": 5, "arch_str": text, "class_num": CLASSES.get(key)}
    return {
        "name": "infer.shape.tiny",
        "channels": text,
        "arch_str": text,
        "genotype": TopologySpace().to_string(SIZE_CELL),
        "class_num": CLASSES.get(key),
    }


def export_archive(table: Table, out: str | os.PathLike[str], *, jobs: int | None = None, progress: bool = True) -> Path:
    """Write a table as a folder in the official format, which the `nats_bench` package opens (`fast_mode=True`).

    Importing the folder gives the same tensors again. Architectures without any trial get no file.

    Args:
        table: the table.
        out: the folder to make; it appears when all is done.
        jobs: processes; None for one per core.
        progress: show a progress bar.

    Raises:
        ValueError: the folder exists.
        RuntimeError: a worker process died.
    """
    out = Path(out)
    if out.exists():
        raise ValueError(f"{out} exists; expected the name of a new folder")
    workers = _workers(jobs)
    has_trials = np.zeros(len(table), dtype=bool)
    for key in table.keys:
        for schedule in table.schedules(key):
            has_trials |= (table.seeds(key, schedule) >= 0).any(axis=1)
    indices = np.flatnonzero(has_trials).tolist()
    with writing_in(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    try:
        strings = [table.space.to_string(table.space.architecture(index)) for index in range(len(table))]
        meta = {"meta_archs": strings, "total_archs": len(strings), "arch2infos": None, "evaluated_indexes": set()}
        blocks = [(table.path, part, indices[start : start + _BLOCK]) for start in range(0, len(indices), _BLOCK)]
        bar = tqdm(total=len(indices), desc="exporting", unit="record", disable=not progress)
        with writing_in(out.parent, *DISK_ERRORS), bar:
            _save(meta, part / META)
            for count in _in_parallel(_export_records, blocks, workers):
                bar.update(count)
        part.chmod(0o755)
        part.rename(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return out


def _export_records(table_path: Path, folder: Path, indices: list[int]) -> int:
    table = Table(table_path)
    for index in indices:
        _save(record(table, index), record_path(folder, index))
    return len(indices)


def _save(content: object, path: Path) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(content, protocol=4)))


# -- processes -------------------------------------------------------------------------------------------------------------


def _workers(jobs: int | None) -> int:
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    return jobs or os.cpu_count() or 1


def _in_parallel(function: Callable[..., _T], calls: Sequence[tuple[Any, ...]], workers: int) -> Iterator[_T]:
    """The results of the calls, in their order.

    Raises:
        RuntimeError: a worker process died.
    """
    if workers == 1 or len(calls) == 1:
        for arguments in calls:
            yield function(*arguments)
        return
    with ProcessPoolExecutor(min(workers, max(len(calls), 1)), initializer=_prepare_worker) as pool:
        try:
            for future in [pool.submit(function, *arguments) for arguments in calls]:
                yield future.result()
        except BrokenProcessPool as error:
            raise RuntimeError("a worker process died, perhaps for lack of memory; try fewer jobs") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    start_worker()
    gc.disable()  # thousands of live dicts per record and no cycles among them: collecting takes a sixth of the time
