"""Reading results files: every file is checked, and refused by name where it is damaged, foreign or out of place."""

from __future__ import annotations

import os
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark_api.jobs.files import regular
from benchmark_api.types import AnyArray
from experiments.store.caution import read_caution
from experiments.store.checks import MAX_VALUES, check_column, check_cost, limited_memory, read_manifest
from experiments.store.kinds import BLACK_BOX_RUNS, ONE_SHOT_RUNS, Experiment
from experiments.store.schema import KINDS, RUN_COLUMNS, AnyCondition, AnyExperiment, Column, ExperimentT, Kind
from experiments.store.write import piece_path

KEPT_BYTES = 2**28
"""Memory for the columns of experiments loaded together; those of one experiment are kept whatever their size."""

MAX_NOTE = 1 << 20
"""Bytes of a failure note that are read, its last ones."""

Kept = OrderedDict[Path, dict[str, AnyArray]]
"""Columns in memory by the first file of their experiment; those used last come last."""


class StoreError(ValueError):
    """A results file that is damaged or lies in the wrong place; the message names it."""


class MixedCodeWarning(UserWarning):
    """The runs of one experiment were made by different versions of the code."""


@overload
def load(results: str | os.PathLike[str], /, **filters: Any) -> list[Experiment]: ...
@overload
def load(results: str | os.PathLike[str], kind: Kind[ExperimentT], /, **filters: Any) -> list[ExperimentT]: ...
def load(results: str | os.PathLike[str], kind: Kind[Any] = BLACK_BOX_RUNS, /, **filters: Any) -> list[Any]:
    """Load all experiments of one kind, ordered by space, dataset, algorithm and condition.

    All columns are read and checked. Those of the experiments used last stay in memory, up to `KEPT_BYTES`; others are read
    again on access.

    Args:
        results: the results folder.
        kind: the kind of run; the files of others are left alone.
        **filters: fields of the kind's condition and the values wanted, e.g. `space="topology"`.

    Raises:
        FileNotFoundError: there is no such folder.
        StoreError: a file is damaged, does not belong where it lies, or repeats a seed; the message names it.
        ValueError: a filter is not a field of the condition.

    Warns:
        MixedCodeWarning: the runs of an experiment were made by different versions of the code.
    """
    root = Path(results)
    if not root.is_dir():
        raise FileNotFoundError(f"no results folder {root}")
    if unknown := filters.keys() - kind.fields.keys():
        raise ValueError(f"unknown filters {sorted(unknown)}; expected some of {', '.join(kind.fields)}")
    kept: Kept = OrderedDict()
    caution = read_caution(root)
    experiments = []
    for _, paths in groupby(files_below(root, ".parquet"), key=lambda path: path.parent):
        headers = [(path, *_header(path)) for path in paths]
        pieces = [_Piece(root, path, kind, names) for path, found, names in headers if found is kind]
        wanted = [piece for piece in pieces if all(getattr(piece.condition, name) == value for name, value in filters.items())]
        if wanted:
            experiments.append(_experiment(kind, wanted, kept, caution))
    return experiments


def load_searches(results: str | os.PathLike[str], /, **filters: Any) -> list[AnyExperiment]:
    """Load the experiments of all searches, the black-box ones first; filters, errors and warnings are those of `load`."""
    return [found for kind in (BLACK_BOX_RUNS, ONE_SHOT_RUNS) for found in load(results, kind, **filters)]


def files_below(root: Path, suffix: str) -> list[Path]:
    """Return the files in a folder and below whose names have a suffix, in order; links to folders are followed, once each."""
    seen: set[str] = set()
    found: list[Path] = []
    for folder, names, files in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:  # a link to a folder that holds it
            names.clear()
            continue
        seen.add(real)
        found += [Path(folder, name) for name in files if name.endswith(suffix)]
    return sorted(found)


class StoredPiece(NamedTuple):
    """A results file of a condition: its path, the consecutive seeds of its runs, and the versions of the code that made them."""

    path: Path
    seeds: range
    code_versions: frozenset[str]


def stored_pieces(results: str | os.PathLike[str], condition: AnyCondition) -> list[StoredPiece]:
    """Return the files of a condition, in the order of their seeds.

    Raises:
        StoreError: as for `load`.
    """
    root = Path(results)
    pieces = [_Piece(root, path, *_header(path)) for path in sorted((root / condition.folder()).glob("*.parquet"))]
    return [
        StoredPiece(
            piece.path, range(int(piece.seeds[0]), int(piece.seeds[-1]) + 1), frozenset(_versions_in(piece.code_versions))
        )
        for piece in _in_order(condition, pieces)
    ]


def _versions_in(notes: Iterable[str]) -> set[str]:
    """Return the versions of the code that are noted with runs; the note of a run that was continued has several."""
    return {version for note in notes for version in note.split(", ")}


def failures(results: Path) -> list[Path]:
    """Return the notes of failed jobs whose runs nobody has made since."""
    return [note for note in files_below(results, ".failed") if not note.with_suffix(".parquet").exists()]


def last_line(note: Path) -> str:
    """Return the last line of a failure note, which says why a job failed."""
    with open(regular(note), "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MAX_NOTE))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "no reason noted"


def _in_order(condition: AnyCondition, pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return pieces by their seeds; raise where one is not of the condition, or a seed is stored twice."""
    for piece in pieces:
        if piece.condition != condition:
            raise StoreError(f"{piece.path}: does not belong to the experiment of its folder")
    ordered = sorted(pieces, key=lambda piece: int(piece.seeds[0]))
    for former, latter in pairwise(ordered):
        if former.seeds[-1] >= latter.seeds[0]:
            raise StoreError(f"{latter.path}: seed {latter.seeds[0]} is also in {former.path.name}; delete one of them")
    return ordered


def _experiment(kind: Kind[ExperimentT], pieces: Sequence[_Piece], kept: Kept, caution: str) -> ExperimentT:
    condition = pieces[0].condition
    pieces = _in_order(condition, pieces)
    versions = sorted({version for piece in pieces for version in _versions_in(piece.code_versions)})
    if len(versions) > 1:
        text = f"{condition.folder()} mixes runs of code versions {', '.join(versions)}"
        warnings.warn(text, MixedCodeWarning, stacklevel=3)
    columns = _StoredColumns(pieces, kept)
    return kind.experiment(
        **{name: getattr(condition, name) for name in kind.fields},
        seeds=np.concatenate([piece.seeds for piece in pieces]),
        offsets=np.concatenate([[0], np.cumsum(columns.lengths, dtype=np.int64)]),
        wall_seconds=np.concatenate([piece.wall_seconds for piece in pieces]),
        code_versions=tuple(versions),
        machines=tuple(sorted({piece.machine for piece in pieces})),
        table_path=pieces[-1].table_path,
        columns=columns,
        folder_caution=caution,
    )


class _StoredColumns(Mapping[str, AnyArray]):
    """Columns of one experiment.

    Args:
        pieces: files of the experiment, in order of seeds.
        kept: columns in memory of experiments loaded together; those used first are dropped where all exceed `KEPT_BYTES`.

    Attributes:
        lengths: number of entries of each run [run].
    """

    def __init__(self, pieces: Sequence[_Piece], kept: Kept) -> None:
        self._pieces, self._kept, self._key = pieces, kept, pieces[0].path
        self.lengths = np.concatenate(self._read())
        self._names = list(kept[self._key])

    def _read(self) -> tuple[AnyArray, ...]:
        """Read all columns into memory; return the number of entries of each run [piece][run]."""
        lengths, pieces = zip(*(piece.read_columns() for piece in self._pieces), strict=True)
        names = [name for name in pieces[0] if all(name in piece for piece in pieces)]
        # Column after column: what has been joined is freed.
        self._kept[self._key] = {name: _joined([piece.pop(name) for piece in pieces]) for name in names}
        while len(self._kept) > 1 and sum(array.nbytes for of in self._kept.values() for array in of.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return lengths

    def __getitem__(self, name: str) -> AnyArray:
        if name not in self._names:
            raise KeyError(name)
        if self._key not in self._kept:
            self._read()
        self._kept.move_to_end(self._key)
        return self._kept[self._key][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _joined(arrays: Sequence[AnyArray]) -> AnyArray:
    """Join arrays [entry] or [entry, number]; the latter are padded with NaN to the widest."""
    if arrays[0].ndim == 2:
        width = max(array.shape[1] for array in arrays)
        arrays = [np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=np.nan) for array in arrays]
    return np.concatenate(arrays)


class _Piece:
    """One results file, checked.

    Args:
        root: the results folder.
        path: the file.
        kind: the kind of its runs.
        names: all its columns.
    """

    def __init__(self, root: Path, path: Path, kind: Kind[Any], names: Sequence[str]) -> None:
        self.path, self.kind, self._names = path, kind, names
        fields = {name: arrow for name, arrow in kind.fields.items() if name in names or name not in kind.condition.later_fields}
        table = self._read({**fields, **RUN_COLUMNS})
        manifest = _manifest(path, table.schema)
        self.table_path: str = manifest["table_path"]
        self.machine = tuple(sorted((name, str(manifest[name])) for name in manifest.keys() - _NOT_OF_THE_MACHINE))
        if not table.num_rows:
            raise StoreError(f"{path}: holds no run; delete it")
        facts = table.select(list(fields))
        if facts.group_by(facts.column_names, use_threads=False).aggregate([]).num_rows != 1:
            raise StoreError(f"{path}: mixes runs of several experiments")
        if empty := [name for name in RUN_COLUMNS if table[name].null_count]:
            raise StoreError(f"{path}: a run has no {empty[0]}")
        with self._named():
            self.condition: AnyCondition = kind.condition.from_row(facts.slice(0, 1).to_pylist()[0])
        self.seeds = table["seed"].to_numpy()  # [run]
        self.wall_seconds = table["wall_seconds"].to_numpy()  # [run]
        if self.seeds.min() < 0 or not (self.wall_seconds.min() >= 0 and np.isfinite(self.wall_seconds).all()):
            raise StoreError(f"{path}: seeds and wall_seconds must be at least 0 and finite")
        self.code_versions = set(table["code_version"].to_pylist())
        consecutive = np.array_equal(self.seeds, np.arange(self.seeds[0], self.seeds[0] + len(self.seeds)))
        belongs = piece_path(root, self.condition, self.seeds.tolist())
        if not consecutive or path != belongs:
            raise StoreError(f"{path}: lies in the wrong place; its rows belong in {belongs}")

    def read_columns(self) -> tuple[AnyArray, dict[str, AnyArray]]:
        """Return the number of entries of each run [run], and each column [entry] or [entry, number]."""
        declared = {name: column for name, column in self.kind.columns.items() if not column.optional}
        for name in self._names:  # optional columns, those of metrics among them
            if column := self.kind.columns.get(name.partition(":")[0]):
                declared[name] = column
        table = self._read({name: column.type for name, column in declared.items()})
        columns = {name: table[name].combine_chunks() for name in declared}
        if empty := [name for name, column in columns.items() if column.null_count or column.flatten().null_count]:
            raise StoreError(f"{self.path}: column {empty[0]} lacks a number")
        lengths, *others = (np.diff(column.offsets.to_numpy()) for column in columns.values())
        if any(not np.array_equal(other, lengths) for other in others):
            raise StoreError(f"{self.path}: the lists of a run differ in length")
        if not lengths.all():
            raise StoreError(f"{self.path}: a run has no entry")
        found = {name: self._values(declared[name], column.flatten()) for name, column in columns.items()}
        with self._named():
            self.kind.experiment.check_entries(found, lengths)
        return lengths, found

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file in the messages of ValueErrors."""
        try:
            yield
        except ValueError as error:
            raise StoreError(f"{self.path}: {error}") from error

    def _values(self, column: Column[Any], entries: pa.Array) -> AnyArray:
        """Return numbers as [entry], lists of numbers as [entry, number]."""
        numbers = entries.flatten() if column.axis else entries
        if numbers.null_count:
            raise StoreError(f"{self.path}: column {column.name} lacks a number")
        values = np.asarray(numbers.to_numpy(zero_copy_only=False))
        with self._named():
            check_column(column, values)
        if not column.axis:
            return values
        lengths = np.diff(entries.offsets.to_numpy())
        if not column.ragged and len(set(lengths.tolist())) != 1:
            raise StoreError(f"{self.path}: the lists of a column differ in length")
        if len(entries) * (width := int(lengths.max(initial=0))) > MAX_VALUES:
            raise StoreError(f"{self.path}: lists of up to {width:,} numbers for {len(entries):,} entries are too large")
        padded = np.full((len(entries), width), np.nan)
        padded[np.arange(width) < lengths[:, None]] = values
        return padded

    def _read(self, types: Mapping[str, pa.DataType]) -> pa.Table:
        with _opened(self.path) as file:
            table = file.read(list(types), use_threads=False)
        if {field.name: field.type for field in table.schema} != types:
            raise StoreError(f"{self.path}: damaged, its columns are {table.schema.names}; delete it and run again")
        return table


_NOT_OF_THE_MACHINE = {"kind", "schema_version", "table_path"}  # of a manifest


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with limited_memory(), pq.ParquetFile(pa.OSFile(os.fsencode(regular(path))), page_checksum_verification=True) as file:
            check_cost(file.metadata)
            yield file
    except StoreError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None):  # the system's answer, not the file's content
            raise
        found = " ".join(str(error).split())
        raise StoreError(f"{path}: truncated or damaged, delete it and run again ({found:.300})") from error
    except ValueError as error:
        raise StoreError(f"{path}: {error}; delete it and run again") from error


def _manifest(path: Path, schema: pa.Schema) -> dict[str, Any]:
    try:
        manifest = read_manifest((schema.metadata or {}).get(b"manifest", b""))
        KINDS.find(manifest["kind"])
    except ValueError as error:
        raise StoreError(f"{path}: not a results file of this version of the project ({error}); move it elsewhere") from error
    return manifest


def _header(path: Path) -> tuple[Kind[Any], list[str]]:
    """Return the kind of a results file and the names of its columns."""
    with _opened(path) as file:
        return KINDS[_manifest(path, file.schema_arrow)["kind"]], file.schema_arrow.names
