"""results/: finished pieces of experiments as Parquet files, one row per run.

    results/SPACE/DATASET/ALGORITHM-XXXXXXXX/seeds-00000-00024.parquet

An experiment is a condition, that is everything a run depends on besides its seed and the version of the code. XXXXXXXX is
a hash of the condition. Names of folders and files only locate: every fact is in the rows, and a file whose rows do not
belong where it lies is refused. A piece is written under a temporary name, synced and renamed, so a file that exists is whole.

Several commands may work on one folder at once: whoever makes runs first claims their seeds, by locking one byte for each in
the experiment's file `.lock` (POSIX record locks, which network file systems know too), and leaves out what has been stored
meanwhile. The system drops a claim when its process ends, however that ends. Where a file system has no locks a warning says
that only one command may write there at a time.

There are three kinds of experiments: black-box searches on a table, one-shot searches, and rankings of architectures by the
supernet of a one-shot search. The columns are the fields of the kind's condition (`Condition`, `OneShotCondition`,
`RankingCondition`) and, per run, seed (int64), code_version (string), wall_seconds (float64) and lists. Black-box:

    seconds         list of float64   simulated clock after each evaluation
    architecture    list of int32     official index
    epochs          list of int16     training epochs
    accuracy        list of float64   validation accuracy, percent

One-shot, an entry for every epoch of training (see `algorithms.one_shot.search.EpochFigures`):

    architecture    list of int32     official index of the one derived after the epoch
    train_loss, train_accuracy, valid_loss, valid_accuracy
                    lists of float64  of the supernet; nats and percent
    arch_weights    list of lists of float64, probabilities of all choices, decision after decision
    entropy         list of float64   mean over decisions, nats
    train_seconds, derive_seconds
                    lists of float64  wall time of training the epoch, and of deriving
    peak_memory     list of int64     bytes

Rankings, an entry for every architecture of the sample:

    architecture    list of int32     official index
    accuracy        list of float64   validation accuracy with the supernet's weights, percent

The string "manifest" of a file's metadata is JSON: kind, schema version, interpreter, platform, libraries, path of the table.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property, partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from algorithms.black_box import BLACK_BOX as SEARCHES
from benchmark_api.jobs.engines import failure_path
from benchmark_api.jobs.files import whole_file, writing_in
from experiments.provenance import environment
from experiments.runs.run import DEFAULT_BUDGETS, RunSettings

SCHEMA_VERSION = 1
PIECE_SEEDS = 25
"""Seeds per piece: pieces are the blocks [0, 25), [25, 50), ... whatever the number of processes."""
SUPERNET_SUFFIX = ".supernet.safetensors"


class StoreError(ValueError):
    """A results file that is damaged or lies in the wrong place; the message names it."""


class MixedCodeWarning(UserWarning):
    """The runs of one experiment were made by different versions of the code."""


# -- kinds of experiments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Condition(RunSettings):
    """Everything a black-box run depends on besides its seed and the version of the code.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        if str(self.noise).isdigit():  # a trial's seed, stored as text as the other values are
            object.__setattr__(self, "noise", int(self.noise))

    @property
    def kind(self) -> Kind[Any, Any]:
        """The kind of experiments."""
        return _kind_of(self)

    def settings(self) -> dict[str, object]:
        """Settings besides the hyperparameters."""
        names = ("schedule", "budget", "charge", "repeats", "noise", "max_queries", "incumbent_rule")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def config_values(self) -> dict[str, Any]:
        """The hyperparameters."""
        values: dict[str, Any] = json.loads(self.hyperparameters)
        return values

    def search_class(self) -> Any:
        """The registered search, or None."""
        return SEARCHES.get(self.algorithm)

    def deviations(self, search_schedule: str) -> dict[str, object]:
        """Settings and hyperparameters that are not the defaults; `search_schedule` is the table's."""
        usual = {field.name: field.default for field in fields(RunSettings) if field.default is not MISSING}
        usual["schedule"] = search_schedule
        usual["budget"] = DEFAULT_BUDGETS.get((self.space, self.dataset))
        search = SEARCHES.get(self.algorithm)
        return {
            **{name: getattr(self, name) for name, value in usual.items() if getattr(self, name) != value},
            **_others(json.loads(self.hyperparameters), asdict(search.Config()) if search else {}),
        }

    def label(self, search_schedule: str) -> str:
        """The search's name and, in brackets, its deviations."""
        return _label(self.algorithm, self.deviations(search_schedule))

    def folder(self) -> Path:
        """Where pieces of this experiment lie, relative to the results folder."""
        return Path(self.space, self.dataset, f"{self.algorithm}-{BLACK_BOX.digest(self)}")


@dataclass(frozen=True, kw_only=True)
class OneShotCondition:
    """Everything a one-shot run depends on besides its seed and the version of the code.

    Attributes:
        space: "topology" or "size".
        dataset: the dataset searched on, as the table names it.
        algorithm: registry name.
        hyperparameters: all of them, as JSON with sorted keys.
        execution: how it is computed (`algorithms.one_shot.search.Execution`), as JSON.
        setting: the images trained on and what surrounds the cells (`experiments.runs.one_shot.Setting`), as JSON.
        table_fingerprint: of the table that the derived architectures are looked up in, as are the next two.
        table_title: what the table holds.
        table_notice: what a reader must know about it; empty for an official archive.
    """

    space: str
    dataset: str
    algorithm: str
    hyperparameters: str
    execution: str
    setting: str
    table_fingerprint: str
    table_title: str
    table_notice: str

    def folder(self) -> Path:
        """Where pieces of this experiment lie, relative to the results folder."""
        return Path(self.space, self.dataset, f"{self.algorithm}-{ONE_SHOT_RUNS.digest(self)}")

    schedule: ClassVar[str] = ""
    budget: ClassVar[float] = float("inf")
    incumbent_rule: ClassVar[str] = "last"

    @property
    def kind(self) -> Kind[Any, Any]:
        """The kind of experiments."""
        return _kind_of(self)

    def settings(self) -> dict[str, object]:
        """Settings besides the hyperparameters."""
        return {**json.loads(self.execution), **json.loads(self.setting)}

    def config_values(self) -> dict[str, Any]:
        """The hyperparameters."""
        values: dict[str, Any] = json.loads(self.hyperparameters)
        return values

    def search_class(self) -> Any:
        """The registered search, or None."""
        from algorithms.one_shot import ONE_SHOT

        return ONE_SHOT.get(self.algorithm)

    def deviations(self, search_schedule: str) -> dict[str, object]:
        """Hyperparameters and execution settings that are not the defaults."""
        from algorithms.one_shot.search import Execution  # PyTorch takes seconds to import
        from experiments.runs.one_shot import default_config

        search = self.search_class()
        defaults = asdict(default_config(search, self.dataset)) if search else {}
        return _others(json.loads(self.hyperparameters), defaults) | _others(json.loads(self.execution), asdict(Execution()))

    def label(self, search_schedule: str) -> str:
        """The search's name and, in brackets, its deviations."""
        return _label(self.algorithm, self.deviations(search_schedule))


@dataclass(frozen=True, kw_only=True)
class RankingCondition(OneShotCondition):
    """A one-shot condition, and how architectures were ranked by its supernets.

    Attributes:
        architectures: size of the sample.
        sample_seed: of the sample.
        images: how many images of x-valid each architecture was evaluated on; None for all.
        device: where.
    """

    architectures: int
    sample_seed: int
    images: int | None
    device: str

    def folder(self) -> Path:
        """Where pieces of this experiment lie, relative to the results folder."""
        return Path(self.space, self.dataset, f"{self.algorithm}-ranking-{RANKINGS.digest(self)}")


SAME_RESULT = {"device", "channels_last", "compile"}
"""Execution settings that do not make a different configuration."""


def _others(values: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    plain = json.loads(json.dumps(defaults))
    different = {name: value for name, value in values.items() if name not in plain or plain[name] != value}
    return different | {name: "unknown" for name in plain if name not in values}


def _label(algorithm: str, different: Mapping[str, object]) -> str:
    listed = ", ".join(f"{name}={value}" for name, value in different.items())
    return f"{algorithm} ({listed})" if different else algorithm


@dataclass(frozen=True, kw_only=True, eq=False)
class Stored:
    """What all stored runs of one condition have; the entries of run i are offsets[i] to offsets[i + 1] of the others.

    Attributes:
        seeds: [run], int64, ascending.
        offsets: [run + 1], int64.
        wall_seconds: [run], float64.
        code_versions: those that made the runs, sorted.
        machines: interpreter, platform, processor and libraries that the runs were made with, each as sorted pairs.
        table_path: where the table was when the last piece was made.
    """

    seeds: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    wall_seconds: npt.NDArray[np.float64]
    code_versions: tuple[str, ...]
    machines: tuple[tuple[tuple[str, str], ...], ...]
    table_path: str

    @property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """All lists."""
        if "_lists" in self.__dict__:
            lists: Mapping[str, npt.NDArray[Any]] = self.__dict__["_lists"]()
            return lists
        return {name: self.__dict__[name] for name in (*_kind_of(self).lists, "incumbent") if name in self.__dict__}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> npt.NDArray[Any]:
            """A list of an experiment that was loaded: it is none of the object's own attributes."""
            if "_lists" not in self.__dict__ or name not in _kind_of(self).lists:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return self._lists()[name]


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment(Condition, Stored):
    """All stored black-box runs of one condition.

    Attributes:
        seconds: [evaluation], float64, simulated clock after the evaluation, counted from the start of its run.
        architecture: [evaluation], int32, official index.
        epochs: [evaluation], int16.
        accuracy: [evaluation], float64, validation accuracy, percent.
    """

    seconds: npt.NDArray[np.float64]
    architecture: npt.NDArray[np.int32]
    epochs: npt.NDArray[np.int16]
    accuracy: npt.NDArray[np.float64]
    incumbent: npt.NDArray[np.int64] | None = None
    peak_memory: ClassVar[float] = float("nan")

    @property
    def clock(self) -> npt.NDArray[np.float64]:
        """Simulated seconds [entry]."""
        return self.seconds

    @property
    def spent_seconds(self) -> npt.NDArray[np.float64]:
        """Simulated seconds up to the budget [run]."""
        return np.minimum(self.seconds[self.offsets[1:] - 1], self.budget)


@dataclass(frozen=True, kw_only=True, eq=False)
class OneShotExperiment(OneShotCondition, Stored):
    """All stored one-shot runs of one condition; runs are equally long.

    Attributes:
        architecture: [epoch], int32, official index of the one derived after the epoch.
        train_loss: [epoch], nats, of the supernet, as are the next three.
        train_accuracy: [epoch], percent.
        valid_loss: [epoch], nats.
        valid_accuracy: [epoch], percent.
        arch_weights: [epoch, choice], probabilities of all choices, decision after decision.
        entropy: [epoch], nats, mean over decisions.
        train_seconds: [epoch], wall time.
        derive_seconds: [epoch], wall time.
        peak_memory: [epoch], bytes.
    """

    architecture: npt.NDArray[np.int32]
    train_loss: npt.NDArray[np.float64]
    train_accuracy: npt.NDArray[np.float64]
    valid_loss: npt.NDArray[np.float64]
    valid_accuracy: npt.NDArray[np.float64]
    arch_weights: npt.NDArray[np.float64]
    entropy: npt.NDArray[np.float64]
    train_seconds: npt.NDArray[np.float64]
    derive_seconds: npt.NDArray[np.float64]

    @property
    def peak_memory(self) -> float:
        """Bytes."""
        return float(self._lists()["peak_memory"].max())  # type: ignore[attr-defined]

    @property
    def clock(self) -> npt.NDArray[np.float64]:
        """Wall seconds [entry]."""
        return (self.train_seconds + self.derive_seconds).reshape(len(self.seeds), -1).cumsum(axis=1).ravel()

    @property
    def spent_seconds(self) -> npt.NDArray[np.float64]:
        """Wall seconds [run]."""
        return self.wall_seconds


@dataclass(frozen=True, kw_only=True, eq=False)
class SupernetRanking(RankingCondition, Stored):
    """How the supernets of all stored runs of one condition ranked the same sample of architectures.

    Attributes:
        architecture: [entry], int32, official index.
        accuracy: [entry], validation accuracy with the supernet's weights, percent.
    """

    architecture: npt.NDArray[np.int32]
    accuracy: npt.NDArray[np.float64]


class StoredRun(Protocol):
    """What a run of any kind has; its lists are attributes too."""

    @property
    def seed(self) -> int: ...
    @property
    def wall_seconds(self) -> float: ...


AnyCondition = Condition | OneShotCondition
AnyExperiment = Experiment | OneShotExperiment
ConditionT = TypeVar("ConditionT", bound=AnyCondition)
ExperimentT = TypeVar("ExperimentT", bound=Stored)


@dataclass(frozen=True)
class Kind(Generic[ConditionT, ExperimentT]):
    """A kind of experiments: what its files hold.

    Attributes:
        name: in the manifest; files without a name there are "black-box".
        condition: its fields are columns.
        experiment: made of all pieces of a condition.
        lists: the columns with a list per run, and the type of an entry.
        numbers: the fields of the condition that are no strings.
    """

    name: str
    condition: type[ConditionT]
    experiment: type[ExperimentT]
    lists: Mapping[str, pa.DataType]
    numbers: Mapping[str, pa.DataType]

    @property
    def columns(self) -> Mapping[str, pa.DataType]:
        """The columns with a list per run."""
        return self.lists

    @property
    def simulated(self) -> bool:
        """Whether time is simulated."""
        return self.name == "black-box"

    @property
    def order(self) -> int:
        """Reading order."""
        return list(_KINDS).index(self.name)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of the condition."""
        return tuple(field.name for field in fields(self.condition))

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of a file."""
        return pa.schema(
            [(name, self.numbers.get(name, pa.string())) for name in self.fields]
            + [("seed", pa.int64()), ("code_version", pa.string()), ("wall_seconds", pa.float64())]
            + [(name, pa.list_(entry)) for name, entry in self.lists.items()]
        )

    def digest(self, condition: ConditionT) -> str:
        """Eight hexadecimal digits of SHA-256 over the fields of a condition."""
        facts = json.dumps({field: getattr(condition, field) for field in self.fields}, sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:8]


_FLOAT, _INDEX = pa.float64(), pa.int32()
BLACK_BOX = BLACK_BOX_RUNS = Kind(
    "black-box",
    Condition,
    Experiment,
    {"seconds": _FLOAT, "architecture": _INDEX, "epochs": pa.int16(), "accuracy": _FLOAT},
    {"budget": _FLOAT, "max_queries": pa.int64()},
)
ONE_SHOT_RUNS = Kind(
    "one-shot",
    OneShotCondition,
    OneShotExperiment,
    {
        "architecture": _INDEX,
        **dict.fromkeys(("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"), _FLOAT),
        "arch_weights": pa.list_(_FLOAT),
        **dict.fromkeys(("entropy", "train_seconds", "derive_seconds"), _FLOAT),
        "peak_memory": pa.int64(),
    },
    {},
)
RANKINGS = Kind(
    "ranking",
    RankingCondition,
    SupernetRanking,
    {"architecture": _INDEX, "accuracy": _FLOAT},
    dict.fromkeys(("architectures", "sample_seed", "images"), pa.int64()),
)
_KINDS: dict[str, Kind[Any, Any]] = {kind.name: kind for kind in (BLACK_BOX, ONE_SHOT_RUNS, RANKINGS)}


def _kind_of(thing: AnyCondition | Stored) -> Kind[Any, Any]:
    """The kind of a condition or an experiment."""
    return next(kind for kind in _KINDS.values() if type(thing) in (kind.condition, kind.experiment))


# -- writing ---------------------------------------------------------------------------------------------------------------


def piece_path(results: str | os.PathLike[str], condition: AnyCondition, seeds: Sequence[int]) -> Path:
    """The file of a piece with these consecutive seeds."""
    return Path(results, condition.folder(), f"seeds-{seeds[0]:05d}-{seeds[-1]:05d}.parquet")


def write_piece(
    results: str | os.PathLike[str],
    condition: AnyCondition,
    runs: Sequence[StoredRun],
    code_version: str,
    table_path: str,
    machine: Mapping[str, str] | None = None,
) -> Path:
    """Store runs with consecutive seeds as one file, whole or not at all.

    Args:
        results: the results folder.
        condition: of the runs.
        runs: of the condition's kind.
        code_version: of the code that made them.
        table_path: where the table is.
        machine: what they were computed on; None for `environment()`.

    Returns:
        The file's path.
    """
    kind = _kind_of(condition)
    path = piece_path(results, condition, [run.seed for run in runs])
    row = {**{field: getattr(condition, field) for field in kind.fields}, "code_version": code_version}
    columns = {name: _constant(value, len(runs), kind.schema.field(name).type) for name, value in row.items()}
    columns["seed"] = _numbers(np.array([run.seed for run in runs]), pa.int64())
    columns["wall_seconds"] = _numbers(np.array([run.wall_seconds for run in runs]), pa.float64())
    for name, entry in kind.lists.items():
        lists = [getattr(run, name) for run in runs]
        columns[name] = pa.ListArray.from_arrays(_ends([len(values) for values in lists]), _entries(np.concatenate(lists), entry))
    manifest = {"schema_version": SCHEMA_VERSION, **(environment() if machine is None else machine), "table_path": table_path}
    if kind is not BLACK_BOX:
        manifest["kind"] = kind.name
    schema = kind.schema.with_metadata({"manifest": json.dumps(manifest, sort_keys=True)})
    table = pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)
    with whole_file(path) as file:
        # Trajectories hardly repeat a value: dictionaries would cost time and space.
        pq.write_table(table, file, compression="zstd", use_dictionary=False, write_page_checksum=True)
    failure_path(path).unlink(missing_ok=True)
    return path


# `pa.array` imports pandas where it is installed, half a second in every worker; columns made of buffers need no conversion.


def _numbers(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _entries(values: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """A column of numbers from [entry], or of lists of numbers from [entry, number]."""
    if not pa.types.is_list(kind):
        return _numbers(values, kind)
    rows, width = values.shape
    return pa.ListArray.from_arrays(_ends([width] * rows), _numbers(values.ravel(), kind.value_type))


def _ends(lengths: Sequence[int]) -> pa.Array:
    """Where lists of these lengths begin and end in the column of their entries."""
    return _numbers(np.cumsum([0, *lengths], dtype=np.int32), pa.int32())


def _constant(value: str | float | None, rows: int, kind: pa.DataType) -> pa.Array:
    if value is None:
        return pa.nulls(rows, kind)
    if pa.types.is_string(kind):
        text = str(value).encode()
        ends = np.arange(rows + 1, dtype=np.int32) * len(text)
        return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(text * rows))
    return _numbers(np.full(rows, value, dtype=kind.to_pandas_dtype()), kind)


_PIECE_NAME = re.compile(r"seeds-(\d+)-(\d+)\.parquet")


@contextmanager
def claim(results: str | os.PathLike[str], condition: AnyCondition, seeds: range) -> Iterator[list[range]]:
    """Keep other processes off some seeds of an experiment; waits while another one claims any of them.

    Args:
        results: the results folder.
        condition: of the experiment.
        seeds: consecutive ones that do not cross a multiple of `PIECE_SEEDS`.

    Returns:
        A context manager that gives those of the seeds that are not stored, in consecutive ranges.

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


def supernet_path(piece: Path) -> Path:
    """Where the checkpoint of a one-shot run lies, while it is under way and afterwards."""
    return piece.with_suffix(SUPERNET_SUFFIX)


def failures(results: Path) -> list[Path]:
    """The tracebacks of failed pieces that nobody has made since."""
    return [note for note in sorted(results.rglob("*.failed")) if not note.with_suffix(".parquet").exists()]


# -- reading ---------------------------------------------------------------------------------------------------------------


@overload
def load(results: str | os.PathLike[str], /, **filters: Any) -> list[Experiment]: ...
@overload
def load(results: str | os.PathLike[str], kind: Kind[ConditionT, ExperimentT], /, **filters: Any) -> list[ExperimentT]: ...
def load(results: str | os.PathLike[str], kind: Kind[Any, Any] = BLACK_BOX, /, **filters: Any) -> list[Any]:
    """All experiments of one kind in a results folder, ordered by space, dataset, algorithm and condition.

    All lists are read and checked. Those of the experiments used last stay in memory, up to `KEPT_BYTES`; others are read again
    when they are asked for.

    Args:
        results: the folder.
        kind: the kind of experiments; the files of others are left alone.
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
    unknown = filters.keys() - set(kind.fields)
    if unknown:
        raise ValueError(f"unknown filters {sorted(unknown)}; expected some of {', '.join(kind.fields)}")
    kept, experiments = _KeptLists(), []
    for _, paths in groupby(sorted(root.rglob("*.parquet")), key=lambda path: path.parent):
        pieces = [_Piece(root, path) for path in paths if _kind_in(path) is kind]
        wanted = [piece for piece in pieces if all(getattr(piece.condition, name) == value for name, value in filters.items())]
        if wanted:
            experiments.append(_experiment(wanted, kept))
    return experiments


def stored_seeds(results: str | os.PathLike[str], condition: AnyCondition) -> set[int]:
    """The seeds of a condition that are stored.

    Raises:
        StoreError: as for `load`.
    """
    root = Path(results)
    pieces = [_Piece(root, path) for path in sorted((root / condition.folder()).glob("*.parquet"))]
    _check_together(condition, pieces)
    return {int(seed) for piece in pieces for seed in piece.seeds}


def missing_pieces(stored: Iterable[int], seeds: Iterable[int], block: int = PIECE_SEEDS) -> list[range]:
    """The seeds that are not stored, in consecutive ranges that do not cross a multiple of `block`."""
    stored = set(stored)
    pieces: list[range] = []
    for seed in seeds:
        if seed in stored:
            continue
        if pieces and pieces[-1].stop == seed and seed % block:
            pieces[-1] = range(pieces[-1].start, seed + 1)
        else:
            pieces.append(range(seed, seed + 1))
    return pieces


class _Piece:
    """One results file, checked."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path, self.kind = path, _kind_in(path)
        scalars = self._read([name for name in self.kind.schema.names if name not in self.kind.lists])
        manifest = _manifest(path, scalars.schema)
        self.table_path: str = manifest["table_path"]
        self.machine = tuple(sorted((name, str(manifest[name])) for name in manifest.keys() - _NOT_OF_THE_MACHINE))
        if not scalars.num_rows:
            raise StoreError(f"{path}: holds no run; delete it")
        facts = scalars.select(self.kind.fields)
        if facts.group_by(self.kind.fields, use_threads=False).aggregate([]).num_rows != 1:
            raise StoreError(f"{path}: mixes runs of several experiments")
        self.condition: AnyCondition = self.kind.condition(**facts.slice(0, 1).to_pylist()[0])
        self.seeds = scalars["seed"].to_numpy()  # [run]
        self.wall_seconds = scalars["wall_seconds"].to_numpy()  # [run]
        self.code_versions = set(scalars["code_version"].to_pylist())
        consecutive = np.array_equal(self.seeds, np.arange(self.seeds[0], self.seeds[0] + len(self.seeds)))
        belongs = piece_path(root, self.condition, self.seeds.tolist())
        if not consecutive or path != belongs:
            raise StoreError(f"{path}: lies in the wrong place; its rows belong in {belongs}")

    def read_lists(self) -> tuple[npt.NDArray[np.int32], dict[str, npt.NDArray[Any]]]:
        """How many entries each run has [run], and all entries of each list."""
        table = self._read(list(self.kind.lists))
        columns = {name: table[name].combine_chunks() for name in self.kind.lists}
        lengths, *others = (np.diff(column.offsets.to_numpy()) for column in columns.values())
        if any(not np.array_equal(other, lengths) for other in others):
            raise StoreError(f"{self.path}: the lists of a run differ in length")
        return lengths, {name: self._values(column.flatten()) for name, column in columns.items()}

    def _values(self, entries: pa.Array) -> npt.NDArray[Any]:
        """Numbers as [entry], lists of numbers as [entry, number]."""
        if pa.types.is_list(entries.type):
            widths = set(np.diff(entries.offsets.to_numpy()).tolist())
            if len(widths) != 1:
                raise StoreError(f"{self.path}: the lists of a column differ in length")
            return self._values(entries.flatten()).reshape(len(entries), *widths)
        values: npt.NDArray[Any] = entries.to_numpy(zero_copy_only=False)
        return values

    def _read(self, columns: list[str]) -> pa.Table:
        with _opened(self.path) as file:
            table = file.read(columns, use_threads=False)
        _manifest(self.path, table.schema)
        schema = self.kind.schema
        if not table.schema.equals(pa.schema([schema.field(name) for name in columns])):
            raise StoreError(f"{self.path}: damaged, its columns are {table.schema.names}; delete it and run again")
        return table


_NOT_OF_THE_MACHINE = {"kind", "schema_version", "table_path"}  # of a manifest


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None):  # the system's answer, not the file's content
            raise
        raise StoreError(f"{path}: truncated or damaged, delete it and run again ({error})") from error


def _manifest(path: Path, schema: pa.Schema) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(schema.metadata[b"manifest"])
        known = manifest.get("kind", BLACK_BOX.name) in _KINDS
        if manifest["schema_version"] == SCHEMA_VERSION and isinstance(manifest["table_path"], str) and known:
            return manifest
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise StoreError(f"{path}: not a results file of version {SCHEMA_VERSION} of this project; move it elsewhere")


def _kind_in(path: Path) -> Kind[Any, Any]:
    """The kind of a results file."""
    with _opened(path) as file:
        return _KINDS[_manifest(path, file.schema_arrow).get("kind", BLACK_BOX.name)]


KEPT_BYTES = 2**28
"""So much of the lists of all experiments that were loaded together stays in memory, and always those of one experiment."""


class _KeptLists:
    """The lists of experiments that were loaded together."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, dict[str, npt.NDArray[Any]]] = OrderedDict()  # by the first piece; last used last

    def read(self, pieces: Sequence[_Piece]) -> npt.NDArray[np.int32]:
        """Read the lists of an experiment; how many entries each run has [run]."""
        lengths, lists = zip(*(piece.read_lists() for piece in pieces), strict=True)
        # Column after column: what has been joined is freed.
        joined = {name: np.concatenate([of_piece.pop(name) for of_piece in lists]) for name in pieces[0].kind.lists}
        self._kept[pieces[0].path] = joined
        while len(self._kept) > 1 and sum(array.nbytes for of in self._kept.values() for array in of.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return np.concatenate(lengths)

    def of(self, pieces: Sequence[_Piece]) -> dict[str, npt.NDArray[Any]]:
        """The lists of an experiment, all runs joined."""
        if pieces[0].path not in self._kept:
            self.read(pieces)
        self._kept.move_to_end(pieces[0].path)
        return self._kept[pieces[0].path]


def _check_together(condition: AnyCondition, pieces: Sequence[_Piece]) -> None:
    """Raise where a piece is not of the condition, or a seed is stored twice."""
    for piece in pieces:
        if piece.condition != condition:
            raise StoreError(f"{piece.path}: does not belong to the experiment of its folder")
    ordered = sorted(pieces, key=lambda piece: int(piece.seeds[0]))
    for former, latter in pairwise(ordered):
        if former.seeds[-1] >= latter.seeds[0]:
            raise StoreError(f"{latter.path}: seed {latter.seeds[0]} is also in {former.path.name}; delete one of them")


def _experiment(pieces: list[_Piece], kept: _KeptLists) -> Stored:
    condition = pieces[0].condition
    _check_together(condition, pieces)
    pieces.sort(key=lambda piece: int(piece.seeds[0]))
    noted = set().union(*(piece.code_versions for piece in pieces))
    code_versions = tuple(sorted({version for versions in noted for version in versions.split(", ")}))
    if len(code_versions) > 1:
        warnings.warn(
            f"{condition.folder()} mixes runs of code versions {', '.join(code_versions)}", MixedCodeWarning, stacklevel=3
        )
    made: Stored = object.__new__(_kind_of(condition).experiment)
    made.__dict__.update(
        asdict(condition),
        seeds=np.concatenate([piece.seeds for piece in pieces]),
        offsets=np.concatenate([[0], np.cumsum(kept.read(pieces), dtype=np.int64)]),
        wall_seconds=np.concatenate([piece.wall_seconds for piece in pieces]),
        code_versions=code_versions,
        machines=tuple(sorted({piece.machine for piece in pieces})),
        table_path=pieces[-1].table_path,
        _lists=partial(kept.of, pieces),
    )
    return made
