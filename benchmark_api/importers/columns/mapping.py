"""Mappings: what the columns of a file hold, read from TOML by a strict schema. docs/import.md is the reference."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from benchmark_api.importers.columns.architectures import FORMS
from benchmark_api.importers.columns.kinds import NUMBERS, dataset_key, short, split_name
from benchmark_api.jobs.files import regular
from benchmark_api.spaces import SPACES, SearchSpace, space_from_spec
from benchmark_api.tables.metrics import BUILT_IN, Direction
from benchmark_api.text import shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PLACE = ("dataset", "schedule", "split", "epoch", "trial")
"""Fields that say of what a measurement is."""

VALUES = ("accuracy", "loss", "training_seconds", "epoch_seconds", "pass_seconds", "params", "flops", "latency")
"""Fields that say what was measured."""

OF_A_SPLIT = ("accuracy", "loss", "pass_seconds")
"""Values that need a split."""

NAME = "@name"
"""Column that holds the names of objects, where a JSON file or a pickle is an object of rows."""

Format = Literal["csv", "tsv", "parquet", "json", "jsonl", "pickle"]

PRESETS = {path.stem: path for path in sorted((Path(__file__).parent / "presets").glob("*.toml"))}
"""Mappings of public sources, by name."""

_TEXTS: Mapping[str, Callable[[object], str]] = {"dataset": dataset_key, "split": split_name}
_TOP = ("space", "title", "notice", "format", "source", "architecture", "metric", "measurement")


@dataclass(frozen=True)
class Value:
    """Where a value of a measurement is from: a column, or the mapping itself.

    Attributes:
        column: name of the column; None for a constant.
        constant: the value, if there is no column.
        scale: factor of numbers in the column.
        first: number of the first epoch in a column of epochs.
        names: what texts in the column stand for; others stand for themselves.
    """

    column: str | None = None
    constant: float | str | None = None
    scale: float = 1.0
    first: int = 0
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """A measurement in every row: of what it is, and the measured values, by field.

    Attributes:
        place: the fields of `PLACE` that are known; without "epoch" it is the last one of the schedule.
        values: the fields of `VALUES` that were measured.
        optional: whether the source may lack its columns.
    """

    place: Mapping[str, Value]
    values: Mapping[str, Value]
    optional: bool


@dataclass(frozen=True)
class MetricColumn:
    """A named metric of architectures; `dataset` is None if it holds for all datasets."""

    name: str
    value: Value
    unit: str
    direction: Direction
    dataset: Value | None


@dataclass(frozen=True)
class ColumnMapping:
    """What the columns of a file hold.

    Attributes:
        name: of the preset or the TOML file, and further entries.
        space: of the architectures.
        title: of the table; empty for one made of the file's name.
        notice: caution of the table.
        format: of the file; None to go by the end of its name.
        source: facts about the source, for the table's metadata.
        architecture: column by form of architectures; several must agree.
        measurements: of every row, at least one.
        metrics: of every row.
    """

    name: str
    space: SearchSpace
    title: str
    notice: str
    format: Format | None
    source: Mapping[str, str]
    architecture: Mapping[str, str]
    measurements: tuple[Measurement, ...]
    metrics: tuple[MetricColumn, ...]

    @property
    def columns(self) -> dict[str, bool]:
        """Columns that are read, and whether the source must have each."""
        required = dict.fromkeys(self.architecture.values(), True)
        values = [(value, not one.optional) for one in self.measurements for value in (*one.place.values(), *one.values.values())]
        values += [(value, True) for one in self.metrics for value in (one.value, one.dataset) if value is not None]
        for value, needed in values:
            if value.column is not None:
                required[value.column] = required.get(value.column, False) or needed
        return required


def load_mapping(
    path: Path | None = None, preset: str | None = None, entries: Mapping[str, str] = MappingProxyType({})
) -> ColumnMapping:
    """Return the mapping of a TOML file or a preset, with entries such as {"schedule": "90", "architecture.widths": "arch"}.

    Args:
        path: the file; None for a preset, or for entries only.
        preset: name of a preset.
        entries: values by dotted name, in the place of those of the file; a value that is no TOML is text.

    Raises:
        OSError: the file cannot be read.
        ValueError: file and preset are both given, the preset is unknown, or the mapping is not one; the message says where.
    """
    if path is not None and preset is not None:
        raise ValueError(f"a mapping is either a file or a preset, got both {path} and {preset}")
    if preset is not None and preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}; expected one of {', '.join(PRESETS)}")
    path = PRESETS[preset] if preset is not None else path
    name = preset or (shown(path.name) if path else "--set")
    try:
        document = tomllib.loads(regular(path).read_text(encoding="utf-8")) if path else {}
    except ValueError as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from error
    for target, text in entries.items():
        _set(document, target, text)
    return replace(parse_mapping(document, name), name=" ".join([name, *(f"{key}={text}" for key, text in entries.items())]))


def _set(document: dict[str, Any], target: str, text: str) -> None:
    *folders, key = target.split(".")
    for folder in folders:
        if folder in VALUES and isinstance(document.get(folder), str):
            document[folder] = {"column": document[folder]}
        document = document.setdefault(folder, {})
        if not isinstance(document, dict):
            raise ValueError(f"{target}={text}: {folder} is no table; lists such as [[measurement]] need a file")
    try:
        document[key] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        document[key] = text


def parse_mapping(document: Mapping[str, Any], name: str) -> ColumnMapping:
    """Return the mapping that a TOML document describes.

    Raises:
        ValueError: something is missing, unknown or out of range; the message says where.
    """
    _check_names(document, (*_TOP, *PLACE, *VALUES), name)
    top = {key: document[key] for key in (*PLACE, *VALUES) if key in document}
    entries = _tables(document, "measurement", name)
    measurements = [_measurement({**top, **entry}, f"{name}: measurement {n}") for n, entry in enumerate(entries, 1)]
    measurements = measurements if entries else [_measurement(top, name)]
    if len({field for one in measurements for field in one.values} & {"training_seconds", "epoch_seconds"}) == 2:
        raise ValueError(f"{name}: training_seconds and epoch_seconds exclude each other")
    metrics = [_metric(entry, f"{name}: metric {n}") for n, entry in enumerate(_tables(document, "metric", name), 1)]
    file_format = document.get("format")
    if file_format not in (None, *get_args(Format)):
        raise ValueError(f"{name}: format {short(file_format)}: expected one of {', '.join(get_args(Format))}")
    facts = _table(document, "source", name)
    if reserved := facts.keys() & {"name", "records", "fingerprint", "curves", "mapping"}:
        raise ValueError(f"{name}: source: {', '.join(sorted(reserved))} cannot be set; the import notes it")
    return ColumnMapping(
        name=name,
        space=_space(document.get("space"), name),
        title=_text(document, "title", name),
        notice=_text(document, "notice", name),
        format=file_format,
        source={key: _text(facts, key, f"{name}: source") for key in facts},
        architecture=_architecture(_table(document, "architecture", name), name),
        measurements=tuple(measurements),
        metrics=tuple(metrics),
    )


def _space(spec: object, name: str) -> SearchSpace:
    if isinstance(spec, str):
        kind: Callable[[], SearchSpace] = SPACES.find(spec)
        return kind()
    if isinstance(spec, dict) and "name" in spec:
        return space_from_spec({("space" if key == "name" else key): value for key, value in spec.items()})
    expected = 'expected the name of a space or a table such as { name = "size", widths = [8, 16], layers = 2 }'
    raise ValueError(f"{name}: space {short(spec)}: {expected}")


def _architecture(columns: Mapping[str, Any], name: str) -> dict[str, str]:
    where = f"{name}: architecture"
    _check_names(columns, FORMS, where)
    if not columns:
        raise ValueError(f"{where}: expected a column for one of {', '.join(FORMS)}")
    return {form: _text(columns, form, where) for form in columns}


def _measurement(content: Mapping[str, Any], where: str) -> Measurement:
    _check_names(content, (*PLACE, *VALUES, "optional"), where)
    optional = content.get("optional", False)
    if not isinstance(optional, bool):
        raise ValueError(f"{where}: optional {short(optional)}: expected true or false")
    values = {key: _value(content[key], key, where) for key in VALUES if key in content}
    place = {key: _value(content[key], key, where) for key in PLACE if key in content}
    if not values:
        raise ValueError(f"{where}: nothing is measured: expected one of {', '.join(VALUES)}")
    if "loss" in values and "accuracy" not in values:
        raise ValueError(f"{where}: a loss needs the accuracy of the same split")
    needed = ("dataset", "schedule", *(("split",) if values.keys() & set(OF_A_SPLIT) else ()))
    if missing := [key for key in needed if key not in place]:
        raise ValueError(f"{where}: {', '.join(missing)} missing")
    return Measurement({"trial": Value(constant=0), **place}, values, optional)


def _metric(content: Mapping[str, Any], where: str) -> MetricColumn:
    _check_names(content, ("name", "column", "scale", "unit", "direction", "dataset"), where)
    name, direction = content.get("name"), content.get("direction", "minimize")
    if not isinstance(name, str) or not name.isprintable() or "/" in name or not 0 < len(name) <= 64 or name in BUILT_IN:
        raise ValueError(f"{where}: name {short(name)}: expected a name without /, other than {', '.join(BUILT_IN)}")
    if direction not in get_args(Direction):
        raise ValueError(f"{where}: direction {short(direction)}: expected one of {', '.join(get_args(Direction))}")
    value = _value({key: content[key] for key in ("column", "scale") if key in content}, "metric", where)
    dataset = _value(content["dataset"], "dataset", where) if "dataset" in content else None
    return MetricColumn(name, value, _text(content, "unit", where), direction, dataset)


def _value(content: object, field: str, where: str) -> Value:
    """Return a value: text is a constant in fields that are text and a column in others, a number a constant."""
    where = f"{where}: {field}"
    if isinstance(content, dict):
        return _column(content, field, where)
    if isinstance(content, str) and field not in _TEXTS:
        return Value(column=content)
    return Value(constant=_constant(content, field, where))


def _constant(content: object, field: str, where: str) -> float | str:
    """Return a constant in the type of its field."""
    try:
        constant = _TEXTS[field](content) if field in _TEXTS else NUMBERS[field].convert(content)
    except ValueError as error:
        raise ValueError(f"{where} {short(content)}: {error}") from None
    if constant != constant:
        raise ValueError(f"{where} {short(content)}: {NUMBERS[field].expected} expected")
    return constant


def _column(content: Mapping[str, Any], field: str, where: str) -> Value:
    options = {"dataset": "names", "split": "names", "epoch": "first", "schedule": "", "trial": ""}
    option = options.get(field, "scale")
    _check_names(content, ("column", option) if option else ("column",), where)
    column = _text(content, "column", where)
    if not column:
        raise ValueError(f"{where}: column missing")
    scale, first = content.get("scale", 1.0), content.get("first", 0)
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < math.inf:
        raise ValueError(f"{where}: scale {short(scale)}: expected a positive number")
    if first not in (0, 1):
        raise ValueError(f"{where}: first {short(first)}: expected 0 or 1, the number of the first epoch")
    names = _table(content, "names", where)
    for name, text in names.items():
        _constant(text, field, f"{where}: name {name!r}")
    return Value(column=column, scale=float(scale), first=int(first), names=names)


# -- parts of a document -----------------------------------------------------------------------------------------------------


def _check_names(content: Mapping[str, Any], allowed: Iterable[str], where: str) -> None:
    allowed = list(allowed)
    for name in content:
        if name not in allowed:
            close = get_close_matches(name, allowed, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(allowed)}"
            raise ValueError(f"{where}: unknown name {name!r}; {hint}")


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    """Return a text, empty if there is none."""
    text = content.get(key, "")
    if not isinstance(text, str):
        raise ValueError(f"{where}: {key} {short(text)}: expected text")
    return text


def _table(content: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f"{where}: {key} {short(table)}: expected a table")
    return table


def _tables(content: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    tables = content.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{where}: {key} {short(tables)}: expected [[{key}]] tables")
    return tables
