"""Tables without test accuracies, and black-box runs on them made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_api.spaces import SearchSpace
from benchmark_api.tables import Table, TableWriter
from experiments.store import Experiment

Entry = tuple[int, int]
"""Official index of an architecture, and column of the trial that answered."""


def write_table(
    path: Path,
    space: SearchSpace,
    accuracy: npt.NDArray[np.float64],
    metrics: Mapping[str, tuple[npt.NDArray[np.float64], Mapping[str, str]]] | None = None,
    search_schedule: str = "200",
) -> Table:
    """Write a table of cifar10 and cifar100 with validation accuracies after 12 and after 200 epochs, and nothing else.

    Args:
        path: the file to make.
        space: its search space.
        accuracy: [architecture, trial], percent, NaN where there is no trial; the same on both datasets and schedules.
        metrics: values [architecture] and metadata of other tensors, by their names.
        search_schedule: schedule of searches; reports are of 200 epochs.
    """
    metrics = metrics or {}
    arrays: dict[str, npt.NDArray[Any]] = {name: values for name, (values, _) in metrics.items()}
    trials = np.arange(accuracy.shape[1])
    for key in ("cifar10-valid", "cifar100"):
        for schedule in ("12", "200"):
            stem = f"{key}/{schedule}"
            arrays[f"{stem}/seeds"] = np.where(np.isnan(accuracy), -1, trials).astype(np.int32)
            arrays[f"{stem}/x-valid/accuracy"] = accuracy[:, :, None]
            arrays[f"{stem}/x-valid/epochs"] = np.array([int(schedule) - 1], dtype=np.int32)
    metadata = {
        "space": space.spec(),
        "title": "a table of validation accuracies",
        "notice": "made up",
        "source": {},
        "search_schedule": search_schedule,
        "report_schedule": "200",
        "metrics": {name: about for name, (_, about) in metrics.items()},
    }
    with TableWriter(path, {name: (array.dtype, array.shape) for name, array in arrays.items()}, metadata) as writer:
        for name, array in arrays.items():
            writer.write(name, array)
    return Table(path)


def experiment(table: Table, runs: Sequence[Sequence[Entry]], **condition: Any) -> Experiment:
    """Runs of random search on cifar10 that saw these trials, one entry a second; accuracies are those of the table.

    Args:
        table: the table.
        runs: the entries of each run.
        **condition: fields of the condition that differ.
    """
    entries = [entry for run in runs for entry in run]
    architecture, trial = np.array(entries, dtype=np.int64).T
    facts: dict[str, Any] = {
        "space": table.space.name,
        "dataset": "cifar10",
        "schedule": "200",
        "budget": 100.0,
        "noise": "once",
        "algorithm": "random",
        "hyperparameters": "{}",
        "incumbent_rule": "highest-fidelity",
        "table_fingerprint": table.fingerprint,
        "table_title": table.title,
        "table_notice": table.notice,
    }
    columns = {
        "seconds": np.concatenate([np.arange(1.0, len(run) + 1) for run in runs]),
        "architecture": architecture.astype(np.int32),
        "epochs": np.full(len(entries), 200, dtype=np.int16),
        "accuracy": table.tensor("cifar10-valid/200/x-valid/accuracy")[architecture, trial, 0].astype(np.float64),
        "trial": trial.astype(np.int16),
    }
    return Experiment(
        **{**facts, **condition},
        seeds=np.arange(len(runs)),
        offsets=np.cumsum([0, *map(len, runs)]),
        wall_seconds=np.zeros(len(runs)),
        code_versions=("1",),
        machines=(),
        table_path=str(table.path),
        columns=columns,
    )
