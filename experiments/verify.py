"""Verification of a results folder: every file is read and checked, and a sample of the runs is repeated."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmark_api.jobs.job import Failed, JobError, events_of
from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import tables_of
from experiments.runs.other_code import other_versions, version_of
from experiments.store import AnyExperiment


class Finding(NamedTuple):
    """Result of checking one experiment or file.

    Attributes:
        what: the experiment or file.
        problem: the error found; empty if there is none.
        checked: what was checked.
    """

    what: str
    problem: str
    checked: str = ""


def verify(
    results: Path, sample: int, one_shot: bool = False, seed: int = 0, table: Path | None = None, data: Path | None = None
) -> Iterator[Finding]:
    """Check all experiments of a results folder; the arguments are the options of the command `verify`.

    Every file is read whole: its checksums, its columns, and whether it lies where its rows belong. Then some runs of each
    experiment are repeated with the same seeds and compared bit for bit.

    Raises:
        FileNotFoundError: there is no such folder, or a table is missing.
        StoreError: a file is damaged or out of place.
        ValueError: a table has changed.
    """
    for failed in store.failures(results):
        yield Finding(str(failed), "a failed job that was not run again")
    for part in store.files_below(results, ".part"):
        yield Finding(str(part), "temporary file of a killed or running writer")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", store.MixedCodeWarning)  # a finding below says so
        experiments: list[AnyExperiment] = [found for kind in store.KINDS.values() for found in store.load(results, kind)]
    draw = np.random.default_rng(seed)
    for opened, group in tables_of([experiment for experiment in experiments if experiment.kind.job], table, every=True):
        for experiment in group:
            again = sample if experiment.kind.simulated or one_shot else 0
            if getattr(experiment, "charge_model_time", False):  # the clock has measured times
                again = 0
            chosen = np.sort(draw.permutation(experiment.seeds)[:again]).tolist()
            yield from _check(experiment, opened, chosen, data)


def _check(experiment: AnyExperiment, table: Table, seeds: Sequence[int], data: Path | None) -> Iterator[Finding]:
    """Compare the code version, look for missing seeds, and repeat the runs of some seeds."""
    name = f"{experiment.space} {experiment.dataset} {experiment.label(table)}"
    if experiment.search_class() is None:
        yield Finding(name, f"{experiment.algorithm} is not registered here, so its runs cannot be repeated")
        return
    try:
        experiment.condition.config()
    except ValueError as error:
        yield Finding(name, str(error))
        return
    if others := other_versions(experiment, table.space):
        yield Finding(name, f"made by other code than this ({version_of(experiment, table.space)}): {', '.join(others)}")
    try:
        different = [seed for seed in seeds if not _repeats(experiment, seed, table, data)]
    except JobError as error:
        yield Finding(name, str(error))
        return
    problems = [f"repeated runs differ, seeds {different}"] if different else []
    first, last = experiment.seeds[0], experiment.seeds[-1]  # they may begin at any (--first-seed)
    if experiment.kind.simulated and (missing := last + 1 - first - len(experiment.seeds)):
        problems.append(f"{missing} seeds from {first} to {last} are missing")
    yield Finding(name, "; ".join(problems), f"{len(experiment.seeds)} runs read, {len(seeds)} made again")


def _repeats(experiment: AnyExperiment, seed: int, table: Table, data: Path | None) -> bool:
    """Repeat a run and compare it with the stored one, but for measured columns."""
    with tempfile.TemporaryDirectory(prefix="nas-zoo-") as folder:
        job = experiment.kind.job_class.of(experiment.condition, range(seed, seed + 1), table, Path(folder), data)
        *_, last = events_of(job)
        if isinstance(last, Failed):
            reason = last.reason.strip().splitlines()[-1]
            raise JobError(f"the run with seed {seed} cannot be repeated: {reason}")
        (again,) = store.load(folder, experiment.kind)
        run = int(np.searchsorted(experiment.seeds, seed))
        entries = slice(experiment.offsets[run], experiment.offsets[run + 1])
        compared = set(experiment.columns) - {name for name, column in experiment.kind.columns.items() if column.measured}
        return all(_equal(experiment.columns[name][entries], again.columns[name]) for name in compared)


def _equal(stored: npt.NDArray[Any], again: npt.NDArray[Any]) -> bool:
    """Whether columns are equal; those padded with NaN may differ in width."""
    if stored.ndim == 2:
        stored, again = (values[:, ~np.isnan(values).all(axis=0)] for values in (stored, again))
    return np.array_equal(stored, again, equal_nan=True)
