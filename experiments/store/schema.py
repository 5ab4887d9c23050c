"""Schema of the store: kinds of runs, their conditions and their columns.

A kind is declared in one file: a condition, an experiment whose class attributes are the columns, and a `Kind` registered in
`KINDS`. The project's own kinds are in `experiments.store.kinds`.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmark_api.bounds import stored_values
from benchmark_api.registry import Registry
from benchmark_api.schema import checked, parse_json
from benchmark_api.tables.table import Table
from benchmark_api.text import is_plain_name
from benchmark_api.types import FloatArray
from experiments.settings import default_config

if TYPE_CHECKING:
    from typing_extensions import Self

SAME_RESULT = frozenset({"device", "channels_last", "compile", "graphs", "stack"})
"""Execution settings that do not make a different configuration."""

_OTHER = object()
"""A value that no field has."""

ValueT = TypeVar("ValueT")


@dataclass(eq=False)
class Column(Generic[ValueT]):
    """A stored column with a value per entry of a run; as a class attribute of an experiment it reads the column.

    Attributes:
        dtype: NumPy type of a number.
        unit: unit of a number; empty if it has none.
        description: noun phrase for an entry.
        name: name in the file; by default that of the class attribute.
        axis: index of the numbers of an entry, where an entry is a list of numbers, e.g. "choice".
        ragged: the lists differ in length; they are read as an array padded with NaN.
        by_metric: a file has one column NAME:METRIC for each metric; they are read as one array [entry, metric].
        optional: runs and files may lack the column, which then reads as None.
        measured: the values differ when a run is repeated.
        lowest: lowest integer, where the unit does not say.
    """

    dtype: type[np.generic]
    unit: str
    description: str
    name: str = ""
    axis: str = ""
    ragged: bool = False
    by_metric: bool = False
    optional: bool = False
    measured: bool = False
    lowest: int = 0

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    def __get__(self, experiment: AnyExperiment, owner: type) -> ValueT:
        columns: Mapping[str, Any] = experiment.columns
        if self.by_metric:
            found = [columns[name] for name in columns if name.startswith(f"{self.name}:")]
            value = np.stack(found, axis=1) if found else None
        else:
            value = columns.get(self.name) if self.optional else columns[self.name]
        return value  # type: ignore[return-value]

    @property
    def type(self) -> pa.DataType:
        """Arrow type of the column: the list of a run's entries."""
        number = pa.from_numpy_dtype(np.dtype(self.dtype))
        return pa.list_(pa.list_(number) if self.axis else number)


class _Facts:
    """Facts of every condition, as a stored field or as an attribute of its class.

    Attributes:
        schedule: schedule of the evaluations, named by its epochs; empty for one-shot runs.
        budget: simulated seconds; infinite where time is not simulated.
        incumbent_rule: which entry counts as the incumbent: "highest-fidelity", "any-fidelity", "own", "front", or "last".
    """

    if TYPE_CHECKING:  # as annotations they would hide the declared bounds of the fields
        schedule: str
        budget: float
        incumbent_rule: str

    @property
    def caution(self) -> str:
        """What every title says of the runs, apart from the table's notice; empty for nothing."""
        return ""

    @property
    def finds_fronts(self) -> bool:
        """Whether the search has several objectives: it finds a front, and no single accuracy says how good it is."""
        return self.incumbent_rule == "front"


@dataclass(frozen=True, kw_only=True)
class AnyCondition(_Facts, ABC):
    """Everything a run depends on besides its seed and the version of the code.

    Attributes:
        space: name of the search space.
        dataset: the dataset searched on, as the table names it.
        algorithm: registry name.
        hyperparameters: all of them, as JSON with sorted keys.
        table_fingerprint: fingerprint of the table that is searched on, or that derived architectures are looked up in.
        table_title: title of the table.
        table_notice: caution that goes into every title; empty for an official archive.
    """

    kind_name: ClassVar[str]
    run_options: ClassVar[frozenset[str]] = frozenset()
    """Names of stored hyperparameters that are options of the run, not fields of the search's `Config`."""
    json_fields: ClassVar[tuple[str, ...]] = ("hyperparameters",)
    """Fields whose text is a JSON object."""
    later_fields: ClassVar[Mapping[str, Any]] = {}
    """Fields that files of earlier versions do not have, and the value that their runs have, which is the field's default.

    They are stored, shown and part of the folder's name only where they have another value.
    """

    space: str
    dataset: str
    algorithm: str
    hyperparameters: str
    table_fingerprint: str
    table_title: str
    table_notice: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Make a condition from the columns of a stored run.

        Raises:
            ValueError: a field has another type than declared, or is out of range.
        """
        condition = checked(row, cls, "its condition")
        for name in ("space", "dataset", "algorithm"):
            if not is_plain_name(getattr(condition, name)):
                raise ValueError(f"its condition: {name} is {getattr(condition, name)!r:.80}, which cannot name a folder")
        for name in condition.json_fields:
            checked(parse_json(getattr(condition, name)), dict[str, Any], name)
        return condition

    def check_stored(self) -> None:
        """Check that files with runs of this condition can be read again.

        Raises:
            ValueError: a field or a hyperparameter is none that can be stored.
        """
        if self.from_row(self.facts()) != self:
            raise ValueError(f"the settings of {self.algorithm} would be read otherwise than they are stored: {self.facts()}")
        self.config()

    @property
    def kind(self) -> Kind[Any]:
        """The kind of run."""
        return KINDS[self.kind_name]

    def facts(self) -> dict[str, Any]:
        """Return the fields that are stored, by name."""
        values = {name: getattr(self, name) for name in self.kind.fields}
        return {name: value for name, value in values.items() if self.later_fields.get(name, _OTHER) != value}

    def folder(self) -> Path:
        """Return where the files of this condition lie, relative to the results folder."""
        digest = hashlib.sha256(json.dumps(self.facts(), sort_keys=True).encode()).hexdigest()[:8]
        return Path(self.space, self.dataset, f"{self.algorithm}{self.kind.suffix}-{digest}")

    @abstractmethod
    def search_class(self) -> type[Any] | None:
        """Return the registered search, or None where the name is not registered."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings of a run besides space, dataset, algorithm, hyperparameters and table."""

    def config_values(self) -> dict[str, Any]:
        """Return the hyperparameters; tuples are lists, as in JSON."""
        values: dict[str, Any] = json.loads(self.hyperparameters)
        return values

    def config(self) -> Any:
        """Return the hyperparameters as the search's `Config`.

        Raises:
            ValueError: the search is not registered, or the hyperparameters are not those of this version.
        """
        search_class = self.search_class()
        if search_class is None:
            raise ValueError(f"{self.algorithm} is not registered as a {self.kind.name} search")
        values = {name: value for name, value in self.config_values().items() if name not in self.run_options}
        if unknown := values.keys() - {field.name for field in fields(search_class.Config)}:
            raise ValueError(f"{self.folder()}: made by another version: {self.algorithm} has no hyperparameter {min(unknown)}")
        return checked(values, search_class.Config, f"{self.folder()}: made by another version: {self.algorithm}")

    def deviations(self, table: Table | None) -> dict[str, Any]:
        """Return the settings and hyperparameters that are not the defaults.

        Args:
            table: table of the runs; None: settings that are the default on some table count as defaults.
        """
        search_class = self.search_class()
        defaults = stored_values(default_config(search_class, self.dataset)) if search_class else {}
        return differences(self.config_values(), defaults)

    def label(self, table: Table | None, without: Collection[str] = ()) -> str:
        """Return the algorithm's name and, in brackets, its `deviations` but for some."""
        return self._named({name: value for name, value in self.deviations(table).items() if name not in without})

    @property
    def names(self) -> set[str]:
        """Names that choose it: the algorithm's, and its `label` on any table that it may be of."""
        return {self.algorithm, self.label(None)}

    def _named(self, deviations: Mapping[str, Any]) -> str:
        different = ", ".join(f"{name}={value}" for name, value in deviations.items())
        return f"{self.algorithm} ({different})" if different else self.algorithm


def differences(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, parsed from JSON, that are not the defaults; those missing in runs of an older version are "unknown"."""
    plain = json.loads(json.dumps(defaults))
    different = {name: value for name, value in values.items() if name not in plain or plain[name] != value}
    return different | {name: "unknown" for name in plain if name not in values}


@dataclass(frozen=True, kw_only=True, eq=False)
class AnyExperiment(AnyCondition):
    """All stored runs of one condition. Ragged arrays: run i occupies [offsets[i], offsets[i + 1]) of every column.

    Attributes:
        seeds: [run], int64, ascending.
        offsets: [run + 1], int64.
        wall_seconds: [run], float64.
        code_versions: versions of the code that made the runs, sorted.
        machines: interpreter, platform, processor and libraries that the runs were made with, each as sorted pairs.
        table_path: path of the table when the last file was written.
        columns: arrays [entry] or [entry, second axis] by column name.
        folder_caution: caution of the results folder, for titles; empty for none.
    """

    seeds: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    wall_seconds: FloatArray
    code_versions: tuple[str, ...]
    machines: tuple[tuple[tuple[str, str], ...], ...]
    table_path: str
    columns: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    folder_caution: str = ""

    architecture = Column[npt.NDArray[np.int32]](np.int32, "", "official index of an architecture")

    @classmethod
    def declared_columns(cls) -> list[Column[Any]]:
        """Return the columns of a file with a value per entry."""
        return [value for base in reversed(cls.__mro__) for value in vars(base).values() if isinstance(value, Column)]

    @classmethod
    def check_entries(cls, columns: Mapping[str, npt.NDArray[Any]], lengths: npt.NDArray[Any]) -> None:
        """Check that columns [entry] of runs with some numbers of entries [run] fit together.

        Raises:
            ValueError: they do not.
        """

    def of_seeds(self, seeds: Iterable[int]) -> Self:
        """Return the runs of some seeds; those that are not stored are left out."""
        runs = np.flatnonzero(np.isin(self.seeds, [*seeds]))
        if len(runs) == len(self.seeds):
            return self
        lengths = np.diff(self.offsets)[runs]
        entries = np.concatenate([np.arange(self.offsets[run], self.offsets[run + 1]) for run in runs])
        return replace(
            self,
            seeds=self.seeds[runs],
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            wall_seconds=self.wall_seconds[runs],
            columns={name: values[entries] for name, values in self.columns.items()},
        )

    @property
    def condition(self) -> Any:
        """Condition of the runs."""
        return self.kind.condition(**{name: getattr(self, name) for name in self.kind.fields})

    @property
    @abstractmethod
    def clock(self) -> FloatArray:
        """Seconds [entry] from the start of the run to the end of the entry, wall or simulated as `Kind.simulated` says."""

    @property
    def starts(self) -> FloatArray:
        """Seconds [entry] from the start of the run to the start of the entry: to the end of the one before."""
        starts = np.concatenate([[0.0], self.clock[:-1]])
        starts[self.offsets[:-1]] = 0.0
        return starts

    @property
    def spent_seconds(self) -> FloatArray:
        """Cost [run], wall or simulated seconds as `Kind.simulated` says."""
        return self.wall_seconds

    @property
    def worker_seconds(self) -> FloatArray:
        """Seconds [run] that the workers of a run were busy, in sum, until the budget was spent."""
        busy = np.maximum(np.minimum(self.clock, self.budget) - self.starts, 0.0)  # [entry]
        return np.add.reduceat(busy, self.offsets[:-1])

    @property
    def peak_memory(self) -> float:
        """Highest memory of all runs, bytes; NaN where it was not measured."""
        return float("nan")


ExperimentT = TypeVar("ExperimentT", bound=AnyExperiment)

RUN_COLUMNS = {"seed": pa.int64(), "code_version": pa.string(), "wall_seconds": pa.float64()}
"""Columns with one value per run that all kinds have."""


@dataclass(frozen=True)
class Kind(Generic[ExperimentT]):
    """A kind of run.

    Attributes:
        name: in a file's manifest; files without a name hold black-box runs.
        condition: its fields are columns.
        experiment: its class attributes of type `Column` are columns.
        simulated: whether time is a table's simulated clock under a budget; otherwise it is measured.
        job: "MODULE:CLASS" of the jobs that make the runs, a subclass of `experiments.runs.job.ResultsJob`, imported on demand:
            it may need PyTorch. Empty where runs cannot be repeated from their condition alone.
        suffix: of the algorithm's name in the folder's name.
    """

    name: str
    condition: type[AnyCondition]
    experiment: type[ExperimentT]
    simulated: bool
    job: str = ""
    suffix: str = ""

    @property
    def job_class(self) -> Any:
        """Class of the jobs that make the runs."""
        return resolve_name(self.job)

    @cached_property
    def fields(self) -> dict[str, pa.DataType]:
        """Fields of the condition and their Arrow types."""
        hints = get_type_hints(self.condition)
        types = {float: pa.float64(), int: pa.int64(), float | None: pa.float64(), int | None: pa.int64()}
        return {field.name: types.get(hints[field.name], pa.string()) for field in fields(self.condition)}

    @cached_property
    def columns(self) -> dict[str, Column[Any]]:
        """Columns with a value per entry, by name."""
        return {column.name: column for column in self.experiment.declared_columns()}


KINDS: Registry[Kind[Any]] = Registry("kind of run")
"""Every kind of run, in the order of reports."""
