"""Reports of what a results folder holds, and the tables behind stored experiments."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from benchmark_api.spaces import SPACES
from benchmark_api.tables.table import EMBEDDED, Table
from experiments import store
from experiments.analysis.trajectories import Readout
from experiments.report.numbers import Report, make_report
from experiments.store import AnyExperiment

LoadedT = TypeVar("LoadedT", bound=AnyExperiment)


class Loaded(NamedTuple):
    """Reports of stored runs, and the names of the searches left out, which have several objectives."""

    reports: list[Report]
    left_out: list[str]


def load_reports(
    results: Path,
    table: Path | None = None,
    searches: Sequence[str] = (),
    readout: Readout = "step",
    filters: Mapping[str, str] = MappingProxyType({}),
    report_on: Sequence[str] = (),
) -> Loaded:
    """Report the stored runs of searches with one objective, one report for each table.

    Args:
        results: the results folder.
        table: as for `tables_of`.
        searches: names as for `only`; by default all.
        readout: how final values are read off, see `final_values`.
        filters: fields of conditions and the values wanted, e.g. the dataset.
        report_on: datasets on which architectures found on others are reported as well, see `make_report`.

    Raises:
        FileNotFoundError: there is no such folder, or a table is no longer at its path.
        ValueError: there is no such run, no table has such a dataset, a file is damaged, or as for `make_report`.
    """
    experiments = store.load_searches(results, **filters)
    if not experiments:
        raise ValueError(f"{results} holds no {'such ' if filters else ''}run")
    experiments = only(experiments, searches)
    single = [experiment for experiment in experiments if not experiment.finds_fronts]
    if not single:
        raise ValueError(f"all such runs of {results} are of searches with several objectives: `fronts` prints them")
    left_out = dict.fromkeys(experiment.algorithm for experiment in experiments if experiment.finds_fronts)
    tables = tables_of(single, table)
    known = sorted({dataset for opened, _ in tables for dataset in opened.datasets})
    if unknown := [name for name in report_on if name not in known]:
        raise ValueError(f"no table of these runs has a dataset {unknown[0]!r} to report on; there is {', '.join(known)}")
    return Loaded([make_report(opened, group, readout, report_on) for opened, group in tables], [*left_out])


def only(experiments: Sequence[AnyExperiment], names: Sequence[str]) -> list[AnyExperiment]:
    """Return the experiments of some searches, in the order of the names; all of them without names.

    Args:
        experiments: the experiments.
        names: of searches, or labels of configurations such as "rea (population_size=20)".

    Raises:
        ValueError: no experiment has one of the names.
    """
    if not names:
        return list(experiments)
    chosen: dict[int, AnyExperiment] = {}
    for name in names:
        named = [number for number, experiment in enumerate(experiments) if name in experiment.names]
        if not named:
            stored = dict.fromkeys(experiment.algorithm for experiment in experiments)
            raise ValueError(f"no stored run is of {name!r}; there are runs of {', '.join(stored)}")
        chosen |= {number: experiments[number] for number in named}
    return list(chosen.values())


def tables_of(experiments: Sequence[LoadedT], table: Path | None, *, every: bool = False) -> list[tuple[Table, list[LoadedT]]]:
    """Open the tables that experiments were run on, each with its experiments.

    The notice of a table includes the caution of the results folder, so that all titles repeat it. Tables from elsewhere come
    first, then the embedded ones in the order in which they are listed; of either, those of sizes last.

    Args:
        experiments: loaded experiments.
        table: use this file and leave out experiments of other tables; None: every table, at its path at run time.
        every: refuse where some table is missing or of a space that is not registered, instead of leaving out its experiments
            with a warning.

    Raises:
        FileNotFoundError: no table is at its path any more, or `every` is set and one is not.
        ValueError: the same for spaces that are not registered; nothing was run on the given table, a table has changed, or it
            cannot have made the runs.
    """
    groups: dict[str, list[LoadedT]] = {}
    for experiment in experiments:
        groups.setdefault(experiment.table_fingerprint, []).append(experiment)
    if table is not None:
        opened = Table(table)
        if opened.fingerprint not in groups:
            raise ValueError(f"no stored run was made on {table}")
        found = [(_cautioned(opened, experiments), groups[opened.fingerprint])]
    else:
        found = _at_their_paths([*groups.values()], every)
    for opened, group in found:
        for experiment in group:
            _check_belongs(opened, experiment)
    return sorted(found, key=lambda one: _reading_order(one[0]))


def _reading_order(table: Table) -> tuple[int, bool]:
    """Sort key of tables in reports: the place among the embedded ones, -1 for others; whether it is of sizes."""
    embedded = list(EMBEDDED)
    return embedded.index(table.path.stem) if table.path.stem in embedded else -1, table.space.name == "size"


def _at_their_paths(groups: Sequence[list[LoadedT]], every: bool) -> list[tuple[Table, list[LoadedT]]]:
    """Open the table of each group; see `tables_of` for those that cannot be opened."""
    found: list[tuple[Table, list[LoadedT]]] = []
    lost: list[FileNotFoundError | ValueError] = []
    for group in groups:
        folder, path, space = group[-1].folder(), group[-1].table_path, group[-1].space
        if space not in SPACES:
            remedy = "one of your own needs its file (--module)"
            lost.append(ValueError(f"{folder} has results of the space {space!r:.80}, which is not registered; {remedy}"))
        elif (table := _table_of(group[-1])) is None:
            lost.append(FileNotFoundError(f"the table of {folder} is no longer at {path}; name it with --table"))
        else:
            found.append((_cautioned(table, group), group))
    if lost and (every or not found):
        raise lost[0]
    for error in lost:
        warnings.warn(f"left out: {error}", stacklevel=3)
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


def _table_of(experiment: AnyExperiment) -> Table | None:
    """Open the table of an experiment; an embedded one is found by its fingerprint, wherever the project lies.

    None where it is missing; ValueError where another table is at its path.
    """
    path, fingerprint = Path(experiment.table_path), experiment.table_fingerprint
    if not path.exists():
        return next((table for table in map(Table, EMBEDDED) if table.fingerprint == fingerprint), None)
    opened = Table(path)
    if opened.fingerprint != fingerprint:
        raise ValueError(f"{path} is not the table that {experiment.folder()} was run on; name that one with --table")
    return opened
