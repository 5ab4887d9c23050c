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
        ValueError: nothing was run on the given table, a table has changed, or it cannot have made the runs.
    """
    groups: dict[str, list[LookedUp]] = {}
    for experiment in experiments:
        groups.setdefault(experiment.table_fingerprint, []).append(experiment)
    if table is not None:
        opened = Table(table)
        if opened.fingerprint not in groups:
            raise ValueError(f"no stored run was made on {table}")
        found = [(_cautioned(opened, experiments), groups[opened.fingerprint])]
    else:
        found = [(_cautioned(_table_of(group[-1]), group), group) for group in groups.values()]
    for opened, group in found:
        for experiment in group:
            _check_belongs(opened, experiment)
    return found


def _cautioned(table: Table, experiments: Sequence[AnyExperiment]) -> Table:
    """Return a table with the cautions of its experiments' folders in its notice."""
    cautions = dict.fromkeys(experiment.folder_caution for experiment in experiments)  # an ordered set
    table.notice = "; ".join(filter(None, (table.notice, *cautions)))
    return table


def _check_belongs(table: Table, experiment: AnyExperiment) -> None:
    """Check that a table can have made runs that name it: its space, dataset and architectures are those of the runs."""
    folder = experiment.folder()
    if experiment.space != table.space.name or experiment.dataset not in table.datasets:
        raise ValueError(f"{folder}: its runs cannot be of {table.path.name}, which has {', '.join(table.datasets)}")
    if experiment.schedule and experiment.schedule not in table.schedules(table.search_key(experiment.dataset)):
        raise ValueError(f"{folder}: its runs are of schedule {experiment.schedule!r:.80}, which {table.path.name} does not have")
    if (highest := int(experiment.architecture.max())) >= len(table):
        raise ValueError(f"{folder}: its runs have architecture {highest}, but {table.path.name} ends at {len(table) - 1}")


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
