"""Whether a results folder is what it says: every file is read and checked, and a sample of the runs is made again."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from algorithms.black_box import BLACK_BOX
from benchmark_api.jobs.engines import events_of
from benchmark_api.tables.table import Table
from experiments import store
from experiments.provenance import code_version
from experiments.report import label, tables_of
from experiments.runs.black_box import Piece, ResultsPiece
from experiments.store import ONE_SHOT_RUNS, AnyExperiment, Experiment, OneShotExperiment, Stored

_MEASURED = {"train_seconds", "derive_seconds", "peak_memory"}  # differ from run to run


@dataclass(frozen=True)
class Finding:
    """What was found out about one experiment.

    Attributes:
        what: the experiment or file.
        problem: what is wrong; empty where all is well.
        said: what was checked.
    """

    what: str
    problem: str
    said: str = ""


def verify(
    results: Path,
    sample: int,
    one_shot: bool = False,
    seed: int = 0,
    table: Path | None = None,
    data: Path | None = None,
) -> Iterator[Finding]:
    """Check all experiments of a results folder.

    Every file is read whole: its checksums, its columns, and whether it lies where its rows belong. Then some runs of each
    experiment are made again, with the same seeds, and compared bit for bit.

    Args:
        results: the folder.
        sample: how many runs of each experiment are made again.
        one_shot: make runs of weight-sharing searches again too, which trains supernets.
        seed: of the sample.
        table: the table that the runs were made on; None for where it was then.
        data: the folder of the dataset's files, for weight-sharing searches; digits need none.

    Raises:
        FileNotFoundError: there is no such folder, or a table is not where it was.
        StoreError: a file is damaged or out of place.
        ValueError: a table has changed.
    """
    for failed in store.failures(results):
        yield Finding(str(failed), "a failed piece that was not run again")
    for part in sorted(results.rglob(".*.part")):
        yield Finding(str(part), "left by a writer that was killed, or is at work")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", store.MixedCodeWarning)  # is a finding below
        experiments: list[AnyExperiment] = [*store.load(results), *store.load(results, ONE_SHOT_RUNS)]
        store.load(results, store.RANKINGS)
    draw = np.random.default_rng(seed)
    for opened, group in tables_of(experiments, table):
        for experiment in group:
            name = f"{experiment.space} {experiment.dataset} {label(experiment, opened.search_schedule)}"
            yield from _provenance(name, experiment)
            again = isinstance(experiment, Experiment) or one_shot
            chosen = np.sort(draw.permutation(len(experiment.seeds))[: sample if again else 0]).tolist()
            different = [int(experiment.seeds[run]) for run in chosen if not _repeats(experiment, run, opened.path, data)]
            gaps = _gaps(experiment.seeds.tolist()) if isinstance(experiment, Experiment) else ""
            yield Finding(
                name,
                "; ".join(filter(None, [f"made again, these seeds differ: {different}" if different else "", gaps])),
                f"{len(experiment.seeds)} runs read, {len(chosen)} made again",
            )


def _provenance(name: str, experiment: Stored) -> Iterator[Finding]:
    kind = "one-shot" if isinstance(experiment, OneShotExperiment) else "black-box"
    others = sorted({*experiment.code_versions} - {code_version(kind)})
    if others:
        yield Finding(name, f"made by other code than this ({code_version(kind)}): {', '.join(others)}")


def _gaps(seeds: Sequence[int]) -> str:
    missing = sorted(set(range(seeds[-1] + 1)) - set(seeds))
    return f"{len(missing)} seeds below {seeds[-1]} are missing" if missing else ""


def _repeats(experiment: AnyExperiment, run: int, table: Path, data: Path | None) -> bool:
    """Whether a run that is made again is the same."""
    with tempfile.TemporaryDirectory(prefix="nas-zoo-") as folder:
        piece = _piece(experiment, int(experiment.seeds[run]), table.resolve(), Path(folder), data)
        *_, last = events_of(piece)
        if last is not None:
            raise ValueError(f"{experiment.folder()}: seed {experiment.seeds[run]} cannot be made again:\n{last}")
        kind = store.BLACK_BOX if isinstance(experiment, Experiment) else ONE_SHOT_RUNS
        (again,) = store.load(folder, kind)
        return all(
            np.array_equal(_of_run(experiment, name, run), _of_run(again, name, 0), equal_nan=True)
            for name in kind.lists
            if name not in _MEASURED
        )


def _of_run(experiment: Stored, column: str, run: int) -> Any:
    return getattr(experiment, column)[experiment.offsets[run] : experiment.offsets[run + 1]]


def _piece(experiment: AnyExperiment, seed: int, table: Path, results: Path, data: Path | None) -> ResultsPiece:
    """The work that made a run, with its results elsewhere."""
    kind = store.BLACK_BOX if isinstance(experiment, Experiment) else ONE_SHOT_RUNS
    condition: Any = kind.condition(**{name: getattr(experiment, name) for name in kind.fields})
    seeds = range(seed, seed + 1)
    if isinstance(experiment, OneShotExperiment):
        from experiments.runs import one_shot  # PyTorch takes seconds to import

        return one_shot.piece_of(condition, seeds, Table(table), results, data)
    config = BLACK_BOX[condition.algorithm].Config(**json.loads(condition.hyperparameters))
    return Piece(condition, config, seeds, table, code_version(), results=results)
