"""Writing results files, and claiming the seeds of an experiment before its runs are made.

Several commands may work on one folder at once. A job first claims the seeds of its runs by locking one byte per seed in the
experiment's file `.lock` (POSIX record locks, which network file systems support too), and skips runs stored meanwhile. The
system drops a claim when its process ends in any way.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_api.jobs.files import whole_file, writing_in
from benchmark_api.jobs.job import failure_path
from experiments.provenance import environment
from experiments.store.checks import SCHEMA_VERSION
from experiments.store.schema import RUN_COLUMNS, AnyCondition, Column, Kind

PIECE_SEEDS = 25
"""Seeds per file: files are the blocks [0, 25), [25, 50), ... whatever the number of processes."""
SUPERNET_SUFFIX = ".supernet.safetensors"

_PIECE_NAME = re.compile(r"seeds-(\d+)-(\d+)\.parquet")


def piece_path(results: str | os.PathLike[str], condition: AnyCondition, seeds: Sequence[int]) -> Path:
    """Return the file of runs with consecutive seeds."""
    return Path(results, condition.folder(), f"seeds-{seeds[0]:05d}-{seeds[-1]:05d}.parquet")


def supernet_path(piece: Path) -> Path:
    """Return the checkpoint of a one-shot run, which exists during the run and afterwards."""
    return piece.with_suffix(SUPERNET_SUFFIX)


def kept_supernet_path(piece: Path, epoch: int) -> Path:
    """Path of the checkpoint of a run that was kept after an epoch before the last."""
    return piece.with_suffix(f".epoch-{epoch:04d}.safetensors")


def missing_pieces(stored: Iterable[int], seeds: Iterable[int], block: int = PIECE_SEEDS) -> list[range]:
    """Return the seeds that are not stored, in consecutive ranges that do not cross a multiple of `block`."""
    pieces: list[range] = []
    for seed in sorted({*seeds} - {*stored}):
        if pieces and pieces[-1].stop == seed and seed % block:
            pieces[-1] = range(pieces[-1].start, seed + 1)
        else:
            pieces.append(range(seed, seed + 1))
    return pieces


@contextmanager
def claim(results: str | os.PathLike[str], condition: AnyCondition, seeds: range) -> Iterator[list[range]]:
    """Claim some seeds of an experiment; wait while another process claims any of them.

    The value of the context manager is the seeds that are not stored, in consecutive ranges. The claimed seeds are consecutive
    and do not cross a multiple of `PIECE_SEEDS`.

    Raises:
        WriteError: the folder cannot be written.

    Warns:
        RuntimeWarning: the file system has no locks, so that nothing is claimed.
    """
    folder = Path(results, condition.folder())
    with writing_in(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder / ".lock", "ab")  # noqa: SIM115
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX, len(seeds), seeds[0])
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            warnings.warn(f"{folder}: no locks here, so only one command may write at a time", RuntimeWarning, stacklevel=3)
        stored: set[int] = set()
        for name in filter(None, map(_PIECE_NAME.fullmatch, os.listdir(folder))):
            stored.update(range(max(int(name[1]), seeds.start), min(int(name[2]) + 1, seeds.stop)))
        yield missing_pieces(stored, seeds)


def write_piece(
    results: str | os.PathLike[str],
    condition: AnyCondition,
    runs: Sequence[Any],
    code_version: str,
    table_path: str,
    machine: Mapping[str, str] | None = None,
) -> Path:
    """Store runs with consecutive seeds as one file, whole or not at all.

    Args:
        results: the results folder.
        condition: condition of the runs.
        runs: each with `seed`, `wall_seconds` and the kind's columns as attributes. Optional columns are those of the first run.
        code_version: version of the code that made the runs.
        table_path: path of the table.
        machine: machine and libraries that computed the runs; None for `environment()`.

    Returns:
        The file's path.
    """
    kind = condition.kind
    path = piece_path(results, condition, [run.seed for run in runs])
    columns = {name: _constant(value, len(runs), kind.fields[name]) for name, value in condition.facts().items()}
    columns["seed"] = _numbers([run.seed for run in runs], pa.int64())
    columns["code_version"] = _constant(code_version, len(runs), RUN_COLUMNS["code_version"])
    columns["wall_seconds"] = _numbers([run.wall_seconds for run in runs], pa.float64())
    columns |= {name: _lists(column, values) for name, column, values in _entries(kind, runs)}
    manifest = {"schema_version": SCHEMA_VERSION, **(environment() if machine is None else machine), "table_path": table_path}
    if kind.name != "black-box":
        manifest["kind"] = kind.name
    table = pa.table(columns).replace_schema_metadata({"manifest": json.dumps(manifest, sort_keys=True)})
    with whole_file(path) as file:
        # Trajectories hardly repeat a value: dictionaries would cost time and space.
        pq.write_table(table, file, compression="zstd", use_dictionary=False, write_page_checksum=True)
    failure_path(path).unlink(missing_ok=True)
    return path


def _entries(kind: Kind[Any], runs: Sequence[Any]) -> Iterator[tuple[str, Column[Any], list[Any]]]:
    """Yield name in the file, declaration and entries [run] of each column that the runs have."""
    for name, column in kind.columns.items():
        if column.optional and getattr(runs[0], name, None) is None:
            continue
        values = [getattr(run, name) for run in runs]
        if column.by_metric:
            for number, metric in enumerate(runs[0].cost_names):
                yield f"{name}:{metric}", column, [of_run[:, number] for of_run in values]
        else:
            yield name, column, values


# `pa.array` imports pandas where it is installed, half a second in every worker; columns made of buffers need no conversion.
# Arrow's own `to_pandas_dtype` needs pandas before version 26.
_NUMPY_TYPES = {pa.from_numpy_dtype(kind): np.dtype(kind) for kind in (*np.typecodes["AllInteger"], *"efd")}


def _numbers(values: npt.ArrayLike, arrow: pa.DataType) -> pa.Array:
    array = np.ascontiguousarray(values, dtype=_NUMPY_TYPES[arrow])
    return pa.Array.from_buffers(arrow, len(array), [None, pa.py_buffer(array)])


def _lists(column: Column[Any], runs: Sequence[Any]) -> pa.Array:
    """Return the column of runs, each an array of entries, or a sequence of arrays where an entry is a list."""
    if not column.axis:
        return _list_array(runs, _numbers(np.concatenate(runs), column.type.value_type))
    rows = [row for run in runs for row in run]
    numbers = _numbers(np.concatenate([np.empty(0), *rows]), column.type.value_type.value_type)
    return _list_array(runs, _list_array(rows, numbers))


def _list_array(lists: Sequence[Any], values: pa.Array) -> pa.Array:
    ends = np.cumsum([0, *map(len, lists)], dtype=np.int32)
    return pa.ListArray.from_arrays(_numbers(ends, pa.int32()), values)


def _constant(value: str | float | None, rows: int, arrow: pa.DataType) -> pa.Array:
    if value is None:
        return pa.nulls(rows, arrow)
    if not pa.types.is_string(arrow):
        return _numbers([value] * rows, arrow)
    text = str(value).encode()
    ends = np.arange(rows + 1, dtype=np.int32) * len(text)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(text * rows))
