"""Merging tables of one space: accuracies of one source, costs or schedules of another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmark_api.tables.layout import splits_of
from benchmark_api.tables.metrics import is_attached
from benchmark_api.tables.table import Table
from benchmark_api.tables.writer import default_schedules, write_table
from benchmark_api.text import shown


@dataclass
class Plan:
    """What a merged table takes from which table.

    Attributes:
        tables: the tables.
        chosen: number of the table by the name of each tensor.
        parts: the names of the parts taken from each table: "KEY/SCHEDULE", "KEY/SCHEDULE/SPLIT", or that of a tensor.
        lines: a line of text for each part of each table: whether it was taken, or why not.
    """

    tables: Sequence[Table]
    chosen: dict[str, int] = field(default_factory=dict)
    parts: dict[int, list[str]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def take(self, number: int, part: str, tensors: Sequence[str]) -> None:
        """Take tensors of a part from a table."""
        self.chosen |= dict.fromkeys(tensors, number)
        self.parts.setdefault(number, []).append(part)
        self.lines.append(f"{part}: from {self.file(number)}")

    def skip(self, number: int, part: str, reason: str) -> None:
        """Leave a part of a table out."""
        self.lines.append(f"{part} of {self.file(number)}: left out, {reason}")

    def file(self, number: int) -> str:
        """Return the name of a table's file."""
        return shown(self.tables[number].path.name)

    def equal(self, number: int, tensor: str) -> bool:
        """Whether a tensor of a table equals the one that was taken, or none was."""
        if tensor not in self.chosen:
            return True
        return np.array_equal(self.tables[self.chosen[tensor]].tensors[tensor], self.tables[number].tensors[tensor])


def merge(tables: Sequence[Table], out: str | os.PathLike[str]) -> tuple[Table, list[str]]:
    """Write a table of the parts of several tables of one space; return it, and what was taken from which table.

    A part that several tables have is taken from the first of them. Splits of a later table, or their losses and seconds, are
    added to a schedule of an earlier one if the seeds of all trials are the same. The tables may be larger than memory.

    Raises:
        ValueError: fewer than two tables, tables of different spaces, or the file exists.
    """
    if len(tables) < 2:
        raise ValueError(f"{len(tables)} table to merge; expected two or more, and then the name of the file to write")
    if Path(out).exists():
        raise ValueError(f"{out} exists; expected the name of a new file")
    first = tables[0]
    for table in tables[1:]:
        if table.space != first.space:
            found = f"{table.path.name} is of the space {table.space.spec()}"
            raise ValueError(f"{found}; expected {first.space.spec()}, as in {first.path.name}")
    plan = plan_of(tables)
    tensors = {name: tables[number].tensors[name] for name, number in plan.chosen.items()}
    write_table(out, tensors, _metadata(plan))
    return Table(out), plan.lines


def plan_of(tables: Sequence[Table]) -> Plan:
    """Return what a merged table takes from which table."""
    plan = Plan(tables)
    for number, table in enumerate(tables):
        for key, schedule in splits_of(table.tensors):
            _plan_group(plan, number, f"{key}/{schedule}")
        for tensor in table.tensors:
            if is_attached(tensor):
                _plan_metric(plan, number, tensor)
    return plan


def _plan_group(plan: Plan, number: int, stem: str) -> None:
    """Plan the trainings of a dataset key with a schedule."""
    names = [name for name in plan.tables[number].tensors if name.startswith(f"{stem}/")]
    if f"{stem}/seeds" not in plan.chosen:
        plan.take(number, stem, names)
        return
    if all(name in plan.chosen for name in names):
        plan.skip(number, stem, f"that of {plan.file(plan.chosen[f'{stem}/seeds'])} is taken")
        return
    of_splits: dict[str, list[str]] = {}
    for name in names:
        folder = name.rpartition("/")[0]
        if folder != stem:
            of_splits.setdefault(folder, []).append(name)
        elif name != f"{stem}/seeds":
            _plan_metric(plan, number, name)
    same_seeds = plan.equal(number, f"{stem}/seeds")
    for split, tensors in of_splits.items():
        lacking = [name for name in tensors if name not in plan.chosen]
        if not lacking:
            plan.skip(number, split, f"that of {plan.file(plan.chosen[tensors[0]])} is taken")
        elif not same_seeds:
            plan.skip(number, split, f"the trials are not those of {plan.file(plan.chosen[f'{stem}/seeds'])}: other seeds")
        elif not plan.equal(number, f"{split}/epochs"):
            plan.skip(number, split, f"the epochs are not those of {plan.file(plan.chosen[f'{split}/epochs'])}")
        elif len(lacking) == len(tensors):
            plan.take(number, split, tensors)
        else:
            for name in lacking:
                plan.take(number, name, [name])


def _plan_metric(plan: Plan, number: int, tensor: str) -> None:
    if tensor in plan.chosen:
        plan.skip(number, tensor, f"that of {plan.file(plan.chosen[tensor])} is taken")
    else:
        plan.take(number, tensor, [tensor])


def _metadata(plan: Plan) -> dict[str, Any]:
    taken = [plan.tables[number] for number in plan.parts]
    about = [table.metadata.get("metrics", {}) for table in plan.tables]
    fingerprints = "\n".join(table.fingerprint for table in taken)
    return {
        "space": taken[0].metadata["space"],
        "title": " + ".join(dict.fromkeys(title for table in taken for title in table.title.split(" + "))),
        "notice": "; ".join(dict.fromkeys(table.notice for table in taken if table.notice)),
        "source": {
            "name": "merged from " + ", ".join(shown(table.path.name) for table in taken),
            "fingerprint": hashlib.sha256(fingerprints.encode()).hexdigest(),
        },
        "merged": [_part_of(plan, number) for number in plan.parts],
        "metrics": {name: about[number][name] for name, number in plan.chosen.items() if name in about[number]},
        **default_schedules({name.split("/")[1] for name in plan.chosen if name.endswith("/seeds")}),
    }


def _part_of(plan: Plan, number: int) -> dict[str, Any]:
    """Return what a merged table knows of one of its tables; "source" and "merged" are as in that table's metadata."""
    table = plan.tables[number]
    facts: dict[str, Any] = {name: table.metadata[name] for name in ("source", "merged") if name in table.metadata}
    return {
        "file": plan.file(number),
        "title": table.title,
        "fingerprint": table.fingerprint,
        "parts": plan.parts[number],
        **facts,
    }
