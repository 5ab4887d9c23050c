"""Reports of what a results folder holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from experiments import store
from experiments.analysis.trajectories import Readout
from experiments.report.lookup import tables_of
from experiments.report.numbers import Report, make_report
from experiments.report.paper import only
from experiments.store import AnyExperiment


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
    targets: Sequence[str] = (),
) -> Loaded:
    """Report the stored runs of searches with one objective, one report for each table.

    Args:
        results: the results folder.
        table: as for `tables_of`.
        searches: names as for `only`; by default all.
        readout: how final values are read off, see `final_values`.
        filters: fields of conditions and the values wanted, e.g. the dataset.
        targets: datasets on which architectures found on others are reported as well, see `make_report`.

    Raises:
        FileNotFoundError: there is no such folder, or a table is no longer at its path.
        ValueError: there is no such run, no table has a target, a file is damaged, or as for `make_report`.
    """
    kinds = (store.BLACK_BOX_RUNS, store.ONE_SHOT_RUNS)
    experiments: list[AnyExperiment] = [found for kind in kinds for found in store.load(results, kind, **filters)]
    if not experiments:
        raise ValueError(f"{results} holds no {'such ' if filters else ''}run")
    experiments = only(experiments, searches)
    single = [experiment for experiment in experiments if not experiment.finds_fronts]
    if not single:
        raise ValueError(f"all such runs of {results} are of searches with several objectives: `fronts` prints them")
    left_out = dict.fromkeys(experiment.algorithm for experiment in experiments if experiment.finds_fronts)
    tables = tables_of(single, table)
    known = sorted({dataset for opened, _ in tables for dataset in opened.datasets})
    if unknown := [name for name in targets if name not in known]:
        raise ValueError(f"no table of these runs has a dataset {unknown[0]!r} to report on; there is {', '.join(known)}")
    return Loaded([make_report(opened, group, readout, targets) for opened, group in tables], [*left_out])
