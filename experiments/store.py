"""results/: finished pieces of experiments as Parquet files, one row per run.

    results/SPACE/DATASET/ALGORITHM-XXXXXXXX/seeds-00000-00024.parquet

An experiment is a condition, that is everything a run depends on besides its seed and the version of the code. XXXXXXXX is
a hash of the condition. Names of folders and files only locate: every fact is in the rows, and a file whose rows do not
belong where it lies is refused. A piece is written under a temporary name, synced and renamed, so a file that exists is whole.

The columns are the fields of `Condition` and, per run:

    seed           int64
    code_version   string
    wall_seconds   float64
    seconds        list of float64   simulated clock after each evaluation
    architecture   list of int32     official index
    epochs         list of int16     training epochs
    accuracy       list of float64   validation accuracy, percent

The string "manifest" of a file's metadata is JSON: schema version, interpreter, platform, libraries, path of the table.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.provenance import environment
from experiments.run import Run, RunSettings

SCHEMA_VERSION = 1
PIECE_SEEDS = 25
"""Seeds per piece: pieces are the blocks [0, 25), [25, 50), ... whatever the number of processes."""


class StoreError(ValueError):
    """A results file that is damaged or lies in the wrong place; the message names it."""


class MixedCodeWarning(UserWarning):
    """The runs of one experiment were made by different versions of the code."""


@dataclass(frozen=True, kw_only=True)
class Condition(RunSettings):
    """Everything a run depends on besides its seed and the version of the code.

    Attributes:
        algorithm: registry name.
        hyperparameters: all of them, as JSON with sorted keys.
        incumbent_rule: see `BlackBoxSearch.incumbent_rule`.
        table_fingerprint: of the table searched on, as are the next two.
        table_title: what the table holds.
        table_notice: what a reader must know about it; empty for an official archive.
    """

    algorithm: str
    hyperparameters: str
    incumbent_rule: str
    table_fingerprint: str
    table_title: str
    table_notice: str

    def folder(self) -> Path:
        """Where pieces of this experiment lie, relative to the results folder."""
        facts = json.dumps({field: getattr(self, field) for field in _CONDITION_FIELDS}, sort_keys=True)
        digest = hashlib.sha256(facts.encode()).hexdigest()[:8]
        return Path(self.space, self.dataset, f"{self.algorithm}-{digest}")


_CONDITION_FIELDS = tuple(field.name for field in fields(Condition))


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment(Condition):
    """All stored runs of one condition; the evaluations of run i are the entries offsets[i] to offsets[i + 1].

    Attributes:
        seeds: [run], int64, ascending.
        offsets: [run + 1], int64.
        seconds: [evaluation], float64, simulated clock after the evaluation, counted from the start of its run.
        architecture: [evaluation], int32, official index.
        epochs: [evaluation], int16.
        accuracy: [evaluation], float64, validation accuracy, percent.
        wall_seconds: [run], float64.
        code_versions: those that made the runs, sorted.
        table_path: where the table was when the last piece was made.
    """

    seeds: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    seconds: npt.NDArray[np.float64]
    architecture: npt.NDArray[np.int32]
    epochs: npt.NDArray[np.int16]
    accuracy: npt.NDArray[np.float64]
    wall_seconds: npt.NDArray[np.float64]
    code_versions: tuple[str, ...]
    table_path: str


_TRAJECTORY = {"seconds": pa.float64(), "architecture": pa.int32(), "epochs": pa.int16(), "accuracy": pa.float64()}
_NUMERIC = {"budget": pa.float64(), "max_queries": pa.int64()}
_SCHEMA = pa.schema(
    [(name, _NUMERIC.get(name, pa.string())) for name in _CONDITION_FIELDS]
    + [("seed", pa.int64()), ("code_version", pa.string()), ("wall_seconds", pa.float64())]
    + [(name, pa.list_(kind)) for name, kind in _TRAJECTORY.items()]
)


# -- writing ---------------------------------------------------------------------------------------------------------------


def piece_path(results: str | os.PathLike[str], condition: Condition, seeds: Sequence[int]) -> Path:
    """The file of a piece with these consecutive seeds."""
    return Path(results, condition.folder(), f"seeds-{seeds[0]:05d}-{seeds[-1]:05d}.parquet")


def write_piece(
    results: str | os.PathLike[str], condition: Condition, runs: Sequence[Run], code_version: str, table_path: str
) -> Path:
    """Store runs with consecutive seeds as one file, whole or not at all.

    Returns:
        The file's path.
    """
    path = piece_path(results, condition, [run.seed for run in runs])
    row = {**{field: getattr(condition, field) for field in _CONDITION_FIELDS}, "code_version": code_version}
    row["noise"] = str(condition.noise)  # a name or a trial's seed
    columns = {name: _constant(value, len(runs), _SCHEMA.field(name).type) for name, value in row.items()}
    columns["seed"] = _numbers(np.array([run.seed for run in runs]), pa.int64())
    columns["wall_seconds"] = _numbers(np.array([run.wall_seconds for run in runs]), pa.float64())
    offsets = _numbers(np.cumsum([0] + [len(run.seconds) for run in runs], dtype=np.int32), pa.int32())
    for name, kind in _TRAJECTORY.items():
        values = _numbers(np.concatenate([getattr(run, name) for run in runs]), kind)
        columns[name] = pa.ListArray.from_arrays(offsets, values)
    manifest = {"schema_version": SCHEMA_VERSION, **environment(), "table_path": table_path}
    schema = _SCHEMA.with_metadata({"manifest": json.dumps(manifest, sort_keys=True)})
    table = pa.Table.from_arrays([columns[name] for name in _SCHEMA.names], schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(handle, "wb") as file:
            # Trajectories hardly repeat a value: dictionaries would cost time and space.
            pq.write_table(table, file, compression="zstd", use_dictionary=False, write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    failure_path(path).unlink(missing_ok=True)
    return path


# `pa.array` imports pandas where it is installed, half a second in every worker; columns made of buffers need no conversion.


def _numbers(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _constant(value: str | float | None, rows: int, kind: pa.DataType) -> pa.Array:
    if value is None:
        return pa.nulls(rows, kind)
    if isinstance(value, str):
        text = value.encode()
        ends = np.arange(rows + 1, dtype=np.int32) * len(text)
        return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(text * rows))
    return _numbers(np.full(rows, value, dtype=kind.to_pandas_dtype()), kind)


def discard_parts(piece: Path) -> None:
    """Remove what writers of a piece left that were killed; none may be at work."""
    for part in piece.parent.glob(f".{piece.name}.*.part"):
        part.unlink()


def failure_path(piece: Path) -> Path:
    """Where the traceback of a failed piece lies until the piece succeeds."""
    return piece.with_suffix(".failed")


# -- reading ---------------------------------------------------------------------------------------------------------------


def load(results: str | os.PathLike[str], **filters: Any) -> list[Experiment]:
    """All experiments of a results folder, ordered by space, dataset, algorithm and condition.

    Args:
        results: the folder.
        **filters: fields of `Condition` and the values wanted, e.g. `space="topology"`.

    Raises:
        FileNotFoundError: there is no such folder.
        StoreError: a file is damaged, does not belong where it lies, or repeats a seed; the message names it.
        ValueError: a filter is not a field of `Condition`.

    Warns:
        MixedCodeWarning: the runs of an experiment were made by different versions of the code.
    """
    root = Path(results)
    if not root.is_dir():
        raise FileNotFoundError(f"no results folder {root}")
    unknown = filters.keys() - set(_CONDITION_FIELDS)
    if unknown:
        raise ValueError(f"unknown filters {sorted(unknown)}; expected some of {', '.join(_CONDITION_FIELDS)}")
    pieces: dict[Condition, list[_Piece]] = defaultdict(list)
    for path in sorted(root.rglob("*.parquet")):
        piece = _Piece(root, path)
        if all(getattr(piece.condition, field) == value for field, value in filters.items()):
            piece.read_trajectories()
            pieces[piece.condition].append(piece)
    return [_experiment(condition, found) for condition, found in pieces.items()]


def stored_seeds(results: str | os.PathLike[str], condition: Condition) -> set[int]:
    """The seeds of a condition that are stored.

    Raises:
        StoreError: as for `load`.
    """
    root = Path(results)
    pieces = [_Piece(root, path) for path in sorted((root / condition.folder()).glob("*.parquet"))]
    for piece in pieces:
        if piece.condition != condition:
            raise StoreError(f"{piece.path}: does not belong to the experiment of its folder")
    _check_distinct(pieces)
    return {int(seed) for piece in pieces for seed in piece.seeds}


def missing_pieces(stored: Iterable[int], seeds: range) -> list[range]:
    """The seeds that are not stored, in consecutive ranges that do not cross a multiple of `PIECE_SEEDS`."""
    stored = set(stored)
    pieces: list[range] = []
    for seed in seeds:
        if seed in stored:
            continue
        if pieces and pieces[-1].stop == seed and seed % PIECE_SEEDS:
            pieces[-1] = range(pieces[-1].start, seed + 1)
        else:
            pieces.append(range(seed, seed + 1))
    return pieces


class _Piece:
    """One results file, checked."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path
        scalars = _read(path, [name for name in _SCHEMA.names if name not in _TRAJECTORY])
        self.table_path: str = _manifest(path, scalars.schema)["table_path"]
        if not scalars.num_rows:
            raise StoreError(f"{path}: holds no run; delete it")
        facts = scalars.select(_CONDITION_FIELDS)
        if facts.group_by(_CONDITION_FIELDS, use_threads=False).aggregate([]).num_rows != 1:
            raise StoreError(f"{path}: mixes runs of several experiments")
        row = facts.slice(0, 1).to_pylist()[0]
        if row["noise"].isdigit():
            row["noise"] = int(row["noise"])
        self.condition = Condition(**row)
        self.seeds = scalars["seed"].to_numpy()  # [run]
        self.wall_seconds = scalars["wall_seconds"].to_numpy()  # [run]
        self.code_versions = set(scalars["code_version"].to_pylist())
        consecutive = np.array_equal(self.seeds, np.arange(self.seeds[0], self.seeds[0] + len(self.seeds)))
        belongs = piece_path(root, self.condition, self.seeds.tolist())
        if not consecutive or path != belongs:
            raise StoreError(f"{path}: lies in the wrong place; its rows belong in {belongs}")

    def read_trajectories(self) -> None:
        table = _read(self.path, list(_TRAJECTORY))
        lists = {name: table[name].combine_chunks() for name in _TRAJECTORY}
        offsets = {name: column.offsets.to_numpy() for name, column in lists.items()}
        self.lengths = np.diff(offsets["seconds"])  # [run]
        if any(not np.array_equal(np.diff(other), self.lengths) for other in offsets.values()):
            raise StoreError(f"{self.path}: the columns of a trajectory differ in length")
        self.trajectory = {name: column.flatten().to_numpy(zero_copy_only=False) for name, column in lists.items()}


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns, use_threads=False)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None):  # the system's answer, not the file's content
            raise
        raise StoreError(f"{path}: truncated or damaged, delete it and run again ({error})") from error
    _manifest(path, table.schema)
    if not table.schema.equals(pa.schema([_SCHEMA.field(name) for name in columns])):
        raise StoreError(f"{path}: damaged, its columns are {table.schema.names}; delete it and run again")
    return table


def _manifest(path: Path, schema: pa.Schema) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(schema.metadata[b"manifest"])
        if manifest["schema_version"] == SCHEMA_VERSION and isinstance(manifest["table_path"], str):
            return manifest
    except (KeyError, TypeError, ValueError):
        pass
    raise StoreError(f"{path}: not a results file of version {SCHEMA_VERSION} of this project; move it elsewhere")


def _check_distinct(pieces: Sequence[_Piece]) -> None:
    """Raise where a seed is stored twice; the pieces must be of one condition."""
    ordered = sorted(pieces, key=lambda piece: int(piece.seeds[0]))
    for former, latter in pairwise(ordered):
        if former.seeds[-1] >= latter.seeds[0]:
            raise StoreError(f"{latter.path}: seed {latter.seeds[0]} is also in {former.path.name}; delete one of them")


def _experiment(condition: Condition, pieces: list[_Piece]) -> Experiment:
    _check_distinct(pieces)
    pieces.sort(key=lambda piece: int(piece.seeds[0]))
    code_versions = tuple(sorted(set().union(*(piece.code_versions for piece in pieces))))
    if len(code_versions) > 1:
        warnings.warn(
            f"{condition.folder()} mixes runs of code versions {', '.join(code_versions)}", MixedCodeWarning, stacklevel=3
        )

    def joined(column: str) -> npt.NDArray[Any]:
        return np.concatenate([piece.trajectory[column] for piece in pieces])

    lengths = np.concatenate([piece.lengths for piece in pieces])
    return Experiment(
        **asdict(condition),
        seeds=np.concatenate([piece.seeds for piece in pieces]),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        seconds=joined("seconds"),
        architecture=joined("architecture"),
        epochs=joined("epochs"),
        accuracy=joined("accuracy"),
        wall_seconds=np.concatenate([piece.wall_seconds for piece in pieces]),
        code_versions=code_versions,
        table_path=pieces[-1].table_path,
    )
