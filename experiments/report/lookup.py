"""Tables behind stored experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from benchmark_api.tables.table import EMBEDDED, Table
from experiments.store import AnyExperiment

LookedUp = TypeVar("LookedUp", bound=AnyExperiment)


def tables_of(experiments: Sequence[LookedUp], table: Path | None) -> list[tuple[Table, list[LookedUp]]]:
    """Open the tables that experiments were run on, each with its experiments.

    The notice of a table includes the caution of the results folder, so that all titles repeat it.

    Args:
        experiments: loaded experiments.
        table: use this file and leave out experiments of other tables; None: every table, at its path at run time.

    Raises:
        FileNotFoundError: a table is no longer at its path.
        ValueError: nothing was run on the given table, or a table has changed.
    """
    groups: dict[str, list[LookedUp]] = {}
    for experiment in experiments:
        groups.setdefault(experiment.table_fingerprint, []).append(experiment)
    if table is not None:
        opened = Table(table)
        if opened.fingerprint not in groups:
            raise ValueError(f"no stored run was made on {table}")
        return [(_cautioned(opened, experiments), groups[opened.fingerprint])]
    return [(_cautioned(_table_of(group[-1]), group), group) for group in groups.values()]


def _cautioned(table: Table, experiments: Sequence[AnyExperiment]) -> Table:
    """Return a table with the cautions of its experiments' folders in its notice."""
    cautions = dict.fromkeys(experiment.folder_caution for experiment in experiments)  # an ordered set
    table.notice = "; ".join(filter(None, (table.notice, *cautions)))
    return table


def _table_of(experiment: AnyExperiment) -> Table:
    """Open the table of an experiment; an embedded one is found by its fingerprint, wherever the project lies."""
    path, fingerprint, folder = Path(experiment.table_path), experiment.table_fingerprint, experiment.folder()
    if not path.exists():
        embedded = [table for table in map(Table, EMBEDDED) if table.fingerprint == fingerprint]
        if not embedded:
            raise FileNotFoundError(f"the table of {folder} is no longer at {path}; name it with --table")
        return embedded[0]
    opened = Table(path)
    if opened.fingerprint != fingerprint:
        raise ValueError(f"{path} is not the table that {folder} was run on; name that one with --table")
    return opened
