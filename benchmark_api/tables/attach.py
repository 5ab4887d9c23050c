"""Attaching metrics that were measured elsewhere to a table."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from benchmark_api.tables.table import EMBEDDED, Table
from benchmark_api.tables.writer import write_table
from benchmark_api.types import FloatArray

RESERVED = ("accuracy", "epochs", "loss", "seconds", "seeds")
"""Last parts of the names of other tensors, which no metric may have as its name."""


def attach(
    table: Table,
    values: Mapping[str, FloatArray],
    source: str,
    out: str | os.PathLike[str] | None = None,
    *,
    dataset: str | None = None,
    units: Mapping[str, str] | None = None,
    maximize: Collection[str] = (),
    replace: bool = False,
) -> Table:
    """Write a table with more metrics, and return it. Its fingerprint is another one.

    Args:
        table: the table.
        values: metrics [architecture] by name; NaN where not measured.
        source: where they come from; kept in the metadata of each.
        out: a new file; None to replace the table's own.
        dataset: a dataset, or dataset key, for which the values hold; None if they hold for all.
        units: units by the metrics' names.
        maximize: the metrics of which more is better.
        replace: replace metrics of the same names.

    Raises:
        ValueError: a name is taken, or cannot be a metric's; the file exists, or comes with the project.
    """
    path = _target(table, out)
    folder = "metrics" if dataset is None else f"{_key(table, dataset)}/metrics"
    units = units or {}
    for name in (*units, *maximize):
        if name not in values:
            raise ValueError(f"no metric {name!r} is attached; expected one of {', '.join(values)}")
    tensors, described = dict(table.tensors), dict(table.metadata.get("metrics", {}))
    for name, of_all in values.items():
        _check(table, name, of_all)
        tensor = f"{folder}/{name}"
        if tensor in table.tensors and not replace:
            raise ValueError(f"{table.path.name} has {tensor} already; expected another name, or `replace`")
        if hiding := _hiding(table, name, dataset):
            raise ValueError(f"{hiding}, of the trainings in {table.path.name}, would hide {tensor}; expected another name")
        tensors[tensor] = of_all.astype(np.float64)
        direction = "maximize" if name in maximize else "minimize"
        described[tensor] = {"unit": units.get(name, ""), "direction": direction, "source": source}
    write_table(path, tensors, {**table.metadata, "metrics": described})
    return Table(path)


def _target(table: Table, out: str | os.PathLike[str] | None) -> Path:
    if out is None and table.path.resolve() in (path.resolve() for path in EMBEDDED.values()):
        raise ValueError(f"{table.path.stem} comes with the project and stays as it is; expected the name of a file to write")
    if out is not None and Path(out).exists():
        raise ValueError(f"{out} exists; expected the name of a new file")
    return table.path if out is None else Path(out)


def _key(table: Table, dataset: str) -> str:
    key = table.report_key(dataset)
    table.schedules(key)  # refuses an unknown one
    return key


def _check(table: Table, name: str, values: FloatArray) -> None:
    if values.shape != (len(table),):
        raise ValueError(f"metric {name!r} has shape {values.shape}; expected {(len(table),)}")
    if not name or name != name.strip() or {"/", "="} & {*name} or not name.isprintable() or name in RESERVED:
        raise ValueError(
            f"{name!r} cannot be the name of a metric; expected text without '/' and '=', other than {', '.join(RESERVED)}"
        )


def _hiding(table: Table, name: str, dataset: str | None) -> str | None:
    """Return the tensor of a metric of the trainings that is found before an attached one of the same name, if any."""
    keys = table.keys if dataset is None else (table.report_key(dataset),)
    stems = (f"{key}/{schedule}/{name}" for key in keys for schedule in table.schedules(key))
    return next((tensor for tensor in stems if tensor in table.tensors), None)
